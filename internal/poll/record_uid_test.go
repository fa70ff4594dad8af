// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// requireDistinctUIDs requires that this many records were emitted, each with a uid
// of its own.
func requireDistinctUIDs(t *testing.T, h *harness.Harness, records int) {
	t.Helper()
	uids := map[string]string{}
	for _, r := range h.Sink.Records() {
		require.NotEmpty(t, r.UID)
		require.NotContains(t, uids, r.UID, "%s, and before %s", harness.Describe(r), uids[r.UID])
		uids[r.UID] = harness.Describe(r)
	}
	require.Len(t, uids, records)
}

func TestIncidentThatReturnsUnchangedHasNewUIDs(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2))
		h.Start()
		harness.Sleep(time.Minute)
		for range 3 {
			require.NoError(t, h.Sim.Remove(1001))
			harness.Sleep(10 * time.Minute)
			h.Stop()
			h.Start()
			require.NoError(t, h.Sim.Restore(1001))
			harness.Sleep(2 * time.Hour)
		}
		requireDistinctUIDs(t, h, 4+3*3)
	})
}

func TestStateThatReturnsHasAnotherUID(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Start()
		harness.Sleep(time.Minute)
		i, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, h.Sim.RemoveAlert(1001, i.Alerts[0].ID))
			harness.Sleep(6 * time.Minute)
			require.NoError(t, h.Sim.Update(1001, func(now *defendersim.Incident) { now.Alerts = i.Alerts }))
			harness.Sleep(6 * time.Minute)
		}
		requireDistinctUIDs(t, h, 2+3*4)
	})
}

func TestChangeDeliveredAgainAfterAKillHasTheSameUID(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.RunOnce()
		h.Assign(1001)
		harness.Sleep(10 * time.Minute)
		h.Sink.Refuse = func(context.Context) error {
			h.Disk.Kill() // accepted, but never stored
			return nil
		}
		h.Start()
		harness.Sleep(time.Second)
		synctest.Wait()
		h.Stop()
		first := h.Sink.Records()
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())

		h.Sink.Refuse = nil
		harness.Sleep(10 * time.Minute)
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, first, h.Sink.Records())
		h.Sink.Reset()
		h.Assign(1001)
		harness.Sleep(6 * time.Minute)
		require.NotEqual(t, first[0].UID, h.Sink.Records()[0].UID)
	})
}

func TestEachSnapshotHasAnotherUID(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), func(cfg *receiver.Config) { cfg.Emit = receiver.EmitSnapshots })
		h.Start()
		harness.Sleep(21 * time.Minute)
		requireDistinctUIDs(t, h, 5*2)
	})
}
