//go:build unix

package collector

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestGraphAlertPagesAreEmittedWithinTheRateLimit(t *testing.T) {
	t.Parallel()
	population := quiet(7)
	population.AlertsPerIncident, population.AlertsPage = 20, 2 // 19 requests, for each page begins with the last alert of the one before
	population.PerMinute = 300                                  // two rounds, and some
	s := newSetup(t, population, func(c *harness.Settings) { c.Interval = time.Second })
	s.use(defendersim.APIGraph)
	s.start()
	for _, id := range s.settings.IDs {
		s.await("an incident with all its alerts", func() bool { return len(s.Sim.Served(id)) > 0 })
	}

	// Now, for until the next round nothing is under way: what goes out page by
	// page is of one state.
	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusAwaitingAction }) // shown to who prefers that
	s.change(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
	require.NoError(t, s.Sim.UpdateAlert(1003, s.alerts(1003)[19], func(a *defendersim.Alert) { a.AssignedTo = "soc@contoso.example" }))
	_, err := s.Sim.AddAlert(1004)
	require.NoError(t, err)
	require.NoError(t, s.Sim.RemoveAlert(1005, s.alerts(1005)[10]))
	require.NoError(t, s.Sim.Merge(1006, 1007))

	s.await("as many requests as a minute allows for repeats", func() bool { return len(s.requests()) >= 285 })
	s.wait(s.settings.Interval)
	output := s.stop()

	s.requireProof(population)
	s.requireOnly(defendersim.APIGraph, 0)
	requireNoComplaint(t, output)
	status, _ := s.lastRecords()[1001][""].Attributes().Get("microsoft.defender.incident.status")
	require.Equal(t, "awaitingAction", status.Str())
	s.requireAgreement()
}

// requireOnly wants the requests beyond the first so many to have gone to one
// API, which took them all.
func (s *setup) requireOnly(api string, beyond int) {
	s.T.Helper()
	requests := s.Sim.Journal()[beyond:]
	require.NotEmpty(s.T, requests)
	for _, r := range requests {
		if r.Endpoint != defendersim.EndpointToken {
			require.Equal(s.T, api, r.API, r.Path)
		}
		require.Equal(s.T, http.StatusOK, r.Status, fmt.Sprint(r.Method, " ", r.Path))
	}
}

// requireNoComplaint wants nothing in what a collector said to ask for
// attention.
func requireNoComplaint(t *testing.T, output string) {
	t.Helper()
	require.Empty(t, regexp.MustCompile(`(?m)^\S+\t(?:warn|error|dpanic|panic|fatal)\t.*$`).FindAllString(output, -1))
}
