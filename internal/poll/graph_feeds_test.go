// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap/zapcore"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// underGraph is a receiver with both feeds of Graph that polls by ID only twice a day.
func underGraph(t *testing.T, population defendersim.Config, change ...func(*receiver.Config)) *harness.Harness {
	t.Helper()
	population.PerMinute, population.PerHour = 150, 0
	change = append([]func(*receiver.Config){
		harness.WithFeed(), harness.WithLimits(150, 0), func(cfg *receiver.Config) { cfg.CollectionInterval = 12 * time.Hour },
	}, change...)
	return harness.NewUnder(t, receiver.APIGraph, population, change...)
}

func withAlerts(mode receiver.AlertsMode) func(*receiver.Config) {
	return func(cfg *receiver.Config) { cfg.Alerts = mode }
}

// alertOf returns the ID of an incident's first alert.
func alertOf(t *testing.T, h *harness.Harness, id int64) string {
	t.Helper()
	i, err := h.Sim.Incident(id)
	require.NoError(t, err)
	return i.Alerts[0].ID
}

// touch changes an alert and its own time, and nothing else.
func touch(t *testing.T, h *harness.Harness, id int64, alert string) {
	t.Helper()
	require.NoError(t, h.Sim.UpdateAlert(id, alert, func(a *defendersim.Alert) { a.InvestigationState += "+"; a.LastUpdated = time.Now() }))
}

// requests counts the requests to an endpoint.
func requests(h *harness.Harness, endpoint string) (n int) {
	for _, r := range h.Sim.Journal() {
		if r.Endpoint == endpoint {
			n++
		}
	}
	return n
}

func TestRowsOfGraphDeliverChanges(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3))
		h.RunOnce()
		h.Start()
		harness.Sleep(time.Minute)
		polls := h.Polls(0)
		touch(t, h, 1002, alertOf(t, h, 1002))
		harness.Sleep(31 * time.Second)
		require.Equal(t, []string{"1002 alert updated"}, h.Sink.Changes())
		require.Equal(t, polls, h.Polls(0), "a row of the alert has shown it")

		h.Assign(1003)
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1003), h.Sink.Changes())
		require.Equal(t, polls, h.Polls(0), "it was polled within the interval")
		harness.Sleep(13 * time.Hour)
		require.Empty(t, h.Sink.Changes(), "a request by ID shows nothing new")
		require.Greater(t, h.Polls(1003), 1)
	})
}

func TestChangedIncidentOfGraphIsPolledBeforeItsTurn(t *testing.T) {
	for name, feed := range map[string]bool{"with the alert feed": true, "without it": false} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := underGraph(t, harness.OneAlert(3), func(cfg *receiver.Config) { cfg.ChangeFeed.Get().AlertFeed = feed })
				h.RunOnce()
				h.Start()
				harness.Sleep(13 * time.Hour) // each was polled an hour ago
				h.Sink.Reset()
				polls := h.Polls(1002)
				h.Config.CollectionInterval = 12 * time.Hour
				alert, err := h.Sim.AddAlert(1002)
				require.NoError(t, err)
				require.NoError(t, h.Sim.UpdateAlert(1002, alert, func(a *defendersim.Alert) { a.LastUpdated = time.Now() }))
				harness.Sleep(35 * time.Second)
				if feed {
					require.ElementsMatch(t, []string{"1002 updated", "1002 alert first_seen"}, h.Sink.Changes(), "two rows have shown it")
					require.Equal(t, polls, h.Polls(1002))
				} else {
					require.Equal(t, []string{"1002 updated", "1002 alert first_seen"}, h.Sink.Changes())
					require.Equal(t, polls+1, h.Polls(1002), "only a request by ID shows the alert")
				}
			})
		})
	}
}

func TestMovedAlertIsDeliveredInItsNewIncident(t *testing.T) {
	for name, followed := range map[string]bool{"that is followed": true, "that is not": false} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.Quiet(3)
				population.AlertsPerIncident = 2
				h := underGraph(t, population, func(cfg *receiver.Config) {
					if !followed {
						cfg.IncidentIDs = []int64{1001, 1002}
					}
				})
				h.RunOnce()
				h.Start()
				harness.Sleep(time.Minute)
				require.NoError(t, h.Sim.MoveAlert(1001, alertOf(t, h, 1001), 1003))
				harness.Sleep(time.Minute)
				want := []string{"1001 updated", "1001 alert removed"}
				if followed {
					want = append(want, "1003 updated", "1003 alert first_seen")
				}
				require.ElementsMatch(t, want, h.Sink.Changes())
			})
		})
	}
}

func TestMoveThatChangesNoTimeIsFoundByRequests(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.Quiet(3)
		population.AlertsPerIncident, population.SilentAlertMoves = 2, true
		h := underGraph(t, population, func(cfg *receiver.Config) { cfg.CollectionInterval = 5 * time.Minute })
		h.RunOnce()
		h.Start()
		harness.Sleep(time.Minute)
		require.NoError(t, h.Sim.MoveAlert(1001, alertOf(t, h, 1001), 1003))
		harness.Sleep(6 * time.Minute)
		require.ElementsMatch(t, []string{"1001 alert removed", "1003 alert first_seen"}, h.Sink.Changes())
	})
}

func TestWithoutPermissionForAlertsEverythingElseWorks(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(3)
		population.NoAlertRole = true
		h := underGraph(t, population, func(cfg *receiver.Config) { cfg.CollectionInterval = time.Hour })
		h.Start()
		harness.Sleep(time.Minute)
		warnings := h.Logs.FilterLevelExact(zapcore.WarnLevel).All()
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0].Message, "SecurityAlert.Read.All")
		require.Empty(t, h.Host.Statuses(), "the component is well")
		require.Len(t, h.Sink.Changes(), 6)

		alert, err := h.Sim.AddAlert(1002)
		require.NoError(t, err)
		require.NotEmpty(t, alert)
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1002 updated", "1002 alert first_seen"}, h.Sink.Changes(), "the incident was requested at once")

		touch(t, h, 1003, alertOf(t, h, 1003))
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1003 alert updated"}, h.Sink.Changes(), "polling finds it")
		refused := requests(h, defendersim.EndpointAlertList)
		harness.Sleep(5 * time.Hour)
		require.InDelta(t, 5, requests(h, defendersim.EndpointAlertList)-refused, 1, "it is tried again hourly")
		require.Len(t, h.Warnings(), 1)
	})
}

func TestWithoutAlertsNoneAreListed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3), withAlerts(receiver.AlertsNone))
		h.RunOnce()
		h.Start()
		harness.Sleep(time.Minute)
		polls := h.Polls(0)
		h.Assign(1001)
		harness.Sleep(10 * time.Minute)
		require.Equal(t, updated(1001), h.Sink.Changes())
		require.Equal(t, polls, h.Polls(0), "the row has shown all")
		require.Zero(t, requests(h, defendersim.EndpointAlertList))
	})
}

func TestEmbeddedAlertsOfGraphCostARequest(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3), withAlerts(receiver.AlertsEmbedded))
		h.RunOnce()
		h.Start()
		harness.Sleep(time.Minute)
		polls := h.Polls(0)
		touch(t, h, 1002, alertOf(t, h, 1002))
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1002), h.Sink.Changes())
		h.Assign(1003)
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1003), h.Sink.Changes())
		require.Equal(t, polls+2, h.Polls(0))
	})
}

func TestDiscoveredIncidentOfGraphComesWithItsAlerts(t *testing.T) {
	for _, mode := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded, receiver.AlertsNone} {
		t.Run(string(mode), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := underGraph(t, harness.OneAlert(2), harness.WithDiscovery(), withAlerts(mode))
				harness.Sleep(48 * time.Hour) // the look-back does not reach what is there
				h.Start()
				harness.Sleep(time.Minute)
				require.Empty(t, h.Sink.Changes())
				id := h.Sim.Appear()
				h.Assign(1002)
				harness.Sleep(time.Minute)
				var want []string
				for _, id := range []int64{id, 1002} {
					want = append(want, fmt.Sprintf("%d first_seen", id))
					i, err := h.Sim.Incident(id)
					require.NoError(t, err)
					for range i.Alerts {
						if mode == receiver.AlertsSplit {
							want = append(want, fmt.Sprintf("%d alert first_seen", id))
						}
					}
				}
				require.ElementsMatch(t, want, h.Sink.Changes())
			})
		})
	}
}

func TestRowThatAppearsLateIsFoundByARereadAndCounted(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3))
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Sink.Reset()
		began := time.Now()
		late := alertOf(t, h, 1002)
		h.Auth.Use(edited(func(r *http.Request, _ *int, _ http.Header, body []byte) []byte {
			if strings.HasSuffix(r.URL.Path, "alerts_v2") && time.Since(began) < 10*time.Minute {
				return bytes.ReplaceAll(body, []byte(`"id":"`+late), []byte(`"id":"","was":"`+late))
			}
			return body
		}))
		touch(t, h, 1002, late)
		harness.Sleep(2 * time.Minute)
		touch(t, h, 1001, alertOf(t, h, 1001)) // moves the boundary
		harness.Sleep(15 * time.Minute)
		require.Equal(t, []string{"1001 alert updated"}, h.Sink.Changes())
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{"1002 alert updated"}, h.Sink.Changes())
		metadatatest.AssertEqualReceiverDefenderIncidentsLateChanges(t, h.Telemetry, point(h, int64(1)), metricdatatest.IgnoreTimestamp())
	})
}

func TestWaitBetweenTwoPagesLosesNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(120))
		h.RunOnce()
		h.Start()
		harness.Sleep(2 * time.Minute)
		h.Sink.Reset()
		rule := harness.Rule(t, "429-retry-after=90s")
		rule.Times, rule.OnSkip = 1, true
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, rule))
		h.Assign(h.Config.IncidentIDs...)
		harness.Sleep(5 * time.Minute)
		changes := h.Sink.Changes()
		slices.Sort(changes)
		want := updated(h.Config.IncidentIDs...)
		slices.Sort(want)
		require.Equal(t, want, changes)
		require.Equal(t, 1, throttled(h))
	})
}

func throttled(h *harness.Harness) (n int) {
	for _, r := range h.Sim.Journal() {
		if r.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

func TestOptionsThatGraphRefusesAreLoggedOnce(t *testing.T) {
	harness.Long(t)
	tests := map[string]struct {
		change func(*defendersim.Config)
		option string
	}{
		"order with a filter": {func(c *defendersim.Config) { c.GraphOrderByAlone = true }, "$orderby with $filter"},
		"upper bounds":        {func(c *defendersim.Config) { c.GraphNoUpperBounds = true }, "lt"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(700)
				tt.change(&population)
				h := underGraph(t, population)
				h.Start()
				harness.Sleep(10 * time.Minute)
				h.Sink.Reset()
				h.Assign(h.Config.IncidentIDs...)
				harness.Sleep(20 * time.Minute) // with a page of each list every thirty seconds
				require.Len(t, h.Sink.IncidentChanges(), 700)
				var lists []any
				for _, line := range h.Logs.FilterMessage("API does not support a list option; the change feed continues without it").All() {
					require.Equal(t, tt.option, line.ContextMap()["option"])
					lists = append(lists, line.ContextMap()["list"])
				}
				require.Contains(t, lists, "list")
				require.LessOrEqual(t, len(lists), 2, "once for each list")
			})
		})
	}
}

// unloadable is a storage that fails to return a state that is requested alone, for one incident.
type unloadable struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	id string
}

func (u *unloadable) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return u, nil
}

func (u *unloadable) Batch(ctx context.Context, operations ...*storage.Operation) error {
	if len(operations) == 1 && operations[0].Type == storage.Get && u.id != "" && strings.HasSuffix(operations[0].Key, u.id) {
		return errors.New("input/output error")
	}
	return u.Client.Batch(ctx, operations...)
}

func TestStateThatCannotBeLoadedDoesNotStopTheStart(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3))
		store := &unloadable{Client: checkpoint.NewMemory()}
		h.Host.Extensions[*h.Config.StorageID] = store
		h.RunOnce()
		store.id = "1002"
		h.Start()
		harness.Sleep(time.Minute)
		require.NoError(t, h.Sim.MoveAlert(1001, alertOf(t, h, 1001), 1003))
		harness.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 updated", "1001 alert removed", "1003 updated", "1003 alert first_seen"}, h.Sink.Changes())
	})
}

func TestChangedIncidentOfGraphIsPolledBeforeItsTurnAfterARestartToo(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(1500), func(cfg *receiver.Config) { cfg.CollectionInterval = 5 * time.Minute })
		h.Start()
		harness.Sleep(21 * time.Minute)
		var polled int64
		for _, r := range h.Sim.Journal() {
			if r.Endpoint == defendersim.EndpointIncident {
				polled = r.ID
			}
		}
		h.Sink.Reset()
		h.Assign(polled)
		harness.Sleep(45 * time.Second)
		require.Equal(t, updated(polled), h.Sink.Changes())
		require.Equal(t, 1, h.Polls(polled))
		h.Stop()
		h.Start()
		harness.Sleep(3 * time.Minute)
		require.Equal(t, 1, h.Polls(polled), "at most once per interval")
		h.Stop() // what is due is not forgotten by a start that does nothing about it
		h.Start()
		harness.Sleep(2 * time.Minute)
		require.Equal(t, 2, h.Polls(polled))
		harness.Sleep(6 * time.Minute)
		require.Equal(t, 2, h.Polls(polled), "in its turn again, which comes after 20 minutes")
		h.Stop()
		h.Start()
		harness.Sleep(6 * time.Minute)
		require.Equal(t, 2, h.Polls(polled))
	})
}
