package poll_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// There are more new incidents than the limits let be fetched, so all that they
// allow is used at once.
func TestAccountOfRequestsIsSmallAndSurvivesKills(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const perHour = 1500
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1))
		addBare(t, h, 3*perHour)
		disk := useStubbornDisk(t, h)
		h.Start()
		for _, runs := range []time.Duration{7 * time.Minute, 5 * time.Minute, 46 * time.Minute} {
			time.Sleep(runs)
			synctest.Wait() // a receiver that is killed must not run on without its disk
			h.Disk.Kill()
			h.Stop()
			time.Sleep(3 * time.Minute)
			h.Start()
		}
		before, written := h.Polls(0), disk.writtenUnder("v1/quota/")
		time.Sleep(10 * time.Minute)
		requests := h.Polls(0) - before
		require.Greater(t, requests, perHour/3)
		require.LessOrEqual(t, (disk.writtenUnder("v1/quota/")-written)/requests, 2000, "bytes a request")

		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), perHour)
		require.Greater(t, h.Sim.MaxInWindow(time.Hour), perHour*9/10, "the limit is used")
		require.Empty(t, h.Warnings())
	})
}
