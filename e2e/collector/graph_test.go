// SPDX-License-Identifier: Apache-2.0

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
	population.AlertsPerIncident, population.AlertsPage = 20, 2 // 19 requests, each page repeats the last alert of the page before
	population.PerMinute = 300                                  // two cycles and a bit
	s := newSetup(t, population, func(c *harness.Settings) { c.Interval = time.Second })
	s.use(defendersim.APIGraph)
	s.start()
	for _, id := range s.settings.IDs {
		s.await("an incident with all its alerts", func() bool { return len(s.Sim.Served(id)) > 0 })
	}

	// Change them now, while no request is in flight: then all pages of a response
	// show the same state.
	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusAwaitingAction }) // shown only to clients that prefer unknown enum members
	s.change(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
	require.NoError(t, s.Sim.UpdateAlert(1003, s.alerts(1003)[19], func(a *defendersim.Alert) { a.AssignedTo = "soc@contoso.example" }))
	_, err := s.Sim.AddAlert(1004)
	require.NoError(t, err)
	require.NoError(t, s.Sim.RemoveAlert(1005, s.alerts(1005)[10]))
	require.NoError(t, s.Sim.Merge(1006, 1007))

	s.await("as many requests as a minute allows", func() bool { return len(s.requests()) >= 285 })
	s.wait(s.settings.Interval)
	output := s.stop()

	s.requireProof(population)
	s.requireOnly(defendersim.APIGraph, 0)
	requireNoComplaint(t, output)
	status, _ := s.lastRecords()[1001][""].Attributes().Get("microsoft.defender.incident.status")
	require.Equal(t, "awaitingAction", status.Str())
	s.requireAgreement()
}

// requireOnly requires that all requests after the first so many went to one API
// and succeeded.
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

// requireNoComplaint requires a log without warnings and errors.
func requireNoComplaint(t *testing.T, output string) {
	t.Helper()
	require.Empty(t, regexp.MustCompile(`(?m)^\S+\t(?:warn|error|dpanic|panic|fatal)\t.*$`).FindAllString(output, -1))
}
