// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func slowFeed(f *receiver.ChangeFeedConfig) { f.Interval = 5 * time.Minute }

// logged returns the messages that a user sees after the plan at the start.
func logged(h *harness.Harness) (messages []string) {
	for _, line := range h.Logs.All() {
		if line.Level >= zapcore.InfoLevel && line.Message != msgPlan && line.Message != msgNoIncidents {
			messages = append(messages, line.Message)
		}
	}
	return messages
}

func TestEveryRequestForAnIncidentFailsWhileTheListWorks(t *testing.T) {
	for fault, lines := range map[string]int{
		"503": 1,
		"403": 1,
		"429": 2, // the pause, and after ten minutes an outage
	} {
		t.Run(fault, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10), harness.WithFeed(slowFeed), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
				h.Fail(defendersim.AllIncidents, fault)
				h.Start()
				harness.Sleep(6 * time.Hour)
				require.LessOrEqual(t, len(logged(h)), lines, "%v", logged(h))
				require.Len(t, h.Host.Statuses(), 1)

				h.Sim.ClearFaults()
				harness.Sleep(20 * time.Minute)
				require.Len(t, h.Sink.Changes(), 20)
				require.Len(t, h.Host.Statuses(), 2)
				require.Equal(t, "StatusOK", h.Host.Statuses()[1])
			})
		})
	}
}

func TestShareOfTheIncidentsThatAlwaysFailsIsNoOutage(t *testing.T) {
	for name, c := range map[string]struct {
		incidents, failing, lines int
		fault                     string
		interval                  time.Duration
		statuses                  int
	}{
		"3 of 10 denied": {10, 3, 3, "403", 10 * time.Minute, 0},
		// Ten incidents are logged, and then that there are more. While nothing is known
		// about any incident, those that fail may come first and look like an outage.
		"30 of 100 unanswered": {100, 30, 11, "503", 2 * time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.Quiet(0), harness.WithIDs(1), func(cfg *receiver.Config) { cfg.CollectionInterval = c.interval })
				addBare(t, h, c.incidents)
				for id := range int64(c.failing) {
					h.Fail(id+1, c.fault)
				}
				h.Start()
				harness.Sleep(24 * time.Hour)
				statuses := h.Host.Statuses()
				require.LessOrEqual(t, len(statuses), c.statuses)
				if len(statuses) > 0 {
					require.Equal(t, "StatusOK", statuses[len(statuses)-1])
				}
				require.LessOrEqual(t, len(logged(h)), c.lines+len(statuses), "%v", logged(h))
				polls := 0
				for id := c.failing + 1; id <= c.incidents; id++ {
					polls += h.Polls(int64(id))
				}
				normal := (c.incidents - c.failing) * int(24*time.Hour/c.interval)
				require.GreaterOrEqual(t, polls, normal*9/10, "the others keep their pace")
			})
		})
	}
}

// denyFirst permanently denies access to the first incidents that are requested.
func denyFirst(n int) harness.Middleware {
	var mu sync.Mutex
	denied := map[string]bool{}
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		mu.Lock()
		if len(denied) < n {
			denied[r.URL.Path] = true
		}
		deny := denied[r.URL.Path]
		mu.Unlock()
		if deny {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return next.RoundTrip(r)
	}
}

// At the start and after an outage, incidents are polled in quick succession.
// Those that are denied may come first.
func TestDeniedIncidentsThatArePolledInARowAreNoOutage(t *testing.T) {
	harness.Long(t)
	for _, denied := range []int{1, 3, 4} {
		t.Run(strconv.Itoa(denied), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10))
				h.Auth.Use(denyFirst(denied))
				h.Start()
				harness.Sleep(time.Hour)
				require.Empty(t, h.Host.Statuses())
				require.Len(t, h.Sink.Changes(), 2*(10-denied))

				h.Fail(defendersim.AllIncidents, "503")
				harness.Sleep(30 * time.Minute)
				h.Sim.ClearFaults()
				harness.Sleep(12 * time.Hour)
				require.Len(t, h.Host.Statuses(), 2)
				require.Contains(t, h.Host.Statuses()[0], msgUnavailable)
				require.Equal(t, "StatusOK", h.Host.Statuses()[1])
			})
		})
	}
}

func TestListIsDeniedWhileTheOnlyIncidentWorks(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), harness.WithFeed(slowFeed))
		h.Fail(defendersim.ListRequests, "403")
		h.Start()
		harness.Sleep(24 * time.Hour)
		require.Len(t, logged(h), 1, "%v", logged(h))
		require.Len(t, h.Host.Statuses(), 1)
		require.Contains(t, h.Host.Statuses()[0], recoverable)
		require.GreaterOrEqual(t, h.Polls(1001), 24*12-1)
	})
}
