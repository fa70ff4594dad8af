// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness/notify"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// socketHarness runs in real time. Its receiver sends one request after another to
// a server on a socket, through the transport made from its configuration.
type socketHarness struct {
	*harness.Harness
	t         *testing.T
	arrived   atomic.Int64 // requests, as the server counts them
	delivered *notify.Notifier
}

// newSocketHarness calls respond for each request, possibly with the simulator's help.
func newSocketHarness(t *testing.T, incidents int, respond func(*socketHarness, http.ResponseWriter, *http.Request)) *socketHarness {
	t.Helper()
	h := &socketHarness{Harness: harness.New(t, harness.OneAlert(incidents)), t: t, delivered: notify.New()}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.arrived.Add(1)
		respond(h, rw, r)
	}))
	t.Cleanup(server.Close)
	h.Config.HTTP.Endpoint, h.Config.MaxConcurrentRequests = server.URL, 1
	h.Host.Extensions[harness.AuthID()] = &bearer{token: h.Sim.Token()}
	return h
}

// bearer is an auth extension that adds a token to each request, including
// redirected ones, as the collector's extensions do.
type bearer struct {
	component.StartFunc
	component.ShutdownFunc
	token string
}

func (b *bearer) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
		return base.RoundTrip(r)
	}), nil
}

// runUntil runs the receiver until it has delivered the records of this many incidents.
func (h *socketHarness) runUntil(incidents int) {
	h.t.Helper()
	h.StartWith(notifying{h.Sink, h.delivered})
	for {
		delivered := h.delivered.Notified()
		if len(h.Sink.AllLogs()) >= incidents {
			break
		}
		<-delivered
	}
	h.Stop()
}

// notifying is a sink that notifies after each delivery.
type notifying struct {
	*harness.Sink
	delivered *notify.Notifier
}

func (n notifying) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	defer n.delivered.Notify()
	return n.Sink.ConsumeLogs(ctx, logs)
}

// counted returns how many requests the receiver counts as sent.
func (h *socketHarness) counted() int64 {
	stored := storedQuota(h.t, h.Harness)
	require.Zero(h.t, stored.InFlight)
	return int64(len(stored.Ended))
}

// The server accepts one request on each connection and closes it when a second one
// arrives, like a server that has just closed the connection as idle. The transport
// then repeats that request by itself on another connection.
func TestRequestsRepeatedByTheTransportAreCounted(t *testing.T) {
	const limit = 21 // the first request, and ten that arrive twice
	var used sync.Map
	h := newSocketHarness(t, 2*limit, func(h *socketHarness, rw http.ResponseWriter, r *http.Request) {
		if _, before := used.LoadOrStore(r.RemoteAddr, true); before {
			connection, _, err := http.NewResponseController(rw).Hijack()
			assert.NoError(t, err)
			assert.NoError(t, connection.Close())
			return
		}
		h.Sim.ServeHTTP(rw, r)
	})
	h.Config.RateLimit.RequestsPerMinute = limit
	h.runUntil(11)
	require.EqualValues(t, limit, h.arrived.Load())
	require.EqualValues(t, limit, h.counted())
	require.Empty(t, h.Warnings(), "nothing has failed")
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		assert.Empty(t, r.Header.Get("Authorization"), "the token is for this host only")
	}))
	t.Cleanup(other.Close)
	for name, host := range map[string]string{"to the same address": "", "to another host": other.URL} {
		t.Run(name, func(t *testing.T) {
			h := newSocketHarness(t, 2, func(h *socketHarness, rw http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/1001") {
					http.Redirect(rw, r, host+r.URL.Path, http.StatusFound)
					return
				}
				h.Sim.ServeHTTP(rw, r)
			})
			h.runUntil(1)
			require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
			require.EqualValues(t, 2, h.arrived.Load(), "one for each incident")
			require.EqualValues(t, 2, h.counted())
			require.Zero(t, elsewhere.Load())

			require.Len(t, h.Warnings(), 1)
			line := h.Logs.FilterLevelExact(zap.ErrorLevel).All()[0].ContextMap()
			require.EqualValues(t, 1001, line["incident"])
			require.Contains(t, line["error"], "check http::endpoint")
			require.NotContains(t, line["error"], "127.0.0.1", "a redirect may contain a secret")
		})
	}
}

func TestTruncatedResponseIsFetchedAgain(t *testing.T) {
	h := newSocketHarness(t, 2, func(h *socketHarness, rw http.ResponseWriter, r *http.Request) { h.Sim.ServeHTTP(rw, r) })
	h.FailOnce(1001, "truncated") // in the middle of the body
	h.runUntil(1)
	require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes(), "half a response emits nothing")
	require.EqualValues(t, 2, h.arrived.Load(), "the transport does not repeat a request that had a response")
	require.EqualValues(t, 2, h.counted())
	require.Empty(t, h.Warnings(), "it may pass in a moment")
	metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, h.Telemetry, points(map[attribute.Set]int64{
		labels(h.Harness, "call", "incident", "outcome", "failed"): 1, labels(h.Harness, "call", "incident", "outcome", "ok"): 1,
	}), metricdatatest.IgnoreTimestamp())

	h.runUntil(1) // a start does not wait for the backoff
	require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
	require.EqualValues(t, 3, h.arrived.Load())
	require.EqualValues(t, 3, h.counted())
}
