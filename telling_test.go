package defenderincidentsreceiver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// lastTold is a pipeline whose collector is killed when it has accepted the
// next records, before that is written down.
type lastTold struct {
	*sink
	disk *disk
}

func (l lastTold) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	err := l.sink.ConsumeLogs(ctx, logs)
	l.disk.kill()
	return err
}

// TestWhatComesAndGoesAroundAKillIsToldToItsEnd has one thing told, the process
// killed before it is written down, and the thing undone before the next start:
// what is stored and what is served then look alike.
func TestWhatComesAndGoesAroundAKillIsToldToItsEnd(t *testing.T) {
	alert := func(w *world, n int) string {
		i, err := w.sim.Incident(1001)
		require.NoError(w.t, err)
		return i.Alerts[n].ID
	}
	for name, c := range map[string]struct {
		before func(w *world) // before the first start
		change func(w *world) (undo func())
		told   []string // after the kill
		last   []string // to the end
	}{
		"an incident that goes and is back": {
			change: func(w *world) func() {
				require.NoError(w.t, w.sim.Remove(1001))
				return func() { require.NoError(w.t, w.sim.Restore(1001)) }
			},
			told: []string{"1001 not_found"},
			last: []string{"1001 first_seen", "1001 alert first_seen", "1001 alert first_seen"},
		},
		"an incident that is back and goes": {
			before: func(w *world) { require.NoError(w.t, w.sim.Remove(1001)) },
			change: func(w *world) func() {
				require.NoError(w.t, w.sim.Restore(1001))
				return func() { require.NoError(w.t, w.sim.Remove(1001)) }
			},
			told: []string{"1001 first_seen", "1001 alert first_seen", "1001 alert first_seen"},
			last: []string{"1001 not_found"},
		},
		"an alert that comes and goes": {
			change: func(w *world) func() {
				id, err := w.sim.AddAlert(1001)
				require.NoError(w.t, err)
				return func() { require.NoError(w.t, w.sim.RemoveAlert(1001, id)) }
			},
			told: []string{"1001 updated", "1001 alert first_seen"},
			last: []string{"1001 updated", "1001 alert removed"},
		},
		"an alert that goes, and another": {
			change: func(w *world) func() {
				first := alert(w, 0)
				require.NoError(w.t, w.sim.RemoveAlert(1001, alert(w, 1)))
				return func() { require.NoError(w.t, w.sim.RemoveAlert(1001, first)) }
			},
			told: []string{"1001 updated", "1001 alert removed"},
			last: []string{"1001 updated", "1001 alert removed", "1001 alert removed"},
		},
		"an alert that goes and is back": {
			change: func(w *world) func() {
				i, err := w.sim.Incident(1001)
				require.NoError(w.t, err)
				require.NoError(w.t, w.sim.RemoveAlert(1001, i.Alerts[1].ID))
				return func() {
					require.NoError(w.t, w.sim.Update(1001, func(now *defendersim.Incident) { now.Alerts = append(now.Alerts, i.Alerts[1]) }))
				}
			},
			told: []string{"1001 updated", "1001 alert removed"},
			last: []string{"1001 updated", "1001 alert first_seen"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				population := oneAlert(1)
				population.AlertsPerIncident = 2
				w := newWorldUnder(t, api, population)
				kept := &disk{entries: map[string][]byte{}}
				w.host.extensions[*w.cfg.StorageID] = kept
				if c.before != nil {
					c.before(w)
				}
				w.haveRun()

				undo := c.change(w)
				time.Sleep(time.Hour)
				w.startWith(lastTold{w.sink, kept})
				time.Sleep(time.Second)
				synctest.Wait()
				w.stop()
				first := w.sink.records()
				require.ElementsMatch(t, c.told, w.sink.changes())

				undo()
				time.Sleep(2 * time.Hour)
				w.startWith(lastTold{w.sink, kept}) // and once more
				time.Sleep(time.Second)
				synctest.Wait()
				w.stop()
				again := w.sink.records()
				require.ElementsMatch(t, c.last, w.sink.changes())

				time.Sleep(2 * time.Hour)
				w.start()
				time.Sleep(time.Second)
				require.Equal(t, again, w.sink.records(), "the same as before the second kill, with the same identities")
				w.sink.Reset()
				requireOneIdentityEach(t, append(first, again...))
				time.Sleep(3 * time.Hour)
				require.Empty(t, w.sink.changes(), "then all is settled")
			})
		})
	}
}

// requireOneIdentityEach demands one uid for what leaves, whenever it is told,
// and none for two things.
func requireOneIdentityEach(t *testing.T, records []proof.Record) {
	t.Helper()
	uids, told := map[string]string{}, map[string]string{}
	for _, r := range records {
		if r.Change != "removed" && r.Change != "not_found" {
			continue
		}
		what := describe(r) + r.Alert
		if uid, again := uids[what]; again {
			require.Equal(t, uid, r.UID, what)
		}
		if other, again := told[r.UID]; again {
			require.Equal(t, other, what)
		}
		uids[what], told[r.UID] = r.UID, what
	}
}
