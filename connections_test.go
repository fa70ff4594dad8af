// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// network connects clients with a server in memory, so that time can be simulated. It is the server's listener.
type network struct {
	accepted chan net.Conn
	closed   chan struct{}

	mu    sync.Mutex
	links []*link // every connection so far

	requests atomic.Int64 // that goAway read
}

func newNetwork() *network {
	return &network{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// link is one end of a connection.
type link struct {
	net.Conn
	silent *atomic.Bool // what is written to either end gets lost
}

func (l *link) Write(p []byte) (int, error) {
	if l.silent.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	var silent atomic.Bool
	client, server := &link{near, &silent}, &link{far, &silent}
	select {
	case n.accepted <- server:
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = append(n.links, server)
	return client, nil
}

// connections is how many there have been.
func (n *network) connections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.links)
}

// silence loses what is sent on the connections that there are, as a firewall does that has dropped them.
func (n *network) silence() { n.each(func(l *link) { l.silent.Store(true) }) }

// cut closes the connections that there are.
func (n *network) cut() { n.each(func(l *link) { _ = l.Close() }) }

func (n *network) each(act func(*link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		act(l)
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accepted:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	select {
	case <-n.closed:
	default:
		close(n.closed)
	}
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// dialer is an auth extension whose underlying transport connects through a network. Nil: directly.
type dialer struct {
	component.StartFunc
	component.ShutdownFunc
	network   *network
	transport *http.Transport // once the client was made
}

func (d *dialer) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	d.transport = base.(*http.Transport)
	if d.network != nil {
		d.transport.DialContext = d.network.dial
	}
	return defender.Watch(base), nil
}

// clientOver returns a client with the default settings, which connects through the network.
func clientOver(t *testing.T, n *network) *defender.Client {
	t.Helper()
	return clientFor(t, usableConfig(), n)
}

func clientFor(t *testing.T, cfg *Config, n *network) *defender.Client {
	t.Helper()
	cfg.HTTP.TLS.InsecureSkipVerify = true
	auth := &dialer{network: n}
	extensions := map[component.ID]component.Component{cfg.HTTP.Auth.Get().AuthenticatorID: auth}
	client, err := cfg.HTTP.ToClient(t.Context(), extensions, componenttest.NewNopTelemetrySettings())
	require.NoError(t, err)
	t.Cleanup(auth.transport.CloseIdleConnections)
	endpoint, err := url.Parse(cfg.HTTP.Endpoint)
	require.NoError(t, err)
	return defender.NewClient(client, defender.Settings{Endpoint: endpoint, MaxBody: cfg.MaxResponseBodySize})
}

// serve serves requests through a network, with the given version of HTTP.
func serve(t *testing.T, version int, handler http.HandlerFunc) *network {
	t.Helper()
	n := newNetwork()
	server := httptest.NewUnstartedServer(handler)
	require.NoError(t, server.Listener.Close())
	server.Listener, server.EnableHTTP2 = n, version == 2
	server.StartTLS()
	t.Cleanup(func() {
		n.cut()
		server.Close()
	})
	return n
}

func incidentOne(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"incidentId":1}`)
}

func kindOf(t *testing.T, answer defender.Result) defender.Kind {
	t.Helper()
	failure, ok := errors.AsType[*defender.Error](answer.Err)
	require.True(t, ok, "%v", answer.Err)
	return failure.Kind
}

func TestOneRequestFailsWhereConnectionsFallSilent(t *testing.T) {
	for version, within := range map[int]time.Duration{1: 30 * time.Second, 2: 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			n := serve(t, version, func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, version, r.ProtoMajor)
				incidentOne(w, r)
			})
			client := clientOver(t, n)
			require.NoError(t, client.Get(t.Context(), 1).Err)
			n.silence()

			before := time.Now()
			lost := client.Get(t.Context(), 1)
			require.Contains(t, []defender.Kind{defender.Network, defender.Timeout}, kindOf(t, lost))
			require.Equal(t, 1, lost.Reached)
			require.LessOrEqual(t, time.Since(before), within)
			require.Equal(t, 1, n.connections())

			require.NoError(t, client.Get(t.Context(), 1).Err, "on another connection")
			require.Equal(t, 2, n.connections())
		})
	}
}

// An idle connection that has gone silent is found before a request needs it.
func TestNoRequestFailsWhereAnIdleConnectionFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, 2, incidentOne)
		client := clientOver(t, n)
		require.NoError(t, client.Get(t.Context(), 1).Err)
		n.silence()
		time.Sleep(20 * time.Second) // less than it takes for an idle connection to be closed
		answer := client.Get(t.Context(), 1)
		require.NoError(t, answer.Err)
		require.Equal(t, 1, answer.Reached)
		require.Equal(t, 2, n.connections())
	})
}

func TestAServerThatIsSlowKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, 2, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(29 * time.Second)
			incidentOne(w, r)
		})
		client := clientOver(t, n)
		for range 2 {
			require.NoError(t, client.Get(t.Context(), 1).Err)
		}
		require.Equal(t, 1, n.connections())
	})
}

func TestAnIdleConnectionThatTheServerClosesCostsNoRequest(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			n := serve(t, version, incidentOne)
			client := clientOver(t, n)
			require.NoError(t, client.Get(t.Context(), 1).Err)
			n.cut()
			synctest.Wait()
			answer := client.Get(t.Context(), 1)
			require.NoError(t, answer.Err)
			require.Equal(t, 1, answer.Reached)
			require.Equal(t, 2, n.connections())
		})
	}
}

// Over HTTP/1.1 the transport repeats the request if the connection was in use
// before, since the server may have closed it before it got the request.
func TestAConnectionClosedInsteadOfAnAnswerIsANetworkError(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, reused := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var n *network
				var closing atomic.Bool
				n = serve(t, version, func(w http.ResponseWriter, r *http.Request) {
					if closing.Swap(false) {
						n.cut()
						return
					}
					incidentOne(w, r)
				})
				client := clientOver(t, n)
				if reused {
					require.NoError(t, client.Get(t.Context(), 1).Err)
				}
				closing.Store(true)
				answer := client.Get(t.Context(), 1)
				if version == 1 && reused {
					require.NoError(t, answer.Err)
					require.Equal(t, 2, answer.Reached)
				} else {
					require.Equal(t, defender.Network, kindOf(t, answer))
					require.Equal(t, 1, answer.Reached)
				}
				answer = client.Get(t.Context(), 1)
				require.NoError(t, answer.Err)
				require.Equal(t, 1, answer.Reached)
				require.Equal(t, 2, n.connections())
			})
		}
	}
}

// Frame types and an error code of HTTP/2 (RFC 9113, section 6).
const (
	frameHeaders  = 1
	frameSettings = 4
	frameGoAway   = 7
	internalError = 2
)

// goAway is a server by HTTP/2 that accepts each connection, and sends GOAWAY
// instead of a response. It claims to have processed streams up to last.
func goAway(t *testing.T, last, code uint32) *network {
	t.Helper()
	n := newNetwork()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	certified.Close()
	go func() {
		for {
			c, err := n.Accept()
			if err != nil {
				return
			}
			go func() {
				secured := tls.Server(c, config)
				defer func() { _ = secured.Close() }()
				_, _ = io.ReadFull(secured, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
				settled := make(chan struct{})
				go func() { // beside the reading: nothing is buffered between the two
					_, _ = secured.Write(frame(frameSettings, nil))
					close(settled)
				}()
				for kind, err := byte(0), error(nil); kind != frameHeaders; {
					if kind, err = readFrame(secured); err != nil {
						return // a call that ends as it connects sends none
					}
				}
				n.requests.Add(1)
				payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code)
				go func() {
					<-settled
					_, _ = secured.Write(frame(frameGoAway, append(payload, "hush"...)))
				}()
				_, _ = io.Copy(io.Discard, secured)
			}()
		}
	}()
	t.Cleanup(func() {
		n.cut()
		_ = n.Close()
	})
	return n
}

func frame(kind byte, payload []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return append(append(head, make([]byte, 5)...), payload...)
}

// readFrame reads a frame and returns its type.
func readFrame(r io.Reader) (byte, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	_, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head)>>8))
	return head[3], err
}

func TestGoAwayIsANetworkErrorAndEachRequestCounts(t *testing.T) {
	for name, c := range map[string]struct {
		last, code uint32
		requests   int
		want       string
	}{
		"the request was processed": {1, internalError, 1, "network error: http2: client connection lost"},
		"not, for an error":         {0, internalError, 1, "network error: http2: Transport received GOAWAY from server ErrCode:INTERNAL_ERROR"},
		"not, without an error":     {0, 0, 5, "network error: the server closed 5 connections without a response"}, // the transport repeats it
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := goAway(t, c.last, c.code)
				client := clientOver(t, n)
				for calls := range 2 {
					answer := client.Get(t.Context(), 1)
					require.EqualError(t, answer.Err, c.want)
					require.Equal(t, c.requests, answer.Reached)
					synctest.Wait()
					require.EqualValues(t, (calls+1)*c.requests, n.requests.Load())
				}
			})
		})
	}
}

// relay is a TCP proxy that can stop forwarding without closing anything.
type relay struct {
	address string

	mu     sync.Mutex
	silent *atomic.Bool // of the connections since the last silence
	count  int
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{address: listener.Addr().String(), silent: &atomic.Bool{}}
	var open sync.WaitGroup
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		open.Wait()
	})
	open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if !assert.NoError(t, err) {
				_ = near.Close()
				return
			}
			r.mu.Lock()
			silent := r.silent
			r.count++
			r.mu.Unlock()
			for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
				open.Go(func() {
					defer func() { _ = from.Close(); _ = to.Close() }()
					_, _ = io.Copy(&link{to, silent}, from)
				})
			}
		}
	})
	return r
}

func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// silence loses what is sent on the connections that there are.
func (r *relay) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent.Store(true)
	r.silent = &atomic.Bool{}
}

// Over sockets, with a health check that takes less time.
func TestASocketThatFallsSilentIsReplaced(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(incidentOne))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newRelay(t, server.Listener.Addr().String())
	cfg := usableConfig()
	cfg.HTTP.Endpoint = "https://" + r.address
	cfg.HTTP.Timeout = 0 // only the health check can end a request
	cfg.HTTP.HTTP2ReadIdleTimeout, cfg.HTTP.HTTP2PingTimeout = 20*time.Millisecond, 200*time.Millisecond
	api := clientFor(t, cfg, nil)
	require.NoError(t, api.Get(t.Context(), 1).Err)
	before := r.connections()

	r.silence()
	answer := api.Get(t.Context(), 1)
	for answer.Err != nil { // the request that was lost with the connection
		require.Equal(t, defender.Network, kindOf(t, answer))
		answer = api.Get(t.Context(), 1)
	}
	require.Greater(t, r.connections(), before)
}
