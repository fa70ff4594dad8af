package defenderincidentsreceiver

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

// labels are the attributes of a measure: the receiver's and, by turns, names and
// values of others.
func (w *world) labels(pairs ...string) attribute.Set {
	all := []attribute.KeyValue{attribute.String("receiver", w.settings.ID.String())}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, attribute.String(pairs[i], pairs[i+1]))
	}
	return attribute.NewSet(all...)
}

func points[N int64 | float64](counts map[attribute.Set]N) []metricdata.DataPoint[N] {
	var all []metricdata.DataPoint[N]
	for set, n := range counts {
		all = append(all, metricdata.DataPoint[N]{Attributes: set, Value: n})
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

		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, w.telemetry, points(map[attribute.Set]int64{
			w.labels("call", "incident", "outcome", "ok"): 3, w.labels("call", "incident", "outcome", "unchanged"): 1,
			w.labels("call", "incident", "outcome", "merged"): 1, w.labels("call", "incident", "outcome", "not_found"): w.count(9999),
		}), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsRecords(t, w.telemetry, points(map[attribute.Set]int64{
			w.labels("event", "incident", "change", "first_seen"): 3, w.labels("event", "alert", "change", "first_seen"): 4,
			w.labels("event", "incident", "change", "merged"): 1, w.labels("event", "incident", "change", "not_found"): 1,
		}), metricdatatest.IgnoreTimestamp())
	})
}

// histogram is the one point of a histogram with these bounds and values.
func histogram[N int64 | float64](labels attribute.Set, bounds []float64, values ...N) []metricdata.HistogramDataPoint[N] {
	point := metricdata.HistogramDataPoint[N]{Attributes: labels, Bounds: bounds, BucketCounts: make([]uint64, len(bounds)+1), Count: uint64(len(values))}
	for _, v := range values {
		bucket, _ := slices.BinarySearch(bounds, float64(v))
		point.BucketCounts[bucket]++
		point.Sum += v
	}
	point.Min, point.Max = metricdata.NewExtrema(slices.Min(values)), metricdata.NewExtrema(slices.Max(values))
	return []metricdata.HistogramDataPoint[N]{point}
}

func TestTheListsCallsAreCountedApart(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1), feeding())
		w.start()
		time.Sleep(time.Minute + time.Second) // at 0, 0, 30 and 60 s
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "503")))
		time.Sleep(30 * time.Second)
		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, w.telemetry, points(map[attribute.Set]int64{
			w.labels("call", "incident", "outcome", "ok"): 1, w.labels("call", "list", "outcome", "ok"): 4,
			w.labels("call", "list", "outcome", "failed"): 1,
		}), metricdatatest.IgnoreTimestamp())
	})
}

func TestTheGaugesSayWhatIsFollowedAndWhatTheLimitsLeave(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(5), feeding(), func(cfg *Config) { cfg.MaxConcurrentRequests = 10 })
		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		require.NoError(t, w.sim.Remove(1003))
		require.NoError(t, w.sim.SetFault(1004, rule(t, "nested")))
		require.NoError(t, w.sim.SetFault(1005, rule(t, "hang")))
		time.Sleep(time.Hour) // so that the list shows none of that
		w.start()
		time.Sleep(16 * time.Second) // they were set at 15 s
		metadatatest.AssertEqualReceiverDefenderIncidentsTracked(t, w.telemetry, points(map[attribute.Set]int64{
			w.labels("state", "open"): 1, w.labels("state", "resolved"): 1, w.labels("state", "not_found"): 1,
			w.labels("state", "failing"): 1, w.labels("state", "waiting"): 1,
		}), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsOverdue(t, w.telemetry,
			[]metricdata.DataPoint[int64]{{Attributes: w.labels(), Value: 0}}, metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsQuotaRemaining(t, w.telemetry, points(map[attribute.Set]int64{
			w.labels("call", "incident", "window", "1m"): 95, w.labels("call", "incident", "window", "1h"): 1495,
			w.labels("call", "list", "window", "1m"): 48, w.labels("call", "list", "window", "1h"): 1498,
		}), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsFeedAge(t, w.telemetry,
			[]metricdata.DataPoint[float64]{{Attributes: w.labels(), Value: 15}}, metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsThrottleWait(t, w.telemetry, points(map[attribute.Set]float64{
			w.labels("call", "incident"): 0, w.labels("call", "list"): 0,
		}), metricdatatest.IgnoreTimestamp())
	})
}

func TestTheGaugesShowAWaitAndWhatIsOverdueMeanwhile(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(8), feeding(), func(cfg *Config) { cfg.MaxConcurrentRequests = 1 })
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, rule(t, "429-retry-after=100s")))
		w.start()
		time.Sleep(46 * time.Second)
		metadatatest.AssertEqualReceiverDefenderIncidentsOverdue(t, w.telemetry,
			[]metricdata.DataPoint[int64]{{Attributes: w.labels(), Value: 8}}, metricdatatest.IgnoreTimestamp())
		list := 0.0
		if api == APIGraph {
			list = 55
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsThrottleWait(t, w.telemetry, points(map[attribute.Set]float64{
			w.labels("call", "incident"): 55, w.labels("call", "list"): list,
		}), metricdatatest.IgnoreTimestamp())
	})
}

func TestFreshnessIsTheAgeOfTheLatestChangeThatATimeShows(t *testing.T) {
	bounds := []float64{1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400}
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3))
		w.start()
		time.Sleep(2 * time.Minute)
		assign(t, w, 1001)
		second, err := w.sim.Incident(1002)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.UpdateAlert(1002, second.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
		require.NoError(t, w.sim.Remove(1003))
		time.Sleep(2*time.Minute + time.Second)
		require.Len(t, w.sink.changes(), 6+3)
		metadatatest.AssertEqualReceiverDefenderIncidentsFreshness(t, w.telemetry, histogram(w.labels(), bounds, 180.0, 120), metricdatatest.IgnoreTimestamp())

		require.NoError(t, w.sim.Restore(1003)) // back again is seen for the first time
		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) {
			i.LastUpdate = time.Now().Add(time.Hour) // a service whose clock is ahead
		}))
		time.Sleep(10 * time.Minute)
		metadatatest.AssertEqualReceiverDefenderIncidentsFreshness(t, w.telemetry, histogram(w.labels(), bounds, 180.0, 120, 0), metricdatatest.IgnoreTimestamp())
	})
}

// What is told although no time has moved says nothing of its age.
func TestFreshnessIsMeasuredByTimesThatHaveMoved(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	at := func(minute int) time.Time { return day.Add(time.Duration(minute) * time.Minute) }
	alert := func(id string, minute int, kind incident.Kind) incident.AlertChange {
		return incident.AlertChange{ID: id, Kind: kind, Alert: &incident.Alert{ID: id, LastUpdate: at(minute)}}
	}
	before := incident.State{Seen: true, LastUpdate: at(10), Alerts: []incident.AlertState{{ID: "a", LastUpdate: at(20)}, {ID: "b", LastUpdate: at(5)}}}
	for name, c := range map[string]struct {
		incident int // minute of its last change
		alerts   []incident.AlertChange
		age      int // in minutes; 0: none is measured
	}{
		"the incident":                     {incident: 50, age: 10},
		"an alert":                         {incident: 10, alerts: []incident.AlertChange{alert("b", 45, incident.Updated)}, age: 15},
		"the later of both":                {incident: 50, alerts: []incident.AlertChange{alert("b", 45, incident.Updated)}, age: 10},
		"the latest of its alerts":         {incident: 10, alerts: []incident.AlertChange{alert("a", 55, incident.Updated), alert("b", 45, incident.Updated)}, age: 5},
		"an alert that is new":             {incident: 10, alerts: []incident.AlertChange{alert("c", 30, incident.FirstSeen)}, age: 30},
		"an alert that left":               {incident: 40, alerts: []incident.AlertChange{{ID: "a", Kind: incident.Removed}}, age: 20},
		"content, and no time":             {incident: 10, alerts: []incident.AlertChange{alert("a", 20, incident.Updated)}},
		"a time that moved back, and none": {incident: 9, alerts: []incident.AlertChange{alert("a", 19, incident.Updated)}},
	} {
		t.Run(name, func(t *testing.T) {
			measured := componenttest.NewTelemetry()
			defer func() { require.NoError(t, measured.Shutdown(context.Background())) }()
			settings := receivertest.NewNopSettings(NewFactory().Type())
			settings.TelemetrySettings = measured.NewTelemetrySettings()
			telemetry, err := newTelemetry(settings)
			require.NoError(t, err)
			p := &poller{telemetry: telemetry}
			p.measureFreshness(record.Observation{
				Snapshot: &incident.Snapshot{LastUpdate: at(c.incident)}, Change: incident.Change{Kind: incident.Updated, Alerts: c.alerts},
			}, before, at(60))
			_, err = measured.GetMetric("otelcol_receiver_defender_incidents_freshness")
			if c.age == 0 {
				require.Error(t, err, "there is none")
				return
			}
			require.NoError(t, err)
			bounds := []float64{1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400}
			metadatatest.AssertEqualReceiverDefenderIncidentsFreshness(t, measured, histogram(attribute.NewSet(telemetry.receiver), bounds, float64(c.age)*60), metricdatatest.IgnoreTimestamp())
		})
	}
}

func TestTheFeedsAgeIsThatOfItsLastCompleteCall(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1), feeding())
		age := func(seconds float64) {
			metadatatest.AssertEqualReceiverDefenderIncidentsFeedAge(t, w.telemetry,
				[]metricdata.DataPoint[float64]{{Attributes: w.labels(), Value: seconds}}, metricdatatest.IgnoreTimestamp())
		}
		w.start()
		time.Sleep(5*time.Minute + 25*time.Second) // set at 15, of the call at 0
		age(15)
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "503")))
		time.Sleep(time.Hour)
		age(3600 + 15)
	})
}

func TestTheLagIsHowLongAfterItsTimeAnIncidentIsAskedFor(t *testing.T) {
	bounds := []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400}
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), func(cfg *Config) { cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 1} })
		w.start()
		time.Sleep(2*time.Minute + time.Second)
		metadatatest.AssertEqualReceiverDefenderIncidentsScheduleLag(t, w.telemetry, histogram(w.labels(), bounds, 0.0, 60, 120), metricdatatest.IgnoreTimestamp())
	})
}

func TestTheSizeOfEachBodyIsTakenUp(t *testing.T) {
	bounds := []float64{1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000, 33554432}
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2), feeding())
		w.start()
		time.Sleep(29 * time.Second)
		var sizes []int64
		for _, r := range w.sim.Journal() {
			sizes = append(sizes, r.Bytes)
		}
		require.Len(t, sizes, 4, "two incidents and two pages")
		metadatatest.AssertEqualReceiverDefenderIncidentsResponseSize(t, w.telemetry, histogram(w.labels(), bounds, sizes...), metricdatatest.IgnoreTimestamp())
	})
}

func (w *world) count(id int64) int64 { return int64(w.requests(id)) }

// flaky is a storage whose writes fail on demand. As with file_storage on a full
// disk, a read fails too, but only after it has read.
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
	full := f.failing.Load()
	if full && operations[0].Type != storage.Get {
		f.writes.Add(1)
		return errors.New("no space left on device")
	}
	err := f.Client.Batch(ctx, operations...)
	if full {
		err = errors.New("no space left on device")
	}
	return err
}

func (f *flaky) Set(ctx context.Context, key string, value []byte) error {
	return f.Batch(ctx, storage.SetOperation(key, value))
}

func TestACheckpointThatCannotBeWrittenIsSaidOnceAndPollingGoesOn(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2))
		store := &flaky{Client: checkpoint.NewMemory()}
		w.host.extensions[*w.cfg.StorageID] = store
		w.start()
		time.Sleep(time.Minute)
		store.failing.Store(true)
		time.Sleep(time.Hour)
		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1001 updated"}, w.sink.changes()[4:], "first seen and updated, each once")
		const said = "checkpoint not written: after a restart, changes of now may be emitted again"
		require.Equal(t, []string{said, said}, w.complaints(), "once for the quota and once for the incidents")
		metadatatest.AssertEqualReceiverDefenderIncidentsCheckpointFailures(t, w.telemetry,
			[]metricdata.DataPoint[int64]{{Attributes: w.labels(), Value: store.writes.Load()}}, metricdatatest.IgnoreTimestamp())

		store.failing.Store(false)
		time.Sleep(5 * time.Minute)
		require.Equal(t, "checkpoint is written again", w.logs.All()[w.logs.Len()-1].Message)
	})
}
