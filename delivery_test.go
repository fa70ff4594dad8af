package defenderincidentsreceiver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/multierr"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestAPipelineThatRefusesLosesNothingAndStopsTheFetching(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(50))
		reopens := time.Now().Add(time.Hour)
		w.sink.refuse = func(context.Context) error {
			if time.Now().Before(reopens) {
				return errUnavailable
			}
			return nil
		}
		w.start()
		time.Sleep(time.Hour - time.Second)
		require.LessOrEqual(t, w.requests(0), w.cfg.MaxConcurrentRequests)
		require.Equal(t, []string{"pipeline does not accept records: nothing is fetched until it does"}, w.complaints())

		time.Sleep(2 * time.Minute)
		require.Len(t, w.sink.changes(), 100, "it resumes by itself")
	})
}

func TestRecordsRefusedForGoodAreSaidOnceAndNotSentAgain(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(5))
		mended := time.Now().Add(time.Minute)
		w.sink.refuse = func(context.Context) error {
			if time.Now().Before(mended) {
				return consumererror.NewPermanent(errors.New("no such index"))
			}
			return nil
		}
		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"pipeline refused records for good: they are lost"}, w.complaints())
		require.Equal(t, int64(10), w.sum("otelcol_receiver_failed_log_records")+w.sum("otelcol_receiver_refused_log_records"))
		require.Zero(t, w.sum("otelcol_receiver_accepted_log_records"))
		time.Sleep(time.Hour)
		require.Empty(t, w.sink.changes())

		assign := func(to string) {
			require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = to }))
			time.Sleep(6 * time.Minute)
		}
		assign("soc@contoso.example")
		require.Equal(t, []string{"1001 updated"}, w.sink.changes())
		mended = time.Now().Add(time.Hour)
		assign("soc2@contoso.example")
		require.Len(t, w.complaints(), 2, "after it has gone away it is said again")
	})
}

// sum is what a counter has counted, whatever its attributes.
func (w *world) sum(name string) (sum int64) {
	w.t.Helper()
	metric, err := w.telemetry.GetMetric(name)
	require.NoError(w.t, err)
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		sum += point.Value
	}
	return sum
}

func TestOfSeveralPipelinesEachHasToRefuseForGood(t *testing.T) {
	forGood := consumererror.NewPermanent(errors.New("no such index"))
	require.True(t, permanent(forGood))
	require.False(t, permanent(errUnavailable))
	require.True(t, permanent(multierr.Combine(forGood, forGood)))
	require.False(t, permanent(multierr.Combine(forGood, errUnavailable)), "one may still accept")
	require.False(t, permanent(errors.Join(errUnavailable, forGood)))
}

func TestARestartEmitsOnlyWhatChangedMeanwhile(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(4))
		w.haveRun()
		asked := w.requests(0)

		time.Sleep(time.Hour)
		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		incident, err := w.sim.Incident(1003)
		require.NoError(t, err)
		require.NoError(t, w.sim.UpdateAlert(1003, incident.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))

		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, asked+4, w.requests(0), "all were due")
		logs := w.sink.AllLogs()
		require.ElementsMatch(t, []string{"1002 updated", "1003 alert updated"}, w.sink.changes())
		for _, l := range logs {
			r := l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
			if fields, ok := r.Attributes().Get("microsoft.defender.incident.changed_fields"); ok {
				require.Equal(t, []any{"assignedTo", map[API]string{APIDefenderXDR: "lastUpdateTime", APIGraph: "lastUpdateDateTime"}[api]}, fields.Slice().AsRaw())
			}
		}
	})
}

func TestAnAnswerThatIsOlderThanWhatWasDeliveredIsAskedForAgainSoon(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		var answers []*http.Response
		var bodies [][]byte
		w.take(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			answers, bodies = append(answers, response), append(bodies, body)
			if len(bodies) == 3 { // of a replica that lags behind
				body = bodies[0]
			}
			response.Body = io.NopCloser(bytes.NewReader(body))
			response.ContentLength = int64(len(body))
			return response, nil
		})
		w.start()
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(9*time.Minute + 31*time.Second)
		w.stop()
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen", "1001 updated"}, w.sink.changes())
		require.Len(t, answers, 4)
		require.Equal(t, 30*time.Second, w.sim.Journal()[3].Time.Sub(w.sim.Journal()[2].Time))
	})
}

func TestDueTimesSurviveARestart(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		w.start()
		time.Sleep(3 * time.Minute)
		require.Equal(t, 1, w.requests(0), "not due yet")
		time.Sleep(time.Minute + time.Second)
		require.Equal(t, 2, w.requests(0))
	})
}

func TestAnIncidentThatIsNotListedAnyMoreIsForgotten(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2))
		w.haveRun()

		w.cfg.IncidentIDs = []int64{1001}
		w.start()
		time.Sleep(time.Hour)
		w.stop()
		require.Equal(t, 1, w.requests(1002))

		w.cfg.IncidentIDs = []int64{1001, 1002}
		w.start()
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
	})
}

func TestWithoutStorageAStartEmitsEverythingOnce(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1), func(cfg *Config) { cfg.StorageID = nil })
		for range 2 {
			w.start()
			time.Sleep(time.Hour)
			w.stop()
			require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, w.sink.changes())
		}
		require.Contains(t, w.logs.All()[0].Message, "no storage is set")
	})
}
