package defenderincidentsreceiver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

const saidUnreadable = "checkpoint of an incident cannot be read: nothing is emitted of it, and it is tried again from time to time"

// scratched is a storage of which an entry cannot be read on demand.
type scratched struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	key     string
	failing atomic.Bool
	failed  atomic.Int64
}

// scratch gives the receiver such a storage.
func (w *world) scratch(key string) *scratched {
	s := &scratched{Client: checkpoint.NewMemory(), key: key}
	w.host.extensions[*w.cfg.StorageID] = s
	return s
}

func (s *scratched) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return s, nil
}

func (s *scratched) Batch(ctx context.Context, operations ...*storage.Operation) error {
	for _, o := range operations {
		if o.Type == storage.Get && strings.HasPrefix(o.Key, s.key) && s.failing.Load() {
			s.failed.Add(1)
			return errors.New("input/output error")
		}
	}
	return s.Client.Batch(ctx, operations...)
}

func TestAnIncidentWhoseStateCannotBeReadIsToldOnceItCan(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world) error
		want   []string
	}{
		"changed": {
			func(w *world) error {
				return w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
			},
			[]string{"1001 updated"},
		},
		"gone": {func(w *world) error { return w.sim.Remove(1001) }, []string{"1001 not_found"}},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(2))
				storage := w.scratch("v1/incident/1001")
				w.start()
				time.Sleep(time.Minute)
				w.sink.Reset()
				storage.failing.Store(true)
				require.NoError(t, test.change(w))
				require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
				time.Sleep(time.Hour)
				require.Equal(t, []string{"1002 updated"}, w.sink.changes(), "the others go on")
				require.Equal(t, []string{saidUnreadable}, w.complaints())
				require.Greater(t, w.requests(1001), 12, "it is tried again")
				require.Less(t, w.requests(1001), 30, "later each time")
				metadatatest.AssertEqualReceiverDefenderIncidentsCheckpointFailures(t, w.telemetry,
					[]metricdata.DataPoint[int64]{{Attributes: w.labels(), Value: storage.failed.Load()}}, metricdatatest.IgnoreTimestamp())
				require.Equal(t, int64(1), w.trackedAs(stateFailing))

				storage.failing.Store(false)
				time.Sleep(10 * time.Minute)
				require.Equal(t, test.want, w.sink.changes())
			})
		})
	}
}

// trackedAs is how many incidents the gauge shows in a state.
func (w *world) trackedAs(state string) int64 {
	w.t.Helper()
	gauge, err := w.telemetry.GetMetric("otelcol_receiver_defender_incidents_tracked")
	require.NoError(w.t, err)
	for _, point := range gauge.Data.(metricdata.Gauge[int64]).DataPoints {
		if value, _ := point.Attributes.Value("state"); value.AsString() == state {
			return point.Value
		}
	}
	return 0
}

func TestThatAStateCanBeReadAgainIsSaid(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		storage := w.scratch("v1/incident/1001")
		w.start()
		time.Sleep(time.Minute)
		storage.failing.Store(true)
		time.Sleep(10 * time.Minute)
		storage.failing.Store(false)
		time.Sleep(10 * time.Minute)
		said := w.logs.FilterMessage("incident is fetched again").All()
		require.Len(t, said, 1)
		require.Equal(t, "unreadable checkpoint", said[0].ContextMap()["was"])
	})
}

func TestARowOfTheFeedWhoseStateCannotBeReadIsNotLost(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2), feeding())
		w.cfg.CollectionInterval = 24 * time.Hour
		storage := w.scratch("v1/incident/1001")
		w.start()
		time.Sleep(10 * time.Minute)
		w.sink.Reset()
		storage.failing.Store(true)
		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(time.Hour)
		require.Empty(t, w.sink.changes())
		require.Equal(t, []string{saidUnreadable}, w.complaints())

		storage.failing.Store(false)
		time.Sleep(24 * time.Hour)
		require.Equal(t, []string{"1001 updated"}, w.sink.changes())
	})
}

func TestNotEachOfManyIncidentsWhoseStatesCannotBeReadIsNamed(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2*mostNamed))
		storage := w.scratch("v1/incident/")
		w.start()
		time.Sleep(time.Minute)
		storage.failing.Store(true)
		time.Sleep(time.Hour)
		var want []string
		for range mostNamed {
			want = append(want, saidUnreadable)
		}
		require.Equal(t, append(want, "many incidents have this trouble: further ones are not named"), w.complaints())
	})
}

// former makes of what the disk has what a receiver of version 1 would have
// written: each state as one object, and one index.
func (d *disk) former(t *testing.T, ids string) {
	t.Helper()
	for key := range d.entries {
		switch {
		case strings.HasPrefix(key, "v1/incident/"):
			lines := strings.Split(d.entry(key), "\n")
			require.Len(t, lines, 3)
			d.entries[key] = []byte(strings.TrimSuffix(lines[1], "}") + "," + strings.TrimPrefix(lines[2], "{"))
		case strings.HasPrefix(key, "v2/incidents/"):
			delete(d.entries, key)
		}
	}
	d.entries["version"], d.entries["v1/incidents"] = []byte("1"), []byte(ids)
}

func TestACheckpointOfVersion1IsGoneOnWith(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.haveRun()
		kept.former(t, "[1001,1002,1003]")
		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		w.start()
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1002 updated"}, w.sink.changes())
		require.Equal(t, "3", kept.entry("version"))
		require.Empty(t, kept.entry("v1/incidents"))
		for n := range 3 {
			require.Equal(t, fmt.Sprintf("[%d]", 1001+n), kept.entry(fmt.Sprintf("v2/incidents/%02d", 1+n)))
		}
	})
}

// When there was one API only, states did not say which one.
func TestAStateThatNamesNoAPIIsOfDefenderXDR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(1))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.haveRun()
		kept.former(t, "[1001]")
		without := strings.ReplaceAll(kept.entry("v1/incident/1001"), `"api":"defender_xdr",`, "")
		require.NotEqual(t, kept.entry("v1/incident/1001"), without)
		kept.entries["v1/incident/1001"] = []byte(without)

		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		w.start()
		time.Sleep(time.Hour)
		require.Len(t, w.sink.AllLogs(), 1)
		record := w.sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		fields, _ := record.Attributes().Get("microsoft.defender.incident.changed_fields")
		require.Equal(t, []any{"assignedTo", "lastUpdateTime"}, fields.Slice().AsRaw(), "compared field by field, not as after a switch")
	})
}
