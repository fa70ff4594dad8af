// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// TestMeasureColdStart prints a figure in docs/performance.md: when the first of
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

// Under Graph, too, where the alerts have a list of their own. What changes afterwards is shown by both lists.
func TestColdStartUnderGraphByBothLists(t *testing.T) {
	t.Parallel()
	const incidents = 1500
	population := defendersim.DefaultConfig()
	population.Incidents, population.AlertsPerIncident, population.ChangesPerHour, population.MergedShare = incidents, 2, 0, 0
	population.PerMinute, population.PerHour = 150, 0
	s := newLongSetup(t, 3*time.Minute, population, func(c *harness.Settings) {
		c.RateLimit, c.Interval, c.ChangeFeed = "", time.Hour, "{interval: 2s}"
	})
	s.use(defendersim.APIGraph)
	began := time.Now()
	s.start()
	delivered := func() int {
		seen := map[string]struct{}{}
		for _, r := range s.sink.Records() {
			seen[fmt.Sprint(r.Incident, r.Alert)] = struct{}{}
		}
		return len(seen)
	}
	s.await("every incident and alert", func() bool { return s.sink.RecordCount() >= 3*incidents && delivered() == 3*incidents })
	t.Logf("%d incidents with %d alerts after %v, %d requests by ID and %d in all",
		incidents, 2*incidents, time.Since(began).Round(100*time.Millisecond), len(s.requests()), len(s.Sim.Journal()))
	require.Empty(t, s.requests())

	first, asked := len(s.sink.Deliveries()), len(s.requests())
	alert := s.alerts(1002)[1]
	require.NoError(t, s.Sim.UpdateAlert(1002, alert, func(a *defendersim.Alert) { a.AssignedTo = "soc@contoso.example" }))
	s.change(1003, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
	s.awaitRecordOf(1002, 3*incidents)
	s.awaitRecordOf(1003, 3*incidents)
	require.LessOrEqual(t, s.Sim.MaxInWindowOfAPI(defendersim.APIGraph, time.Minute), 150)
	requireNoComplaint(t, s.stop())
	require.ElementsMatch(t, []string{"1002 alert " + alert + " updated", "1003 updated [assignedTo lastUpdateDateTime]"}, changeLines(s.sink.Deliveries()[first:]))
	require.LessOrEqual(t, len(s.requests())-asked, 2, "both were shown by rows")
	s.requireOnly(defendersim.APIGraph, 0)
}
