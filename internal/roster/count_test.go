// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// recount is what a plain count over all entries finds.
type recount struct {
	tracked, delivered, cycle, byID, discovered, waiting, overdue int
	states                                                        map[State]int
}

func recountOf(r *Roster, now time.Time) recount {
	c := recount{states: map[State]int{}}
	for s := range states {
		c.states[s] = 0
	}
	for _, e := range r.entries {
		if !e.tracked() {
			continue
		}
		c.tracked++
		if !e.configured {
			c.discovered++
		}
		c.states[e.state()]++
		if !e.due.Equal(never()) {
			c.cycle += int(1 + e.extraPages)
			if !e.listed {
				c.byID += int(1 + e.extraPages)
			}
			if e.Summary.Seen {
				c.delivered++
			}
		}
		if !e.polling && !e.blocked {
			c.waiting++
			if e.due.Before(now) {
				c.overdue++
			}
		}
	}
	return c
}

// requireSound compares the roster's counts and queues with a plain count over all entries.
func requireSound(t require.TestingT, r *Roster, now time.Time) {
	want := recountOf(r, now)
	queued := 0
	for class := range r.queues {
		for isHung, q := range map[bool]queue{false: r.queues[class].others, true: r.queues[class].hung} {
			for at, slot := range q {
				e := slot.entry
				require.Equal(t, at, e.at)
				require.Equal(t, r.slot(e), slot, "what decides about its place is up to date")
				require.Equal(t, Class(class), e.class)
				require.Equal(t, isHung, e.hung)
				require.True(t, e.waiting(), "%d is tracked, not polling and not blocked", e.ID)
				require.Same(t, e, r.entries[e.ID])
			}
			queued += len(q)
		}
	}
	require.Equal(t, want.waiting, queued, "each that waits is in exactly one queue")
	got := recount{
		tracked: r.Tracked(), delivered: r.CountDelivered(), cycle: r.Cycle(), byID: r.CycleByID(), discovered: r.Discovered(), states: r.Counts(),
		waiting: queued, overdue: r.Overdue(now),
	}
	require.Equal(t, want, got)
	requireSoundHeads(t, r)
	requireSoundFlights(t, r)
}

func requireSoundHeads(t require.TestingT, r *Roster) {
	hanging := 0
	for _, e := range r.inFlight {
		if e.hung {
			hanging++
		}
	}
	for maxHung := 1; maxHung < 3; maxHung++ {
		var want [Classes]Candidate
		var heads [Classes]*Entry
		for _, e := range r.entries {
			if !e.waiting() || e.due.Equal(never()) || e.hung && hanging >= maxHung {
				continue
			}
			if head := heads[e.class]; head == nil || r.slot(e).sooner(r.slot(head)) {
				heads[e.class] = e
				want[e.class] = Candidate{ID: e.ID, Due: e.due, OK: true}
			}
		}
		require.Equal(t, want, r.Next(maxHung))
	}
}

func requireSoundFlights(t require.TestingT, r *Roster) {
	for id, e := range r.entries {
		require.Equal(t, id, e.ID)
		flying := r.inFlight[id]
		require.Equal(t, e.polling, flying == e, "%d is in flight", id)
		require.Equal(t, e.blocked, flying != nil && flying != e, "%d waits for the end of an earlier poll", id)
	}
}

// machine does random operations on a roster.
type machine struct {
	roster *Roster
	health *health.Tracker
	now    time.Time
}

func (m *machine) id(t *rapid.T) int64 { return rapid.Int64Range(1, 12).Draw(t, "id") }

// moment is near now.
func (m *machine) moment(t *rapid.T) time.Time {
	return m.now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "seconds")) * time.Second)
}

func (m *machine) summary(t *rapid.T) incident.Summary {
	at := m.moment(t)
	return rapid.SampledFrom([]incident.Summary{
		open(), openSince(at), openSince(time.Time{}), resolved(at), missing(at), merged(0, at), merged(m.id(t), at), {},
	}).Draw(t, "summary")
}

func (m *machine) list(t *rapid.T) []int64 {
	return rapid.SliceOfN(rapid.Int64Range(1, 12), 0, 6).Draw(t, "list")
}

// failure is a verdict on a failed poll. A streak may change in place.
func (m *machine) failure(t *rapid.T, e *Entry) *health.Streak {
	kind := rapid.SampledFrom([]defender.Kind{defender.Throttled, defender.ServerError, defender.NotFound}).Draw(t, "kind")
	roster := health.Population{Tracked: m.roster.Tracked(), Delivered: m.roster.CountDelivered(), Interval: interval}
	m.health.IncidentSucceeded(health.Incident{ID: 99}, roster, m.now)
	v := m.health.IncidentFailed(health.Incident{ID: e.ID, Streak: e.Streak, Delivered: e.Summary.Seen},
		&defender.Error{Kind: kind}, roster, m.now)
	return v.Streak
}

func (m *machine) actions() map[string]func(*rapid.T) {
	r := m.roster
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) { requireSound(t, r, m.moment(t)) },
		"pass": func(t *rapid.T) {
			m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 4 * day, 40 * day}).Draw(t, "time"))
		},
		"mark":      func(t *rapid.T) { r.Mark(m.id(t), m.moment(t), m.now) },
		"unsure":    func(t *rapid.T) { r.Mark(m.id(t), time.Time{}, m.now) },
		"start":     func(t *rapid.T) { r.Start(m.id(t)) },
		"row":       func(t *rapid.T) { row(r, m.id(t), m.summary(t), m.now) },
		"unchanged": func(t *rapid.T) { r.Unchanged(m.id(t), m.moment(t), m.moment(t), m.now) },
		"deliver":   func(t *rapid.T) { deliver(r, m.id(t), m.summary(t), m.now) },
		"configure": func(t *rapid.T) { r.Configure(m.list(t), m.now) },
		"expire":    func(*rapid.T) { r.Expire(m.now) },
		"release":   func(t *rapid.T) { r.Release(m.list(t), m.now) },
		"pages":     func(t *rapid.T) { r.SetPages(m.id(t), rapid.IntRange(0, 4).Draw(t, "pages")) },
		"load": func(t *rapid.T) {
			if len(r.entries) > 0 {
				t.Skip("it comes first")
			}
			r.Load(m.list(t), map[int64]incident.Summary{m.id(t): m.summary(t)}, m.now)
		},
		"resume": func(t *rapid.T) {
			due := m.moment(t)
			r.Resume(func(incident.Summary) time.Time { return due }, m.now)
		},
		"stale": func(t *rapid.T) {
			id := m.id(t)
			_, wait := r.Stale(id, interval, m.now)
			poll(r, id, succeeded(m.now.Add(wait)))
		},
		"end": func(t *rapid.T) {
			r.Finish(m.id(t), Outcome{Due: m.moment(t), Responded: rapid.Bool().Draw(t, "succeeded"), Hung: rapid.Bool().Draw(t, "hung")})
		},
		"give up": func(t *rapid.T) { r.Finish(m.id(t), Outcome{}) },
		"fail": func(t *rapid.T) {
			id := m.id(t)
			r.Start(id)
			if e := r.Find(id); e.Polling() {
				r.Finish(id, Outcome{Due: m.moment(t), Hung: rapid.Bool().Draw(t, "hung"), Streak: m.failure(t, e)})
			}
		},
	}
}

func TestWhatIsCountedIsWhatALookAtAllIncidentsShows(t *testing.T) {
	for name, rules := range map[string]Rules{"listed": {}, "discovered": discovering().rules} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &machine{roster: New(rules), health: health.New(), now: start()}
				t.Repeat(m.actions())
			})
		})
	}
}

func TestIncidentsAreCountedByState(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{
		2: open(), 3: resolved(start()), 4: merged(0, start()), 5: merged(2, start()), 6: missing(start()), 7: open(), 8: missing(start()),
	}, 1, 2, 3, 4, 5, 6, 7, 8)
	for _, id := range []int64{7, 8} {
		poll(r, id, Outcome{Due: sec(9), Streak: failure(id, start())})
	}
	require.Equal(t, map[State]int{Waiting: 1, Failing: 2, NotFound: 1, Resolved: 2, Open: 1}, r.Counts())
	require.Equal(t, 7, r.Tracked())
	require.Len(t, r.IDs(), 8)
	require.Equal(t, 4, r.CountDelivered(), "2, 3, 4 and 7")
}

// In TestAStreakThatChangesInPlaceIsCountedOnce, health finds out that a rate limit concerns one incident only.
func TestAStreakThatChangesInPlaceIsCountedOnce(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: open()}, 1)
	tracker := health.New()
	population := health.Population{Tracked: 2, Delivered: 2, Interval: interval}
	for range 4 {
		e := r.Find(1)
		r.Start(1)
		tracker.IncidentSucceeded(health.Incident{ID: 2, Delivered: true}, population, start())
		v := tracker.IncidentFailed(health.Incident{ID: 1, Streak: e.Streak, Delivered: true}, &defender.Error{Kind: defender.Throttled}, population, start())
		r.Finish(1, Outcome{Due: sec(1), Streak: v.Streak})
	}
	require.Equal(t, map[State]int{Waiting: 0, Failing: 1, NotFound: 0, Resolved: 0, Open: 0}, r.Counts())
	poll(r, 1, succeeded(sec(9)))
	require.Equal(t, map[State]int{Waiting: 0, Failing: 0, NotFound: 0, Resolved: 0, Open: 1}, r.Counts())
}
