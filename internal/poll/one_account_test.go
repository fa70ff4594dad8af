// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// stored opens the checkpoint, calls a function with it, and closes it.
func stored(t *testing.T, h *harness.Harness, use func(*checkpoint.Store, checkpoint.Contents)) {
	t.Helper()
	client, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
	require.NoError(t, err)
	store, contents, err := checkpoint.Open(t.Context(), client, string(h.Config.API))
	require.NoError(t, err)
	use(store, contents)
	require.NoError(t, store.Close(t.Context()))
}

func TestUnderGraphOneAccountCountsAllRequests(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(100), harness.WithLimits(20, 0), harness.WithFeed())
		h.Start()
		time.Sleep(10*time.Minute + time.Second)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 20, "lists and incidents together")
		require.GreaterOrEqual(t, len(h.Lists()), 20, "8 requests are left to them")
		require.GreaterOrEqual(t, len(h.Sim.Journal()), 10*11, "no request counts twice")
		h.Stop()
		stored(t, h, func(_ *checkpoint.Store, c checkpoint.Contents) {
			require.GreaterOrEqual(t, len(c.Quota.Ended), 11)
			require.True(t, c.Feed.Quota.Empty())
		})
	})
}

func TestTwoStoredAccountsOfGraphAreMerged(t *testing.T) {
	for name, feed := range map[string]bool{"with the change feed": true, "without it": false} {
		free := 8
		if feed {
			free = 4 // two pages of each list; 8 of 20 requests are left to pages
		}
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				options := []func(*receiver.Config){harness.WithLimits(20, 0)}
				if feed {
					options = append(options, harness.WithFeed())
				}
				h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(100), options...)
				began := time.Now().UTC()
				sent := func(n int, before time.Duration) quota.Stored {
					s := quota.Stored{Since: began.Add(-time.Hour)}
					for range n {
						s.Ended = append(s.Ended, began.Add(-before))
					}
					return s
				}
				stored(t, h, func(store *checkpoint.Store, _ checkpoint.Contents) {
					require.NoError(t, store.SaveQuota(t.Context(), sent(8, 20*time.Second)))
					require.NoError(t, store.SaveListQuota(t.Context(), sent(12, 10*time.Second)))
				})
				h.Start()
				time.Sleep(40*time.Second - 1)
				require.Empty(t, h.Sim.Journal(), "both together have used the minute up")
				time.Sleep(time.Second)
				require.Len(t, h.Sim.Journal(), free)
				h.Disk.Kill()
				h.Stop()
				stored(t, h, func(_ *checkpoint.Store, c checkpoint.Contents) {
					require.True(t, c.Feed.Quota.Empty(), "it must not count again")
					require.GreaterOrEqual(t, len(c.Quota.Ended)+c.Quota.InFlight, 12+free)
				})
			})
		})
	}
}

func TestUnderGraphOnlyA429OfOneEndpointHoldsTheOther(t *testing.T) {
	const minute = time.Minute
	for fault, pauses := range map[string]bool{"503-retry-after=10m": false, "429-retry-after=10m": true} {
		for name, where := range map[string]int64{"list": defendersim.ListRequests, "incidents": defendersim.AllIncidents} {
			t.Run(fault+" on "+name, func(t *testing.T) {
				harness.Run(t, func(t *testing.T) {
					h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
						cfg.CollectionInterval, cfg.MaxConcurrentRequests = minute, 1
					})
					h.Start()
					time.Sleep(5 * minute)
					h.FailOnce(where, fault)
					time.Sleep(minute + time.Second)
					lists, gets := len(h.Lists()), h.Polls(0)
					time.Sleep(5 * minute)
					lists, gets = len(h.Lists())-lists, h.Polls(0)-gets
					require.Equal(t, pauses || where == defendersim.ListRequests, lists == 0, lists)
					require.Equal(t, pauses || where == defendersim.AllIncidents, gets == 0, gets)
					time.Sleep(10 * minute)
					require.Greater(t, len(h.Lists()), lists)
					require.Greater(t, h.Polls(0), gets)
				})
			})
		}
	}
}

func TestUnderGraphAnOutageOfOneEndpointLeavesTheOther(t *testing.T) {
	for name, where := range map[string]int64{"list": defendersim.ListRequests, "incidents": defendersim.AllIncidents} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(6), harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.CollectionInterval = time.Minute
				})
				h.Start()
				time.Sleep(5 * time.Minute)
				h.Fail(where, "403")
				time.Sleep(10 * time.Minute)
				require.Contains(t, h.Host.Statuses()[len(h.Host.Statuses())-1], "forbidden")
				lists, gets := len(h.Lists()), h.Polls(0)
				time.Sleep(30 * time.Minute)
				lists, gets = len(h.Lists())-lists, h.Polls(0)-gets
				if where == defendersim.ListRequests {
					require.Less(t, lists, 45, "held with backoff")
					require.GreaterOrEqual(t, gets, 6*29)
				} else {
					require.Less(t, gets, 45, "held with backoff")
					require.GreaterOrEqual(t, lists, 59)
				}
			})
		})
	}
}
