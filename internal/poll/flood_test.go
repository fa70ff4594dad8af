// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// Each change in the list takes a request for the incident. Here incidents keep
// changing faster than the limits allow them to be fetched.
func TestFloodOfChangesLeavesATenthToRoutinePolls(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.Quiet(0), harness.WithFeed(), withUnusableRows, harness.WithIDs(1),
			harness.WithLimits(30, 0), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		addBare(t, h, 60)
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Sink.Reset()
		flooded := h.Config.IncidentIDs[:40]
		before, beforeAll, beforeLists, beforeGets := map[int64]int{}, len(h.Sim.Journal()), len(h.Lists()), h.Polls(0)
		for _, id := range h.Config.IncidentIDs {
			before[id] = h.Polls(id)
		}
		for range 100 {
			h.Assign(flooded...)
			harness.Sleep(time.Minute)
		}
		routine, lists, gets, all := 0, len(h.Lists())-beforeLists, h.Polls(0)-beforeGets, len(h.Sim.Journal())-beforeAll
		for _, id := range h.Config.IncidentIDs[40:] {
			polls := h.Polls(id) - before[id]
			require.GreaterOrEqual(t, polls, 3, "incident %d", id)
			routine += polls
		}
		require.GreaterOrEqual(t, all, 100*21, "the limits are used, but for 8 requests that are left to the change feed")
		require.GreaterOrEqual(t, lists, 198, "which is never late")
		require.GreaterOrEqual(t, routine, gets/11)
		require.LessOrEqual(t, routine, gets/4, "changes go first")
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 30)
		h.Sink.Reset()

		harness.Sleep(20 * time.Minute)
		h.Sink.Reset()
		h.Assign(flooded[0], 60)
		harness.Sleep(2 * time.Minute)
		require.ElementsMatch(t, updated(flooded[0], 60), h.Sink.Changes())
	})
}
