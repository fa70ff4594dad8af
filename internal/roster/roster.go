// SPDX-License-Identifier: Apache-2.0

// Package roster knows every incident ID: what was last delivered, whether the incident is configured or discovered, when it is polled next,
// which change is pending, and how its polls fail.
//
// An ID has exactly one Entry, and leaves through one function, evict. The package never waits and reads no clock. A Roster belongs
// to one goroutine.
package roster

import (
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
)

// Rules say which discovered incidents the roster keeps. With the zero value it keeps none, only configured incidents and those they
// were merged into.
type Rules struct {
	Discover bool
	// ForgetAfter is how long a discovered incident must have been closed before it is forgotten, or how long all its polls must have failed.
	ForgetAfter time.Duration
}

// Roster holds the known incidents. New makes one.
type Roster struct {
	rules   Rules
	entries map[int64]*Entry
	// queues hold the entries that wait for their poll, by class. Entries whose last poll timed out have queues of their own.
	queues [Classes]struct{ others, hung queue }

	tracked   int         // entries that are polled by ID
	cycle     int         // requests to poll each of them once by ID, without dormant ones
	listed    int         // the part of cycle for incidents whose last poll was a row of a list
	states    [states]int // how many tracked entries are in each state
	delivered int         // tracked entries that were delivered, without dormant ones
	inFlight  map[int64]*Entry
	epoch     time.Time // due times are compared as differences from it, on the monotonic clock
	added     uint64    // how many entries were ever added; determines the place of the next one
}

// New returns a roster that knows no incident.
func New(rules Rules) *Roster {
	return &Roster{rules: rules, entries: map[int64]*Entry{}, inFlight: map[int64]*Entry{}}
}

// Find returns the entry of an incident, or nil if it is unknown. Callers must not change it.
func (r *Roster) Find(id int64) *Entry { return r.entries[id] }

// Tracked counts the incidents that are polled by ID.
func (r *Roster) Tracked() int { return r.tracked }

// CountDelivered counts the incidents that are polled by ID and were delivered, without those that are polled by the change feed only.
func (r *Roster) CountDelivered() int { return r.delivered }

// Cycle returns how many requests it takes to poll each tracked incident once by ID, without those that are polled by the change feed only.
func (r *Roster) Cycle() int { return r.cycle }

// CycleByID is Cycle without the incidents whose last poll was a row of a list.
func (r *Roster) CycleByID() int { return r.cycle - r.listed }

// Unpolled counts the tracked incidents that were never delivered, without those that fail.
func (r *Roster) Unpolled() int { return r.states[Waiting] }

// Start records that an incident is being polled. Next does not return it again until Finish.
func (r *Roster) Start(id int64) {
	if e := r.entries[id]; e != nil && e.waiting() {
		r.queueOf(e).remove(e)
		e.polling = true
		r.inFlight[id] = e
	}
}

// InFlight reports whether an incident is being polled, even if it was evicted meanwhile.
func (r *Roster) InFlight(id int64) bool { return r.inFlight[id] != nil }

// Outcome is how a poll ended. The zero value says nothing about the incident, for example because there was no token for a request. The
// incident then stays as it was. Any other Outcome has a Due.
type Outcome struct {
	Due       time.Time // when the incident is due again
	Responded bool      // the API returned this incident, or reported that it is missing
	Hung      bool      // the poll timed out
	// Streak of failures from now on; nil: none.
	Streak *health.Streak
}

// Finish ends the poll of an incident. It does nothing if the incident is not being polled.
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
	r.change(e, func() { e.endPoll(o) })
}

// endPoll ends the poll of an entry.
func (e *Entry) endPoll(o Outcome) {
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

// Release makes incidents due at once. It ignores those that are no longer known, being polled, or already due.
func (r *Roster) Release(ids []int64, now time.Time) {
	for _, id := range ids {
		if e := r.entries[id]; e != nil && e.waiting() && now.Before(e.due) {
			r.change(e, func() { e.due = e.Streak.NotBefore(now) })
		}
	}
}

// SetStored records that the checkpoint has a state of an incident.
func (r *Roster) SetStored(id int64) {
	if e := r.entries[id]; e != nil {
		e.stored = true
	}
}

// SetPages sets how many requests one poll of an incident takes.
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
	e.blocked = r.inFlight[id] != nil // its evicted entry is still being polled: one poll of an incident at a time
	r.entries[id] = e
	return e
}

// evict forgets an incident. No ID leaves the roster in another way. The outcome of a poll in flight is then ignored.
func (r *Roster) evict(e *Entry) {
	r.leave(e)
	delete(r.entries, e.ID)
}

// change changes an entry. All that affects its place in a queue or a count must be changed through this function.
func (r *Roster) change(e *Entry, change func()) {
	r.leave(e)
	change()
	r.enter(e)
}

// enter counts an entry and, if it waits, puts it into its queue.
func (r *Roster) enter(e *Entry) {
	e.counted = e.state()
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
	if !e.tracked() {
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

// slot returns the place of an entry in its queue.
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

// Discovered counts the incidents that are polled by ID and are neither configured nor successors of configured ones.
func (r *Roster) Discovered() int {
	n := 0
	for _, e := range r.entries {
		if !e.configured && e.tracked() {
			n++
		}
	}
	return n
}
