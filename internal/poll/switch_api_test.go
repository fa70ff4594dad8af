// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// bothWays runs a test from each API to the other.
func bothWays(t *testing.T, test func(t *testing.T, from, to receiver.API)) {
	t.Helper()
	harness.UnderEachAPI(t, func(t *testing.T, from receiver.API) {
		to := receiver.APIGraph
		if from == receiver.APIGraph {
			to = receiver.APIDefenderXDR
		}
		test(t, from, to)
	})
}

func TestSwitchingAPIEmitsNothingThatBothShowAlike(t *testing.T) {
	for name, change := range map[string]func(*receiver.Config){
		"alerts split":    func(*receiver.Config) {},
		"alerts embedded": func(cfg *receiver.Config) { cfg.Alerts = receiver.AlertsEmbedded },
		"no alerts":       func(cfg *receiver.Config) { cfg.Alerts = receiver.AlertsNone },
		"with the feed":   harness.WithFeed(),
		"ignored changes": func(cfg *receiver.Config) { cfg.IgnoreChanges = []string{"comments"} },
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, from, to receiver.API) {
				population := harness.Quiet(10)
				population.MergedShare, population.GraphCoarseTimes = 0.2, true
				h := harness.NewUnder(t, from, population, change)
				h.Config.IncidentIDs = append(h.Config.IncidentIDs, 9999) // does not exist
				h.RunOnce()
				for _, api := range []receiver.API{to, from, to} {
					h.SwitchAPI(api)
					harness.Sleep(time.Hour)
					before := h.Polls(0)
					h.Start()
					harness.Sleep(20 * time.Minute)
					h.Stop()
					require.Empty(t, h.Sink.Changes())
					require.Greater(t, h.Polls(0), before+10)
				}
				require.Len(t, h.Logs.FilterMessage(msgAPIChanged).All(), 3)
			})
		})
	}
}

func TestChangesDuringAPISwitchAreEmittedOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to receiver.API) {
		population := harness.OneAlert(8)
		population.AlertsPerIncident, population.GraphCoarseTimes = 2, true
		h := harness.NewUnder(t, from, population)
		h.RunOnce()

		alerts := func(id int64) []defendersim.Alert {
			i, err := h.Sim.Incident(id)
			require.NoError(t, err)
			return i.Alerts
		}
		set := func(id int64, change func(*defendersim.Incident)) { require.NoError(t, h.Sim.Update(id, change)) }
		set(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
		set(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
		require.NoError(t, h.Sim.UpdateAlert(1003, alerts(1003)[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusInProgress }))
		_, err := h.Sim.AddAlert(1004)
		require.NoError(t, err)
		require.NoError(t, h.Sim.RemoveAlert(1005, alerts(1005)[1].ID))
		require.NoError(t, h.Sim.Merge(1006, 1007))
		require.NoError(t, h.Sim.Remove(1008))
		moved := len(alerts(1007)) - 2

		h.SwitchAPI(to)
		harness.Sleep(time.Hour)
		h.Start()
		harness.Sleep(20 * time.Minute)
		changes := h.Sink.Changes()
		want := []string{
			"1001 updated", "1002 resolved", "1003 alert updated", "1004 updated", "1004 alert first_seen", "1005 updated", "1005 alert removed",
			"1006 merged", "1007 updated", "1008 not_found",
		}
		want = append(want, slices.Repeat([]string{"1007 alert first_seen"}, moved)...)
		require.ElementsMatch(t, want, changes)

		set(1001, func(i *defendersim.Incident) { i.AssignedTo = "" })
		harness.Sleep(10 * time.Minute)
		require.Equal(t, updated(1001), h.Sink.Changes())
	})
}

func TestKilledAPISwitchEmitsNothingTwice(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to receiver.API) {
		h := harness.NewUnder(t, from, harness.OneAlert(60), harness.WithLimits(10, 0))
		h.Start()
		harness.Sleep(30 * time.Minute)
		h.Stop()
		h.Sink.Reset()
		for range 3 {
			h.SwitchAPI(to)
			h.Start()
			harness.Sleep(3 * time.Minute) // part of a cycle
			synctest.Wait()
			h.Disk.Kill()
			h.Stop()
		}
		h.Start()
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes())
	})
}

// Each API has its own quota. A pause under one does not delay the other, and is
// still known after switching back.
func TestEachAPIHasItsOwnPause(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to receiver.API) {
		h := harness.NewUnder(t, from, harness.OneAlert(3))
		h.Fail(defendersim.AllIncidents, "429-retry-after=45m")
		h.Start()
		harness.Sleep(time.Minute)
		h.Stop()
		h.Sim.ClearFaults()
		before := h.Polls(0)

		h.SwitchAPI(to)
		h.Start()
		harness.Sleep(time.Minute)
		h.Stop()
		require.Equal(t, before+3, h.Polls(0))

		h.SwitchAPI(from)
		h.Start()
		harness.Sleep(40 * time.Minute)
		require.Equal(t, before+3, h.Polls(0))
		harness.Sleep(10 * time.Minute)
		require.Greater(t, h.Polls(0), before+3)
	})
}

func TestPopulationIsDeliveredOnceHoweverOftenTheAPISwitches(t *testing.T) {
	for name, change := range map[string]func(*receiver.Config){"by polling": func(*receiver.Config) {}, "with the feed": harness.WithFeed()} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, from, to receiver.API) {
				population := busy(600)
				population.Incidents, population.AlertsPerIncident, population.MergedShare = 30, 1, 0.1
				h := harness.NewUnder(t, from, population, change)
				for i := range 3 {
					h.SwitchAPI([]receiver.API{from, to}[i%2])
					h.Start()
					harness.Sleep(20*time.Minute + 7*time.Second)
					h.Stop()
				}
				records := h.Sink.Records()
				require.Greater(t, len(records), 300)
				require.Empty(t, proof.Twice(records))
				require.Empty(t, proof.Behind(h.Sim, h.Sim.IDs(), records, 10*time.Minute))
				if h.Config.ChangeFeed.Get() == nil {
					h.RequireProof()
				}
			})
		})
	}
}
