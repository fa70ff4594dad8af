package defenderincidentsreceiver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"
)

// wire is a world in real time, whose receiver asks a server on a socket through
// the transport that its own configuration makes, one request after another.
type wire struct {
	*world
	kept       *disk
	arrived    atomic.Int64 // requests, as the server counts them
	deliveries chan struct{}
}

// newWire has a server answer as it is told to, most often by the simulator.
func newWire(t *testing.T, incidents int, answer func(*wire, http.ResponseWriter, *http.Request)) *wire {
	t.Helper()
	w := &wire{
		world:      newWorld(t, oneAlert(incidents)),
		kept:       &disk{entries: map[string][]byte{}},
		deliveries: make(chan struct{}, incidents),
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.arrived.Add(1)
		answer(w, rw, r)
	}))
	t.Cleanup(server.Close)
	w.cfg.HTTP.Endpoint, w.cfg.MaxConcurrentRequests = server.URL, 1
	w.host.extensions[authID] = &bearer{token: w.sim.Token()}
	w.host.extensions[*w.cfg.StorageID] = w.kept
	w.sink.refuse = func(context.Context) error { w.deliveries <- struct{}{}; return nil }
	return w
}

// bearer is an auth extension that puts a token on whatever is sent, redirected
// requests too, as the collector's own do.
type bearer struct {
	component.StartFunc
	component.ShutdownFunc
	token string
}

func (b *bearer) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
		return base.RoundTrip(r)
	}), nil
}

// runUntil has the receiver run until it has made so many deliveries.
func (w *wire) runUntil(deliveries int) {
	w.t.Helper()
	w.start()
	tooLong := time.After(30 * time.Second)
	for n := range deliveries {
		select {
		case <-w.deliveries:
		case <-tooLong:
			require.Fail(w.t, "too few deliveries", "%d of %d; %v", n, deliveries, w.complaints())
		}
	}
	w.stop()
}

// account is how many requests the receiver has written down as sent.
func (w *wire) account() int64 {
	account := w.kept.account(w.t, w.cfg.API)
	require.Zero(w.t, account.InFlight)
	return int64(len(account.Ended))
}

// The server takes one request of a connection, and closes it when a second one
// comes, as one does that gave it up for idle a moment before. The transport then
// sends that request again by itself, on another connection.
func TestWhatTheTransportRepeatsIsInTheAccount(t *testing.T) {
	const limit = 21 // the first request, and ten that are sent twice
	var used sync.Map
	w := newWire(t, 2*limit, func(w *wire, rw http.ResponseWriter, r *http.Request) {
		if _, before := used.LoadOrStore(r.RemoteAddr, true); before {
			connection, _, err := http.NewResponseController(rw).Hijack()
			assert.NoError(t, err)
			assert.NoError(t, connection.Close())
			return
		}
		w.sim.ServeHTTP(rw, r)
	})
	w.cfg.RateLimit.RequestsPerMinute = limit
	w.runUntil(11)
	require.EqualValues(t, limit, w.arrived.Load())
	require.EqualValues(t, limit, w.account())
	require.Empty(t, w.complaints(), "nobody else has to know")
}

func TestNoRequestFollowsARedirect(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		assert.Empty(t, r.Header.Get("Authorization"), "the token is not for others")
	}))
	t.Cleanup(other.Close)
	for name, host := range map[string]string{"to the same address": "", "to another host": other.URL} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, 2, func(w *wire, rw http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/1001") {
					http.Redirect(rw, r, host+r.URL.Path, http.StatusFound)
					return
				}
				w.sim.ServeHTTP(rw, r)
			})
			w.runUntil(1)
			require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
			require.EqualValues(t, 2, w.arrived.Load(), "one for each incident")
			require.EqualValues(t, 2, w.account())
			require.Zero(t, elsewhere.Load())

			require.Len(t, w.complaints(), 1)
			said := w.logs.FilterLevelExact(zap.ErrorLevel).All()[0].ContextMap()
			require.EqualValues(t, 1001, said["incident"])
			require.Contains(t, said["error"], "is http::endpoint right?")
			require.NotContains(t, said["error"], "127.0.0.1", "a redirect may hold a secret")
		})
	}
}

func TestAnAnswerThatBreaksOffIsFetchedAgain(t *testing.T) {
	w := newWire(t, 2, func(w *wire, rw http.ResponseWriter, r *http.Request) { w.sim.ServeHTTP(rw, r) })
	half := rule(t, "truncated") // of the body, then the server hangs up
	half.Times = 1
	require.NoError(t, w.sim.SetFault(1001, half))
	w.runUntil(1)
	require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes(), "of half an answer nothing is told")
	require.EqualValues(t, 2, w.arrived.Load(), "the transport does not repeat what was answered")
	require.EqualValues(t, 2, w.account())
	require.Equal(t, []string{"incident cannot be fetched: it is tried again from time to time"}, w.complaints())
	require.Contains(t, w.logs.FilterLevelExact(zap.WarnLevel).All()[0].ContextMap()["error"], "network error (HTTP status 200): unexpected EOF")

	w.runUntil(1) // a start does not wait as long as a next attempt does
	require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, w.sink.changes())
	require.EqualValues(t, 3, w.arrived.Load())
	require.EqualValues(t, 3, w.account())
}
