// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestBusyPopulationIsEmittedWithoutLossOrRepeat(t *testing.T) {
	t.Parallel()
	population := defendersim.DefaultConfig()
	population.Incidents, population.ChangesPerHour = 40, 4000
	population.PerMinute, population.PerHour = 240, 20000
	s := newSetup(t, population, func(c *harness.Settings) {
		c.IDs = append(c.IDs, 9999) // does not exist
		c.Compression = "gzip"
	})
	s.start()
	s.await("90 s of requests", func() bool { return len(s.requests()) >= 350 })
	closed, _ := s.settle()

	s.requireProof(population)
	require.Greater(t, s.Sim.MaxInWindow(time.Minute), 220, "the rate limit is what limits the receiver")
	requests := s.requests()
	cycle := time.Minute * time.Duration(len(s.settings.IDs)) / 228 // 5 % of the 240 are for retries
	require.Empty(t, proof.UnseenBetween(s.Sim, s.Sim.IDs(), requests[0].Time, closed, 2*cycle))

	changes := map[string]int{}
	for _, r := range s.sink.Records() {
		if r.Alert != "" {
			r.Change = "alert " + r.Change
		}
		changes[r.Change]++
	}
	t.Logf("%d requests, %v", len(requests), changes)
	require.Equal(t, 1, changes["not_found"])
	for _, change := range []string{"first_seen", "updated", "resolved", "reopened", "merged", "alert first_seen", "alert updated", "alert removed"} {
		require.NotZero(t, changes[change], "the population has to be busy enough for %s", change)
	}
	s.requireAgreement()
}

func TestDefaultRateLimitsAreUsedUpAndNeverExceeded(t *testing.T) {
	t.Parallel()
	population := defendersim.DefaultConfig()
	population.Incidents, population.ChangesPerHour = 120, 3000
	s := newSetup(t, population, func(c *harness.Settings) { c.RateLimit = "" })
	s.start()
	s.await("every incident", func() bool {
		emitted := map[int64]bool{}
		for _, r := range s.sink.Records() {
			emitted[r.Incident] = true
		}
		return len(emitted) == population.Incidents
	})
	s.stop() // because of the limit per hour, none is due again for minutes

	s.requireProof(population)
	require.Equal(t, 100, s.Sim.MaxInWindow(time.Minute))
	requests := s.requests()
	require.Len(t, requests, 120)
	require.Less(t, requests[99].Time.Sub(requests[0].Time), 30*time.Second, "the first 100 are sent at once")
	require.InDelta(t, time.Minute, requests[100].Time.Sub(requests[0].Time), float64(5*time.Second))
}
