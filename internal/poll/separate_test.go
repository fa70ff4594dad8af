// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// gateway is middleware that counts the requests for incidents and returns an error for some of them.
type gateway struct {
	mu       sync.Mutex
	status   func(r *http.Request) int // 0: passes it on to the API
	together int                       // requests for an incident and its alerts
	alone    int                       // for an incident without them
	alerts   int                       // for a page of them
}

// use makes the gateway return these statuses from now on.
func (g *gateway) use(status func(r *http.Request) int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = status
}

// counts returns the numbers of requests since the last call.
func (g *gateway) counts() (together, alone, alerts int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	together, alone, alerts = g.together, g.alone, g.alerts
	g.together, g.alone, g.alerts = 0, 0, 0
	return together, alone, alerts
}

func (g *gateway) pass(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case isAlerts(r):
		g.alerts++
	case isTogether(r):
		g.together++
	default:
		g.alone++
	}
	if g.status != nil {
		if status := g.status(r); status != 0 {
			return respond(r, status, ""), nil
		}
	}
	return next.RoundTrip(r)
}

func isAlerts(r *http.Request) bool   { return strings.HasSuffix(r.URL.Path, "/alerts") }
func isTogether(r *http.Request) bool { return r.URL.Query().Get("$expand") == "alerts" }

// tooLarge fails with a status when incident 1001 is requested together with its alerts.
func tooLarge(status int) func(r *http.Request) int {
	return func(r *http.Request) int {
		if isTogether(r) && strings.HasSuffix(r.URL.Path, "/1001") {
			return status
		}
		return 0
	}
}

func behind(t *testing.T, population defendersim.Config, change ...func(*receiver.Config)) (*harness.Harness, *gateway) {
	t.Helper()
	h := harness.NewUnder(t, receiver.APIGraph, population, change...)
	g := &gateway{}
	h.Auth.Use(g.pass)
	return h, g
}

func TestAlertsAreFetchedSeparatelyWhereTheAPIFailsToShowThemWithTheirIncident(t *testing.T) {
	harness.Long(t)
	for name, test := range map[string]struct {
		status, incidents int
		mode              receiver.AlertsMode
	}{
		"500":                {500, 3, receiver.AlertsSplit},
		"500, embedded":      {500, 3, receiver.AlertsEmbedded},
		"502":                {502, 3, receiver.AlertsSplit},
		"503":                {503, 3, receiver.AlertsSplit},
		"504":                {504, 3, receiver.AlertsSplit},
		"the only incident":  {500, 1, receiver.AlertsSplit},
		"one of many others": {500, 8, receiver.AlertsSplit},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h, g := behind(t, inPages(test.incidents), harness.WithLimits(40, 0), func(cfg *receiver.Config) {
					cfg.Alerts, cfg.CollectionInterval = test.mode, time.Hour
				})
				g.use(tooLarge(test.status))
				h.Start()
				harness.Sleep(150 * time.Minute)
				want := test.incidents
				if test.mode == receiver.AlertsSplit {
					want *= 8
				}
				changes := h.Sink.Changes()
				require.Len(t, changes, want, "all incidents and all of their alerts")
				require.Contains(t, changes, "1001 first_seen")
				require.Equal(t, 1, h.Logs.FilterMessage(msgSeparate).Len())

				g.counts()
				h.Assign(1001)
				harness.Sleep(22 * time.Hour)
				require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
				together, alone, _ := g.counts()
				require.InDelta(t, (test.incidents-1)*22, together, float64(3*test.incidents), "1001 is no longer requested that way")
				require.InDelta(t, 22, alone, 3)
				require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 40)

				harness.Sleep(24 * time.Hour)
				_, alone, _ = g.counts()
				require.InDelta(t, 24, alone, 3, "a day later, it is tried once")
				require.Equal(t, 1, h.Logs.FilterMessage(msgSeparate).Len(), "logged once")

				g.use(nil)
				harness.Sleep(24 * time.Hour)
				g.counts()
				harness.Sleep(2 * time.Hour)
				_, alone, _ = g.counts()
				require.Zero(t, alone, "they come together again")
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

func TestIncidentIsDeliveredWithoutAlertsThatCannotBeFetchedAtAll(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 404, 500} {
		synctest.Test(t, func(t *testing.T) {
			h, g := behind(t, inPages(3))
			h.RunOnce()
			g.use(func(r *http.Request) int {
				if strings.HasSuffix(r.URL.Path, "/1001/alerts") {
					return status
				}
				return tooLarge(500)(r)
			})
			h.Start()
			harness.Sleep(time.Minute)
			h.Assign(1001)
			harness.Sleep(30 * time.Minute)
			require.Equal(t, []string{"1001 updated"}, h.Sink.Changes(), "and none of its alerts is removed")
			g.use(nil)
			harness.Sleep(time.Hour)
			require.Empty(t, h.Sink.Changes())
		})
	}
}

func TestAnOutageDoesNotCauseSeparateRequestsForAlerts(t *testing.T) {
	harness.Long(t)
	t.Parallel()
	for _, incidents := range []int{1, 3, 20} {
		requests := map[receiver.AlertsMode]int{}
		for _, mode := range []receiver.AlertsMode{receiver.AlertsNone, receiver.AlertsSplit} {
			synctest.Test(t, func(t *testing.T) {
				population := inPages(incidents)
				population.AlertsPage = 0
				h, g := behind(t, population, func(cfg *receiver.Config) { cfg.Alerts = mode })
				h.RunOnce()
				h.Start()
				harness.Sleep(time.Minute)
				g.counts()
				g.use(func(*http.Request) int { return 500 })
				harness.Sleep(6 * time.Hour)
				together, alone, alerts := g.counts()
				requests[mode] = together + alone
				require.Zero(t, alerts, "nothing follows a request that fails")

				g.use(nil)
				harness.Sleep(time.Hour)
				_, alone, alerts = g.counts()
				require.LessOrEqual(t, alerts, h.Config.MaxConcurrentRequests+2, "no more than were in flight when it ended, and those that end it")
				if mode == receiver.AlertsSplit {
					require.LessOrEqual(t, alone, h.Config.MaxConcurrentRequests+2)
				}
				harness.Sleep(time.Hour)
				_, _, alerts = g.counts()
				require.Zero(t, alerts)
				require.Zero(t, h.Logs.FilterMessage(msgSeparate).Len())
				require.Empty(t, h.Sink.Changes())
			})
		}
		require.InDelta(t, requests[receiver.AlertsNone], requests[receiver.AlertsSplit], 0.2*float64(requests[receiver.AlertsNone]),
			"an outage takes as many requests as where there is nothing to separate")
	}
}

func TestWithoutAlertsNoneAreRequested(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, g := behind(t, inPages(3), func(cfg *receiver.Config) { cfg.Alerts = receiver.AlertsNone })
		g.use(tooLarge(500))
		h.Start()
		harness.Sleep(time.Hour)
		together, alone, alerts := g.counts()
		require.Zero(t, together)
		require.Zero(t, alerts)
		require.Greater(t, alone, 3*10)
		require.Len(t, h.Sink.Changes(), 3)
	})
}
