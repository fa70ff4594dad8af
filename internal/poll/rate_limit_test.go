package poll_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
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
				time.Sleep(10 * time.Minute)
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
	harness.Run(t, func(t *testing.T) {
		population := harness.Quiet(0)
		population.ForeignPerMinute = 13 // 780 of 1,500 an hour
		h := harness.New(t, population, harness.WithIDs(1))
		addBare(t, h, 2000)
		h.Start()
		time.Sleep(time.Hour)
		from := time.Now()
		time.Sleep(time.Hour)
		polls, rateLimited := h.PollsSince(from)
		require.Less(t, float64(rateLimited), 0.01*float64(polls), "of %d", polls)
		require.Greater(t, polls, 600, "what the other program leaves is used")
		require.Empty(t, h.Warnings())
	})
}

// After a restart without storage, the API remembers the requests of an hour and
// the receiver none.
func TestStartWithoutHistoryFindsThePaceAgain(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(400)
		population.PerMinute, population.PerHour = 20, 300
		h := harness.NewUnder(t, api, population, func(cfg *receiver.Config) {
			cfg.StorageID = nil
			cfg.RateLimit = receiver.RateLimitConfig{RequestsPerMinute: 20, RequestsPerHour: 300}
		})
		h.Start()
		time.Sleep(time.Hour)
		h.Stop()
		_, rateLimited := h.PollsSince(time.Time{})
		require.Zero(t, rateLimited)

		restarted := time.Now()
		h.Start()
		time.Sleep(time.Hour)
		polls, rateLimited := h.PollsSince(restarted)
		require.LessOrEqual(t, rateLimited, 2*h.Config.MaxConcurrentRequests, "of %d", polls)
		require.Greater(t, polls, 200)
	})
}

func TestRestartKeepsPauseAndLearnedLimit(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(100))
		h.Start()
		time.Sleep(70 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=20m")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		lines := h.Logs.FilterMessage(msgRateLimited).All()
		require.Len(t, lines, 1)
		learned := lines[0].ContextMap()["learned_limit"].(int64)
		require.Equal(t, time.Minute, lines[0].ContextMap()["window"])
		before := h.Polls(0)

		h.Start()
		time.Sleep(time.Until(lines[0].Time.Add(20*time.Minute - time.Second)))
		require.Equal(t, before, h.Polls(0), "the pause goes on")
		time.Sleep(30 * time.Minute)
		var sent []time.Time
		for _, r := range h.Sim.Journal()[before:] {
			sent = append(sent, r.Time)
		}
		require.Greater(t, len(sent), int(learned))
		for i := int(learned); i < len(sent); i++ {
			require.GreaterOrEqual(t, sent[i].Sub(sent[i-int(learned)]), time.Minute, "more than %d within a minute", learned)
		}
	})
}

func TestAbsurdPauseIsCappedAtAnHourAndLogged(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=1000h")
		h.Start()
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 1, h.Polls(0))
		lines := h.Logs.FilterMessage(msgRateLimited).All()
		require.Len(t, lines, 1)
		require.Equal(t, time.Hour, lines[0].ContextMap()["wait"])
		require.Equal(t, 1000*time.Hour, lines[0].ContextMap()["asked_for_but_capped"])
		time.Sleep(time.Minute)
		require.Len(t, h.Sink.Changes(), 40, "then it resumes")

		time.Sleep(10 * time.Minute)
		h.FailOnce(defendersim.AllIncidents, "429-retry-after=1000h")
		time.Sleep(time.Hour)
		require.Len(t, h.Logs.FilterMessage(msgRateLimited).All(), 2, "a new pause is logged again")
	})
}
