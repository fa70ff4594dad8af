// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// socketSim is a simulator behind Serve.
type socketSim struct {
	*Sim
	t         *testing.T
	protocol  string // as in a response
	address   string // with its scheme
	transport *http.Transport
	arrived   chan *connection // one for each request, before its response
	opened    *atomic.Int64    // connections
	stop      context.CancelFunc
}

// beside returns a client with connections of its own.
func (s *socketSim) beside() *socketSim {
	other := *s
	other.transport = s.transport.Clone()
	s.t.Cleanup(other.transport.CloseIdleConnections)
	return &other
}

// overSockets runs a test over each protocol that Serve speaks. Faults strike the
// incident 1001 alone.
func overSockets(t *testing.T, test func(*testing.T, *socketSim)) {
	t.Helper()
	for name, c := range map[string]struct {
		encrypted bool
		protocol  string
	}{
		"HTTP/1.1":          {false, "HTTP/1.1"},
		"HTTP/1.1 over TLS": {true, "HTTP/1.1"},
		"HTTP/2":            {true, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) { test(t, onSocket(t, c.encrypted, c.protocol)) })
	}
}

func onSocket(t *testing.T, encrypted bool, protocol string) *socketSim {
	t.Helper()
	s := &socketSim{
		Sim: newSim(t, nil), t: t, protocol: protocol, arrived: make(chan *connection, 100),
		opened: new(atomic.Int64), transport: &http.Transport{Protocols: new(http.Protocols)},
	}
	s.transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	s.transport.Protocols.SetHTTP2(protocol == "HTTP/2.0")
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = "http://" + l.Addr().String()
	var certificate *tls.Certificate
	if encrypted {
		s.address = "https://" + l.Addr().String()
		made, inPEM, err := NewCertificate()
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(inPEM))
		certificate, s.transport.TLSClientConfig = &made, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.arrived <- connectionOf(r)
		s.ServeHTTP(w, r)
	})
	go func() { ended <- Serve(ctx, l, handler, certificate) }()
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		stop()
		assert.NoError(t, <-ended)
	})
	return s
}

func (s *socketSim) fail(fault string, times int) {
	s.t.Helper()
	f, err := ParseFault(fault)
	require.NoError(s.t, err)
	require.NoError(s.t, s.SetFault(1001, Rule{Fault: f, Times: times}))
}

// send sends a request and reads the response.
func (s *socketSim) send(ctx context.Context, method, path string, body io.Reader) (response []byte, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			s.opened.Add(1)
		}
	}})
	r, err := http.NewRequestWithContext(ctx, method, s.address+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token())
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	assert.Equal(s.t, s.protocol, resp.Proto)
	response, err = io.ReadAll(resp.Body)
	return response, errors.Join(err, resp.Body.Close())
}

func (s *socketSim) get(ctx context.Context, id string) error {
	response, err := s.send(ctx, http.MethodGet, "/api/incidents/"+id, nil)
	if err == nil {
		assert.True(s.t, json.Valid(response), "%s", response)
	}
	return err
}

// struck waits until a fault has made the next request's connection unusable.
func (s *socketSim) struck() {
	c := <-s.arrived
	for !c.lost.Load() {
		runtime.Gosched()
	}
}

func TestEachProtocolServesTheWholeSimulator(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		require.NoError(t, s.get(t.Context(), "1001"))
		page, err := s.send(t.Context(), http.MethodGet, "/api/incidents?$top=1", nil)
		require.NoError(t, err)
		assert.Contains(t, string(page), `"@odata.nextLink":"`+s.address+`/api/incidents/?$top=1&$skip=1"`)
		refused, err := s.send(t.Context(), http.MethodPost, "/"+s.cfg.TenantID+"/oauth2/v2.0/token", strings.NewReader("grant_type=x"))
		require.NoError(t, err)
		assert.Contains(t, string(refused), "AADSTS70003")
		assert.EqualValues(t, 1, s.opened.Load())
	})
}

func TestASilentConnectionNeitherAnswersNorCloses(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		require.NoError(t, s.get(t.Context(), "1002"))
		<-s.arrived
		s.fail("silent", 1)
		ctx, giveUp := context.WithCancel(t.Context())
		lost := make(chan error, 2)
		go func() { lost <- s.get(ctx, "1001") }()
		s.struck()
		requests := 1
		if s.protocol == "HTTP/2.0" { // over the same connection
			requests = 2
			sent := make(chan struct{})
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
			go func() { lost <- s.get(traced, "1003") }()
			<-sent
		}
		require.NoError(t, s.beside().get(t.Context(), "1001"), "over another connection")
		giveUp()
		for range requests {
			assert.ErrorIs(t, <-lost, context.Canceled)
		}
		assert.EqualValues(t, 2, s.opened.Load())
		assert.Empty(t, s.Served(1003), "the request did not arrive")
		assert.Len(t, s.Served(1001), 1)
	})
}

func TestPingsFindASilentConnection(t *testing.T) {
	s := onSocket(t, true, "HTTP/2.0")
	s.transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Millisecond, PingTimeout: 100 * time.Millisecond}
	s.fail("silent", 1)
	require.ErrorContains(t, s.get(t.Context(), "1001"), "client connection lost")
	require.NoError(t, s.get(t.Context(), "1001"))
	assert.EqualValues(t, 2, s.opened.Load())
}

func TestATokenRequestCanFallSilentToo(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		fault, err := ParseFault("silent")
		require.NoError(t, err)
		require.NoError(t, s.SetFault(TokenRequests, Rule{Fault: fault, Times: 1}))
		ctx, giveUp := context.WithCancel(t.Context())
		lost := make(chan error)
		go func() {
			_, err := s.send(ctx, http.MethodPost, "/"+s.cfg.TenantID+"/oauth2/v2.0/token", strings.NewReader("grant_type=x"))
			lost <- err
		}()
		s.struck()
		giveUp()
		assert.ErrorIs(t, <-lost, context.Canceled)
	})
}

func TestServeEndsDespiteASilentConnection(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		s.fail("silent", 1)
		lost := make(chan error, 1)
		go func() { lost <- s.get(t.Context(), "1001") }()
		s.struck()
		s.stop()
		assert.Error(t, <-lost)
	})
}

func TestGoAwayTakesTheConnectionAway(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		s.fail("goaway", 1)
		err := s.get(t.Context(), "1001")
		if s.protocol == "HTTP/1.1" {
			require.ErrorIs(t, err, io.EOF)
			err = s.get(t.Context(), "1001")
		}
		require.NoError(t, err, "clients of HTTP/2 repeat the request, since no stream was processed")
		assert.EqualValues(t, 2, s.opened.Load())
		journal := s.Journal()
		require.Len(t, journal, 2)
		assert.Equal(t, "goaway", journal[0].Fault)
		assert.Zero(t, journal[0].Status)
	})
}

func TestResetTakesTheConnectionAway(t *testing.T) {
	overSockets(t, func(t *testing.T, s *socketSim) {
		s.fail("reset", 1)
		err := s.get(t.Context(), "1001")
		require.Error(t, err)
		if s.protocol == "HTTP/1.1" { // by HTTP/2 it may be a write that learns of it, and the read finds the end
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}
		require.NoError(t, s.get(t.Context(), "1001"))
		assert.EqualValues(t, 2, s.opened.Load())
	})
}

// frame is one of HTTP/2, of a type that means nothing.
func frame(payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|0xfe)
	return string(append(head, make([]byte, 5)...)) + payload
}

// taken is a connection that keeps what is written.
type taken struct {
	net.Conn
	written bytes.Buffer
	ended   bool
}

func (c *taken) Write(p []byte) (int, error) { return c.written.Write(p) }

func (c *taken) CloseWrite() error {
	c.ended = true
	return nil
}

func TestGoAwayComesBetweenFrames(t *testing.T) {
	const goAway = "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // last stream, error
	before, current, after := frame("")+frame("before"), frame("current"), frame("after")
	for cut := range len(current) {
		for _, step := range []int{1, 5, 1000} {
			client := &taken{}
			c := &connection{Conn: client}
			write := func(text string) {
				for len(text) > 0 {
					n, err := c.Write([]byte(text[:min(step, len(text))]))
					require.NoError(t, err)
					text = text[n:]
				}
			}
			write(before + current[:cut])
			c.goAway()
			write(current[cut:] + after)
			want := before + current + goAway
			if cut == 0 {
				want = before + goAway
			}
			require.Equal(t, want, client.written.String(), "%d bytes of the frame, %d at a time", cut, step)
			require.True(t, client.ended)
		}
	}
}
