package defenderincidentsreceiver

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// coldStart is a start without a checkpoint.
type coldStart struct {
	api       API
	incidents int
	late      bool // answers take 0.1 to 1.5 s, else no time
}

// tenant has that many incidents behind the API's default limits.
func (c coldStart) tenant(t *testing.T) *world {
	t.Helper()
	population, limits := quiet(0), RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500}
	if c.api == APIGraph {
		population.PerHour, limits.RequestsPerHour = 0, 0
	}
	var ids []int64
	for n := range int64(c.incidents) {
		ids = append(ids, n+1)
	}
	w := newWorldUnder(t, c.api, population, listing(ids...), func(cfg *Config) { cfg.RateLimit = limits })
	w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
	for _, id := range ids { // without an alert, for there are many
		require.NoError(t, w.sim.Add(defendersim.Incident{ID: id}))
		if c.late {
			require.NoError(t, w.sim.SetFault(id, rule(t, fmt.Sprintf("slow=%dms", 100+id*7919%1400))))
		}
	}
	return w
}

// run has the receiver start cold, and says when it asked for one incident after
// the other and when it could have at the earliest.
func (c coldStart) run(t *testing.T) (sent, earliest []time.Duration) {
	t.Helper()
	w := c.tenant(t)
	began := time.Now()
	w.startWith(consumertest.NewNop())
	var asked []defendersim.Request
	for len(asked) < c.incidents {
		require.Less(t, time.Since(began), 12*time.Hour)
		time.Sleep(time.Minute)
		asked = firsts(w.sim.Journal())
	}
	w.stop()
	var answers []time.Duration
	for _, r := range asked {
		sent, answers = append(sent, r.Time.Sub(began)), append(answers, r.Ended.Sub(r.Time))
	}
	rooms := []proof.Room{{Requests: w.cfg.MaxConcurrentRequests}, {Requests: 100, After: time.Minute}}
	if c.api == APIDefenderXDR {
		rooms = append(rooms, proof.Room{Requests: 1500, After: time.Hour})
	}
	_, refused := w.throttled(began)
	require.Zero(t, refused)
	return sent, proof.Earliest(answers, rooms...)
}

// firsts are the first requests for each incident, in their order.
func firsts(journal []defendersim.Request) (all []defendersim.Request) {
	seen := map[int64]bool{}
	for _, r := range journal {
		if r.Endpoint == defendersim.EndpointIncident && !seen[r.ID] {
			seen[r.ID] = true
			all = append(all, r)
		}
	}
	return all
}

// byRefusal is the same start by a poller as there are many: four at once as
// fast as answers come, and after a 429 a wait of what Retry-After says, else of
// a minute.
func (c coldStart) byRefusal(t *testing.T) (took time.Duration, wasted int) {
	t.Helper()
	w := c.tenant(t)
	transport, err := w.auth().RoundTripper(nil)
	require.NoError(t, err)
	path := map[API]string{APIDefenderXDR: "/api/incidents/", APIGraph: "/v1.0/security/incidents/"}[c.api]
	began, ids := time.Now(), make(chan int64)
	var pollers sync.WaitGroup
	for range w.cfg.MaxConcurrentRequests {
		pollers.Go(func() {
			for id := range ids {
				for wait := time.Duration(1); wait > 0; time.Sleep(wait) {
					wait = askOnce(t, transport, w.cfg.HTTP.Endpoint+path+strconv.FormatInt(id, 10))
				}
			}
		})
	}
	for _, id := range w.cfg.IncidentIDs {
		ids <- id
	}
	close(ids)
	pollers.Wait()
	requests, wasted := w.throttled(began)
	require.Equal(t, c.incidents, requests-wasted)
	return w.sim.Journal()[requests-1].Time.Sub(began), wasted
}

// askOnce sends a request; 0: it was answered, else it is to be sent again after
// that wait.
func askOnce(t *testing.T, transport http.RoundTripper, address string) (wait time.Duration) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	answer, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	if answer.StatusCode == http.StatusOK {
		return 0
	}
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil {
		return time.Minute
	}
	return time.Duration(seconds) * time.Second
}

// TestAColdStartTakesNoLongerThanTheLimitsDo makes the table in
// docs/performance.md.
func TestAColdStartTakesNoLongerThanTheLimitsDo(t *testing.T) {
	starts := []coldStart{{APIDefenderXDR, 1501, false}} // one more than an hour allows
	sizes := []int{101}
	if *simulate {
		starts, sizes = nil, []int{50, 100, 101, 500, 1500, 1501, 3000, 5000, 10_000}
		t.Log("| API | incidents | answers | earliest | receiver | worst of all requests | by 429 alone | requests wasted |")
	}
	for _, api := range []API{APIDefenderXDR, APIGraph} {
		for _, n := range sizes {
			starts = append(starts, coldStart{api, n, false}, coldStart{api, n, true})
		}
	}
	for _, c := range starts {
		synctest.Test(t, c.compare)
	}
}

// compare fails where the receiver sends a request more than a hundredth later
// than the earliest, and where it does so before it, for that would break a limit.
func (c coldStart) compare(t *testing.T) {
	t.Helper()
	sent, earliest := c.run(t)
	worst := 0.0
	for n := range sent {
		require.GreaterOrEqual(t, sent[n], earliest[n], "%+v: request %d", c, n+1)
		require.LessOrEqual(t, sent[n], earliest[n]+earliest[n]/100, "%+v: request %d", c, n+1)
		if sent[n] > earliest[n] {
			worst = max(worst, 100*(sent[n]-earliest[n]).Seconds()/earliest[n].Seconds())
		}
	}
	if !*simulate {
		return
	}
	alone, wasted := c.byRefusal(t)
	last := c.incidents - 1
	t.Logf("| %s | %d | %s | %v | %v | %.2f %% | %v | %d |", c.api, c.incidents,
		map[bool]string{false: "at once", true: "0.1 to 1.5 s"}[c.late],
		earliest[last].Round(time.Second), sent[last].Round(time.Second), worst, alone.Round(time.Second), wasted)
}
