// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTransportCallsTheHooksOfARealOne(t *testing.T) {
	s := newSim(t, nil)
	var calls []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:      func(hostPort string) { calls = append(calls, "GetConn "+hostPort) },
		GotConn:      func(httptrace.GotConnInfo) { calls = append(calls, "GotConn") },
		WroteHeaders: func() { calls = append(calls, "WroteHeaders") },
		WroteRequest: func(httptrace.WroteRequestInfo) { calls = append(calls, "WroteRequest") },
	})
	for url, hostPort := range map[string]string{
		"http://a.example/api/incidents/1":      "a.example:80",
		"https://a.example/api/incidents/1":     "a.example:443",
		"http://a.example:8470/api/incidents/1": "a.example:8470",
	} {
		calls = nil
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		resp, err := s.RoundTripper().RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, []string{"GetConn " + hostPort, "GotConn", "WroteHeaders", "WroteRequest"}, calls)
	}
}

func TestTransportTellsOfTheHeaderFieldsThatARealOneWrites(t *testing.T) {
	s := newSim(t, nil)
	server := httptest.NewServer(s)
	defer server.Close()
	onTheWire := &http.Transport{DisableCompression: true}
	defer onTheWire.CloseIdleConnections()

	fields := func(transport http.RoundTripper, method, host, body string) (written []string) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteHeaderField: func(key string, value []string) {
				written = append(written, key+": "+strings.Join(value, ", "))
			},
			WroteHeaders: func() { written = append(written, "") },
		})
		r, err := http.NewRequestWithContext(ctx, method, server.URL+"/api/incidents/1001", strings.NewReader(body))
		require.NoError(t, err)
		r.Host = host
		r.Header = http.Header{
			"Via": {"a", "b"}, "Authorization": {"Bearer token"}, "User-Agent": {"test"},
			"Host": {"ignored.example"}, "Content-Length": {"12345"},
		}
		resp, err := transport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return written
	}
	for _, c := range []struct{ method, host, body string }{
		{http.MethodGet, "", ""},
		{http.MethodGet, "api.example", ""},
		{http.MethodPost, "", "a body"},
	} {
		want := fields(onTheWire, c.method, c.host, c.body)
		require.NotEmpty(t, want)
		assert.Equal(t, want, fields(s.RoundTripper(), c.method, c.host, c.body))
	}
}

func TestTransportSendsNothingOnceTheContextHasEnded(t *testing.T) {
	s := newSim(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.RoundTripper().RoundTrip(request(ctx, t, s, "1001"))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, s.Journal())
}

// A bubble ends only when every goroutine in it has: none may be left behind.
func TestClosingTheBodyEarlyEndsTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty(t, "huge=1GiB")
		resp, err := s.RoundTripper().RoundTrip(request(t.Context(), t, s, "1001"))
		require.NoError(t, err)
		_, err = io.ReadFull(resp.Body, make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		synctest.Wait()
		assert.Less(t, s.Journal()[0].Bytes, int64(2<<20))
		assert.False(t, s.Journal()[0].Ended.IsZero())
	})
}

func TestTheContextsEndBreaksOffTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty(t, "huge=1GiB")
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := s.RoundTripper().RoundTrip(request(ctx, t, s, "1001"))
		require.NoError(t, err)
		cancel()
		_, err = io.ReadAll(resp.Body)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestTransportServesWhateverHostAndLeavesTheRequestAlone(t *testing.T) {
	s := newSim(t, nil)
	r := request(t.Context(), t, s, "1001")
	r.URL.Host, r.Host = "eu.api.security.microsoft.com", ""
	before := r.Header.Clone()
	resp, err := s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "200 OK", resp.Status)
	assert.EqualValues(t, len(body), resp.ContentLength)
	assert.Same(t, r, resp.Request)
	assert.Equal(t, before, r.Header)
	assert.Empty(t, r.RequestURI)
}

type closeNoted struct {
	io.Reader
	closed bool
}

func (c *closeNoted) Close() error { c.closed = true; return nil }

func TestTransportClosesTheRequestsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		body := &closeNoted{Reader: strings.NewReader(goodForm().Encode())}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.example/"+s.cfg.TenantID+"/oauth2/v2.0/token", body)
		require.NoError(t, err)
		resp, err := s.RoundTripper().RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		synctest.Wait()
		assert.True(t, body.closed)
	})
}

// Handler and transport both see the context end, and either may be first.
func TestGivingUpAfterTheContextsEndIsTheContextsError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	assert.ErrorIs(t, reason(ctx, syscall.ECONNRESET), syscall.ECONNRESET)
	cancel()
	assert.ErrorIs(t, reason(ctx, syscall.ECONNRESET), context.Canceled)
	assert.NoError(t, reason(ctx, nil))
}
