package defenderincidentsreceiver

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// element is what has a time of its own: an incident, or one of its alerts.
type element struct {
	incident int64
	alert    string
}

// told is that an element was shown as it was at a time.
type told struct{ at, as time.Time }

// listener notes when each element was told, and keeps nothing else.
type listener struct {
	mu   sync.Mutex
	told map[element][]told
}

func (l *listener) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (l *listener) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range proof.Records(logs) {
		e := element{r.Incident, r.Alert}
		l.told[e] = append(l.told[e], told{at: time.Now(), as: r.Time})
	}
	return nil
}

// after is how long after a change its element was told as it was then, or later.
func (l *listener) after(e element, changed, as time.Time) (time.Duration, bool) {
	all := l.told[e]
	i := sort.Search(len(all), func(i int) bool { return !all[i].as.Before(as) })
	if i == len(all) {
		return 0, false
	}
	return all[i].at.Sub(changed), true
}

// freshness is how a day of changes was told.
type freshness struct {
	moved delays // of changes that move the incident's time, which a list shows
	alone delays // of changes of alerts alone, which it does not
	gone  int    // changes of what was merged away or removed before it was told
	gets  int
	lists int
}

// delays are from a change to its record, ascending.
type delays []time.Duration

func (d delays) row() string {
	if len(d) == 0 {
		return "| | | |"
	}
	quantile := func(q float64) time.Duration { return d[min(len(d)-1, int(q*float64(len(d))))].Round(time.Second) }
	return fmt.Sprintf("| %d | %v | %v | %v |", len(d), mean(d).Round(time.Second), quantile(.95), quantile(1))
}

// aDay has n incidents followed for 24 hours, in which about a fifth as many
// changes come each hour.
func aDay(t *testing.T, n int, config ...func(*Config)) (f freshness) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		population := quiet(n)
		population.AlertBytes, population.Bursty, population.ChangesPerHour = 900, true, float64(n)/5
		population.MergedShare = 0.05
		w := newWorld(t, population, config...)
		w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
		l := &listener{told: map[element][]told{}}
		w.startWith(l)
		warm := 8 * time.Hour // all were seen by then
		time.Sleep(warm)
		from := time.Now()
		requests := len(w.sim.Journal())
		time.Sleep(24 * time.Hour)
		until := time.Now()
		for _, r := range w.sim.Journal()[requests:] {
			switch r.Endpoint {
			case defendersim.EndpointIncident:
				f.gets++
			case defendersim.EndpointList:
				f.lists++
			}
		}
		require.LessOrEqual(t, w.sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, w.sim.MaxInWindow(time.Hour), 1500)
		require.LessOrEqual(t, w.sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 50)
		require.LessOrEqual(t, w.sim.MaxInWindowOf(defendersim.EndpointList, time.Hour), 1500)
		time.Sleep(8 * time.Hour) // so that what changed at the end is told
		w.stop()
		for _, id := range w.sim.IDs() {
			f.add(w.sim, l, id, from, until)
		}
		slices.Sort(f.moved)
		slices.Sort(f.alone)
	})
	return f
}

// add takes the changes of an incident between two moments.
func (f *freshness) add(sim *defendersim.Sim, l *listener, id int64, from, until time.Time) {
	states, _ := sim.History(id)
	for i := 1; i < len(states); i++ {
		before, now := states[i-1], states[i]
		if now.From.Before(from) || !now.From.Before(until) {
			continue
		}
		e, as, delays := element{incident: id}, now.LastUpdate, &f.moved
		if now.LastUpdate.Equal(before.LastUpdate) {
			alert := changedAlert(before, now)
			e, as, delays = element{id, alert.ID}, alert.LastUpdated, &f.alone
		}
		if delay, ok := l.after(e, now.From, as); ok {
			*delays = append(*delays, delay)
		} else {
			f.gone++
		}
	}
}

// changedAlert is the alert that came or changed from one state to the next.
func changedAlert(before, now defendersim.State) defendersim.AlertState {
	for _, a := range now.Alerts {
		if !slices.Contains(before.Alerts, a) {
			return a
		}
	}
	return defendersim.AlertState{}
}

// TestFreshnessOfADay makes the table in docs/sizing.md.
func TestFreshnessOfADay(t *testing.T) {
	if !*simulate {
		return
	}
	for _, n := range []int{100, 1000, 10_000} {
		alone, fed := aDay(t, n), aDay(t, n, feeding())
		for how, f := range map[string]freshness{"round alone": alone, "with the feed": fed} {
			requests := float64(f.gets+f.lists) / float64(len(f.moved)+len(f.alone))
			t.Logf("| %d | %s %s %s %.1f | (%d gone untold)", n, how, f.moved.row(), f.alone.row()[1:], requests, f.gone)
		}
		if n == 10_000 {
			require.Less(t, mean(fed.moved), 20*time.Second)
			require.Less(t, fed.moved[len(fed.moved)*95/100], 35*time.Second)
		}
		require.Less(t, mean(fed.moved), mean(alone.moved))
	}
}
