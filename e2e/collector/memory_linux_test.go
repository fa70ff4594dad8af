// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// TestMeasureMemoryOfOneLargeResponse sends an incident with 2,000 alerts
// through the collector. It measures the peak of resident memory above the idle
// collector, per byte of the response.
func TestMeasureMemoryOfOneLargeResponse(t *testing.T) {
	const maxRatio = 5 // bytes a byte
	t.Log("exporter   coding    answer, MB  peak above idle, MB  bytes a byte")
	for _, c := range []struct{ exporter, coding string }{
		{"debug", "deflate"}, {"debug", "identity"}, {"otlp_http", "deflate"},
	} {
		population := quiet(1)
		population.AlertsPerIncident, population.AlertBytes = 125, 5000
		above, size := peakAboveIdle(t, population, c.coding, 16, func(s *harness.Settings) { s.Exporter = c.exporter })
		ratio := float64(above) / float64(size)
		t.Logf("%-10s %-9s %10.1f %20.1f %13.2f", c.exporter, c.coding, float64(size)/1e6, float64(above)/1e6, ratio)
		require.Greater(t, size, int64(10_000_000))
		if c.exporter == "debug" { // the other takes memory of its own
			require.LessOrEqual(t, ratio, float64(maxRatio))
		}
	}
}

// TestMeasureMemoryOfManyResponses makes 100 incidents of 230 kB due at the same
// time, with different limits of concurrent requests.
func TestMeasureMemoryOfManyResponses(t *testing.T) {
	t.Log("in flight  responses, MB  peak above idle, MB")
	for _, concurrent := range []int{1, harness.MaxConcurrentRequests, 100} {
		population := quiet(100)
		population.AlertsPerIncident, population.AlertBytes = 120, 1900
		above, size := peakAboveIdle(t, population, "deflate", 1, func(s *harness.Settings) { s.Exporter, s.Concurrent = "debug", concurrent })
		t.Logf("%9d %12.1f %20.1f", concurrent, float64(size)/1e6, float64(above)/1e6)
	}
}

// peakAboveIdle returns the peak of resident bytes, until each incident was
// processed, above what is resident while all requests in flight wait for their
// responses. It also returns the decoded size of all responses. Each has the
// alerts of the population that many times.
func peakAboveIdle(t *testing.T, population defendersim.Config, coding string, times int, change func(*harness.Settings)) (above, size int64) {
	t.Helper()
	s := newSetup(t, population, change)
	barrier := &barrier{notifier: s.Notifier, responses: responsesOf(t, s.Sim, coding, times), coding: coding, requested: map[int64]int{}, open: make(chan struct{})}
	s.settings.Endpoint = s.connections.Serve(t, barrier)
	inFlight := min(s.settings.Concurrent, population.Incidents)
	s.start()
	s.await("requests", func() bool { return barrier.times(1) == inFlight })
	pid := s.process.PID()
	forgetPeak(t, pid)
	idle := usageOf(t, pid)
	close(barrier.open)
	s.await("all again", func() bool { return barrier.times(2) == inFlight }) // so each was looked at
	peak := usageOf(t, pid).peak
	s.stop()
	for _, r := range barrier.responses {
		size += r.size
	}
	return peak - idle.resident, size
}

// encoded is a body as it is sent, and its decoded size.
type encoded struct {
	body []byte
	size int64
}

// responsesOf returns the simulator's response for each of its incidents, with
// each alert repeated that many times under different IDs.
func responsesOf(t *testing.T, sim *defendersim.Sim, coding string, times int) map[int64]encoded {
	t.Helper()
	responses := map[int64]encoded{}
	for _, id := range sim.IDs() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://api.example/api/incidents/%d", id), http.NoBody)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+sim.TokenFor(defendersim.Grant{Audience: "https://api.security.microsoft.com"}))
		response, err := sim.RoundTripper().RoundTrip(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		text = withAlerts(t, text, times)
		body := bytes.NewBuffer(nil)
		if coding == "deflate" {
			to := zlib.NewWriter(body)
			_, err = to.Write(text)
			require.NoError(t, err)
			require.NoError(t, to.Close())
		} else {
			body.Write(text)
		}
		responses[id] = encoded{body.Bytes(), int64(len(text))}
	}
	return responses
}

// withAlerts repeats each alert of a response that many times.
func withAlerts(t *testing.T, text []byte, times int) []byte {
	t.Helper()
	var incident map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &incident))
	var once, all []json.RawMessage
	require.NoError(t, json.Unmarshal(incident["alerts"], &once))
	for i := range times {
		for _, alert := range once {
			renamed := bytes.Replace(alert, []byte(`"alertId":"`), fmt.Appendf(nil, `"alertId":"%d_`, i), 1)
			require.NotEqual(t, alert, json.RawMessage(renamed))
			all = append(all, renamed)
		}
	}
	alerts, err := json.Marshal(all)
	require.NoError(t, err)
	incident["alerts"] = alerts
	text, err = json.Marshal(incident)
	require.NoError(t, err)
	return text
}

// barrier is an API that holds requests until it opens. A second request for the
// same incident never gets a response.
type barrier struct {
	notifier  *harness.Notifier
	responses map[int64]encoded
	coding    string
	open      chan struct{}

	mu        sync.Mutex // guards what follows
	requested map[int64]int
}

func (h *barrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64)
	if err != nil || !strings.HasPrefix(r.URL.Path, "/api/incidents/") {
		http.NotFound(w, r)
		return
	}
	if h.enter(id) > 1 {
		<-r.Context().Done()
		return
	}
	select {
	case <-h.open:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", h.coding)
	_, _ = w.Write(h.responses[id].body)
}

func (h *barrier) enter(id int64) int {
	defer h.notifier.Notify()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requested[id]++
	return h.requested[id]
}

// times returns how many incidents were requested at least n times.
func (h *barrier) times(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := 0
	for _, requested := range h.requested {
		if requested >= n {
			count++
		}
	}
	return count
}
