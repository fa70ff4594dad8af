// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

func TestRequestsAndRecordsAreCounted(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithIDs(1001, 1002, 9999))
		h.Start()
		harness.Sleep(time.Minute)
		require.NoError(t, h.Sim.Merge(1002, 1003))
		harness.Sleep(5 * time.Minute)

		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, h.Telemetry, points(map[attribute.Set]int64{
			labels(h, "call", "incident", "outcome", "ok"): 3, labels(h, "call", "incident", "outcome", "unchanged"): 1,
			labels(h, "call", "incident", "outcome", "merged"): 1, labels(h, "call", "incident", "outcome", "not_found"): int64(h.Polls(9999)),
		}), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsRecords(t, h.Telemetry, points(map[attribute.Set]int64{
			labels(h, "event", "incident", "change", "first_seen"): 3, labels(h, "event", "alert", "change", "first_seen"): 4,
			labels(h, "event", "incident", "change", "merged"): 1, labels(h, "event", "incident", "change", "not_found"): 1,
		}), metricdatatest.IgnoreTimestamp())
	})
}

// histogram is the data point of a histogram with these bounds and values.
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

func TestListRequestsAreCountedSeparately(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(1), harness.WithFeed())
		h.Start()
		harness.Sleep(time.Minute + time.Second) // at 0, 0, 30 and 60 s
		h.Fail(defendersim.ListRequests, "503")
		harness.Sleep(30 * time.Second)
		requests := map[attribute.Set]int64{
			labels(h, "call", "incident", "outcome", "ok"): 1, labels(h, "call", "list", "outcome", "ok"): 4,
			labels(h, "call", "list", "outcome", "failed"): 1,
		}
		if api == receiver.APIGraph { // at the same times, and at 90 s
			requests[labels(h, "call", "alerts", "outcome", "ok")] = 5
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, h.Telemetry, points(requests), metricdatatest.IgnoreTimestamp())
	})
}

func TestGaugesShowTrackedIncidentsAndRemainingQuota(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(5), harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 10 })
		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		require.NoError(t, h.Sim.Remove(1003))
		h.Fail(1004, "nested")
		h.Fail(1005, "hang")
		harness.Sleep(time.Hour) // so that the list does not show that
		h.Start()
		harness.Sleep(16 * time.Second) // what the gauges read is copied every 15 s
		metadatatest.AssertEqualReceiverDefenderIncidentsTracked(t, h.Telemetry, points(map[attribute.Set]int64{
			labels(h, "state", "open"): 1, labels(h, "state", "resolved"): 1, labels(h, "state", "not_found"): 1,
			labels(h, "state", "failing"): 1, labels(h, "state", "waiting"): 1,
		}), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsOverdue(t, h.Telemetry, point(h, int64(0)), metricdatatest.IgnoreTimestamp())
		remaining := map[attribute.Set]int64{
			labels(h, "call", "incident", "window", "1m"): 95, labels(h, "call", "incident", "window", "1h"): 1495,
			labels(h, "call", "list", "window", "1m"): 48, labels(h, "call", "list", "window", "1h"): 1498,
		}
		waits := map[attribute.Set]float64{labels(h, "call", "incident"): 0, labels(h, "call", "list"): 0}
		ages := map[attribute.Set]float64{labels(h, "call", "list"): 16}
		if api == receiver.APIGraph { // two pages of each list
			remaining = map[attribute.Set]int64{labels(h, "call", "all", "window", "1m"): 91, labels(h, "call", "all", "window", "1h"): 1491}
			ages[labels(h, "call", "alerts")] = 16
			waits = map[attribute.Set]float64{labels(h, "call", "all"): 0}
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsQuotaRemaining(t, h.Telemetry, points(remaining), metricdatatest.IgnoreTimestamp())
		for each := range remaining { // nothing is learned about the same limits
			remaining[each] = 0
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsLearnedLimit(t, h.Telemetry, points(remaining), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsDiscovered(t, h.Telemetry, point(h, int64(0)), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsFeedAge(t, h.Telemetry, points(ages), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsThrottleWait(t, h.Telemetry, points(waits), metricdatatest.IgnoreTimestamp())
	})
}

func TestGaugesShowPauseAndOverdueIncidents(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(8), harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.Fail(defendersim.AllIncidents, "429-retry-after=100s")
		h.Start()
		harness.Sleep(46 * time.Second)
		metadatatest.AssertEqualReceiverDefenderIncidentsOverdue(t, h.Telemetry, point(h, int64(8)), metricdatatest.IgnoreTimestamp())
		waits := map[attribute.Set]float64{labels(h, "call", "incident"): 54, labels(h, "call", "list"): 0}
		if api == receiver.APIGraph {
			waits = map[attribute.Set]float64{labels(h, "call", "all"): 54}
		}
		metadatatest.AssertEqualReceiverDefenderIncidentsThrottleWait(t, h.Telemetry, points(waits), metricdatatest.IgnoreTimestamp())
	})
}

func TestChangeDelayIsTheAgeOfTheLatestChange(t *testing.T) {
	bounds := []float64{1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400}
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		h.Start()
		harness.Sleep(2 * time.Minute)
		h.Assign(1001)
		second, err := h.Sim.Incident(1002)
		require.NoError(t, err)
		harness.Sleep(time.Minute)
		require.NoError(t, h.Sim.UpdateAlert(1002, second.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
		require.NoError(t, h.Sim.Remove(1003))
		harness.Sleep(2*time.Minute + time.Second)
		require.Len(t, h.Sink.Changes(), 6+3)
		metadatatest.AssertEqualReceiverDefenderIncidentsChangeDelay(t, h.Telemetry, histogram(labels(h), bounds, 180.0, 120), metricdatatest.IgnoreTimestamp())

		require.NoError(t, h.Sim.Restore(1003)) // an incident that returns is seen for the first time
		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) {
			i.LastUpdate = time.Now().Add(time.Hour) // a service whose clock is ahead
		}))
		harness.Sleep(10 * time.Minute)
		metadatatest.AssertEqualReceiverDefenderIncidentsChangeDelay(t, h.Telemetry, histogram(labels(h), bounds, 180.0, 120, 0), metricdatatest.IgnoreTimestamp())
	})
}

func TestFailedSignInsAreCounted(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed())
		var attempts atomic.Int64
		h.Auth.Fail(errors.New("no token"))
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			attempts.Add(1)
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(10 * time.Minute)
		failures, err := h.Telemetry.GetMetric("otelcol_receiver_defender_incidents_sign_in_failures")
		require.NoError(t, err)
		sum := failures.Data.(metricdata.Sum[int64])
		require.Len(t, sum.DataPoints, 1)
		require.Equal(t, labels(h), sum.DataPoints[0].Attributes)
		require.Equal(t, attempts.Load(), sum.DataPoints[0].Value)
		require.Greater(t, sum.DataPoints[0].Value, int64(5))
	})
}

// clockDifference returns what the gauge of that name shows, in seconds.
func clockDifference(t *testing.T, h *harness.Harness) float64 {
	t.Helper()
	gauge, err := h.Telemetry.GetMetric("otelcol_receiver_defender_incidents_clock_difference")
	require.NoError(t, err)
	all := gauge.Data.(metricdata.Gauge[float64]).DataPoints
	require.Len(t, all, 1)
	require.Equal(t, labels(h), all[0].Attributes)
	return all[0].Value
}

func TestClockDifferenceIsWhatTheLastResponseProves(t *testing.T) {
	for name, c := range map[string]struct {
		skew time.Duration
		slow string // a fault
		want float64
	}{
		"none":                       {},
		"within a second":            {skew: 900 * time.Millisecond},
		"ahead":                      {skew: time.Hour, want: 3600},
		"behind":                     {skew: -time.Hour, want: -3599},
		"less than a response takes": {skew: -20 * time.Second, slow: "slow=25s"},
	} {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				population := harness.OneAlert(1)
				population.ClockSkew = c.skew
				h := harness.NewUnder(t, api, population)
				if c.slow != "" {
					h.Fail(defendersim.AllIncidents, c.slow)
				}
				h.Start()
				harness.Sleep(time.Minute)
				require.InDelta(t, c.want, clockDifference(t, h), 0.5)
			})
		})
	}
}

func TestClockDifferenceIsAlsoThatOfPagesAndFailures(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(1)
		population.ClockSkew = time.Hour
		h := harness.NewUnder(t, api, population, harness.WithDiscovery())
		_, err := h.Telemetry.GetMetric("otelcol_receiver_defender_incidents_clock_difference")
		require.Error(t, err, "no response yet")
		h.Fail(defendersim.ListRequests, "403")
		h.Start()
		harness.Sleep(time.Minute)
		require.InDelta(t, 3600, clockDifference(t, h), 1)
	})
}

func TestFeedAgeIsThatOfTheLastCompleteCall(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), harness.WithFeed())
		age := func(seconds float64) {
			metadatatest.AssertEqualReceiverDefenderIncidentsFeedAge(t, h.Telemetry, points(map[attribute.Set]float64{labels(h, "call", "list"): float64(seconds)}), metricdatatest.IgnoreTimestamp())
		}
		h.Start()
		harness.Sleep(5*time.Minute + 25*time.Second) // after the call at 5:00
		age(25)
		h.Fail(defendersim.ListRequests, "503")
		harness.Sleep(time.Hour)
		age(3600 + 25)
	})
}

func TestPollDelayIsTheTimeSinceTheDueTime(t *testing.T) {
	bounds := []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400}
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithLimits(1, 0))
		h.Start()
		harness.Sleep(2*time.Minute + time.Second)
		metadatatest.AssertEqualReceiverDefenderIncidentsPollDelay(t, h.Telemetry, histogram(labels(h), bounds, 0.0, 60, 120), metricdatatest.IgnoreTimestamp())
	})
}

func TestSizeOfEachResponseIsRecorded(t *testing.T) {
	bounds := []float64{1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000, 33554432}
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2), harness.WithFeed())
		h.Start()
		harness.Sleep(29 * time.Second)
		var sizes []int64
		for _, r := range h.Sim.Journal() {
			sizes = append(sizes, r.Bytes)
		}
		require.Len(t, sizes, 4, "two incidents and two pages")
		metadatatest.AssertEqualReceiverDefenderIncidentsResponseSize(t, h.Telemetry, histogram(labels(h), bounds, sizes...), metricdatatest.IgnoreTimestamp())
	})
}
