// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counting is a server over a socket that counts what arrives.
func counting(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var arrived atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server, &arrived
}

func TestRedirectCostsOneRequestAndDoesNotForwardTheToken(t *testing.T) {
	elsewhere, others := counting(t, func(_ http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Authorization"))
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"/api/incidents/1", elsewhere.URL + "/api/incidents/1"} {
			server, arrived := counting(t, func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "Bearer the token", r.Header.Get("Authorization"))
				http.Redirect(w, r, location, status)
			})
			parsed, err := url.Parse(server.URL)
			require.NoError(t, err)
			result := NewClient(collectorClient(t, "Bearer the token"), Settings{Endpoint: parsed, MaxBody: maxBody}).Get(t.Context(), 1)
			failure := failed(t, result)
			assert.Equal(t, Redirect, failure.Kind)
			assert.Equal(t, status, failure.Status)
			assert.Equal(t, 1, result.Reached)
			assert.EqualValues(t, 1, arrived.Load())
		}
	}
	assert.Zero(t, others.Load())
}

// Whether the transport notices a closed connection before it writes to it is
// chance. What arrives is never more than what is counted; what was written and
// never arrived may count.
func TestEveryRequestIsCountedIfIdleConnectionsAreClosed(t *testing.T) {
	server, arrived := counting(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"incidentId":1}`)
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := clientAt(t, server.URL, transport)
	for range 200 {
		before := arrived.Load()
		result := client.Get(t.Context(), 1)
		here := int(arrived.Load() - before)
		assert.GreaterOrEqual(t, result.Reached, here)
		assert.LessOrEqual(t, result.Reached, here+1)
		server.CloseClientConnections()
	}
}
