// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// killing is a sink that kills the receiver after it has accepted a delivery,
// before that can be stored.
type killing struct {
	*harness.Sink
	disk *harness.Disk
}

func (l killing) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	err := l.Sink.ConsumeLogs(ctx, logs)
	l.disk.Kill()
	return err
}

// A change is emitted, the process is killed before that is stored, and the change
// is undone before the next start. The stored state then looks like what the API
// shows, though the records say otherwise.
func TestChangeUndoneAroundAKillIsDeliveredCompletely(t *testing.T) {
	alert := func(t *testing.T, h *harness.Harness, n int) string {
		i, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		return i.Alerts[n].ID
	}
	for name, c := range map[string]struct {
		before func(t *testing.T, h *harness.Harness) // the first start
		change func(t *testing.T, h *harness.Harness) (undo func())
		first  []string // records before the kill
		last   []string // after it
	}{
		"incident removed and restored": {
			change: func(t *testing.T, h *harness.Harness) func() {
				require.NoError(t, h.Sim.Remove(1001))
				return func() { require.NoError(t, h.Sim.Restore(1001)) }
			},
			first: []string{"1001 not_found"},
			last:  []string{"1001 first_seen", "1001 alert first_seen", "1001 alert first_seen"},
		},
		"incident restored and removed": {
			before: func(t *testing.T, h *harness.Harness) { require.NoError(t, h.Sim.Remove(1001)) },
			change: func(t *testing.T, h *harness.Harness) func() {
				require.NoError(t, h.Sim.Restore(1001))
				return func() { require.NoError(t, h.Sim.Remove(1001)) }
			},
			first: []string{"1001 first_seen", "1001 alert first_seen", "1001 alert first_seen"},
			last:  []string{"1001 not_found"},
		},
		"alert added and removed": {
			change: func(t *testing.T, h *harness.Harness) func() {
				id, err := h.Sim.AddAlert(1001)
				require.NoError(t, err)
				return func() { require.NoError(t, h.Sim.RemoveAlert(1001, id)) }
			},
			first: []string{"1001 updated", "1001 alert first_seen"},
			last:  []string{"1001 updated", "1001 alert removed"},
		},
		"alert removed, then another": {
			change: func(t *testing.T, h *harness.Harness) func() {
				first := alert(t, h, 0)
				require.NoError(t, h.Sim.RemoveAlert(1001, alert(t, h, 1)))
				return func() { require.NoError(t, h.Sim.RemoveAlert(1001, first)) }
			},
			first: []string{"1001 updated", "1001 alert removed"},
			last:  []string{"1001 updated", "1001 alert removed", "1001 alert removed"},
		},
		"alert removed and restored": {
			change: func(t *testing.T, h *harness.Harness) func() {
				i, err := h.Sim.Incident(1001)
				require.NoError(t, err)
				require.NoError(t, h.Sim.RemoveAlert(1001, i.Alerts[1].ID))
				return func() {
					require.NoError(t, h.Sim.Update(1001, func(now *defendersim.Incident) { now.Alerts = append(now.Alerts, i.Alerts[1]) }))
				}
			},
			first: []string{"1001 updated", "1001 alert removed"},
			last:  []string{"1001 updated", "1001 alert first_seen"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(1)
				population.AlertsPerIncident = 2
				h := harness.New(t, population)
				if c.before != nil {
					c.before(t, h)
				}
				h.RunOnce()

				undo := c.change(t, h)
				harness.Sleep(time.Hour)
				h.StartWith(killing{h.Sink, h.Disk})
				harness.Sleep(time.Second)
				synctest.Wait()
				h.Stop()
				first := h.Sink.Records()
				require.ElementsMatch(t, c.first, h.Sink.Changes())

				undo()
				harness.Sleep(2 * time.Hour)
				h.StartWith(killing{h.Sink, h.Disk}) // killed again
				harness.Sleep(time.Second)
				synctest.Wait()
				h.Stop()
				again := h.Sink.Records()
				require.ElementsMatch(t, c.last, h.Sink.Changes())

				harness.Sleep(2 * time.Hour)
				h.Start()
				harness.Sleep(time.Second)
				require.Equal(t, again, h.Sink.Records(), "the same as before the second kill, with the same uids")
				h.Sink.Reset()
				requireOneUIDEach(t, append(first, again...))
				harness.Sleep(3 * time.Hour)
				require.Empty(t, h.Sink.Changes(), "nothing is left to emit")
			})
		})
	}
}

// requireOneUIDEach requires that each removal has the same uid every time it is
// emitted, and that no two removals share one.
func requireOneUIDEach(t *testing.T, records []proof.Record) {
	t.Helper()
	uids, removals := map[string]string{}, map[string]string{}
	for _, r := range records {
		if r.Change != "removed" && r.Change != "not_found" {
			continue
		}
		what := harness.Describe(r) + r.Alert
		if uid, again := uids[what]; again {
			require.Equal(t, uid, r.UID, what)
		}
		if other, again := removals[r.UID]; again {
			require.Equal(t, other, what)
		}
		uids[what], removals[r.UID] = r.UID, what
	}
}

func TestAlertOfAFirstDeliveryThatVanishesAroundAKillIsRemoved(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(1)
		population.AlertsPerIncident = 2
		h := harness.New(t, population)
		h.StartWith(killing{h.Sink, h.Disk})
		harness.Sleep(time.Second)
		synctest.Wait()
		h.Stop()
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen", "1001 alert first_seen"}, h.Sink.Changes())

		i, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		require.NoError(t, h.Sim.RemoveAlert(1001, i.Alerts[1].ID))
		harness.Sleep(time.Hour)
		h.Start()
		harness.Sleep(time.Second)
		require.ElementsMatch(t, []string{"1001 first_seen", "1001 alert first_seen", "1001 alert removed"}, h.Sink.Changes())
		harness.Sleep(3 * time.Hour)
		require.Empty(t, h.Sink.Changes())
	})
}
