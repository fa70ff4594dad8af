// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// withoutAlerts removes the alerts from the rows of the list.
type withoutAlerts struct{ on atomic.Bool }

func (w *withoutAlerts) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || !w.on.Load() || !strings.HasSuffix(r.URL.Path, "/incidents") {
		return response, err
	}
	var page map[string]any
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return nil, err
	}
	for _, row := range page["value"].([]any) {
		row.(map[string]any)["alerts"] = []any{}
	}
	shown, err := json.Marshal(page)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(shown)), int64(len(shown))
	return response, err
}

func TestRowThatLacksAnAlertIsDeliveredAndTheIncidentFetched(t *testing.T) {
	for _, mode := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded} {
		t.Run(string(mode), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.CollectionInterval, cfg.Alerts = 6*time.Hour, mode
				})
				var list withoutAlerts
				h.Auth.Use(list.roundTrip)
				h.Start()
				harness.Sleep(10 * time.Minute)
				h.Sink.Reset()
				before := h.Polls(1002)
				list.on.Store(true)
				h.Assign(1002)
				harness.Sleep(5 * time.Minute)
				require.Equal(t, []string{"1002 updated"}, h.Sink.Changes(), "no alert is removed")
				require.Equal(t, 1, h.Polls(1002)-before)
			})
		})
	}
}

func TestRowThatIsShownAgainDoesNotPutOffTheRequestThatDecides(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(6)
		population.AlertsPerIncident = 2
		h := harness.New(t, population, harness.WithFeed(), harness.WithLimits(1, 60), func(cfg *receiver.Config) { cfg.CollectionInterval = 6 * time.Hour })
		h.Start()
		harness.Sleep(20 * time.Minute)
		h.Sink.Reset()
		for _, id := range h.Sim.IDs() {
			require.NoError(t, h.Sim.RemoveAlert(id, firstAlert(t, h, id)))
		}
		harness.Sleep(10 * time.Minute) // more than a minute for each request, while each row is shown for two minutes
		removed := 0
		for _, r := range h.Sink.Records() {
			if r.Change == "removed" {
				removed++
			}
		}
		require.Equal(t, 6, removed)
	})
}

func TestMergedIncidentInTheListIsNotEmittedAgain(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.Emit, cfg.CollectionInterval = receiver.EmitSnapshots, time.Minute
		})
		h.Start()
		harness.Sleep(10 * time.Minute)
		require.NoError(t, h.Sim.Merge(1003, 1001))
		harness.Sleep(10 * time.Minute) // the list shows it for two minutes
		changes := h.Sink.IncidentChanges()
		require.Contains(t, changes, "1003 merged")
		require.NotContains(t, changes[slices.Index(changes, "1003 merged"):], "1003 snapshot")
	})
}

// Each incident changes every two minutes, so that rows arrive before, during and
// after the requests by ID.
func TestRowsDoNotMakeSnapshotsMoreFrequent(t *testing.T) {
	for name, incomplete := range map[string]bool{"rows that are held": false, "rows that leave a doubt": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(20)
				population.LatencyMin, population.LatencyMax = time.Second, 10*time.Second
				h := harness.New(t, population, harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.Emit, cfg.CollectionInterval = receiver.EmitSnapshots, time.Minute
				})
				var list withoutAlerts
				list.on.Store(incomplete)
				h.Auth.Use(list.roundTrip)
				began := time.Now()
				h.Start()
				for range 10 {
					harness.Sleep(2 * time.Minute)
					h.Assign(h.Sim.IDs()...)
				}
				h.Stop()
				require.Empty(t, h.Run().Problems())
				require.Empty(t, h.Run().Silent(h.Sim.IDs(), began, 3*time.Minute))
			})
		})
	}
}

// A row that lacks an alert causes a doubt. The change feed repeats the row in each call while nothing else changes.
func TestDoubtfulRowsDoNotPutOffRoutinePolls(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed())
		var list withoutAlerts
		h.Auth.Use(list.roundTrip)
		h.Start()
		harness.Sleep(10 * time.Minute)
		list.on.Store(true)
		h.Assign(1002)
		harness.Sleep(5 * time.Minute)
		before := h.Polls(1002)
		harness.Sleep(3 * time.Hour)
		require.GreaterOrEqual(t, h.Polls(1002)-before, 3*60/5-2, "collection_interval is 5 minutes")
	})
}

func TestDoubtfulRowsEmitNoSnapshotsBetweenPolls(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.Emit = receiver.EmitSnapshots
		})
		var list withoutAlerts
		h.Auth.Use(list.roundTrip)
		h.Start()
		harness.Sleep(10 * time.Minute)
		list.on.Store(true)
		h.Assign(1002)
		harness.Sleep(5 * time.Minute)
		h.Sink.Reset()
		harness.Sleep(50 * time.Minute)
		emitted := 0
		for _, r := range h.Sink.Records() {
			if r.Incident == 1002 && r.Alert == "" {
				emitted++
			}
		}
		require.LessOrEqual(t, emitted, 11, "one for each collection_interval")
	})
}

// A row shows a change and lacks an alert, so the incident must be fetched. The next calls show the row again while requests by ID have to wait.
func TestDoubtfulRowThatIsRepeatedKeepsItsIncidentMarked(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.CollectionInterval = 6 * time.Hour
		})
		var list withoutAlerts
		h.Auth.Use(list.roundTrip)
		h.Start()
		harness.Sleep(20 * time.Minute)
		list.on.Store(true)
		paused := time.Now()
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/incidents") && time.Since(paused) < time.Minute {
				refused := respond(r, http.StatusTooManyRequests, "")
				refused.Header.Set("Retry-After", "120")
				return refused, nil
			}
			return list.roundTrip(next, r)
		})
		h.Assign(1002)
		harness.Sleep(time.Minute)
		before := h.Polls(1002)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, 1, h.Polls(1002)-before, "once the pause of two minutes is over")
	})
}

// In the earlier run, the clock was a day ahead.
func TestDoubtsAreDecidedAfterTheClockWasSetBack(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(150), harness.WithFeed())
		var list withoutAlerts
		h.Auth.Use(list.roundTrip)
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Stop()
		client, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
		require.NoError(t, err)
		store, contents, err := checkpoint.Open(t.Context(), client, string(h.Config.API))
		require.NoError(t, err)
		for id := range contents.Summaries {
			state, err := store.Load(t.Context(), id)
			require.NoError(t, err)
			state.Fetched = state.Fetched.Add(24 * time.Hour)
			require.NoError(t, store.Save(t.Context(), id, state))
		}
		require.NoError(t, store.Close(t.Context()))
		list.on.Store(true)
		h.Start()
		harness.Sleep(90 * time.Minute)
		never := 0
		for _, id := range h.Sim.IDs() {
			if h.Polls(id) == 0 {
				never++
			}
		}
		require.Zero(t, never, "rows have left a doubt about each of them")
	})
}
