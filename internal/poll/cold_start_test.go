// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// coldStart is a start without a checkpoint.
type coldStart struct {
	api       receiver.API
	incidents int
	slow      bool // responses take 0.1 to 1.5 s, else no time
}

func (c coldStart) String() string {
	return fmt.Sprintf("%s, %d incidents, responses %s", c.api, c.incidents, c.responses())
}

func (c coldStart) responses() string {
	if c.slow {
		return "0.1 to 1.5 s"
	}
	return "at once"
}

// harness returns a harness with that many incidents and the API's default limits.
func (c coldStart) harness(t *testing.T) *harness.Harness {
	t.Helper()
	population, limits := harness.Quiet(0), receiver.RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500}
	if c.api == receiver.APIGraph {
		population.PerHour, limits.RequestsPerHour = 0, 0
	}
	h := harness.NewUnder(t, c.api, population, harness.WithIDs(1), func(cfg *receiver.Config) { cfg.RateLimit = limits })
	addBare(t, h, c.incidents)
	if c.slow {
		for _, id := range h.Config.IncidentIDs {
			h.Fail(id, fmt.Sprintf("slow=%dms", 100+id*7919%1400))
		}
	}
	return h
}

// run starts a receiver and returns when it sent the first request for each
// incident, and the earliest time at which it could have done so.
func (c coldStart) run(t *testing.T) (sent, earliest []time.Duration) {
	t.Helper()
	h := c.harness(t)
	began := time.Now()
	h.StartWith(consumertest.NewNop())
	var first []defendersim.Request
	for len(first) < c.incidents {
		require.Less(t, time.Since(began), 12*time.Hour)
		harness.Sleep(time.Minute)
		first = firsts(h.Sim.Journal())
	}
	h.Stop()
	var took []time.Duration
	for _, r := range first {
		sent, took = append(sent, r.Time.Sub(began)), append(took, r.Ended.Sub(r.Time))
	}
	rooms := []proof.Room{{Requests: h.Config.MaxConcurrentRequests}, {Requests: 100, After: time.Minute}}
	if c.api == receiver.APIDefenderXDR {
		rooms = append(rooms, proof.Room{Requests: 1500, After: time.Hour})
	}
	_, rateLimited := h.PollsSince(began)
	require.Zero(t, rateLimited)
	return sent, proof.Earliest(took, rooms...)
}

// firsts returns the first request for each incident, in order.
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

// byRetryAfter is the same start by a simple poller. It sends four requests at
// once, as fast as responses come. After a 429 it waits for as long as Retry-After
// says, or else for a minute.
func (c coldStart) byRetryAfter(t *testing.T) (took time.Duration, wasted int) {
	t.Helper()
	h := c.harness(t)
	transport, err := h.Auth.RoundTripper(nil)
	require.NoError(t, err)
	path := map[receiver.API]string{receiver.APIDefenderXDR: "/api/incidents/", receiver.APIGraph: "/v1.0/security/incidents/"}[c.api]
	began, ids := time.Now(), make(chan int64)
	var pollers sync.WaitGroup
	for range h.Config.MaxConcurrentRequests {
		pollers.Go(func() {
			for id := range ids {
				for wait := time.Duration(1); wait > 0; time.Sleep(wait) {
					wait = try(t, transport, h.Config.HTTP.Endpoint+path+strconv.FormatInt(id, 10))
				}
			}
		})
	}
	for _, id := range h.Config.IncidentIDs {
		ids <- id
	}
	close(ids)
	pollers.Wait()
	requests, wasted := h.PollsSince(began)
	require.Equal(t, c.incidents, requests-wasted)
	return h.Sim.Journal()[requests-1].Time.Sub(began), wasted
}

// try sends a request and returns how long to wait before it is sent again; 0 if it succeeded.
func try(t *testing.T, transport http.RoundTripper, address string) (wait time.Duration) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	if response.StatusCode == http.StatusOK {
		return 0
	}
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil {
		return time.Minute
	}
	return time.Duration(seconds) * time.Second
}

// TestColdStartIsAsFastAsTheLimitsAllow prints the table of docs/performance.md.
func TestColdStartIsAsFastAsTheLimitsAllow(t *testing.T) {
	starts := []coldStart{{receiver.APIDefenderXDR, 1501, false}} // one more than an hour allows
	sizes := []int{101}
	if *simulate {
		starts, sizes = nil, []int{50, 100, 101, 500, 1500, 1501, 3000, 5000, 10_000}
		t.Log("| API | incidents | responses | earliest | receiver | worst of all requests | by 429 alone | requests wasted |")
	}
	for _, api := range []receiver.API{receiver.APIDefenderXDR, receiver.APIGraph} {
		for _, n := range sizes {
			starts = append(starts, coldStart{api, n, false}, coldStart{api, n, true})
		}
	}
	for _, c := range starts {
		t.Run(c.String(), func(t *testing.T) { harness.Run(t, c.compare) })
	}
}

// compare fails the test if the receiver sends a request earlier than the limits
// allow, or more than one percent later.
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
	alone, wasted := c.byRetryAfter(t)
	last := c.incidents - 1
	t.Logf("| %s | %d | %s | %v | %v | %.2f %% | %v | %d |", c.api, c.incidents, c.responses(),
		earliest[last].Round(time.Second), sent[last].Round(time.Second), worst, alone.Round(time.Second), wasted)
}
