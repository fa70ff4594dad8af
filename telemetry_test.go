package defenderincidentsreceiver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

func points(counts map[attribute.Set]int64) []metricdata.DataPoint[int64] {
	var all []metricdata.DataPoint[int64]
	for set, n := range counts {
		all = append(all, metricdata.DataPoint[int64]{Attributes: set, Value: n})
	}
	return all
}

func TestRequestsAndRecordsAreCounted(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), func(cfg *Config) { cfg.IncidentIDs = []int64{1001, 1002, 9999} })
		w.start()
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.Merge(1002, 1003))
		time.Sleep(5 * time.Minute)

		outcome := func(word string) attribute.Set { return attribute.NewSet(attribute.String("outcome", word)) }
		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, w.telemetry, points(map[attribute.Set]int64{
			outcome("ok"): 3, outcome("unchanged"): 1, outcome("merged"): 1, outcome("not_found"): w.count(9999),
		}), metricdatatest.IgnoreTimestamp())

		told := func(event, change string) attribute.Set {
			return attribute.NewSet(attribute.String("event", event), attribute.String("change", change))
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsRecords(t, w.telemetry, points(map[attribute.Set]int64{
			told("incident", "first_seen"): 3, told("alert", "first_seen"): 4,
			told("incident", "merged"): 1, told("incident", "not_found"): 1,
		}), metricdatatest.IgnoreTimestamp())
	})
}

func (w *world) count(id int64) int64 { return int64(w.requests(id)) }

// flaky is a storage whose writes fail on demand.
type flaky struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	failing atomic.Bool
	writes  atomic.Int64
}

func (f *flaky) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return f, nil
}

func (f *flaky) Batch(ctx context.Context, operations ...*storage.Operation) error {
	if f.failing.Load() {
		f.writes.Add(1)
		return errors.New("no space left on device")
	}
	return f.Client.Batch(ctx, operations...)
}

func (f *flaky) Set(ctx context.Context, key string, value []byte) error {
	return f.Batch(ctx, storage.SetOperation(key, value))
}

func TestACheckpointThatCannotBeWrittenIsSaidOnceAndPollingGoesOn(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2))
		store := &flaky{Client: storage.NewNopClient()}
		w.host.extensions[*w.cfg.StorageID] = store
		w.start()
		time.Sleep(time.Minute)
		store.failing.Store(true)
		time.Sleep(time.Hour)
		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(5 * time.Minute)
		require.Contains(t, w.sink.changes(), "1001 updated")
		const said = "checkpoint not written: after a restart, changes of now may be emitted again"
		require.Equal(t, []string{said, said}, w.complaints(), "once for the quota and once for the incidents")
		metadatatest.AssertEqualReceiverDefenderIncidentsCheckpointFailures(t, w.telemetry,
			[]metricdata.DataPoint[int64]{{Value: store.writes.Load()}}, metricdatatest.IgnoreTimestamp())

		store.failing.Store(false)
		time.Sleep(5 * time.Minute)
		require.Equal(t, "checkpoint is written again", w.logs.All()[w.logs.Len()-1].Message)
	})
}
