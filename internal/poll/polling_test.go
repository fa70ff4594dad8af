// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestIncidentIsEmittedOnceAndThenOnlyItsChanges(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2))
		h.Start()
		harness.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 first_seen", "1001 alert first_seen", "1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())

		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes(), "nothing changed")
		require.Equal(t, 2*13, h.Polls(0), "every five minutes")

		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		harness.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 resolved"}, h.Sink.Changes())

		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusActive }))
		harness.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 reopened"}, h.Sink.Changes())
		require.Empty(t, h.Warnings())
	})
}

func TestAlertThatChangesAloneIsEmittedAlone(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()

		before, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		require.NoError(t, h.Sim.UpdateAlert(1001, before.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
		after, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		require.Equal(t, before.LastUpdate, after.LastUpdate, "the time of the incident does not move")

		harness.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1001 alert updated"}, h.Sink.Changes())
	})
}

func TestMergedIncidentLeadsToItsSuccessor(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithIDs(1001))
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()

		require.NoError(t, h.Sim.Merge(1001, 1002))
		harness.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1001 merged", "1002 first_seen", "1002 alert first_seen", "1002 alert first_seen"}, h.Sink.Changes())
		before := h.Polls(1001)

		require.NoError(t, h.Sim.Merge(1002, 1003))
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 merged", "1003 first_seen"}, h.Sink.Changes()[:2])
		require.Equal(t, before, h.Polls(1001), "a merged incident is not polled")

		h.Stop()
		h.Start()
		h.Assign(1003)
		harness.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1003 updated"}, h.Sink.Changes(), "after a restart, the end of the chain is polled")
		require.Equal(t, before, h.Polls(1001))
	})
}

func TestUnknownIncidentIsLoggedOnceAndBacksOff(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), harness.WithIDs(9999))
		h.Start()
		harness.Sleep(6 * time.Hour)
		require.Equal(t, []string{"9999 not_found"}, h.Sink.Changes())
		require.Len(t, h.Warnings(), 1)
		require.Less(t, h.Polls(9999), 20)

		h.Stop()
		h.Start()
		harness.Sleep(2 * time.Hour)
		require.Empty(t, h.Sink.Changes(), "not emitted again after a restart")
	})
}

func TestIncidentThatReturnsIsSeenForTheFirstTime(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Start()
		harness.Sleep(time.Minute)
		require.NoError(t, h.Sim.Remove(1001))
		harness.Sleep(5 * time.Minute)
		require.NoError(t, h.Sim.Restore(1001))
		harness.Sleep(2 * time.Hour)
		require.Equal(t, []string{
			"1001 first_seen", "1001 alert first_seen", "1001 not_found", "1001 first_seen", "1001 alert first_seen",
		}, h.Sink.Changes())
	})
}

func TestPopulationIsDeliveredExactlyOnce(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, busy(480), func(cfg *receiver.Config) {
			cfg.IncidentIDs = append(cfg.IncidentIDs, 9999)
		})
		began := time.Now()
		h.Start()
		harness.Sleep(time.Hour + time.Second) // between polls
		h.Stop()
		require.Greater(t, len(h.Sink.Records()), 400)
		h.RequireProof()
		require.Empty(t, proof.Unseen(h.Sim, h.Sim.IDs(), began, 10*time.Minute))
	})
}

func TestPopulationIsDeliveredExactlyOnceDespiteRandomFaults(t *testing.T) {
	harness.Long(t)
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, busy(360), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = 1 << 20 })
		unproven := []string{"big-number", "invalid-utf8"} // a sound response, with other content
		if api == receiver.APIGraph {                      // the incident and its alerts are fetched separately, and it may change in between
			unproven = append(unproven, "500", "503", "503-retry-after", "504", "hang", "silent", "huge")
		}
		kinds := slices.DeleteFunc(defendersim.FaultKinds(), func(k defendersim.FaultKind) bool { return slices.Contains(unproven, k.Name) })
		for i, id := range h.Sim.IDs() {
			fault := harness.Rule(t, kinds[i%len(kinds)].Name)
			fault.Probability = 0.3
			require.NoError(t, h.Sim.SetFault(id, fault))
		}
		h.Start()
		harness.Sleep(2*time.Hour + time.Second) // between polls
		h.Stop()
		occurred := map[string]bool{}
		for _, r := range h.Sim.Journal() {
			occurred[r.Fault] = true
		}
		require.Greater(t, len(occurred), len(kinds)*3/4, "else the test shows little")
		require.Greater(t, len(h.Sink.Records()), 200)
		h.RequireProof()
	})
}

func TestEveryFaultEndsAndDelaysNoOtherIncident(t *testing.T) {
	harness.Long(t)
	for _, kind := range defendersim.FaultKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(3), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = 1 << 20 })
				h.Fail(1001, kind.Name)
				h.Start()
				harness.Sleep(30 * time.Minute)
				h.Assign(1003)
				harness.Sleep(15 * time.Minute)
				changes := h.Sink.Changes()
				require.Contains(t, changes, "1002 first_seen")
				require.Contains(t, changes, "1003 updated")
				require.LessOrEqual(t, len(h.Warnings()), 1, "the same failure is logged once: %v", h.Warnings())

				h.Sim.ClearFaults()
				harness.Sleep(70 * time.Minute)
				if !slices.Contains(changes, "1001 first_seen") {
					require.Contains(t, h.Sink.Changes(), "1001 first_seen", "it recovers by itself")
				}
				require.NotContains(t, h.Sim.Journal()[0].Path, "?")
			})
		})
	}
}

func TestNothingIsSentWithoutToken(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		h.Auth.Fail(errors.New(`oauth2: "invalid_client" "AADSTS7000215: Invalid client secret hunter2"`))
		h.Start()
		harness.Sleep(time.Hour)
		require.Zero(t, h.Polls(0))
		require.Len(t, h.Warnings(), 1)
		for _, entry := range h.Logs.All() {
			for _, field := range entry.Context {
				require.NotContains(t, field.String, "hunter2")
			}
		}

		h.Auth.Fail(nil)
		harness.Sleep(6 * time.Minute)
		require.Len(t, h.Sink.Changes(), 6, "it recovers by itself")
	})
}

func TestSameFailureOfManyIncidentsIsNotLoggedForEach(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10*maxNamed))
		h.Config.CollectionInterval = time.Hour
		for id := range slices.Chunk(h.Sim.IDs(), 5) { // a share that is no outage
			h.Fail(id[0], "html")
		}
		h.Start()
		harness.Sleep(6 * time.Hour)
		require.ElementsMatch(t, append(slices.Repeat([]string{msgFetchFailed}, maxNamed), msgMoreFail), h.Warnings())

		h.Sim.ClearFaults()
		harness.Sleep(24 * time.Hour)
		require.Len(t, h.Sink.Changes(), 20*maxNamed)
		require.Len(t, h.Logs.FilterMessage(msgIncidentRecovered).All(), maxNamed, "of those that were logged")
		h.Fail(1001, "html")
		harness.Sleep(6 * time.Hour)
		require.Len(t, h.Warnings(), maxNamed+2, "a new failure is logged again a day later")
	})
}
