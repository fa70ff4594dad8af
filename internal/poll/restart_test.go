// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestFiveRestartsInAnHourNeitherExceedNorWasteTheLimits(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1))
		addBare(t, h, 2000)                // more than an hour allows, so that the quota is always needed
		slow := harness.Rule(t, "slow=3s") // so that some are in flight when the receiver stops
		slow.Probability = 0.6
		require.NoError(t, h.Sim.SetFault(defendersim.AllIncidents, slow))

		began := time.Now()
		chance := rand.New(rand.NewPCG(10, 1))
		inFlight := 0 // requests when the receiver stopped, in all
		for restart := range 5 {
			h.Start()
			harness.Sleep(time.Duration(chance.Int64N(int64(10 * time.Minute))))
			synctest.Wait() // a receiver that is killed must not run on without its disk
			if restart%2 == 1 {
				h.Disk.Kill()
			}
			for _, r := range h.Sim.Journal() {
				if r.Ended.IsZero() {
					inFlight++
				}
			}
			h.Stop()
		}
		require.Greater(t, inFlight, 5, "else the test shows little")
		require.Less(t, time.Since(began), 50*time.Minute)
		h.Start()
		harness.Sleep(time.Until(began.Add(time.Hour)))
		sent := h.Polls(0)
		harness.Sleep(time.Minute)
		h.Stop()

		for _, r := range h.Sim.Journal() {
			require.NotEqual(t, http.StatusTooManyRequests, r.Status, "request %d", r.Number)
		}
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), 1500)
		require.Greater(t, sent, 1490, "the quota is used")
		require.Greater(t, h.Polls(0)-sent, 90, "requests of an hour ago free the quota again")
	})
}

func TestStartWithoutStorageWarnsAboutTheLimits(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.RunOnce()
		require.Empty(t, h.Logs.FilterMessage(msgNoStorage).All(), "not with a storage")

		h.Config.StorageID = nil
		for starts := range 2 {
			h.Start()
			harness.Sleep(time.Hour)
			h.Stop()
			require.Len(t, h.Logs.FilterMessage(msgNoStorage).FilterLevelExact(zap.InfoLevel).All(), starts+1, "once at each start")
		}
	})
}

// This is how file_storage opens a file of zero bytes: without an error, and without keys.
func TestStartWithAnEmptyStorageSaysSo(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		said := func() int { return len(h.Logs.FilterMessage(msgNoIncidents).FilterLevelExact(zap.InfoLevel).All()) }
		h.RunOnce()
		require.Equal(t, 1, said())
		h.RunOnce()
		require.Equal(t, 1, said(), "there is a state to continue from")
		for _, key := range h.Disk.Keys() {
			h.Disk.Remove(key)
		}
		h.RunOnce()
		require.Equal(t, 2, said())

		h.Config.StorageID = nil
		h.RunOnce()
		require.Equal(t, 2, said(), "another message says that there is no storage")
	})
}
