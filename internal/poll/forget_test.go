// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// forgetting turns discovery on. The feed is slow, to keep tests of many hours
// quick. It does not look back, so it discovers only what the test changes.
func forgetting(forgetAfter time.Duration) func(*receiver.Config) {
	return harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) {
		f.Interval, f.Lookback, f.ForgetAfter = 5*time.Minute, time.Minute, forgetAfter
	})
}

func resolve(t *testing.T, h *harness.Harness, id int64) {
	t.Helper()
	require.NoError(t, h.Sim.Update(id, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
}

func TestMergedIncidentAndItsSuccessorStayForgotten(t *testing.T) {
	for name, resolvedBefore := range map[string]bool{"successor resolved after the merge": false, "successor resolved before the merge": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				file := newIDsFile(t, "1003")
				h := harness.New(t, harness.OneAlert(4), forgetting(2*time.Hour), file.only)
				h.Start()
				harness.Sleep(time.Minute)
				h.Assign(1001, 1002)
				harness.Sleep(6 * time.Minute)
				if resolvedBefore {
					resolve(t, h, 1002)
					harness.Sleep(time.Hour)
				}
				require.NoError(t, h.Sim.Merge(1001, 1002))
				harness.Sleep(6 * time.Minute)
				if !resolvedBefore {
					resolve(t, h, 1002)
					harness.Sleep(6 * time.Minute)
				}
				require.Subset(t, h.Sink.Changes(), []string{"1001 first_seen", "1001 merged", "1002 resolved"})
				require.Equal(t, []int64{1001, 1002, 1003}, h.Disk.Incidents())

				for range 9 {
					harness.Sleep(20 * time.Minute)
					h.Stop()
					h.Start()
				}
				harness.Sleep(20 * time.Minute)
				require.Empty(t, h.Sink.Changes(), "nothing returns with a restart")
				require.Equal(t, []int64{1003}, h.Disk.Incidents())
				file.write("1003", "1004")
				harness.Sleep(20 * time.Minute)
				require.Equal(t, []string{"1004 first_seen", "1004 alert first_seen"}, h.Sink.Changes(), "nor with a changed list of IDs")
				require.Equal(t, []int64{1003, 1004}, h.Disk.Incidents())

				h.Assign(1002)
				harness.Sleep(6 * time.Minute)
				require.Contains(t, h.Sink.Changes(), "1002 first_seen", "a change that the feed shows brings it back")
			})
		})
	}
}

func TestEachKindOfClosedIncidentIsForgottenAndStaysForgotten(t *testing.T) {
	asUsual := func(*receiver.Config) {}
	for name, c := range map[string]struct {
		api    receiver.API
		config func(*receiver.Config)
		fails  string // each request for it
		close  func(t *testing.T, h *harness.Harness)
	}{
		"resolved": {
			api: receiver.APIDefenderXDR, config: asUsual,
			close: func(t *testing.T, h *harness.Harness) { resolve(t, h, 1001) },
		},
		"not found": {
			api: receiver.APIDefenderXDR, config: asUsual,
			close: func(t *testing.T, h *harness.Harness) { require.NoError(t, h.Sim.Remove(1001)) },
		},
		"merged, with an unknown successor": {
			api: receiver.APIDefenderXDR, config: asUsual,
			close: func(t *testing.T, h *harness.Harness) { redirect(t, h, 1001, 0) },
		},
		"never shown, always failing":    {api: receiver.APIGraph, config: withUnusableRows, fails: "403"},
		"never shown, always timing out": {api: receiver.APIGraph, config: withUnusableRows, fails: "hang"},
		"resolved as its rows show, always failing": {
			api: receiver.APIGraph, config: asUsual, fails: "403",
			close: func(t *testing.T, h *harness.Harness) { resolve(t, h, 1001) },
		},
		"resolved as its rows show without the list of alerts, always timing out": {
			api: receiver.APIGraph, config: withoutAlertFeed, fails: "hang",
			close: func(t *testing.T, h *harness.Harness) { resolve(t, h, 1001) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, c.api, harness.OneAlert(3), forgetting(2*time.Hour), c.config,
					func(cfg *receiver.Config) { cfg.IncidentIDs = []int64{1003} })
				h.Start()
				harness.Sleep(time.Minute)
				if c.fails != "" {
					h.Fail(1001, c.fails)
				}
				h.Assign(1001)
				if c.close != nil {
					harness.Sleep(6 * time.Minute)
					c.close(t, h)
				}
				harness.Sleep(time.Minute)
				polls := h.Polls(1001)
				harness.Sleep(100 * time.Minute)
				require.Greater(t, h.Polls(1001), polls, "it is not forgotten yet")

				harness.Sleep(time.Hour)
				polls = h.Polls(1001)
				h.Sink.Reset()
				for range 2 {
					harness.Sleep(3 * time.Hour)
					require.Equal(t, polls, h.Polls(1001))
					require.Equal(t, []int64{1003}, h.Disk.Incidents())
					require.NotContains(t, h.Disk.Entry("v1/feed"), "pending")
					h.Stop()
					h.Start()
				}
				harness.Sleep(3 * time.Hour)
				require.Equal(t, polls, h.Polls(1001), "nor with a restart")
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

func TestIncidentMergedAtAnUnknownTimeIsNotForgottenAtOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), forgetting(2*time.Hour))
		h.Start()
		harness.Sleep(time.Minute)
		h.Assign(1001)
		harness.Sleep(6 * time.Minute)
		h.Sink.Reset()
		// For a merged ID the API returns the successor, whose time is not the time of
		// the merge. The list no longer shows the merged incident.
		require.NoError(t, h.Sim.Remove(1001))
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/1001") {
				r = r.Clone(r.Context())
				r.URL.Path = strings.TrimSuffix(r.URL.Path, "1001") + "1002"
			}
			return next.RoundTrip(r)
		})
		harness.Sleep(time.Hour)
		require.Contains(t, h.Sink.Changes(), "1001 merged")
		require.Equal(t, []int64{1001, 1002}, h.Disk.Incidents())
		harness.Sleep(2 * time.Hour)
		require.Equal(t, []int64{1002}, h.Disk.Incidents(), "its successor is open")
	})
}

func TestOpenIncidentUnchangedFor90DaysIsPolledByTheFeedOnly(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const recent, old = 1, 2
		day := 24 * time.Hour
		h := harness.New(t, harness.Quiet(0), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) {
			f.Interval, f.Lookback = 10*time.Minute, 120*day
		}), func(cfg *receiver.Config) { cfg.CollectionInterval = time.Hour })
		for id, age := range map[int64]time.Duration{recent: 80 * day, old: 100 * day} {
			changed := time.Now().Add(-age)
			require.NoError(t, h.Sim.Add(defendersim.Incident{
				ID: id, Status: defendersim.StatusActive, Created: changed, LastUpdate: changed,
			}))
		}
		h.Start()
		harness.Sleep(day)
		require.ElementsMatch(t, []string{"1 first_seen", "2 first_seen"}, h.Sink.Changes())
		require.GreaterOrEqual(t, h.Polls(recent), 22)
		require.Zero(t, h.Polls(old))
		h.Stop()
		h.Start()
		harness.Sleep(2 * time.Hour)
		require.Zero(t, h.Polls(old), "nor after a restart")

		h.Assign(old)
		harness.Sleep(11 * time.Minute)
		require.Equal(t, []string{"2 updated"}, h.Sink.Changes())
		harness.Sleep(3 * time.Hour)
		require.GreaterOrEqual(t, h.Polls(old), 2, "since it has changed, it is polled again")
		require.Equal(t, []int64{recent, old}, h.Disk.Incidents())
	})
}

func TestResolvedIncidentThatChangesIsForgottenAfterItsLastChange(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), forgetting(2*time.Hour))
		h.Start()
		harness.Sleep(time.Minute)
		resolve(t, h, 1001)
		harness.Sleep(100 * time.Minute)
		require.NoError(t, h.Sim.Update(1001, func(i *defendersim.Incident) {
			i.Comments = append(i.Comments, defendersim.Comment{Text: "false alarm", Created: time.Now()})
		}))
		harness.Sleep(118 * time.Minute)
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen", "1001 updated"}, h.Sink.Changes())
		require.Equal(t, []int64{1001}, h.Disk.Incidents())
		harness.Sleep(4 * time.Minute)
		require.Empty(t, h.Disk.Incidents())
		harness.Sleep(12 * time.Hour)
		require.Empty(t, h.Sink.Changes(), "the list still shows its row")
		require.Empty(t, h.Disk.Incidents())
	})
}

func TestIncidentThatAlwaysFailsIsForgottenAlthoughTheReceiverRestartsEveryHour(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(3), forgetting(3*time.Hour), withUnusableRows, harness.WithIDs(1003))
		h.Start()
		harness.Sleep(time.Minute)
		h.Fail(1001, "403")
		h.Assign(1001)
		for range 3 {
			harness.Sleep(time.Hour)
			require.Contains(t, h.Disk.Entry("v1/feed"), `"id":1001`)
			h.Stop()
			h.Start()
		}
		harness.Sleep(30 * time.Minute)
		polls := h.Polls(1001)
		require.NotContains(t, h.Disk.Entry("v1/feed"), `"id":1001`)
		for range 2 {
			harness.Sleep(time.Hour)
			h.Stop()
			h.Start()
		}
		harness.Sleep(time.Hour)
		require.Equal(t, polls, h.Polls(1001))
	})
}
