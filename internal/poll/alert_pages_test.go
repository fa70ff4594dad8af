// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// inPages is a population in which each incident has seven alerts. Graph shows
// three at a time, so each incident takes three requests.
func inPages(incidents int) defendersim.Config {
	cfg := harness.Quiet(incidents)
	cfg.AlertsPerIncident, cfg.AlertsPage = 7, 3
	return cfg
}

func TestAlertPagesAreDeliveredOnceAndCountAsRequests(t *testing.T) {
	for name, token := range map[string]bool{"by skip": false, "by token": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := inPages(10)
				population.AlertsSkipToken, population.ChangesPerHour, population.MergedShare = token, 60, 0.1
				h := harness.NewUnder(t, receiver.APIGraph, population, harness.WithLimits(40, 250))
				h.Start()
				harness.Sleep(2 * time.Hour)
				h.Stop()
				records := h.Sink.Records() // some states changed while their pages were read
				require.Empty(t, proof.Twice(records))
				require.Empty(t, proof.Behind(h.Sim, h.Sim.IDs(), records, 30*time.Minute))
				require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 40)
				require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), 250)
				require.Greater(t, h.AlertPages(0), h.Polls(0))
				require.Greater(t, h.AlertPages(0)+h.Polls(0), 2*225, "the quota is used")
				require.Empty(t, h.Warnings())
			})
		})
	}
}

// A started incident is finished before another one is started, so memory holds
// no more of them than may be in flight.
func TestNoMoreIncidentsAreStartedThanMayBeInFlight(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, inPages(30), harness.WithLimits(5, 0))
		h.Start()
		harness.Sleep(30 * time.Minute)
		h.Stop()
		started, most := map[int64]int{}, 0
		for _, r := range h.Sim.Journal() {
			if started[r.ID]++; started[r.ID] == 3 {
				delete(started, r.ID)
			}
			most = max(most, len(started))
		}
		require.LessOrEqual(t, most, h.Config.MaxConcurrentRequests)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 5)
		require.Len(t, h.Sink.Changes(), 8*30, "all are delivered")
	})
}

// Polls stay evenly spaced although each incident takes three requests.
func TestCycleTakesAsLongAsItsPagesNeed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, inPages(10), harness.WithLimits(0, 100))
		h.Start()
		harness.Sleep(5 * time.Hour)
		h.Stop()
		last := map[int64]time.Time{}
		for _, r := range h.Sim.Journal() {
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

func TestFailedPageFailsOnlyItsIncident(t *testing.T) {
	for _, fault := range []string{"503", "hang", "truncated", "nested", "huge=2MiB", "link-stuck"} {
		t.Run(fault, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, inPages(4), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = 1 << 20 })
				require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Alerts = i.Alerts[:3] }))
				h.Fail(defendersim.AlertRequests, fault)
				h.Start()
				harness.Sleep(20 * time.Minute)
				shown := 1 + 3 // an incident and the alerts on the page that works
				if fault == "link-stuck" {
					shown += 2 // those on the page with the link
				}
				require.Len(t, h.Sink.Changes(), 4+3*shown, "1002, which has only one page, and what is known of the others")
				require.ElementsMatch(t, slices.Repeat([]string{msgFetchFailed}, 3), h.Warnings())
				require.Less(t, h.Polls(1001), 15, "its backoff grows, although its first page works each time")
				h.Sim.ClearFaults()
				harness.Sleep(20 * time.Minute)
				changes := h.Sink.Changes()
				require.Len(t, changes, 3*(8-shown), "the rest")
				require.NotContains(t, changes, "1001 alert removed")
				require.NotContains(t, changes, "1001 updated")
			})
		})
	}
}

func TestRateLimitedPagePausesAllAndRestartsItsIncident(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, inPages(1), harness.WithFeed(), harness.WithLimits(100, 0))
		h.FailOnce(defendersim.AlertRequests, "429-retry-after=90s")
		h.Start()
		harness.Sleep(89 * time.Second)
		require.Equal(t, 1, h.Polls(0))
		require.Equal(t, 1, h.AlertPages(0))
		require.LessOrEqual(t, len(h.Lists()), 2, "the list is paused too")
		require.Empty(t, h.Sink.Changes())
		harness.Sleep(2 * time.Second)
		require.Equal(t, 2, h.Polls(0))
		require.Equal(t, 3, h.AlertPages(0))
		require.Len(t, h.Sink.Changes(), 8)
	})
}

func TestRateLimitedListPausesPollingUnderGraphOnly(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithFeed())
		h.Start()
		harness.Sleep(time.Minute)
		h.Fail(defendersim.ListRequests, "429-retry-after=20m")
		harness.Sleep(31 * time.Second)
		before := h.Polls(0)
		harness.Sleep(19 * time.Minute)
		if api == receiver.APIGraph {
			require.Equal(t, before, h.Polls(0))
		} else {
			require.GreaterOrEqual(t, h.Polls(0), before+9)
		}
	})
}

// Removing an alert moves the others to earlier pages, which were read already,
// so they are missed. They have not left.
func TestAlertsRemovedBetweenPagesTakeNoOtherWithThem(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, inPages(1))
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		h.Fail(defendersim.AlertRequests, "slow=10s")
		harness.Sleep(4*time.Minute + 5*time.Second) // a page is in flight
		require.Equal(t, 2+1, h.AlertPages(0))
		incident, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		for _, alert := range incident.Alerts[:2] {
			require.NoError(t, h.Sim.RemoveAlert(1001, alert.ID))
		}
		harness.Sleep(time.Minute)
		changes := h.Sink.Changes()
		h.Sim.ClearFaults()
		harness.Sleep(10 * time.Minute)
		require.ElementsMatch(t, []string{"1001 updated", "1001 alert removed", "1001 alert removed"}, append(changes, h.Sink.Changes()...))
	})
}

func TestIncidentRemovedBetweenAlertPagesIsNotFetchedFurther(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002")
		h := harness.NewUnder(t, receiver.APIGraph, inPages(2), file.only, harness.WithLimits(2, 0), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.Start()
		harness.Sleep(30 * time.Second) // one incident is started, and its next page has to wait
		started := h.Sim.Journal()[0].ID
		require.Equal(t, 1, h.AlertPages(started))
		other := 1001 + 1002 - started
		file.write(map[int64]string{1001: "1001", 1002: "1002"}[other])
		harness.Sleep(5 * time.Minute)
		require.Equal(t, 1, h.AlertPages(started))
		require.Len(t, h.Sink.Changes(), 8, "all of the other incident")

		file.write("1001", "1002") // it must not count as in flight forever
		harness.Sleep(5 * time.Minute)
		require.Len(t, h.Sink.Changes(), 8)
	})
}
