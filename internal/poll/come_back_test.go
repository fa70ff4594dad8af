// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

const (
	incidentCalls = "incident"
	listCalls     = "list"
	alertCalls    = "alerts"
)

// callOf returns the endpoint of a request.
func callOf(r *http.Request) string {
	switch {
	case strings.HasSuffix(r.URL.Path, "/incidents"):
		return listCalls
	case strings.HasSuffix(r.URL.Path, "/alerts_v2"):
		return alertCalls
	}
	return incidentCalls
}

// refusing returns a status and a delay for requests, and records each request that arrives before the delay is over.
type refusing struct {
	rand   *rand.Rand
	api    receiver.API
	refuse func(r *http.Request) (status int, wait time.Duration) // 0: passes it on to the API

	mu       sync.Mutex
	until    map[string]time.Time // by endpoint
	requests int
	statuses map[int]int
	early    []string
}

func newRefusing(api receiver.API, refuse func(r *http.Request) (int, time.Duration)) *refusing {
	return &refusing{
		rand: rand.New(rand.NewPCG(1, 2)), api: api, refuse: refuse, until: map[string]time.Time{}, statuses: map[int]int{},
	}
}

func (f *refusing) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	call := callOf(r)
	f.mu.Lock()
	if now := time.Now(); now.Before(f.until[call]) {
		f.early = append(f.early, fmt.Sprintf("%s %s before its time", r.URL.Path, f.until[call].Sub(now)))
	}
	latency := time.Duration(f.rand.Int64N(int64(200*time.Millisecond))) + 1
	status, wait := f.refuse(r)
	form := f.requests
	if status != 0 {
		f.requests++
		f.statuses[status]++
	}
	f.mu.Unlock()
	time.Sleep(latency) // no two responses arrive at the same moment
	if status == 0 {
		return next.RoundTrip(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	header, body := retryAfter(form, wait)
	f.holds(call, wait)
	if f.api == receiver.APIGraph && status == http.StatusTooManyRequests {
		for _, each := range []string{incidentCalls, listCalls, alertCalls} {
			f.holds(each, wait)
		}
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (f *refusing) holds(call string, wait time.Duration) {
	if until := time.Now().Add(wait); until.After(f.until[call]) {
		f.until[call] = until
	}
}

// retryAfter states in one of several forms how long to wait.
func retryAfter(form int, wait time.Duration) (header http.Header, body string) {
	header = http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	message := "Too many requests"
	switch form % 5 {
	case 0:
		header.Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', -1, 64))
	case 1:
		at := time.Now().Add(wait + time.Second).UTC()
		header.Set("Retry-After", at.Format(http.TimeFormat))
	case 2:
		header.Set("X-Ms-Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	case 3:
		message = fmt.Sprintf("You can send requests again in %.3f seconds.", wait.Seconds())
	case 4:
		return header, fmt.Sprintf(`{"error":{"code":"c","message":"m","innerError":{"message":"Please retry after %.5f minutes."}}}`, wait.Minutes()+0.0001)
	}
	return header, fmt.Sprintf(`{"error":{"code":"c","message":%q}}`, message)
}

// This holds for every kind of request (a routine poll, a changed or a new incident, more alerts, a page of the list, an endpoint that fails)
// and for every status. The receiver is also restarted while it waits.
func TestNoRequestIsEarlierThanTheAPIRequested(t *testing.T) {
	harness.Long(t)
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := inPages(40)
		population.ChangesPerHour = 400
		h := harness.NewUnder(t, api, population, harness.WithFeed())
		statuses := []int{202, 301, 302, 400, 401, 403, 408, 429, 429, 429, 500, 502, 503, 503, 504}
		spared := map[string]int{} // by incident, how many requests to let through after a refused one: an incident that is often refused backs off alone
		var f *refusing
		f = newRefusing(api, func(r *http.Request) (int, time.Duration) {
			incident := strings.TrimSuffix(r.URL.Path, "/alerts")
			if spared[incident] > 0 || f.rand.IntN(4) > 0 {
				spared[incident]--
				return 0, 0
			}
			if callOf(r) == incidentCalls {
				spared[incident] = 10 // enough to fetch it with all its alerts
			}
			return statuses[(f.requests+f.requests/len(statuses))%len(statuses)], time.Duration(1+f.rand.IntN(90_000)) * time.Millisecond
		})
		h.Auth.Use(f.roundTrip)
		h.Start()
		random := rand.New(rand.NewPCG(3, 4)) // f.rand is used by the requests
		for range 12 {
			harness.Sleep(time.Duration(random.Int64N(int64(20 * time.Minute))))
			h.Stop()
			h.Start()
		}
		synctest.Wait()
		require.Empty(t, f.early)
		require.Greater(t, f.requests, 60)
		require.Len(t, f.statuses, 12)
	})
}

// Re-reads of a list wait too, also after a restart.
func TestRereadWaitsForTheDelayThatTheAPIRequested(t *testing.T) {
	const wait = 20 * time.Minute
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(3), harness.WithFeed())
		f := newRefusing(receiver.APIGraph, func(r *http.Request) (int, time.Duration) {
			if r.URL.Query().Has("$select") {
				return http.StatusInternalServerError, wait
			}
			return 0, 0
		})
		h.Auth.Use(f.roundTrip)
		h.Start()
		first, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		for range 2 { // so that there is something to list again
			harness.Sleep(12 * time.Minute)
			h.Assign(1001)
			require.NoError(t, h.Sim.UpdateAlert(1001, first.Alerts[0].ID, func(a *defendersim.Alert) { a.AssignedTo += "+" }))
		}
		harness.Sleep(11 * time.Minute)
		require.Equal(t, 2, f.requests, "one of each list")
		h.Stop()
		h.Start()
		harness.Sleep(wait)
		require.Empty(t, f.early)
		require.Len(t, h.Logs.FilterMessage(msgAsksToWait).All(), 1)
	})
}

// An outage is probed with backoff, but not earlier than the API has requested.
func TestOutageIsProbedNoEarlierThanTheAPIRequested(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20), harness.WithFeed())
		h.RunOnce()
		f := newRefusing(receiver.APIDefenderXDR, func(*http.Request) (int, time.Duration) { return http.StatusServiceUnavailable, 10 * time.Minute })
		h.Auth.Use(f.roundTrip)
		h.Start()
		harness.Sleep(2 * time.Hour)
		h.Assign(1001)
		harness.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, f.early)
		require.GreaterOrEqual(t, f.requests, 2*17, "every ten minutes")
		require.LessOrEqual(t, f.requests, (h.Config.MaxConcurrentRequests+1)*18)
		require.Contains(t, h.Warnings(), msgUnavailable)
		lines := h.Logs.FilterMessage(msgAsksToWait).All()
		require.Len(t, lines, 1, "%v", h.Warnings())
		require.Equal(t, int64(503), lines[0].ContextMap()["status"])
		require.Equal(t, 10*time.Minute, durationOf(t, lines[0], "wait").Round(time.Minute))

		h.Auth.Use(nil)
		harness.Sleep(15 * time.Minute)
		require.Contains(t, h.Sink.Changes(), updated(1001)[0])
	})
}

// A delay requested with another status than 429 applies to its endpoint only, and nothing is learned about limits.
func TestDelayRequestedByTheListHoldsNoPolls(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(10), harness.WithFeed())
		f := newRefusing(api, func(r *http.Request) (int, time.Duration) {
			if callOf(r) == listCalls {
				return http.StatusInternalServerError, 20 * time.Minute
			}
			return 0, 0
		})
		h.Auth.Use(f.roundTrip)
		h.Start()
		harness.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, f.early)
		require.Equal(t, 3, f.requests)
		require.GreaterOrEqual(t, h.Polls(0), 10*10)
	})
}

// If every response for one incident requests a delay, the others pause at most twice.
func TestIncidentThatAlwaysRequestsADelayBacksOffAlone(t *testing.T) {
	harness.Long(t)
	for _, status := range []int{404, 429, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				h := harness.NewUnder(t, api, harness.OneAlert(20), harness.WithFeed())
				h.RunOnce()
				var refused []time.Time
				f := newRefusing(api, func(r *http.Request) (int, time.Duration) {
					if strings.HasSuffix(r.URL.Path, "/1001") {
						refused = append(refused, time.Now())
						return status, 10 * time.Minute
					}
					return 0, 0
				})
				h.Auth.Use(f.roundTrip)
				h.Start()
				for range 3 * 12 {
					h.Assign(1001) // the list shows it each time
					harness.Sleep(5 * time.Minute)
				}
				synctest.Wait()
				require.Greater(t, len(refused), 3)
				for i := range refused[1:] {
					require.GreaterOrEqual(t, refused[i+1].Sub(refused[i]), 10*time.Minute)
				}
				require.GreaterOrEqual(t, h.Polls(0), 19*12*2, "but for two pauses and the requests before them")
				require.Empty(t, h.Host.Statuses())
				for _, line := range h.Logs.FilterMessage(msgRateLimited).All() {
					require.NotContains(t, line.ContextMap(), "learned_limit")
				}
			})
		})
	}
}

// A response that requests a delay arrives during shutdown. The next run keeps to it.
func TestDelayRequestedDuringShutdownIsKept(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithFeed())
		var refused atomic.Bool
		var sent time.Time
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if callOf(r) == listCalls || !refused.CompareAndSwap(false, true) {
				if callOf(r) == incidentCalls && !sent.IsZero() {
					assert.GreaterOrEqual(t, time.Since(sent), 90*time.Second)
				}
				return next.RoundTrip(r)
			}
			harness.Sleep(2 * time.Second)
			sent = time.Now()
			paused := respond(r, http.StatusServiceUnavailable, "")
			paused.Header.Set("Retry-After", "90")
			return paused, nil
		})
		h.Config.MaxConcurrentRequests = 1
		h.Start()
		harness.Sleep(time.Second)
		h.Stop()
		require.False(t, sent.IsZero())
		h.Start()
		harness.Sleep(5 * time.Minute)
		require.Len(t, h.Sink.Changes(), 6, "three incidents with one alert each")
	})
}
