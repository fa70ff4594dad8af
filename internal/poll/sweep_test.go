// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// open is a population with open incidents only, half of them in progress.
func open(n int) defendersim.Config {
	population := harness.OneAlert(n)
	population.Statuses = defendersim.StatusMix{Active: 1, InProgress: 1}
	return population
}

// sweepPages counts requests of steady sweeps.
func sweepPages(h *harness.Harness) (pages int) {
	for _, r := range h.Lists() {
		if strings.Contains(r.Query, "status") {
			pages++
		}
	}
	return pages
}

// firstAlert returns the ID of an incident's first alert.
func firstAlert(t *testing.T, h *harness.Harness, id int64) string {
	t.Helper()
	i, err := h.Sim.Incident(id)
	require.NoError(t, err)
	return i.Alerts[0].ID
}

// changeAlert changes an incident's first alert, and not the incident's time.
func changeAlert(t *testing.T, h *harness.Harness, id int64) {
	t.Helper()
	require.NoError(t, h.Sim.UpdateAlert(id, firstAlert(t, h, id), func(a *defendersim.Alert) { a.AssignedTo = "someone" }))
}

func TestFirstPassDeliversPagesAtOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := open(950)
		population.LargeShare, population.AlertBytes = 0.01, 900
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		harness.Sleep(20 * time.Second)
		delivered := map[int64]bool{}
		for _, r := range h.Sink.Records() {
			delivered[r.Incident] = true
		}
		require.Len(t, delivered, 950)
		polls := h.Polls(0)
		require.Positive(t, polls)
		require.Less(t, polls, 130, "only incidents with 150 alerts, which a row may not show whole, and some of the last hundred")
		ended := h.Logs.FilterMessage("first pass through the list ended").All()
		require.Len(t, ended, 1)
		require.LessOrEqual(t, ended[0].ContextMap()["left_to_poll_by_id"], int64(polls))
		require.Empty(t, h.Warnings())
	})
}

func TestSweepFindsChangesOfAlertsThatDoNotMoveTheirIncident(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(950), harness.WithFeed())
		h.Start()
		harness.Sleep(20 * time.Minute)
		polls := h.Polls(0)
		h.Sink.Reset()
		for id := int64(1001); id < 1951; id += 50 {
			changeAlert(t, h, id)
		}
		harness.Sleep(5*time.Minute + time.Second)
		require.Len(t, h.Sink.Changes(), 19)
		require.Equal(t, polls, h.Polls(0), "no request by ID")
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes(), "each once")
		require.Equal(t, polls, h.Polls(0))
		require.Empty(t, h.Warnings())
	})
}

func TestSweepsAreOnlyWhereTheyAreNeeded(t *testing.T) {
	harness.Long(t)
	for name, c := range map[string]struct {
		incidents int
		feed      func(*receiver.ChangeFeedConfig)
		config    func(*receiver.Config)
		plan      string
		met       bool
	}{
		"few incidents": {
			incidents: 100, plan: "not needed: polling by ID meets collection_interval", met: true,
		},
		"turned off": {
			incidents: 150, feed: func(f *receiver.ChangeFeedConfig) { f.Sweep = false }, plan: "off",
		},
		"a long interval": {
			incidents: 150, config: func(cfg *receiver.Config) { cfg.CollectionInterval = 10 * time.Minute },
			plan: "not needed: polling by ID meets collection_interval", met: true,
		},
		"needed": {
			incidents: 150, plan: "every 5m, for all open incidents; the others are polled by ID", met: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				settings := []func(*receiver.Config){harness.WithFeed(func(f *receiver.ChangeFeedConfig) {
					if c.feed != nil {
						c.feed(f)
					}
				})}
				if c.config != nil {
					settings = append(settings, c.config)
				}
				h := harness.New(t, open(c.incidents), settings...)
				h.Start()
				harness.Sleep(time.Hour)
				plan := h.Logs.FilterMessage("polling incidents").All()[0].ContextMap()
				require.Equal(t, c.plan, plan["sweep"])
				require.Equal(t, c.met, plan["interval_can_be_met"])
				if name == "needed" {
					require.Positive(t, sweepPages(h))
				} else {
					require.Zero(t, sweepPages(h))
				}
			})
		})
	}
}

func TestPlanAdvisesTheFeedWhereItWouldHelp(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, open(700))
		h.Start()
		plan := h.Logs.FilterMessage("polling incidents").All()[0].ContextMap()
		require.Equal(t, false, plan["interval_can_be_met"])
		if api == receiver.APIGraph {
			require.NotContains(t, plan, "advice")
			return
		}
		require.Equal(t, "set change_feed: it polls up to 100 incidents with each request instead of one", plan["advice"])
	})
}

// Incidents that the sweep does not show are polled by ID, and the reason is logged once.
func TestIncidentsArePolledByIDWhereTheListRefusesSweeps(t *testing.T) {
	harness.Long(t)
	for name, c := range map[string]struct {
		population func(*defendersim.Config)
		pages      int // of sweeps, in 100 minutes
	}{
		"the filter is refused":   {func(p *defendersim.Config) { p.ListStatusFilter = defendersim.StatusFilterRefused }, 4},
		"a large skip is refused": {func(p *defendersim.Config) { p.ListMaxSkip = 50 }, 100},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := open(300)
				c.population(&population)
				h := harness.New(t, population, harness.WithFeed())
				h.Start()
				harness.Sleep(80 * time.Minute)
				h.Sink.Reset()
				changeAlert(t, h, 1001)
				changeAlert(t, h, 1290)
				harness.Sleep(20 * time.Minute)
				require.Len(t, h.Sink.Changes(), 2)
				require.LessOrEqual(t, sweepPages(h), c.pages)
				var early []string
				for _, w := range h.Warnings() {
					if strings.Contains(w, "sweep of the list ended early") {
						early = append(early, w)
					}
				}
				require.Len(t, early, 1)
			})
		})
	}
}

// If the filter by status has no effect, sweeps only take longer.
func TestSweepWorksWhereTheStatusIsNotFiltered(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(600)
		population.ListStatusFilter = defendersim.StatusFilterIgnored
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		harness.Sleep(time.Hour)
		polls := h.Polls(0)
		h.Sink.Reset()
		changeAlert(t, h, 1300)
		harness.Sleep(6 * time.Minute)
		require.Len(t, h.Sink.Changes(), 1)
		require.Equal(t, polls, h.Polls(0))
		require.Empty(t, h.Warnings())
	})
}

func TestSweepThatFailsIsNoOutageAndEndsByItself(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(950), harness.WithFeed())
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "status") && strings.Contains(r.URL.RawQuery, "skip") {
				return respond(r, http.StatusInternalServerError, ""), nil
			}
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(time.Hour)
		h.Sink.Reset()
		changeAlert(t, h, 1001)
		harness.Sleep(45 * time.Minute)
		require.Len(t, h.Sink.Changes(), 1, "by ID")
		require.Equal(t, []string{"sweep of the list ended early; polling the incidents it missed by ID"}, h.Warnings())
		require.Empty(t, h.Host.Statuses(), "the feed works")
	})
}

// The states of unchanged incidents are neither read nor written.
func TestUnchangedRowsTouchNoStorage(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(950), harness.WithFeed())
		disk := useStubbornDisk(t, h)
		h.Start()
		harness.Sleep(20 * time.Minute)
		written, pages := disk.writtenUnder("v1/incident/"), sweepPages(h)
		harness.Sleep(time.Hour)
		require.Greater(t, sweepPages(h)-pages, 100)
		require.Equal(t, written, disk.writtenUnder("v1/incident/"))

		h.Stop()
		h.Start()
		harness.Sleep(10 * time.Minute)
		require.Equal(t, written, disk.writtenUnder("v1/incident/"), "nor after a restart")
	})
}

// Forty incidents among many thousand are not worth a sweep.
func TestSweepsOfForeignIncidentsAreRare(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(1500), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.CollectionInterval = time.Minute
			cfg.IncidentIDs = nil
			for id := int64(1010); id < 2490; id += 37 {
				cfg.IncidentIDs = append(cfg.IncidentIDs, id)
			}
		})
		require.Len(t, h.Config.IncidentIDs, 40)
		h.Start()
		harness.Sleep(4 * time.Hour)
		require.Positive(t, sweepPages(h))
		require.Less(t, sweepPages(h), 4*1500/20)
		require.Len(t, h.Logs.FilterLevelExact(zap.InfoLevel).FilterMessageSnippet("few of the listed incidents are tracked").All(), 1)
	})
}

func TestSweepRowsDiscoverNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(950), harness.WithFeed(), func(cfg *receiver.Config) { cfg.IncidentIDs = cfg.IncidentIDs[:500] })
		h.Start()
		harness.Sleep(time.Hour)
		for _, r := range h.Sink.Records() {
			require.LessOrEqual(t, r.Incident, int64(1500))
		}
		require.Positive(t, sweepPages(h))
	})
}

// While the list cannot be read, incidents that were never polled do not wait for it long.
func TestFirstPassThatCannotBeginHoldsUpNoIncidentForLong(t *testing.T) {
	harness.Long(t)
	for name, fault := range map[string]string{"the list is down": "503", "the list hangs": "hang", "the list is denied": "403"} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, open(400), harness.WithFeed())
				require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, harness.Rule(t, fault)))
				h.Start()
				harness.Sleep(10 * time.Minute)
				require.Greater(t, h.Polls(0), 390)
				h.Sim.ClearFaults()
				harness.Sleep(time.Hour)
				require.Positive(t, sweepPages(h))
			})
		})
	}
}

// A first pass that is interrupted continues, while requests by ID fill the gap.
func TestFirstPassOutlastsALongPause(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(2000), harness.WithFeed())
		began := time.Now()
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if skip := r.URL.Query().Get("$skip"); skip == "540" && time.Since(began) < 10*time.Minute {
				paused := respond(r, http.StatusTooManyRequests, "")
				paused.Header.Set("Retry-After", "600")
				return paused, nil
			}
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(9 * time.Minute)
		require.Greater(t, h.Polls(0), 300)
		harness.Sleep(3 * time.Minute)
		delivered := map[int64]bool{}
		for _, r := range h.Sink.Records() {
			delivered[r.Incident] = true
		}
		require.Len(t, delivered, 2000)
		require.Less(t, h.Polls(0), 1200)
	})
}

// With emit: snapshots, sweeps emit each incident once per interval, and nothing is emitted more often.
func TestSweepsEmitSnapshotsOncePerInterval(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		population := open(500)
		population.LatencyMin, population.LatencyMax = 100*time.Millisecond, 1500*time.Millisecond
		h := harness.New(t, population, harness.WithFeed(), func(cfg *receiver.Config) { cfg.Emit = receiver.EmitSnapshots })
		h.Start()
		harness.Sleep(20 * time.Minute)
		h.Sink.Reset()
		harness.Sleep(50 * time.Minute)
		emitted := map[int64]int{}
		for _, r := range h.Sink.Records() {
			if r.Alert == "" {
				emitted[r.Incident]++
			}
		}
		require.Len(t, emitted, 500)
		for id, n := range emitted {
			require.GreaterOrEqual(t, n, 9, "incident %d", id)
			require.LessOrEqual(t, n, 11, "incident %d", id)
		}
	})
}
