// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestChangeIsDeliveredFromListRow(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(110), harness.WithFeed())
		h.Start()
		harness.Sleep(9 * time.Minute)
		h.Sink.Reset()
		before := h.Polls(0)
		h.Assign(1007)
		harness.Sleep(31 * time.Second)
		require.Equal(t, []string{"1007 updated"}, h.Sink.Changes())
		require.Equal(t, before, h.Polls(0), "no request for the incident itself")
		harness.Sleep(20 * time.Minute)
		require.Empty(t, h.Sink.Changes())
		require.Empty(t, h.Warnings())
	})
}

// fetchTime returns how long it takes to fetch incidents that the list shows as
// changed, at 100 a minute. Rows of Defender XDR are delivered without a fetch.
func fetchTime(api receiver.API, incidents int) time.Duration {
	if api == receiver.APIDefenderXDR {
		return 0
	}
	return time.Duration(incidents) * time.Minute / 100
}

func TestEachChangeIsDeliveredOnceWhateverTheListDoes(t *testing.T) {
	harness.Long(t)
	for name, c := range map[string]struct {
		pages      bool // more incidents than fit on a page
		population func(*defendersim.Config)
		config     func(*receiver.Config)
		happens    func(h *harness.Harness, ids []int64) // changes all of them
		within     time.Duration
	}{
		"more changes than a page holds": {
			pages: true,
			happens: func(h *harness.Harness, ids []int64) {
				for _, id := range ids {
					h.Assign(id)
					harness.Sleep(50 * time.Millisecond)
				}
			},
		},
		"a hundred at one instant": {
			pages:   true,
			happens: func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
		},
		"visible late": {
			population: func(c *defendersim.Config) { c.ListDelay = time.Minute },
			happens:    func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
			within:     2 * time.Minute,
		},
		"service clock is ahead": {
			population: func(c *defendersim.Config) { c.ClockSkew = time.Hour },
			happens:    func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
		},
		"service clock is behind": {
			population: func(c *defendersim.Config) { c.ClockSkew = -time.Hour },
			happens:    func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
		},
		"list renders differently": {
			population: func(c *defendersim.Config) { c.ListDiffers = true },
			happens:    func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
		},
		"list lags behind": {
			population: func(c *defendersim.Config) { c.ListLag = 90 * time.Second },
			happens: func(h *harness.Harness, ids []int64) {
				harness.Sleep(h.Config.CollectionInterval - 5*time.Minute - 10*time.Second)
				h.Assign(ids...) // just before they are polled
			},
			within: 2 * time.Minute,
		},
		"links to another host": {
			population: func(c *defendersim.Config) { c.ListLinkHost = "https://elsewhere.contoso.example" },
			happens:    func(h *harness.Harness, ids []int64) { h.Assign(ids...) },
		},
		"error between pages": {
			pages: true,
			happens: func(h *harness.Harness, ids []int64) {
				broken := harness.Rule(t, "503")
				broken.OnSkip, broken.Times = true, 1
				require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, broken))
				h.Assign(ids...)
			},
			within: time.Minute,
		},
		"next link leads back": {
			pages: true,
			happens: func(h *harness.Harness, ids []int64) {
				h.FailOnce(defendersim.ListRequests, "link-stuck")
				h.Assign(ids...)
			},
			within: time.Minute,
		},
		"row twice": {
			happens: func(h *harness.Harness, ids []int64) {
				h.Fail(defendersim.ListRequests, "row-twice")
				h.Assign(ids...)
			},
		},
		"pages larger than the limit": {
			pages:  true,
			config: func(c *receiver.Config) { c.MaxResponseBodySize = 512 << 10 },
			happens: func(h *harness.Harness, ids []int64) {
				h.Fail(defendersim.ListRequests, "padded=10KiB")
				h.Assign(ids...)
			},
			within: 2 * time.Minute,
		},
		"rate limited": {
			happens: func(h *harness.Harness, ids []int64) {
				h.FailOnce(defendersim.ListRequests, "429-retry-after=20s")
				h.Assign(ids...)
			},
			within: time.Minute,
		},
		"restart in between": {
			happens: func(h *harness.Harness, ids []int64) {
				h.Assign(ids[:10]...)
				h.Stop()
				h.Assign(ids[10:]...)
				harness.Sleep(10 * time.Minute)
				h.Start()
			},
			within: time.Minute,
		},
		"incident removed between pages": {
			pages: true,
			happens: func(h *harness.Harness, ids []int64) {
				h.Fail(defendersim.ListRequests, "slow=2s")
				h.Assign(ids...)
				harness.Sleep(29 * time.Second)
				h.Assign(1125, 1126) // not among ids, and before them in the list
				harness.Sleep(3 * time.Second)
				require.NoError(t, h.Sim.Remove(1125))
				require.NoError(t, h.Sim.Remove(1126))
			},
			within: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				population := harness.Quiet(0)
				population.Incidents, population.AlertsPerIncident, population.AlertBytes = 40, 1, 900
				if c.pages {
					population.Incidents = 130
				}
				if c.population != nil {
					c.population(&population)
				}
				h := harness.NewUnder(t, api, population, harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.CollectionInterval = 15 * time.Minute // one cycle afterwards
					if c.config != nil {
						c.config(cfg)
					}
				})
				h.Start()
				harness.Sleep(5 * time.Minute)
				h.Sink.Reset()
				ids := h.Sim.IDs()[:population.Incidents-10]

				c.happens(h, ids)
				harness.Sleep(max(c.within, 35*time.Second) + fetchTime(api, len(ids)))
				delivered := map[string]int{}
				for _, change := range h.Sink.Changes() {
					delivered[change]++
				}
				for _, change := range updated(ids...) {
					require.Equal(t, 1, delivered[change], change)
				}
				h.Sim.ClearFaults()
				harness.Sleep(3 * time.Minute)
				last := h.Sim.IDs()[population.Incidents-1]
				h.Assign(last) // moves the boundary of the feed
				harness.Sleep(12 * time.Minute)
				for _, change := range h.Sink.Changes() { // of a whole cycle
					require.NotContains(t, delivered, change, "delivered again")
					require.Contains(t, append(updated(last), "1125 not_found", "1126 not_found"), change)
				}
				require.LessOrEqual(t, h.Sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 50)
				require.LessOrEqual(t, h.Sim.MaxInWindowOf(defendersim.EndpointList, time.Hour), 1500)
			})
		})
	}
}

func TestStartupPlanIncludesFeed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.Quiet(0), harness.WithFeed(), harness.WithIDs(1))
		addBare(t, h, 1000)
		h.Start()
		plan := h.Logs.FilterMessage(msgPlan).All()
		require.Len(t, plan, 1)
		require.Equal(t, map[string]any{
			"incidents": int64(1000), "known_from_checkpoint": int64(0), "new": int64(1000), "collection_interval": "5m",
			"shortest_cycle_within_limits": "42m6s", "interval_can_be_met": true,
			"change_feed_finds_changes_within": "30s", "discover": false,
			"sweep":      "every 5m, for all open incidents; the others are polled by ID",
			"alert_feed": "not used with this api, whose list has the alerts with their incidents",
		}, plan[0].ContextMap())
	})
}

func TestStartupPlanSaysWhichSettingsHaveNoEffectUnderGraph(t *testing.T) {
	for want, change := range map[string]func(*receiver.Config){
		"on":                                 func(*receiver.Config) {},
		"off":                                harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.AlertFeed = false }),
		"not needed: alerts are not emitted": func(cfg *receiver.Config) { cfg.Alerts = receiver.AlertsNone },
	} {
		t.Run(want, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, harness.Quiet(1), harness.WithFeed(), change)
				h.Start()
				plan := h.Logs.FilterMessage(msgPlan).All()
				require.Len(t, plan, 1)
				require.Equal(t, want, plan[0].ContextMap()["alert_feed"])
				require.Equal(t, "not used with this api, whose list of incidents has no alerts", plan[0].ContextMap()["sweep"])
				require.Equal(t, "not used with this api: rate_limit counts all requests", plan[0].ContextMap()["change_feed_rate_limit"])
			})
		})
	}
}

func TestStartupPlanSaysHowFarBackDiscoveryLooks(t *testing.T) {
	for name, c := range map[string]struct{ lookback, forgetAfter, closed time.Duration }{
		"as far for closed ones":   {24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour},
		"less far for closed ones": {30 * 24 * time.Hour, 7 * 24 * time.Hour, 7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.Quiet(0), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) {
					f.Lookback, f.ForgetAfter = c.lookback, c.forgetAfter
				}))
				for id, age := range map[int64]time.Duration{1: 10 * 24 * time.Hour, 2: 12 * time.Hour} {
					require.NoError(t, h.Sim.Add(defendersim.Incident{ID: id, Status: defendersim.StatusResolved, LastUpdate: time.Now().Add(-age)}))
				}
				h.Start()
				harness.Sleep(time.Minute)
				require.Equal(t, []string{"2 first_seen"}, h.Sink.Changes(), "the other one was closed too long ago")
				plan := h.Logs.FilterMessage(msgPlan).All()
				require.Len(t, plan, 1)
				fields := plan[0].ContextMap()
				require.Equal(t, true, fields["discover"])
				require.Equal(t, health.FormatDuration(c.lookback), fields["lookback"])
				require.Equal(t, health.FormatDuration(c.closed), fields["lookback_for_closed_incidents"])
			})
		})
	}
}

func TestPlanClaimsNothingAboutPollsUntilThereAreIncidents(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithDiscovery())
		h.Assign(h.Sim.IDs()...)
		h.Fail(defendersim.ListRequests, "503")
		h.Start()
		harness.Sleep(10 * time.Minute)
		plan := h.Logs.FilterMessage(msgPlan).All()[0].ContextMap()
		require.Equal(t, []any{int64(0), int64(0), int64(0)}, []any{plan["incidents"], plan["known_from_checkpoint"], plan["new"]})
		for _, claim := range []string{"collection_interval", "shortest_cycle_within_limits", "interval_can_be_met", "sweep"} {
			require.NotContains(t, plan, claim)
		}
		require.Zero(t, h.Logs.FilterMessage(msgPlanDiscovered).Len(), "nothing was discovered yet")

		h.Sim.ClearFaults()
		harness.Sleep(time.Hour)
		require.NoError(t, h.Sim.Add(defendersim.Incident{ID: 1, Status: defendersim.StatusActive, LastUpdate: time.Now()}))
		harness.Sleep(time.Hour)
		lines := h.Logs.FilterMessage(msgPlanDiscovered).All()
		require.Len(t, lines, 1, "once, whatever is discovered later")
		fields := lines[0].ContextMap()
		require.Equal(t, []any{int64(3), int64(3), "5m", true}, []any{
			fields["incidents"], fields["discovered"], fields["collection_interval"], fields["interval_can_be_met"],
		})
		require.NotEmpty(t, fields["sweep"])
		metadatatest.AssertEqualReceiverDefenderIncidentsDiscovered(t, h.Telemetry, point(h, int64(4)), metricdatatest.IgnoreTimestamp())

		h.Stop()
		h.Start()
		harness.Sleep(time.Hour)
		plan = h.Logs.FilterMessage(msgPlan).All()[1].ContextMap()
		require.Equal(t, []any{int64(4), int64(4), int64(0), "5m"}, []any{
			plan["incidents"], plan["known_from_checkpoint"], plan["new"], plan["collection_interval"],
		})
		require.Equal(t, 1, h.Logs.FilterMessage(msgPlanDiscovered).Len(), "nothing was discovered since")
	})
}

func TestMergedIncidentsDoNotCountAsDiscovered(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(4), harness.WithDiscovery(), harness.WithIDs(1001))
		harness.Sleep(48 * time.Hour) // longer than the look-back
		requireAnnounced := func(polled, discovered int64) {
			t.Helper()
			lines := h.Logs.FilterMessage(msgPlanDiscovered).All()
			require.NotEmpty(t, lines)
			fields := lines[len(lines)-1].ContextMap()
			require.Equal(t, []any{polled, discovered}, []any{fields["incidents"], fields["discovered"]})
		}
		require.NoError(t, h.Sim.Merge(1002, 1003))
		h.RunOnce()
		requireAnnounced(2, 1) // without 1002

		h.Assign(1004)
		h.Start()
		harness.Sleep(time.Hour)
		requireAnnounced(3, 2) // with what an earlier run has discovered
		metadatatest.AssertEqualReceiverDefenderIncidentsDiscovered(t, h.Telemetry, point(h, int64(2)), metricdatatest.IgnoreTimestamp())
	})
}

func TestPlanCountsWhatIsKnownAndWhatIsNew(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(4), harness.WithIDs(1001, 1002, 1003))
		h.RunOnce()
		h.Config.IncidentIDs = []int64{1002, 1003, 1004}
		h.Start()
		plan := h.Logs.FilterMessage(msgPlan).All()[1].ContextMap()
		require.Equal(t, []any{int64(3), int64(2), int64(1)}, []any{plan["incidents"], plan["known_from_checkpoint"], plan["new"]})
		require.Equal(t, "8s", plan["shortest_cycle_within_limits"], "three of 1,425 requests an hour")
	})
}

func TestRowOfIncidentInFlightWaitsForItsResponse(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 10 * time.Second }))
		h.Start()
		harness.Sleep(4*time.Minute + 50*time.Second)
		h.Sink.Reset()
		h.Fail(1002, "slow=25s") // from the poll at 5 min on
		harness.Sleep(11 * time.Second)
		before := h.Polls(1002)
		h.Assign(1002)
		harness.Sleep(time.Minute)
		require.Equal(t, updated(1002), h.Sink.Changes())
		require.Equal(t, before, h.Polls(1002), "the response shows the change, too")
	})
}

func TestIncidentWithUnusableRowIsFetchedFirst(t *testing.T) {
	for name, c := range map[string]struct {
		alerts int
		fault  string
		limit  int64
	}{
		"as many alerts as a list shows": {alerts: 150},
		"malformed row":                  {alerts: 1, fault: "nested=100"},
		"row larger than the limit":      {alerts: 1, fault: "padded=200KiB", limit: 128 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				population := harness.Quiet(3)
				population.AlertsPerIncident = c.alerts
				h := harness.NewUnder(t, api, population, harness.WithFeed(), func(cfg *receiver.Config) {
					if c.limit != 0 {
						cfg.MaxResponseBodySize = c.limit
					}
				})
				h.Start()
				harness.Sleep(4 * time.Minute)
				h.Sink.Reset()
				if c.fault != "" {
					h.Fail(defendersim.ListRequests, c.fault)
				}
				h.Assign(1002)
				harness.Sleep(35 * time.Second)
				require.Equal(t, updated(1002), h.Sink.Changes())
				polls := 2
				if api == receiver.APIGraph && c.fault == "" {
					polls = 1 // its rows have no alerts, but show the change
				}
				require.Equal(t, polls, h.Polls(1002), "requests by ID")
			})
		})
	}
}

func TestPendingChangeSurvivesRestart(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.Quiet(3)
		population.AlertsPerIncident = 150
		h := harness.NewUnder(t, api, population, harness.WithFeed(), withUnusableRows, func(cfg *receiver.Config) { cfg.CollectionInterval = 24 * time.Hour })
		h.Start()
		harness.Sleep(4 * time.Minute)
		h.Sink.Reset()
		h.Fail(1002, "503")
		h.Assign(1002)
		harness.Sleep(40 * time.Second)
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		require.Empty(t, h.Sink.Changes())
		require.Contains(t, h.Disk.Entry("v1/feed"), `"pending":[{"id":1002,"changed":"2000-01-01T00:04:00Z",`)

		h.Sim.ClearFaults()
		h.Start()
		harness.Sleep(time.Second)
		require.Equal(t, updated(1002), h.Sink.Changes())
		harness.Sleep(time.Minute)
		require.NotContains(t, h.Disk.Entry("v1/feed"), "pending")
	})
}

func TestUnconfiguredIncidentInListIsIgnored(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed(), harness.WithIDs(1001))
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		h.Assign(1001, 1002)
		harness.Sleep(time.Hour)
		require.Equal(t, updated(1001), h.Sink.Changes())
		require.Zero(t, h.Polls(1002))
	})
}

func TestFailingFeedIsLoggedOnceAndPollingContinues(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed())
		h.Fail(defendersim.ListRequests, "value-missing")
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		h.Assign(1001)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, updated(1001), h.Sink.Changes())
		require.Equal(t, []string{msgFeedFails}, h.Warnings())
		require.Less(t, len(h.Lists()), 20, "the list is requested with backoff")

		h.Sim.ClearFaults()
		harness.Sleep(10 * time.Minute)
		require.Len(t, h.Logs.FilterMessage(msgFeedRecovered).All(), 1)
		h.Assign(1002)
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1002), h.Sink.Changes())
	})
}

func TestDiscoveryTracksWhatTheListShows(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(5), harness.WithDiscovery())
		harness.Sleep(48 * time.Hour)
		h.Assign(1002)
		harness.Sleep(time.Hour)
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes(), "it changed within the lookback of a day")
		require.Equal(t, map[receiver.API]int{receiver.APIDefenderXDR: 0, receiver.APIGraph: 1}[api], h.Polls(0), "the row shows all of it, or makes it due")

		fresh := h.Sim.Appear()
		harness.Sleep(35 * time.Second)
		require.Contains(t, h.Sink.Changes(), harness.Describe(proof.Record{Incident: fresh, Change: "first_seen"}))
		harness.Sleep(10 * time.Minute)
		require.Positive(t, h.Polls(1002), "it is polled as well")
		h.Stop()
		before := h.Polls(1002)
		h.Start()
		harness.Sleep(10 * time.Minute)
		require.Greater(t, h.Polls(1002), before, "discovered incidents survive a restart")
		require.Empty(t, h.Sink.Changes())
	})
}

func TestResolvedDiscoveredIncidentIsForgottenUntilItChanges(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithFeed(func(f *receiver.ChangeFeedConfig) {
			f.Discover, f.ForgetAfter, f.Interval = true, 2*time.Hour, 5*time.Minute
		}),
			harness.WithIDs(1001))
		for _, id := range []int64{1001, 1002} {
			require.NoError(t, h.Sim.Update(id, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		}
		h.Assign(1003)
		h.Start()
		harness.Sleep(time.Hour)
		require.Positive(t, h.Polls(1002))
		harness.Sleep(2 * time.Hour)
		before := h.Polls(1002)
		require.Empty(t, h.Disk.Entry("v1/incident/1002"))
		require.NotEmpty(t, h.Disk.Entry("v1/incident/1001"), "it is configured")
		harness.Sleep(time.Hour)
		require.Equal(t, before, h.Polls(1002))
		h.Sink.Reset()

		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusActive }))
		harness.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
	})
}
