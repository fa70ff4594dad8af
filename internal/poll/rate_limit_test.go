// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

func TestNothingIsSentDuringAPauseThatTheAPIRequested(t *testing.T) {
	for fault, wait := range map[string]time.Duration{
		"429=90s":                  90 * time.Second,
		"429-retry-after=90s":      90 * time.Second,
		"429-retry-after-date=90s": 90 * time.Second,
		"429-bare":                 time.Minute,
		"429-empty":                time.Minute,
	} {
		t.Run(fault, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				h := harness.NewUnder(t, api, harness.OneAlert(20), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
				h.FailOnce(1005, fault)
				h.Start()
				harness.Sleep(10 * time.Minute)
				journal := h.Sim.Journal()
				index := slices.IndexFunc(journal, func(r defendersim.Request) bool { return r.Status == http.StatusTooManyRequests })
				require.GreaterOrEqual(t, journal[index+1].Time.Sub(journal[index].Time), wait)
				require.Len(t, h.Sink.Changes(), 40, "nothing is lost")
				require.Empty(t, h.Warnings())
			})
		})
	}
}

func TestQuotaIsSharedWithAnotherProgram(t *testing.T) {
	harness.Long(t)
	for name, c := range map[string]struct{ perMinute, perHour, foreign, least int }{
		"of an hour":  {100, 1500, 13, 600}, // 780 of 1,500
		"of a minute": {100, 0, 50, 2400},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.Quiet(0)
				population.PerMinute, population.PerHour, population.ForeignPerMinute = c.perMinute, c.perHour, c.foreign
				h := harness.New(t, population, harness.WithIDs(1), harness.WithLimits(c.perMinute, c.perHour))
				addBare(t, h, 2000)
				h.Start()
				harness.Sleep(time.Hour)
				from := time.Now()
				harness.Sleep(time.Hour)
				polls, rateLimited := h.PollsSince(from)
				t.Logf("%d of %d requests got a 429", rateLimited, polls)
				require.Less(t, float64(rateLimited), 0.01*float64(polls), "of %d", polls)
				require.Greater(t, polls, c.least, "what the other program leaves is used")
				for _, line := range h.Warnings() {
					require.Equal(t, msgRateLimited, line, "a pause of minutes")
				}
				require.Empty(t, h.Host.Statuses())
			})
		})
	}
}

// After a single 429 and its delay, what is due is requested at the configured rate.
func TestOne429LeavesTheRateAsItIs(t *testing.T) {
	harness.Long(t)
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(300)
		population.PerMinute, population.PerHour = 500, 0
		population.ListPerMinute, population.ListPerHour = 500, 0
		h := harness.NewUnder(t, api, population, harness.WithFeed(), harness.WithLimits(500, 0),
			func(cfg *receiver.Config) { cfg.CollectionInterval = 10 * time.Minute })
		h.Start()
		harness.Sleep(30 * time.Minute)
		h.Sink.Reset()
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=10s")
		for polled := h.Polls(0); h.Polls(0) == polled; {
			harness.Sleep(time.Second)
		}
		h.Assign(h.Sim.IDs()...)
		harness.Sleep(2 * time.Minute)
		_, rateLimited := h.PollsSince(time.Now().Add(-3 * time.Minute))
		require.Equal(t, 1, rateLimited)
		require.GreaterOrEqual(t, len(h.Sink.Changes()), 290)
		for _, line := range h.Logs.FilterMessage(msgRateLimited).All() {
			require.NotContains(t, line.ContextMap(), "learned_limit")
		}
	})
}

// After a restart without storage, the API still counts the requests of the last
// hour, and the receiver knows of none.
func TestStartWithoutHistoryFindsThePaceAgain(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(400)
		population.PerMinute, population.PerHour = 20, 300
		h := harness.NewUnder(t, api, population, func(cfg *receiver.Config) {
			cfg.StorageID = nil
			cfg.RateLimit = receiver.RateLimitConfig{RequestsPerMinute: 20, RequestsPerHour: 300}
		})
		h.Start()
		harness.Sleep(time.Hour)
		h.Stop()
		_, rateLimited := h.PollsSince(time.Time{})
		require.Zero(t, rateLimited)

		restarted := time.Now()
		h.Start()
		harness.Sleep(time.Hour)
		polls, rateLimited := h.PollsSince(restarted)
		require.LessOrEqual(t, rateLimited, 2*h.Config.MaxConcurrentRequests, "of %d", polls)
		require.Greater(t, polls, 200)
	})
}

func TestRestartKeepsPauseAndLearnedLimit(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(100))
		h.Start()
		harness.Sleep(70 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=5s")
		harness.Sleep(5 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=5m")
		harness.Sleep(4 * time.Minute)
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		lines := h.Logs.FilterMessage(msgRateLimited).All()
		require.Len(t, lines, 2, "the second says what was learned")
		require.NotContains(t, lines[0].ContextMap(), "learned_limit")
		require.Equal(t, int64(50), lines[1].ContextMap()["learned_limit"])
		require.Equal(t, "1m", lines[1].ContextMap()["window"])
		require.Equal(t, "10m", lines[1].ContextMap()["ends_after_this_long_without_a_429"])
		before := h.Polls(0)

		h.Start()
		harness.Sleep(time.Until(lines[1].Time.Add(5*time.Minute - time.Second)))
		require.Equal(t, before, h.Polls(0), "the pause continues")
		harness.Sleep(time.Until(lines[1].Time.Add(10*time.Minute - time.Second)))
		var sent []time.Time
		for _, r := range h.Sim.Journal()[before:] {
			sent = append(sent, r.Time)
		}
		require.Greater(t, len(sent), 90)
		for i := 50; i < len(sent); i++ {
			require.GreaterOrEqual(t, sent[i].Sub(sent[i-50]), time.Minute, "more than 50 within a minute")
		}
	})
}

func TestLearnedLimitIsMeasuredAndItsEndIsLogged(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(100), harness.WithFeed())
		learned := func(perMinute int64) {
			t.Helper()
			metadatatest.AssertEqualReceiverDefenderIncidentsLearnedLimit(t, h.Telemetry, points(map[attribute.Set]int64{
				labels(h, "call", "incident", "window", "1m"): perMinute, labels(h, "call", "incident", "window", "1h"): 0,
				labels(h, "call", "list", "window", "1m"): 0, labels(h, "call", "list", "window", "1h"): 0,
			}), metricdatatest.IgnoreTimestamp())
		}
		h.Start()
		harness.Sleep(70 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=5s")
		harness.Sleep(5 * time.Minute)
		learned(0)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=30s")
		harness.Sleep(5 * time.Minute)
		learned(50)
		require.Zero(t, h.Logs.FilterMessage(msgLimitEnded).Len())

		harness.Sleep(10 * time.Minute)
		learned(0)
		lines := h.Logs.FilterMessage(msgLimitEnded).All()
		require.Len(t, lines, 1)
		require.Equal(t, map[string]any{"requests_of": "incident", "learned_limit": int64(50), "window": "1m"}, lines[0].ContextMap())
	})
}

func TestAbsurdPauseIsCappedAtAnHourAndLogged(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=1000h")
		h.Start()
		harness.Sleep(time.Hour - time.Second)
		require.Equal(t, 1, h.Polls(0))
		lines := h.Logs.FilterMessage(msgRateLimited).All()
		require.Len(t, lines, 1)
		require.Equal(t, "1h", lines[0].ContextMap()["wait"])
		require.Equal(t, "1000h", lines[0].ContextMap()["requested_wait"])
		harness.Sleep(time.Minute)
		require.Len(t, h.Sink.Changes(), 40, "then it resumes")

		harness.Sleep(10 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=1000h")
		harness.Sleep(time.Hour)
		require.Len(t, h.Logs.FilterMessage(msgRateLimited).All(), 2, "a new pause is logged again")
	})
}
