package poll_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestAccountOfRequestsIsSmallAndSurvivesKills(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const perHour = 1500
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1), func(cfg *receiver.Config) { cfg.CollectionInterval = 10 * time.Second })
		addBare(t, h, 20)
		disk := useStubbornDisk(t, h)
		h.Start()
		time.Sleep(70 * time.Minute)
		before, written := h.Polls(0), disk.writtenUnder("v1/quota/")
		time.Sleep(20 * time.Minute)
		requests := h.Polls(0) - before
		require.Greater(t, requests, perHour/4)
		require.LessOrEqual(t, (disk.writtenUnder("v1/quota/")-written)/requests, 2000, "bytes a request")

		for range 2 {
			synctest.Wait()
			h.Disk.Kill()
			h.Stop()
			time.Sleep(7 * time.Minute)
			h.Start()
			time.Sleep(13 * time.Minute)
		}
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), perHour)
		require.Greater(t, h.Sim.MaxInWindow(time.Hour), perHour*9/10, "the limit is used")
		require.Empty(t, h.Warnings())
	})
}
