package defenderincidentsreceiver

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// throttled counts the requests from a moment on, and those of them that were
// one too many.
func (w *world) throttled(from time.Time) (requests, throttled int) {
	for _, r := range w.sim.Journal() {
		if r.Endpoint != defendersim.EndpointIncident || r.Time.Before(from) {
			continue
		}
		requests++
		if r.Status == http.StatusTooManyRequests {
			throttled++
		}
	}
	return requests, throttled
}

func TestNothingIsSentDuringAWaitThatTheAPIAskedFor(t *testing.T) {
	for fault, wait := range map[string]time.Duration{
		"429=90s":                  90 * time.Second,
		"429-retry-after=90s":      90 * time.Second,
		"429-retry-after-date=90s": 90 * time.Second,
		"429-bare":                 time.Minute,
		"429-empty":                time.Minute,
	} {
		t.Run(fault, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(20), func(cfg *Config) { cfg.MaxConcurrentRequests = 1 })
				once := rule(t, fault)
				once.Times = 1
				require.NoError(t, w.sim.SetFault(1005, once))
				w.start()
				time.Sleep(10 * time.Minute)
				journal := w.sim.Journal()
				refused := slices.IndexFunc(journal, func(r defendersim.Request) bool { return r.Status == http.StatusTooManyRequests })
				require.GreaterOrEqual(t, journal[refused+1].Time.Sub(journal[refused].Time), wait)
				require.Len(t, w.sink.changes(), 40, "and nothing is lost")
				require.Empty(t, w.complaints())
			})
		})
	}
}

func TestHalfOfTheQuotaIsLeftToAnotherProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		population := oneAlert(2000)
		population.ForeignPerMinute = 13 // 780 of 1,500 an hour
		w := newWorld(t, population)
		w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
		w.start()
		time.Sleep(time.Hour)
		for hour := 2; hour <= 3; hour++ {
			from := time.Now()
			time.Sleep(time.Hour)
			requests, throttled := w.throttled(from)
			require.Less(t, float64(throttled), 0.01*float64(requests), "in hour %d, of %d", hour, requests)
			require.Greater(t, requests, 600, "what is left is used")
			t.Logf("hour %d: %d of %d were one too many", hour, throttled, requests)
		}
		require.Empty(t, w.complaints())
	})
}

// TestAStartThatForgotWhatWasSentFindsThePaceAgain is what a restart without
// storage runs into: the API remembers a whole hour, the receiver nothing.
func TestAStartThatForgotWhatWasSentFindsThePaceAgain(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := oneAlert(400)
		population.PerMinute, population.PerHour = 20, 300
		w := newWorldUnder(t, api, population, func(cfg *Config) {
			cfg.StorageID = nil
			cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 20, RequestsPerHour: 300}
		})
		w.start()
		time.Sleep(2 * time.Hour)
		w.stop()
		_, throttled := w.throttled(time.Time{})
		require.Zero(t, throttled)

		restarted := time.Now()
		w.start()
		time.Sleep(time.Hour)
		requests, throttled := w.throttled(restarted)
		require.LessOrEqual(t, throttled, 2*w.cfg.MaxConcurrentRequests, "of %d", requests)
		require.Greater(t, requests, 200)
	})
}

func TestARestartKeepsTheWaitAndWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(100))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.start()
		time.Sleep(70 * time.Minute)
		once := rule(t, "429-retry-after=20m")
		once.Times = 1
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, once))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		kept.kill()
		w.stop()
		said := w.logs.FilterMessage("throttled by the API: nothing is sent meanwhile").All()
		require.Len(t, said, 1)
		learned := said[0].ContextMap()["requests_from_now_on"].(int64)
		require.Equal(t, time.Minute, said[0].ContextMap()["in_any"])
		waited := w.requests(0)

		w.start()
		time.Sleep(time.Until(said[0].Time.Add(20*time.Minute - time.Second)))
		require.Equal(t, waited, w.requests(0), "the wait goes on")
		time.Sleep(30 * time.Minute)
		var sent []time.Time
		for _, r := range w.sim.Journal()[waited:] {
			sent = append(sent, r.Time)
		}
		require.Greater(t, len(sent), int(learned))
		for i := int(learned); i < len(sent); i++ {
			require.GreaterOrEqual(t, sent[i].Sub(sent[i-int(learned)]), time.Minute, "more than %d within a minute", learned)
		}
	})
}

func TestAnAbsurdWaitIsCappedAtAnHourAndSaid(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(20), func(cfg *Config) { cfg.MaxConcurrentRequests = 1 })
		absurd := rule(t, "429-retry-after=1000h")
		absurd.Times = 1
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, absurd))
		w.start()
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 1, w.requests(0))
		said := w.logs.FilterMessage("throttled by the API: nothing is sent meanwhile").All()
		require.Len(t, said, 1)
		require.Equal(t, time.Hour, said[0].ContextMap()["wait"])
		require.Equal(t, 1000*time.Hour, said[0].ContextMap()["asked_for_but_capped"])
		time.Sleep(time.Minute)
		require.Len(t, w.sink.changes(), 40, "then it goes on")

		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, absurd))
		time.Sleep(time.Hour)
		require.Len(t, w.logs.FilterMessage("throttled by the API: nothing is sent meanwhile").All(), 2, "after it has gone away it is said again")
	})
}
