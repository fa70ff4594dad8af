// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

const (
	msgFirstPassEnded = "first pass through the list ended"
	msgFirstPassEarly = "first pass through the list ended early; polling the other incidents by ID"
)

// requireFirstSeen requires that each incident and each of its alerts was emitted once, and nothing else.
func requireFirstSeen(t *testing.T, h *harness.Harness, alerts int) {
	t.Helper()
	count := map[string]int{"alerts": 0}
	seen := map[element]bool{}
	for _, r := range h.Sink.Records() {
		e := element{r.Incident, r.Alert}
		require.False(t, seen[e], "%v twice", e)
		seen[e] = true
		require.Equal(t, "first_seen", r.Change)
		count[map[bool]string{true: "incidents", false: "alerts"}[r.Alert == ""]]++
	}
	require.Equal(t, map[string]int{"incidents": len(h.Config.IncidentIDs), "alerts": alerts}, count)
}

func TestFirstPassReadsGraphsLists(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		population := harness.Quiet(700)
		population.AlertsPerIncident = 2
		h := underGraph(t, population)
		h.Start()
		harness.Sleep(time.Minute)
		requireFirstSeen(t, h, 1400)
		require.Zero(t, h.Polls(0))
		require.Empty(t, h.Warnings())
		ended := h.Logs.FilterMessage(msgFirstPassEnded).All()
		require.Len(t, ended, 2, "of incidents and of alerts")
		require.Equal(t, "list", ended[0].ContextMap()["list"])
		require.Equal(t, "alerts", ended[1].ContextMap()["list"])

		h.Sink.Reset()
		harness.Sleep(13 * time.Hour)
		require.Equal(t, 700, h.Polls(0), "each is polled in its turn")
		require.Empty(t, h.Sink.Changes(), "which shows nothing new")
	})
}

func TestFirstPassContinuesAfterAKill(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.Quiet(700)
		population.AlertsPerIncident = 2
		population.LatencyMin, population.LatencyMax = time.Second, time.Second
		h := underGraph(t, population)
		h.Start()
		for range 5 {
			harness.Sleep(5 * time.Second)
			h.Disk.Kill()
			h.Stop()
			h.Start()
		}
		harness.Sleep(2 * time.Minute)
		seen := map[element]bool{}
		for _, r := range h.Sink.Records() {
			seen[element{r.Incident, r.Alert}] = true
		}
		require.Len(t, seen, 700+1400)
		require.Zero(t, h.Polls(0))
		require.Less(t, len(h.Lists()), 3*14, "it did not start over each time")
	})
}

func TestFirstPassWithoutAlerts(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(300), withAlerts(receiver.AlertsNone))
		h.Start()
		harness.Sleep(time.Minute)
		requireFirstSeen(t, h, 0)
		require.Zero(t, h.Polls(0))
	})
}

func TestEmbeddedAlertsHaveNoFirstPass(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(300), withAlerts(receiver.AlertsEmbedded))
		h.Start()
		harness.Sleep(3 * time.Minute)
		requireFirstSeen(t, h, 0)
		require.Equal(t, 300, h.Polls(0))
	})
}

// Alerts that the list does not show are requested by ID.
func TestFirstPassWithoutTheListOfAlerts(t *testing.T) {
	tests := map[string]func(*harness.Harness){
		"denied":            func(h *harness.Harness) { h.Fail(defendersim.AlertListRequests, "403") },
		"fails":             func(h *harness.Harness) { h.Fail(defendersim.AlertListRequests, "500") },
		"fails later":       nil,
		"turned off":        func(h *harness.Harness) { h.Config.ChangeFeed.Get().AlertFeed = false },
		"shows a part only": func(h *harness.Harness) { h.Fail(defendersim.AlertListRequests, "partial") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := underGraph(t, harness.OneAlert(300))
				if change != nil {
					change(h)
				}
				h.Start()
				if change == nil {
					harness.Sleep(time.Second)
					h.Fail(defendersim.AlertListRequests, "500")
				}
				harness.Sleep(10 * time.Minute)
				requireFirstSeen(t, h, 300)
				require.LessOrEqual(t, h.Polls(0), 300)
			})
		})
	}
}

func TestFirstPassEndsWhereTheListOfIncidentsFails(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(300))
		rule := harness.Rule(t, "500")
		rule.OnSkip = true
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, rule))
		h.Start()
		harness.Sleep(10 * time.Minute)
		requireFirstSeen(t, h, 300)
		require.Len(t, h.Logs.FilterMessage(msgFirstPassEarly).All(), 1)
	})
}

func TestFirstPassIsLeftOutWhereRequestsByIDAreFewer(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(9000), func(cfg *receiver.Config) { cfg.IncidentIDs = cfg.IncidentIDs[:120] })
		h.Start()
		harness.Sleep(2 * time.Minute)
		requireFirstSeen(t, h, 120)
		require.Len(t, h.Logs.FilterMessage("polling new incidents by ID, since reading the lists would take more requests").All(), 1)
		require.Equal(t, 120, h.Polls(0))
	})
}

func TestIncidentThatThePassDoesNotShowIsRequested(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(300), func(cfg *receiver.Config) { cfg.IncidentIDs = append(cfg.IncidentIDs, 999_999) })
		h.Start()
		harness.Sleep(2 * time.Minute)
		require.Contains(t, h.Sink.Changes(), "999999 not_found")
		require.Equal(t, 1, h.Polls(0))
	})
}

// A second pass is not worth its requests. What the first one has shown stays known, also after a restart.
func TestAlertsThatAPassHasShownAreNotRequestedAfterALaterOne(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(9000))
		all := h.Config.IncidentIDs
		h.Config.IncidentIDs = all[:400]
		h.Start()
		harness.Sleep(3 * time.Minute)
		requireFirstSeen(t, h, 400)
		require.Zero(t, h.Polls(0))
		h.Stop()

		h.Config.IncidentIDs = all[:520]
		h.Start()
		harness.Sleep(5 * time.Minute)
		require.Len(t, h.Logs.FilterMessage("polling new incidents by ID, since reading the lists would take more requests").All(), 1)
		h.Stop()
		h.Start()
		harness.Sleep(5 * time.Minute)
		requireFirstSeen(t, h, 520)
		require.InDelta(t, 120, h.Polls(0), 10, "beside a few that their turn has come for")
		for _, id := range all[400:520] {
			require.Equal(t, 1, h.Polls(id))
		}
	})
}

// forgetful is a storage that does not store the feed's entry while forgets is set.
type forgetful struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	forgets atomic.Bool
}

func (f *forgetful) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return f, nil
}

func (f *forgetful) Batch(ctx context.Context, operations ...*storage.Operation) error {
	if f.forgets.Load() {
		operations = slices.DeleteFunc(slices.Clone(operations), func(o *storage.Operation) bool { return o.Type == storage.Set && o.Key == "v1/feed" })
	}
	return f.Client.Batch(ctx, operations...)
}

// The receiver is killed after the incident's state was stored, and before the feed's entry was, which says that the incident is pending.
func TestAlertsOfAnIncidentAreRequestedAfterAKillRightBehindItsFirstRow(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(300), harness.WithDiscovery())
		disk := &forgetful{Client: checkpoint.NewMemory()}
		h.Host.Extensions[*h.Config.StorageID] = disk
		h.Config.IncidentIDs = h.Sim.IDs()
		harness.Sleep(48 * time.Hour) // the look-back does not reach what is there
		h.Start()
		harness.Sleep(2 * time.Minute)
		require.Zero(t, h.Polls(0))
		h.Sink.Reset()
		disk.forgets.Store(true)
		h.Fail(0, "500")
		id := h.Sim.Appear()
		for len(h.Sink.Records()) == 0 {
			harness.Sleep(time.Second)
		}
		h.Stop()
		disk.forgets.Store(false)
		h.Sim.ClearFaults()
		harness.Sleep(3 * time.Hour) // beyond what the feeds read again
		failed := h.Polls(0)
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, failed+1, h.Polls(0), "the first pass has shown the alerts of the others")
		shown, err := h.Sim.Incident(id)
		require.NoError(t, err)
		require.Len(t, h.Sink.Records(), 1+len(shown.Alerts))
	})
}
