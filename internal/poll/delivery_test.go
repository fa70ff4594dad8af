// SPDX-License-Identifier: Apache-2.0

package poll_test

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
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

func TestPipelineThatRefusesStopsPollingAndLosesNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(50))
		reopens := time.Now().Add(time.Hour)
		h.Sink.Refuse = func(context.Context) error {
			if time.Now().Before(reopens) {
				return errUnavailable
			}
			return nil
		}
		h.Start()
		harness.Sleep(time.Hour - time.Second)
		require.LessOrEqual(t, h.Polls(0), h.Config.MaxConcurrentRequests)
		require.Equal(t, []string{msgRefused}, h.Warnings())

		harness.Sleep(2 * time.Minute)
		require.Len(t, h.Sink.Changes(), 100, "it resumes by itself")
	})
}

func TestPermanentlyRejectedRecordsAreLoggedOnceAndDropped(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5))
		repaired := time.Now().Add(time.Minute)
		h.Sink.Refuse = func(context.Context) error {
			if time.Now().Before(repaired) {
				return consumererror.NewPermanent(errors.New("no such index"))
			}
			return nil
		}
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{msgRejected}, h.Warnings())
		require.Equal(t, int64(10), sum(t, h, "otelcol_receiver_failed_log_records")+sum(t, h, "otelcol_receiver_refused_log_records"))
		require.Zero(t, sum(t, h, "otelcol_receiver_accepted_log_records"))
		metadatatest.AssertEqualReceiverDefenderIncidentsRejected(t, h.Telemetry, point(h, int64(10)), metricdatatest.IgnoreTimestamp())
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes())

		h.Assign(1001)
		harness.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
		repaired = time.Now().Add(time.Hour)
		h.Assign(1001)
		harness.Sleep(6 * time.Minute)
		require.Len(t, h.Warnings(), 2, "a new failure is logged again")
	})
}

func TestRestartEmitsOnlyWhatChangedWhileStopped(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(4))
		h.RunOnce()
		before := h.Polls(0)

		harness.Sleep(time.Hour)
		h.Assign(1002)
		incident, err := h.Sim.Incident(1003)
		require.NoError(t, err)
		require.NoError(t, h.Sim.UpdateAlert(1003, incident.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))

		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, before+4, h.Polls(0), "all were due at once")
		logs := h.Sink.AllLogs()
		require.ElementsMatch(t, []string{"1002 updated", "1003 alert updated"}, h.Sink.Changes())
		for _, l := range logs {
			r := l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
			if fields, ok := r.Attributes().Get("microsoft.defender.incident.changed_fields"); ok {
				require.Equal(t, []any{"assignedTo", map[receiver.API]string{receiver.APIDefenderXDR: "lastUpdateTime", receiver.APIGraph: "lastUpdateDateTime"}[api]}, fields.Slice().AsRaw())
			}
		}
	})
}

func TestStaleResponseIsFetchedAgainSoon(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		var responses []*http.Response
		var bodies [][]byte
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			responses, bodies = append(responses, response), append(bodies, body)
			if len(bodies) == 3 { // from a replica that lags
				body = bodies[0]
			}
			response.Body = io.NopCloser(bytes.NewReader(body))
			response.ContentLength = int64(len(body))
			return response, nil
		})
		h.Start()
		harness.Sleep(time.Minute)
		h.Assign(1001)
		harness.Sleep(9*time.Minute + 31*time.Second)
		h.Stop()
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen", "1001 updated"}, h.Sink.Changes())
		require.Len(t, responses, 4)
		require.Equal(t, 30*time.Second, h.Sim.Journal()[3].Time.Sub(h.Sim.Journal()[2].Time))
	})
}

func TestDueTimesSurviveRestart(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Start()
		harness.Sleep(time.Minute)
		h.Stop()
		h.Start()
		harness.Sleep(3 * time.Minute)
		require.Equal(t, 1, h.Polls(0), "not due yet")
		harness.Sleep(time.Minute + time.Second)
		require.Equal(t, 2, h.Polls(0))
	})
}

func TestIncidentRemovedFromConfigurationIsForgotten(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2))
		h.RunOnce()

		h.Config.IncidentIDs = []int64{1001}
		h.Start()
		harness.Sleep(time.Hour)
		h.Stop()
		require.Equal(t, 1, h.Polls(1002))

		h.Config.IncidentIDs = []int64{1001, 1002}
		h.Start()
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
	})
}

func TestStartWithoutStorageEmitsEverythingOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), func(cfg *receiver.Config) { cfg.StorageID = nil })
		for range 2 {
			h.Start()
			harness.Sleep(time.Hour)
			h.Stop()
			require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
		}
		require.Contains(t, h.Logs.All()[0].Message, "no storage configured")
	})
}
