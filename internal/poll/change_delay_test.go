// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// element is an incident or one of its alerts, each of which has a time of its own.
type element struct {
	incident int64
	alert    string
}

// delivery says when an element was delivered, and which version: its own time.
type delivery struct{ at, version time.Time }

// recorder records when each element was delivered, but not its content.
type recorder struct {
	mu         sync.Mutex
	deliveries map[element][]delivery
}

func (r *recorder) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (r *recorder) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range proof.Records(logs) {
		e := element{record.Incident, record.Alert}
		r.deliveries[e] = append(r.deliveries[e], delivery{at: time.Now(), version: record.Time})
	}
	return nil
}

// delay is the time from a change to the delivery of that version or a later one.
func (r *recorder) delay(e element, changed, version time.Time) (time.Duration, bool) {
	all := r.deliveries[e]
	i := sort.Search(len(all), func(i int) bool { return !all[i].version.Before(version) })
	if i == len(all) {
		return 0, false
	}
	return all[i].at.Sub(changed), true
}

// day says how the changes of a day were delivered.
type day struct {
	listed   delays // of changes that move the time of the incident, which a list shows
	unlisted delays // of changes of alerts alone, which a list does not show
	// withoutAlerts: changes of alerts alone do not count, since they have no records.
	withoutAlerts bool
	gone          int // changes of what was merged or removed before they were delivered
	lost          int // other changes that were not delivered
	gets          int
	lists         int
}

// delays are the times from changes to their records, ascending.
type delays []time.Duration

func (d delays) row() string {
	if len(d) == 0 {
		return "| | | |"
	}
	quantile := func(q float64) time.Duration { return d[min(len(d)-1, int(q*float64(len(d))))].Round(time.Second) }
	return fmt.Sprintf("| %d | %v | %v | %v |", len(d), mean(d).Round(time.Second), quantile(.95), quantile(1))
}

// runDay polls n incidents for 24 hours. Each hour brings about n/5 changes.
func runDay(t *testing.T, n int, config ...func(*receiver.Config)) (d day) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		population := harness.Quiet(n)
		population.AlertBytes, population.Bursty, population.ChangesPerHour = 900, true, float64(n)/5
		population.MergedShare = 0.05
		h := harness.New(t, population, config...)
		r := &recorder{deliveries: map[element][]delivery{}}
		h.StartWith(r)
		warmUp := 8 * time.Hour // enough to poll each incident once
		harness.Sleep(warmUp)
		from := time.Now()
		requests := len(h.Sim.Journal())
		harness.Sleep(24 * time.Hour)
		until := time.Now()
		for _, r := range h.Sim.Journal()[requests:] {
			switch r.Endpoint {
			case defendersim.EndpointIncident:
				d.gets++
			case defendersim.EndpointList:
				d.lists++
			}
		}
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), 1500)
		require.LessOrEqual(t, h.Sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 50)
		require.LessOrEqual(t, h.Sim.MaxInWindowOf(defendersim.EndpointList, time.Hour), 1500)
		harness.Sleep(8 * time.Hour) // so that the last changes are delivered too
		h.Stop()
		for _, id := range h.Sim.IDs() {
			d.add(h.Sim, r, id, from, until)
		}
		slices.Sort(d.listed)
		slices.Sort(d.unlisted)
	})
	return d
}

// add adds the changes of an incident between two moments.
func (d *day) add(sim *defendersim.Sim, r *recorder, id int64, from, until time.Time) {
	states, _ := sim.History(id)
	for i := 1; i < len(states); i++ {
		before, now := states[i-1], states[i]
		if now.From.Before(from) || !now.From.Before(until) {
			continue
		}
		e, version, delays := element{incident: id}, now.LastUpdate, &d.listed
		if now.LastUpdate.Equal(before.LastUpdate) {
			if d.withoutAlerts {
				continue
			}
			alert := changedAlert(before, now)
			e, version, delays = element{id, alert.ID}, alert.LastUpdated, &d.unlisted
		}
		if delay, ok := r.delay(e, now.From, version); ok {
			*delays = append(*delays, delay)
		} else if isGone(states[len(states)-1], e) {
			d.gone++
		} else {
			d.lost++
		}
	}
}

// isGone reports whether the API no longer shows an element.
func isGone(last defendersim.State, e element) bool {
	left := func() bool {
		return !slices.ContainsFunc(last.Alerts, func(a defendersim.AlertState) bool { return a.ID == e.alert })
	}
	return last.Removed || last.RedirectID != 0 || e.alert != "" && left()
}

// changedAlert is the alert that was added or changed from one state to the next.
func changedAlert(before, now defendersim.State) defendersim.AlertState {
	for _, a := range now.Alerts {
		if !slices.Contains(before.Alerts, a) {
			return a
		}
	}
	return defendersim.AlertState{}
}

// TestChangeDelayOfADay prints the table of docs/sizing.md. TestADayOfSweeps has the rows for 10,000 incidents with the feed.
func TestChangeDelayOfADay(t *testing.T) {
	if !*simulate {
		return
	}
	t.Parallel()
	for _, n := range []int{100, 1000, 10_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			days := map[string]day{"polling alone": runDay(t, n)}
			if n < 10_000 {
				days["with the feed"] = runDay(t, n, harness.WithFeed())
				require.Less(t, mean(days["with the feed"].listed), mean(days["polling alone"].listed))
			}
			for how, d := range days {
				requests := float64(d.gets+d.lists) / float64(len(d.listed)+len(d.unlisted))
				t.Logf("| %d | %s %s %s %.1f | (%d gone before they were seen)", n, how, d.listed.row(), d.unlisted.row()[1:], requests, d.gone)
				require.Zero(t, d.lost)
			}
		})
	}
}
