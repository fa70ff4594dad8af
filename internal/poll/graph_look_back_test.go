// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// discoverAll is a receiver that discovers all of its incidents, since each has changed in the hours before the start.
func discoverAll(t *testing.T, population defendersim.Config, change ...func(*receiver.Config)) *harness.Harness {
	t.Helper()
	h := underGraph(t, population, append([]func(*receiver.Config){harness.WithDiscovery()}, change...)...)
	harness.Sleep(48 * time.Hour)
	for _, id := range h.Sim.IDs() {
		h.Assign(id)
		harness.Sleep(10 * time.Second)
	}
	return h
}

// requireDiscovered requires that each incident and its alert was emitted once.
func requireDiscovered(t *testing.T, h *harness.Harness) {
	t.Helper()
	h.Config.IncidentIDs = h.Sim.IDs()
	requireFirstSeen(t, h, len(h.Config.IncidentIDs))
	h.Config.IncidentIDs = nil
}

func TestAlertsOfManyDiscoveredIncidentsAreListed(t *testing.T) {
	harness.Long(t)
	for name, killed := range map[string]bool{"in one run": false, "after a kill in the middle": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(1500)
				population.LatencyMin, population.LatencyMax = time.Second, time.Second
				h := discoverAll(t, population)
				h.Start()
				if killed {
					harness.Sleep(20 * time.Second)
					h.Stop()
					require.Less(t, len(h.Sink.Records()), 1500)
					h.Start()
				}
				harness.Sleep(3 * time.Minute)
				requireDiscovered(t, h)
				require.Zero(t, h.Polls(0))
				require.Less(t, requests(h, defendersim.EndpointAlertList), 30)
				require.Less(t, len(h.Lists()), 80)
				require.Empty(t, h.Warnings())
				h.Stop()
				h.Start()
				harness.Sleep(3 * time.Minute)
				requireDiscovered(t, h)
				require.Zero(t, h.Polls(0), "their alerts stay known")
			})
		})
	}
}

func TestAlertsOfDiscoveredIncidentsAreRequestedWhereThatTakesFewerRequests(t *testing.T) {
	tests := map[string]struct {
		incidents int
		change    func(*defendersim.Config)
		fault     string
	}{
		"few incidents":         {incidents: 90},
		"no count":              {incidents: 300, change: func(c *defendersim.Config) { c.GraphNoCount = true }},
		"no permission":         {incidents: 150, change: func(c *defendersim.Config) { c.NoAlertRole = true }},
		"list of alerts fails":  {incidents: 150, fault: "500"},
		"list of alerts is cut": {incidents: 150, fault: "partial"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(c.incidents)
				if c.change != nil {
					c.change(&population)
				}
				h := discoverAll(t, population)
				if c.fault != "" {
					h.Fail(defendersim.AlertListRequests, c.fault)
				}
				h.Start()
				harness.Sleep(10 * time.Minute)
				requireDiscovered(t, h)
				require.LessOrEqual(t, h.Polls(0), c.incidents+5)
				require.Positive(t, h.Polls(0))
			})
		})
	}
}

func TestAlertsOfDiscoveredIncidentsAreRequestedIfTheLookBackDoesNotGoOn(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := discoverAll(t, harness.OneAlert(200))
		rule := harness.Rule(t, "500")
		rule.OnSkip = true
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, rule))
		h.Start()
		harness.Sleep(5 * time.Minute)
		alerts := 0
		for _, r := range h.Sink.Records() {
			if r.Alert != "" {
				alerts++
			}
		}
		require.GreaterOrEqual(t, alerts, 50, "those of the first page")
	})
}
