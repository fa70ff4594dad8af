//go:build unix

package collector

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// TestMeasureColdStart prints a table in docs/performance.md: when the first of
// each hundred incidents is requested, and the last one, within the receiver's
// default rate limits.
func TestMeasureColdStart(t *testing.T) {
	t.Parallel()
	const hundred, incidents = 100, 300
	population := defendersim.DefaultConfig()
	population.Incidents, population.ChangesPerHour, population.MergedShare = incidents, 0, 0
	s := newSetup(t, population, func(c *harness.Settings) { c.RateLimit, c.Interval = "", 5*time.Minute })
	s.start()
	s.await("every incident", func() bool { return len(s.requests()) >= incidents && !s.requests()[incidents-1].Ended.IsZero() })
	s.stop()

	requests := s.requests()
	require.Len(t, requests, incidents, "because of the limit per hour none is due again for minutes")
	answers := make([]time.Duration, incidents)
	for n, r := range requests {
		require.Equal(t, http.StatusOK, r.Status)
		answers[n] = r.Ended.Sub(r.Time)
	}
	require.Equal(t, hundred, s.Sim.MaxInWindow(time.Minute))
	earliest := proof.Earliest(answers, proof.Room{Requests: harness.MaxConcurrentRequests},
		proof.Room{Requests: hundred, After: time.Minute}, proof.Room{Requests: 1500, After: time.Hour})
	t.Log("| request | earliest | sent | deviation |")
	for _, n := range []int{hundred, 2 * hundred, incidents - 1} {
		sent := requests[n].Time.Sub(requests[0].Time)
		deviation := (sent - earliest[n]).Seconds() / earliest[n].Seconds()
		t.Logf("| %d | %v | %v | %+.2f %% |", n+1, earliest[n].Round(time.Millisecond), sent.Round(time.Millisecond), 100*deviation)
		require.InDelta(t, 0, deviation, 0.01, "request %d", n+1)
	}
}

// Thousands of incidents are delivered within seconds by pages of the list, at the default limits. By ID it would take more than an hour.
func TestColdStartOfThousandsByPagesOfTheList(t *testing.T) {
	t.Parallel()
	const incidents = 3000
	population := defendersim.DefaultConfig()
	population.Incidents, population.ChangesPerHour, population.MergedShare, population.LargeShare = incidents, 0, 0, 0.005
	s := newLongSetup(t, 90*time.Second, population, func(c *harness.Settings) {
		c.RateLimit, c.Interval, c.ChangeFeed = "", 5*time.Minute, "{}"
	})
	began := time.Now()
	s.start()
	delivered := func() int {
		seen := map[int64]struct{}{}
		for _, r := range s.sink.Records() {
			seen[r.Incident] = struct{}{}
		}
		return len(seen)
	}
	s.await("every incident", func() bool { return s.sink.RecordCount() >= incidents && delivered() == incidents })
	t.Logf("%d incidents after %v, %d requests by ID and %d pages", incidents, time.Since(began).Round(100*time.Millisecond), len(s.requests()), s.calls())
	require.Less(t, len(s.requests()), 130, "those with 150 alerts, which a row may not show whole, and some of the last hundred")
	require.Less(t, s.calls(), 50)
	require.LessOrEqual(t, s.Sim.MaxInWindow(time.Minute), 100)
	s.stop()
}
