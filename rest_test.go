package defenderincidentsreceiver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// inPages is a population whose incidents have seven alerts each, of which Graph
// shows three at a time: three requests for each.
func inPages(incidents int) defendersim.Config {
	cfg := quiet(incidents)
	cfg.AlertsPerIncident, cfg.AlertsPage = 7, 3
	return cfg
}

// pages are the requests for further alerts so far, of one incident or, with 0,
// of all.
func (w *world) pages(id int64) int {
	n := 0
	for _, r := range w.sim.Journal() {
		if r.Endpoint == defendersim.EndpointAlerts && (id == 0 || r.ID == id) {
			n++
		}
	}
	return n
}

func TestAlertsThatComeInPagesAreToldOnceAndEachPageCounts(t *testing.T) {
	for name, token := range map[string]bool{"by skip": false, "by token": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				population := inPages(10)
				population.AlertsSkipToken, population.ChangesPerHour, population.MergedShare = token, 60, 0.1
				w := newWorldUnder(t, APIGraph, population, func(cfg *Config) {
					cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 40, RequestsPerHour: 250}
				})
				w.start()
				time.Sleep(2 * time.Hour)
				w.stop()
				records := w.sink.records() // some of states that changed while their pages were read
				require.Empty(t, proof.Twice(records))
				require.Empty(t, proof.Behind(w.sim, w.sim.IDs(), records, 30*time.Minute))
				require.LessOrEqual(t, w.sim.MaxInWindow(time.Minute), 40)
				require.LessOrEqual(t, w.sim.MaxInWindow(time.Hour), 250)
				require.Greater(t, w.pages(0), w.requests(0))
				require.Greater(t, w.pages(0)+w.requests(0), 2*225, "nor is the quota wasted")
				require.Empty(t, w.complaints())
			})
		})
	}
}

// An incident that is begun is gone on with before another is, or more of them
// would be held than may be in flight.
func TestNoMoreIncidentsAreBegunThanMayBeInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldUnder(t, APIGraph, inPages(30), func(cfg *Config) {
			cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 5}
		})
		w.start()
		time.Sleep(30 * time.Minute)
		w.stop()
		begun, most := map[int64]int{}, 0
		for _, r := range w.sim.Journal() {
			if begun[r.ID]++; begun[r.ID] == 3 {
				delete(begun, r.ID)
			}
			most = max(most, len(begun))
		}
		require.LessOrEqual(t, most, w.cfg.MaxConcurrentRequests)
		require.LessOrEqual(t, w.sim.MaxInWindow(time.Minute), 5)
		require.Len(t, w.sink.changes(), 8*30, "all are told")
	})
}

// Rounds stay even though each incident takes three requests.
func TestARoundTakesAsLongAsItsPagesNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldUnder(t, APIGraph, inPages(10), func(cfg *Config) {
			cfg.RateLimit = RateLimitConfig{RequestsPerHour: 100}
		})
		w.start()
		time.Sleep(5 * time.Hour)
		w.stop()
		last := map[int64]time.Time{}
		for _, r := range w.sim.Journal() {
			if r.Endpoint != defendersim.EndpointIncident || r.Time.Before(r.Time.Truncate(24*time.Hour).Add(2*time.Hour)) {
				continue
			}
			if before, again := last[r.ID]; again {
				require.InDelta(t, 30*time.Hour/95, r.Time.Sub(before), float64(5*time.Minute), "30 requests at 95 an hour")
			}
			last[r.ID] = r.Time
		}
		require.Len(t, last, 10)
	})
}

func TestAPageThatFailsFailsItsIncidentAlone(t *testing.T) {
	for fault, said := range map[string]string{
		"503":        "incident cannot be fetched: it is tried again from time to time",
		"hang":       "incident cannot be fetched: it is tried again from time to time",
		"truncated":  "incident cannot be fetched: it is tried again from time to time",
		"nested":     "incident cannot be fetched: it is tried again from time to time",
		"huge=2MiB":  "incident cannot be fetched: it is tried again from time to time",
		"link-stuck": "incident cannot be fetched: it is tried again from time to time",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				population := inPages(4)
				w := newWorldUnder(t, APIGraph, population, func(cfg *Config) { cfg.MaxResponseBodySize = 1 << 20 })
				require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Alerts = i.Alerts[:3] }))
				require.NoError(t, w.sim.SetFault(defendersim.AlertRequests, rule(t, fault)))
				w.start()
				time.Sleep(20 * time.Minute)
				require.Len(t, w.sink.changes(), 4, "that of 1002, which has but one page")
				require.Contains(t, w.complaints(), said)
				w.sim.ClearFaults()
				time.Sleep(20 * time.Minute)
				require.Len(t, w.sink.changes(), 3*8)
			})
		})
	}
}

func TestAThrottledPageMakesAllWaitAndTheIncidentIsFetchedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldUnder(t, APIGraph, inPages(1), feeding(), func(cfg *Config) { cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 100} })
		once := rule(t, "429-retry-after=90s")
		once.Times = 1
		require.NoError(t, w.sim.SetFault(defendersim.AlertRequests, once))
		w.start()
		time.Sleep(89 * time.Second)
		require.Equal(t, 1, w.requests(0))
		require.Equal(t, 1, w.pages(0))
		require.LessOrEqual(t, len(w.lists()), 2, "the list waits too")
		require.Empty(t, w.sink.changes())
		time.Sleep(2 * time.Second)
		require.Equal(t, 2, w.requests(0))
		require.Equal(t, 3, w.pages(0))
		require.Len(t, w.sink.changes(), 8)
	})
}

func TestAThrottledListMakesAllWaitWhereThereIsOneBudget(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding())
		w.start()
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "429-retry-after=20m")))
		time.Sleep(31 * time.Second)
		before := w.requests(0)
		time.Sleep(19 * time.Minute)
		if api == APIGraph {
			require.Equal(t, before, w.requests(0))
		} else {
			require.GreaterOrEqual(t, w.requests(0), before+9)
		}
	})
}

// An alert that is out of sight while the pages are read has not left.
func TestAlertsThatLeaveBetweenTwoPagesTakeNoOtherWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldUnder(t, APIGraph, inPages(1))
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		require.NoError(t, w.sim.SetFault(defendersim.AlertRequests, rule(t, "slow=10s")))
		time.Sleep(4*time.Minute + 5*time.Second) // a page is on its way
		require.Equal(t, 2+1, w.pages(0))
		incident, err := w.sim.Incident(1001)
		require.NoError(t, err)
		for _, alert := range incident.Alerts[:2] {
			require.NoError(t, w.sim.RemoveAlert(1001, alert.ID))
		}
		time.Sleep(time.Minute)
		told := w.sink.changes()
		w.sim.ClearFaults()
		time.Sleep(10 * time.Minute)
		require.ElementsMatch(t, []string{"1001 updated", "1001 alert removed", "1001 alert removed"}, append(told, w.sink.changes()...))
	})
}

func TestAnIncidentThatIsDroppedBetweenTwoPagesIsNotGoneOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFileWorld(t, APIGraph, 2, "1001", "1002")
		sim, err := defendersim.New(inPages(2))
		require.NoError(t, err)
		w.sim, w.auth().sim = sim, sim
		w.cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 2}
		w.cfg.MaxConcurrentRequests = 1
		w.start()
		time.Sleep(30 * time.Second) // one is begun, the next page has to wait
		begun := w.sim.Journal()[0].ID
		require.Equal(t, 1, w.pages(begun))
		other := 1001 + 1002 - begun
		w.list(map[int64]string{1001: "1001", 1002: "1002"}[other])
		time.Sleep(5 * time.Minute)
		require.Equal(t, 1, w.pages(begun))
		require.Len(t, w.sink.changes(), 8, "of the other")

		w.list("1001", "1002") // and it is not held to be in flight for ever
		time.Sleep(5 * time.Minute)
		require.Len(t, w.sink.changes(), 8)
	})
}
