// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// hourly polls each incident once an hour, so that lists show changes first.
func hourly(cfg *receiver.Config) { cfg.CollectionInterval = time.Hour }

// recordsOf describes what was emitted for an alert.
func recordsOf(h *harness.Harness, alert string) (all []string) {
	for _, r := range h.Sink.Records() {
		if r.Alert == alert {
			all = append(all, harness.Describe(r))
		}
	}
	return all
}

func TestUnderGraphAnAlertIsDeliveredThatCameWhileAResponseWasOnItsWay(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(2)
		population.LatencyMin, population.LatencyMax = 4*time.Second, 4*time.Second
		h := harness.NewUnder(t, receiver.APIGraph, population, harness.WithFeed(), hourly)
		h.Start()
		requested := func(r defendersim.Request) bool { return r.Endpoint == defendersim.EndpointIncident && r.ID == 1001 }
		for !slices.ContainsFunc(h.Sim.Journal(), requested) {
			harness.Sleep(100 * time.Millisecond)
		}
		harness.Sleep(3 * time.Second) // the response was made, and has not arrived
		alert, err := h.Sim.AddAlert(1001)
		require.NoError(t, err)
		harness.Sleep(90 * time.Second)
		require.Equal(t, []string{"1001 alert first_seen"}, recordsOf(h, alert))
		require.Empty(t, h.Run().Problems())
		polls := h.Polls(0)
		harness.Sleep(30 * time.Minute)
		require.Equal(t, polls, h.Polls(0), "once is enough")
	})
}

func TestUnderGraphNewAlertsAreDeliveredWhateverTheServicesClockSays(t *testing.T) {
	for _, ahead := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(2)
				population.ClockSkew = ahead
				h := harness.NewUnder(t, receiver.APIGraph, population, harness.WithFeed(), hourly)
				h.Start()
				harness.Sleep(90 * time.Second)
				alert, err := h.Sim.AddAlert(1001)
				require.NoError(t, err)
				polls := h.Polls(0)
				harness.Sleep(time.Minute)
				require.Equal(t, []string{"1001 alert first_seen"}, recordsOf(h, alert))
				require.Equal(t, polls, h.Polls(0), "its row shows all of it")
				require.Empty(t, h.Run().Problems())
			})
		})
	}
}

func TestUnderGraphAnAlertThatHasLeftDoesNotReturnWhateverTheServicesClockSays(t *testing.T) {
	for _, ahead := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.Quiet(2)
				population.AlertsPerIncident, population.ClockSkew, population.ListLag = 2, ahead, time.Minute
				h := harness.NewUnder(t, receiver.APIGraph, population, harness.WithFeed(), harness.WithIDs(1001), func(cfg *receiver.Config) {
					cfg.CollectionInterval = 30 * time.Second
				})
				h.Start()
				harness.Sleep(5 * time.Minute)
				states, _ := h.Sim.History(1001)
				alert := states[0].Alerts[0].ID
				require.NoError(t, h.Sim.UpdateAlert(1001, alert, func(a *defendersim.Alert) { a.AssignedTo += "+" }))
				harness.Sleep(40 * time.Second)
				require.NoError(t, h.Sim.MoveAlert(1001, alert, 1002))
				harness.Sleep(5 * time.Minute)
				require.True(t, slices.ContainsFunc(h.Sim.Journal(), func(r defendersim.Request) bool {
					return slices.ContainsFunc(r.AlertRows, func(row defendersim.AlertRow) bool { return row.ID == alert && row.Incident == 1001 })
				}), "else the test shows nothing")
				require.Equal(t, []string{"1001 alert first_seen", "1001 alert updated", "1001 alert removed"}, recordsOf(h, alert))
				require.Empty(t, h.Run().Problems())
				require.Empty(t, proof.Twice(h.Sink.Records()))
			})
		})
	}
}
