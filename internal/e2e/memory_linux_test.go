package e2e

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

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// TestMeasureMemoryOfALargeAnswer has an incident of 2,000 alerts pass through the
// collector. It looks how much more memory than before is resident at the most,
// in bytes for each byte of the answer.
func TestMeasureMemoryOfALargeAnswer(t *testing.T) {
	const mostOfOurOwn = 5 // bytes a byte
	t.Log("exporter   coding    answer, MB  peak above idle, MB  bytes a byte")
	for _, c := range []struct{ exporter, coding string }{
		{"debug", "deflate"}, {"debug", "identity"}, {"otlp_http", "deflate"},
	} {
		population := quiet(1)
		population.AlertsPerIncident, population.AlertBytes = 125, 5000
		above, size := peakAboveIdle(t, population, c.coding, 16, func(s *settings) { s.Exporter = c.exporter })
		ratio := float64(above) / float64(size)
		t.Logf("%-10s %-9s %10.1f %20.1f %13.2f", c.exporter, c.coding, float64(size)/1e6, float64(above)/1e6, ratio)
		require.Greater(t, size, int64(10_000_000))
		if c.exporter == "debug" { // the other takes memory of its own
			require.LessOrEqual(t, ratio, float64(mostOfOurOwn))
		}
	}
}

// TestMeasureMemoryOfManyAnswers has 100 incidents of 230 kB be due at the same
// time, more and more of which may be in flight at once.
func TestMeasureMemoryOfManyAnswers(t *testing.T) {
	t.Log("in flight  answers, MB  peak above idle, MB")
	for _, concurrent := range []int{1, maxConcurrentRequests, 100} {
		population := quiet(100)
		population.AlertsPerIncident, population.AlertBytes = 120, 1900
		above, size := peakAboveIdle(t, population, "deflate", 1, func(s *settings) { s.Exporter, s.Concurrent = "debug", concurrent })
		t.Logf("%9d %12.1f %20.1f", concurrent, float64(size)/1e6, float64(above)/1e6)
	}
}

// peakAboveIdle is how many bytes more are resident at the most, until each
// incident was looked at, than when all that is in flight waits for its answer;
// and how many bytes the answers have, decoded. They have so many times the alerts
// of the population.
func peakAboveIdle(t *testing.T, population defendersim.Config, coding string, times int, change func(*settings)) (above, size int64) {
	t.Helper()
	s := newStage(t, population, change)
	hall := &hall{bell: s.bell, answers: answersOf(t, s.sim, coding, times), coding: coding, asked: map[int64]int{}, open: make(chan struct{})}
	s.settings.Endpoint = serve(t, s.connections, hall)
	inFlight := min(s.settings.Concurrent, population.Incidents)
	s.start()
	s.await("requests", func() bool { return hall.times(1) == inFlight })
	pid := s.process.cmd.Process.Pid
	forgetPeak(t, pid)
	idle := usageOf(t, pid)
	close(hall.open)
	s.await("all again", func() bool { return hall.times(2) == inFlight }) // so each was looked at
	peak := usageOf(t, pid).peak
	s.stop()
	for _, answer := range hall.answers {
		size += answer.size
	}
	return peak - idle.resident, size
}

// answer is a body as it is sent, and how long it is decoded.
type answer struct {
	body []byte
	size int64
}

// answersOf are what the simulator answers for each of its incidents, with each
// alert so many times, each time with another id.
func answersOf(t *testing.T, sim *defendersim.Sim, coding string, times int) map[int64]answer {
	t.Helper()
	answers := map[int64]answer{}
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
		answers[id] = answer{body.Bytes(), int64(len(text))}
	}
	return answers
}

// withAlerts is the answer with each alert so many times.
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

// hall has requests wait until it opens. Who asks a second time waits for ever.
type hall struct {
	bell    *bell
	answers map[int64]answer
	coding  string
	open    chan struct{}

	mu    sync.Mutex // guards what follows
	asked map[int64]int
}

func (h *hall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	_, _ = w.Write(h.answers[id].body)
}

func (h *hall) enter(id int64) int {
	defer h.bell.ring()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[id]++
	return h.asked[id]
}

// times counts those that have asked so often, or more often.
func (h *hall) times(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := 0
	for _, asked := range h.asked {
		if asked >= n {
			count++
		}
	}
	return count
}
