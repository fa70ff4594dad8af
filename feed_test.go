package defenderincidentsreceiver

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// feeding has the change feed on, perhaps with other settings than its own.
func feeding(change ...func(*ChangeFeedConfig)) func(*Config) {
	return func(cfg *Config) {
		feed := *createDefaultConfig().(*Config).ChangeFeed.GetOrInsertDefault()
		for _, f := range change {
			f(&feed)
		}
		cfg.ChangeFeed = configoptional.Some(feed)
	}
}

func TestAChangeIsFoundInTheListAndDeliveredFromThere(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(110), feeding())
		w.start()
		time.Sleep(9 * time.Minute)
		w.sink.Reset()
		before := w.requests(0)
		require.NoError(t, w.sim.Update(1007, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(31 * time.Second)
		require.Equal(t, []string{"1007 updated"}, w.sink.changes())
		if api == APIGraph {
			before++ // the list comes without alerts
		}
		require.Equal(t, before, w.requests(0), "no request of its own")
		time.Sleep(20 * time.Minute)
		require.Empty(t, w.sink.changes())
		require.Empty(t, w.complaints())
	})
}

// lists are the calls for a page so far.
func (w *world) lists() []defendersim.Request {
	var calls []defendersim.Request
	for _, r := range w.sim.Journal() {
		if r.Endpoint == defendersim.EndpointList {
			calls = append(calls, r)
		}
	}
	return calls
}

func assign(t *testing.T, w *world, ids ...int64) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, w.sim.Update(id, func(i *defendersim.Incident) { i.AssignedTo += "+" }))
	}
}

func updated(ids ...int64) []string {
	var lines []string
	for _, id := range ids {
		lines = append(lines, describe(proof.Record{Incident: id, Change: "updated"}))
	}
	return lines
}

// asking is how long it takes to ask for incidents that the list only names, at
// 100 a minute. From the Defender XDR API's list they are taken whole.
func asking(api API, incidents int) time.Duration {
	if api == APIDefenderXDR {
		return 0
	}
	return time.Duration(incidents) * time.Minute / 100
}

// TestWhateverTheListDoesEachChangeIsToldOnce has changes found by the feed
// under everything that the list can do to them.
func TestWhateverTheListDoesEachChangeIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		pages      bool // more incidents than a page of the list holds
		population func(*defendersim.Config)
		config     func(*Config)
		happens    func(t *testing.T, w *world, ids []int64) // what changes: all of ids
		within     time.Duration
	}{
		"more changes than a page holds": {
			pages: true,
			happens: func(t *testing.T, w *world, ids []int64) {
				for _, id := range ids {
					assign(t, w, id)
					time.Sleep(50 * time.Millisecond)
				}
			},
		},
		"hundreds at one instant": {
			pages:   true,
			happens: func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
		},
		"visible late": {
			population: func(c *defendersim.Config) { c.ListDelay = time.Minute },
			happens:    func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
			within:     2 * time.Minute,
		},
		"a service whose clock is ahead": {
			population: func(c *defendersim.Config) { c.ClockSkew = time.Hour },
			happens:    func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
		},
		"a service whose clock is behind": {
			population: func(c *defendersim.Config) { c.ClockSkew = -time.Hour },
			happens:    func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
		},
		"shown differently from Get": {
			population: func(c *defendersim.Config) { c.ListDiffers = true },
			happens:    func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
		},
		"a list that lags behind what Get has shown": {
			population: func(c *defendersim.Config) { c.ListLag = 90 * time.Second },
			happens: func(t *testing.T, w *world, ids []int64) {
				time.Sleep(w.cfg.CollectionInterval - 5*time.Minute - 10*time.Second)
				assign(t, w, ids...) // just before the round
			},
			within: 2 * time.Minute,
		},
		"links to another host": {
			population: func(c *defendersim.Config) { c.ListLinkHost = "https://elsewhere.contoso.example" },
			happens:    func(t *testing.T, w *world, ids []int64) { assign(t, w, ids...) },
		},
		"an error in the middle of the pages": {
			pages: true,
			happens: func(t *testing.T, w *world, ids []int64) {
				broken := rule(t, "503")
				broken.OnSkip, broken.Times = true, 1
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, broken))
				assign(t, w, ids...)
			},
			within: time.Minute,
		},
		"a link that does not lead on": {
			pages: true,
			happens: func(t *testing.T, w *world, ids []int64) {
				stuck := rule(t, "link-stuck")
				stuck.Times = 1
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, stuck))
				assign(t, w, ids...)
			},
			within: time.Minute,
		},
		"a row twice": {
			happens: func(t *testing.T, w *world, ids []int64) {
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "row-twice")))
				assign(t, w, ids...)
			},
		},
		"pages larger than the limit": {
			pages:  true,
			config: func(c *Config) { c.MaxResponseBodySize = 512 << 10 },
			happens: func(t *testing.T, w *world, ids []int64) {
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "padded=10KiB")))
				assign(t, w, ids...)
			},
			within: 2 * time.Minute,
		},
		"throttled": {
			happens: func(t *testing.T, w *world, ids []int64) {
				wait := rule(t, "429-retry-after=20s")
				wait.Times = 1
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, wait))
				assign(t, w, ids...)
			},
			within: time.Minute,
		},
		"a restart in between": {
			happens: func(t *testing.T, w *world, ids []int64) {
				assign(t, w, ids[:10]...)
				w.stop()
				assign(t, w, ids[10:]...)
				time.Sleep(10 * time.Minute)
				w.start()
			},
			within: time.Minute,
		},
		"an incident that vanishes while the list is paged": {
			pages: true,
			happens: func(t *testing.T, w *world, ids []int64) {
				slow := rule(t, "slow=2s")
				require.NoError(t, w.sim.SetFault(defendersim.ListRequests, slow))
				assign(t, w, ids...)
				time.Sleep(29 * time.Second)
				assign(t, w, 1125, 1126) // not among ids: they stand before them in the list
				time.Sleep(3 * time.Second)
				require.NoError(t, w.sim.Remove(1125))
				require.NoError(t, w.sim.Remove(1126))
			},
			within: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				population := quiet(0)
				population.Incidents, population.AlertsPerIncident, population.AlertBytes = 40, 1, 900
				if c.pages {
					population.Incidents = 130
				}
				if c.population != nil {
					c.population(&population)
				}
				w := newWorldUnder(t, api, population, feeding(), func(cfg *Config) {
					cfg.CollectionInterval = 15 * time.Minute // one round afterwards
					if c.config != nil {
						c.config(cfg)
					}
				})
				w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
				w.start()
				time.Sleep(5 * time.Minute)
				w.sink.Reset()
				ids := w.sim.IDs()[:population.Incidents-10]

				c.happens(t, w, ids)
				time.Sleep(max(c.within, 35*time.Second) + asking(api, len(ids)))
				told := map[string]int{}
				for _, change := range w.sink.changes() {
					told[change]++
				}
				for _, change := range updated(ids...) {
					require.Equal(t, 1, told[change], change)
				}
				w.sim.ClearFaults()
				time.Sleep(3 * time.Minute)
				last := w.sim.IDs()[population.Incidents-1]
				assign(t, w, last) // the list goes on from here
				time.Sleep(12 * time.Minute)
				for _, change := range w.sink.changes() { // of a round of all
					require.NotContains(t, told, change, "told again")
					require.Contains(t, append(updated(last), "1125 not_found", "1126 not_found"), change)
				}
				require.LessOrEqual(t, w.sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 50)
				require.LessOrEqual(t, w.sim.MaxInWindowOf(defendersim.EndpointList, time.Hour), 1500)
			})
		})
	}
}

func TestTheStartSaysWhatTheFeedAdds(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, quiet(0), feeding(), listing(slices.Collect(func(yield func(int64) bool) {
			for id := range int64(1000) {
				if !yield(id + 1) {
					return
				}
			}
		})...))
		w.start()
		plan := w.logs.FilterMessage("following incidents").All()
		require.Len(t, plan, 1)
		require.Equal(t, map[string]any{
			"incidents": int64(1000), "known_from_before": int64(0), "collection_interval": 5 * time.Minute,
			"shortest_round_within_limits": 42*time.Minute + 6*time.Second, "interval_can_be_met": false,
			"change_feed_finds_changes_within": 30 * time.Second, "discover": false,
		}, plan[0].ContextMap())
	})
}

func TestARowOfAnIncidentThatIsBeingFetchedHasItFetchedOnceMore(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding(func(f *ChangeFeedConfig) { f.Interval = 10 * time.Second }))
		w.start()
		time.Sleep(4*time.Minute + 50*time.Second)
		w.sink.Reset()
		require.NoError(t, w.sim.SetFault(1002, rule(t, "slow=25s"))) // from the round at 5 min on
		time.Sleep(11 * time.Second)
		before := w.requests(1002)
		assign(t, w, 1002)
		time.Sleep(time.Minute)
		require.Equal(t, updated(1002), w.sink.changes())
		require.Equal(t, before+1, w.requests(1002))
	})
}

func TestWhatARowCannotShowIsFetchedAheadOfAllOthers(t *testing.T) {
	for name, c := range map[string]struct {
		alerts int
		fault  string
		limit  int64
	}{
		"as many alerts as a list may have": {alerts: 150},
		"a row that is not sound":           {alerts: 1, fault: "nested=100"},
		"a row larger than the limit":       {alerts: 1, fault: "padded=200KiB", limit: 128 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				population := quiet(3)
				population.AlertsPerIncident = c.alerts
				w := newWorldUnder(t, api, population, feeding(), func(cfg *Config) {
					if c.limit != 0 {
						cfg.MaxResponseBodySize = c.limit
					}
				})
				w.start()
				time.Sleep(4 * time.Minute)
				w.sink.Reset()
				if c.fault != "" {
					require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, c.fault)))
				}
				assign(t, w, 1002)
				time.Sleep(35 * time.Second)
				require.Equal(t, updated(1002), w.sink.changes())
				require.Equal(t, 2, w.requests(1002), "it was fetched by its id")
			})
		})
	}
}

func TestANamedIncidentThatCannotBeFetchedIsNotForgottenByARestart(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := quiet(3)
		population.AlertsPerIncident = 150
		w := newWorldUnder(t, api, population, feeding(), func(cfg *Config) { cfg.CollectionInterval = 24 * time.Hour })
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.start()
		time.Sleep(4 * time.Minute)
		w.sink.Reset()
		require.NoError(t, w.sim.SetFault(1002, rule(t, "503")))
		assign(t, w, 1002)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		kept.kill()
		w.stop()
		require.Empty(t, w.sink.changes())
		require.Contains(t, kept.entry("v1/feed"), `"pending":[{"id":1002,"changed":"`)

		w.sim.ClearFaults()
		w.start()
		time.Sleep(time.Second)
		require.Equal(t, updated(1002), w.sink.changes())
		time.Sleep(time.Minute)
		require.NotContains(t, kept.entry("v1/feed"), "pending")
	})
}

func TestWhatIsNotFollowedIsIgnoredInTheList(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding(), func(cfg *Config) { cfg.IncidentIDs = []int64{1001} })
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		assign(t, w, 1001, 1002)
		time.Sleep(time.Hour)
		require.Equal(t, updated(1001), w.sink.changes())
		require.Zero(t, w.requests(1002))
	})
}

func TestAFeedThatFailsIsSaidOnceAndTheRoundGoesOn(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding())
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "value-missing")))
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		assign(t, w, 1001)
		time.Sleep(5 * time.Minute)
		require.Equal(t, updated(1001), w.sink.changes())
		require.Equal(t, []string{"change feed fails: changes are found by the round only"}, w.complaints())
		require.Less(t, len(w.lists()), 20, "asked for less and less often")

		w.sim.ClearFaults()
		time.Sleep(10 * time.Minute)
		require.Len(t, w.logs.FilterMessage("change feed works again").All(), 1)
		assign(t, w, 1002)
		time.Sleep(31 * time.Second)
		require.Equal(t, updated(1002), w.sink.changes())
	})
}

func TestDiscoverFollowsWhateverTheListShows(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(5), feeding(func(f *ChangeFeedConfig) { f.Discover = true }), func(cfg *Config) { cfg.IncidentIDs = nil })
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		time.Sleep(48 * time.Hour)
		assign(t, w, 1002)
		time.Sleep(time.Hour)
		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes(), "within the lookback of a day")
		require.Equal(t, map[API]int{APIDefenderXDR: 0, APIGraph: 1}[api], w.requests(0), "the page shows it, or names it")

		fresh := w.sim.Appear()
		time.Sleep(35 * time.Second)
		require.Contains(t, w.sink.changes(), describe(proof.Record{Incident: fresh, Change: "first_seen"}))
		time.Sleep(10 * time.Minute)
		require.Positive(t, w.requests(1002), "it is in the round")
		w.stop()
		before := w.requests(1002)
		w.start()
		time.Sleep(10 * time.Minute)
		require.Greater(t, w.requests(1002), before, "what is followed survives a restart")
		require.Empty(t, w.sink.changes())
	})
}

func TestADiscoveredIncidentThatIsResolvedForLongIsLetGoUntilItIsShownAgain(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding(func(f *ChangeFeedConfig) { f.Discover, f.ForgetAfter, f.Interval = true, 2*time.Hour, 5*time.Minute }),
			func(cfg *Config) { cfg.IncidentIDs = []int64{1001} })
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		for _, id := range []int64{1001, 1002} {
			require.NoError(t, w.sim.Update(id, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		}
		assign(t, w, 1003)
		w.start()
		time.Sleep(time.Hour)
		require.Positive(t, w.requests(1002))
		time.Sleep(2 * time.Hour)
		before := w.requests(1002)
		require.Empty(t, kept.entry("v1/incident/1002"))
		require.NotEmpty(t, kept.entry("v1/incident/1001"), "it is listed")
		time.Sleep(time.Hour)
		require.Equal(t, before, w.requests(1002))
		w.sink.Reset()

		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusActive }))
		time.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
	})
}
