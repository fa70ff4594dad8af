// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestSweepContinuesAfterARestart(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(950), harness.WithFeed())
		h.Start()
		harness.Sleep(20 * time.Minute)
		polls, records := h.Polls(0), len(h.Sink.Records())
		for range 10 { // each run is shorter than a sweep
			h.Stop()
			harness.Sleep(5 * time.Second)
			h.Start()
			harness.Sleep(2 * time.Minute)
		}
		changeAlert(t, h, 1500)
		for range 5 {
			h.Stop()
			h.Start()
			harness.Sleep(2 * time.Minute)
		}
		require.Equal(t, polls, h.Polls(0), "incidents wait for the sweep")
		require.Len(t, h.Sink.Records(), records+1)
	})
}

// Before the restart, incidents that the list does not show whole were polled every 5 minutes.
func TestRestartKeepsTheCycleOfIncidentsThatAreNotSwept(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		population := open(700)
		population.LargeShare, population.AlertBytes = 0.01, 900
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		harness.Sleep(30 * time.Minute)
		before := h.Polls(0)
		harness.Sleep(30 * time.Minute)
		usual := h.Polls(0) - before
		require.Positive(t, usual)
		h.Stop()
		h.Start()
		harness.Sleep(7 * time.Minute)
		before = h.Polls(0)
		harness.Sleep(30 * time.Minute)
		t.Logf("polls by ID in half an hour: %d before, %d after the restart", usual, h.Polls(0)-before)
		require.Greater(t, h.Polls(0)-before, usual/2)
	})
}

// Runs that are shorter than a sweep and a quarter.
func TestShortRunsPollIncidentsThatAreNotSwept(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := open(300)
		population.LargeShare, population.AlertBytes = 0.01, 900
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		harness.Sleep(20 * time.Minute)
		before := h.Polls(0)
		for range 12 {
			h.Stop()
			h.Start()
			harness.Sleep(5 * time.Minute)
		}
		require.Positive(t, h.Polls(0)-before, "in an hour")
	})
}
