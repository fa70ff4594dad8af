// SPDX-License-Identifier: Apache-2.0

// Package roster knows every incident ID: what was last delivered of it, whether it is configured or discovered, when it is polled
// next, which change is pending, and how its polls fail.
//
// An ID has exactly one Entry, and leaves through one function, evict. The package never waits and reads no clock. A Roster belongs to
// one goroutine.
package roster

import (
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
)

// Rules say which discovered incidents the roster keeps. The zero value: none; it keeps only configured incidents and those they were
// merged into.
type Rules struct {
	Discover bool
	// ForgetAfter is how long a discovered incident must have been closed, or its polls must have failed from the start, before it is
	// forgotten.
	ForgetAfter time.Duration
}

// Roster holds the known incidents. New makes one.
type Roster struct {
	rules   Rules
	entries map[int64]*Entry
	// queues hold the entries that wait for their poll, by class. Entries whose last poll timed out have queues of their own.
	queues [Classes]struct{ others, hung queue }

	tracked   int         // entries that are polled by ID
	cycle     int         // requests that one poll of each of them by ID takes, without dormant ones
	listed    int         // those of them for incidents whose last poll was a row of a list
	states    [states]int // of the tracked entries
	delivered int         // tracked entries of which a state was delivered, without dormant ones
	inFlight  map[int64]*Entry
	epoch     time.Time // due times are compared as differences from it, on the monotonic clock
	added     uint64    // how many entries were ever added; it decides the place of the next one
}

// New returns a roster that knows no incident.
func New(rules Rules) *Roster {
	return &Roster{rules: rules, entries: map[int64]*Entry{}, inFlight: map[int64]*Entry{}}
}

// Find returns the entry of an incident, which callers only read; nil: it is unknown.
func (r *Roster) Find(id int64) *Entry { return r.entries[id] }

// Len counts the incidents that are polled by ID.
func (r *Roster) Len() int { return r.tracked }

// CountDelivered counts the incidents that are polled by ID and of which a state was delivered, without those that are polled by the
// change feed only.
func (r *Roster) CountDelivered() int { return r.delivered }

// Cycle is how many requests one poll of each tracked incident by ID takes, without those that are polled by the change feed only.
func (r *Roster) Cycle() int { return r.cycle }

// CycleByID is Cycle without the incidents whose last poll was a row of a list.
func (r *Roster) CycleByID() int { return r.cycle - r.listed }

// Unpolled counts the tracked incidents of which nothing was ever delivered, without those that fail.
func (r *Roster) Unpolled() int { return r.states[Waiting] }

// Start notes that an incident is being polled: Next does not return it again until Finish.
func (r *Roster) Start(id int64) {
	if e := r.entries[id]; e != nil && e.waiting() {
		r.queueOf(e).remove(e)
		e.polling = true
		r.inFlight[id] = e
	}
}

// InFlight says whether an incident is being polled, even if it was evicted since.
func (r *Roster) InFlight(id int64) bool { return r.inFlight[id] != nil }

// Outcome is how a poll ended. The zero value says nothing about the incident, as when there was no token to send a request with: the
// incident stays as it was. Any other Outcome has a Due.
type Outcome struct {
	Due      time.Time // when the incident is due again
	Answered bool      // the API answered for this incident
	Hung     bool      // the poll ran into its timeout
	// Streak of failures from now on; nil: none.
	Streak *health.Streak
}

// Finish ends the poll of an incident. It does nothing when the incident is not being polled.
func (r *Roster) Finish(id int64, o Outcome) {
	e := r.inFlight[id]
	if e == nil {
		return
	}
	delete(r.inFlight, id)
	if r.entries[id] != e { // evicted meanwhile, and perhaps added again
		if again := r.entries[id]; again != nil {
			r.change(again, func() { again.blocked = false })
		}
		return
	}
	r.change(e, func() { e.land(o) })
}

// land ends the flight of an entry.
func (e *Entry) land(o Outcome) {
	e.polling = false
	e.apply(o)
	if !e.marked.IsZero() {
		e.mark(e.marked)
		e.marked = time.Time{}
	}
	if !e.hastened.IsZero() && e.class == Routine {
		e.class = Shown
		if due := e.Streak.NotBefore(e.hastened); due.Before(e.due) {
			e.due = due
		}
	}
	e.hastened = time.Time{}
}

// Release makes incidents due at once. It ignores those that are unknown by now, being polled, or already due.
func (r *Roster) Release(ids []int64, now time.Time) {
	for _, id := range ids {
		if e := r.entries[id]; e != nil && e.waiting() && now.Before(e.due) {
			r.change(e, func() { e.due = e.Streak.NotBefore(now) })
		}
	}
}

// SetStored notes that the checkpoint has a state of an incident.
func (r *Roster) SetStored(id int64) {
	if e := r.entries[id]; e != nil {
		e.stored = true
	}
}

// SetPages notes how many requests one poll of an incident takes.
func (r *Roster) SetPages(id int64, pages int) {
	extra := int32(max(0, pages-1))
	if e := r.entries[id]; e != nil && e.extraPages != extra {
		r.change(e, func() { e.extraPages = extra })
	}
}

// add makes an entry.
func (r *Roster) add(id int64, due time.Time) *Entry {
	e := r.newEntry(id, due)
	r.enter(e)
	return e
}

// newEntry makes an entry that is in no queue yet.
func (r *Roster) newEntry(id int64, due time.Time) *Entry {
	if r.epoch.IsZero() {
		r.epoch = due
	}
	e := &Entry{ID: id, due: due, place: scattered(r.added), class: Unpolled, since: due.Unix()}
	r.added++
	e.blocked = r.inFlight[id] != nil // polled since before it was evicted: one poll of an incident at a time
	r.entries[id] = e
	return e
}

// evict forgets an incident. It is the only way in which an ID leaves the roster. The outcome of a poll in flight is then ignored.
func (r *Roster) evict(e *Entry) {
	r.leave(e)
	delete(r.entries, e.ID)
}

// change changes an entry. Whatever affects its place in a queue or a count must change in here.
func (r *Roster) change(e *Entry, change func()) {
	r.leave(e)
	change()
	r.enter(e)
}

// enter counts an entry and, if it waits, puts it into its queue.
func (r *Roster) enter(e *Entry) {
	e.counted = e.State()
	r.count(e, 1)
	if e.waiting() {
		r.queueOf(e).add(r.slot(e))
	}
}

// leave undoes enter.
func (r *Roster) leave(e *Entry) {
	r.count(e, -1)
	if e.waiting() {
		r.queueOf(e).remove(e)
	}
}

func (r *Roster) count(e *Entry, n int) {
	if !e.Tracked() {
		return
	}
	r.tracked += n
	if !e.dormant() {
		r.cycle += n * int(1+e.extraPages)
		if e.listed {
			r.listed += n * int(1+e.extraPages)
		}
	}
	r.states[e.counted] += n
	if e.Summary.Seen && !e.dormant() {
		r.delivered += n
	}
}

// slot is the place of an entry in its queue.
func (r *Roster) slot(e *Entry) slot { return slot{e.due.Sub(r.epoch), e.place, e} }

func (r *Roster) queueOf(e *Entry) *queue {
	if e.hung {
		return &r.queues[e.class].hung
	}
	return &r.queues[e.class].others
}

// IDs returns all known incidents, in no order.
func (r *Roster) IDs() []int64 {
	return slices.AppendSeq(make([]int64, 0, len(r.entries)), maps.Keys(r.entries))
}

// Discovered counts the known incidents that are neither configured nor successors of configured ones.
func (r *Roster) Discovered() int {
	n := 0
	for _, e := range r.entries {
		if !e.configured {
			n++
		}
	}
	return n
}
