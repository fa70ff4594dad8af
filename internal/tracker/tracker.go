// Package tracker says which incident is fetched next, and when it is due again.
//
// An incident is due at a moment, in one of two classes: fresh while it was never fetched or since the change feed named it,
// repeat otherwise. The package never sleeps and reads no clock. A Tracker belongs to one goroutine.
package tracker

import (
	"maps"
	"slices"
	"time"
)

// Candidate is the incident of one class to fetch next.
type Candidate struct {
	ID  int64
	Due time.Time // when it may be fetched; not after now when it is due
	// Ahead is true for a fresh incident that goes before any repeat that is due too. Without it the sooner Due goes first, and it
	// has no claim to what is kept for fresh ones: one whose fetch failed takes its turn, so failing ones cannot hold up the others.
	Ahead bool
	OK    bool // false: the class has none that may be fetched, and all else is zero
}

// Outcome is how a fetch ended. The zero value says nothing about the incident: its due time and its place stay as they were,
// which is what a missing token calls for.
type Outcome struct {
	Due      time.Time // when it is due again; zero: the outcome says nothing, and the rest is not looked at
	Answered bool      // the API answered for this incident: it is no longer fresh
	Hung     bool      // it ran into its timeout
}

// flight is what becomes known about an incident while it is being fetched.
type flight struct {
	due      time.Time // when it was asked for meanwhile; only if asked
	asked    bool
	named    bool // asked for by the change feed
	orphaned bool // the incident was removed: the flight's outcome belongs to nobody, even when it was added again
}

// Tracker holds the incidents that are followed. New makes one.
type Tracker struct {
	incidents map[int64]*incident
	// queues hold those that are not in flight, by their turn. Of each turn, those whose last fetch ran into its timeout have one of
	// their own.
	queues  [turns]struct{ others, hung queue }
	flights map[int64]flight // one for each id in flight, followed or not
	added   uint64           // how many were ever added: the next one's place among equals follows from it
}

// New returns a tracker that follows nothing yet.
func New() *Tracker {
	return &Tracker{incidents: map[int64]*incident{}, flights: map[int64]flight{}}
}

// Add starts following id from due on. Fetched says that it was fetched before, so that its round goes on.
// Adding an id again lets the sooner due win and leaves a flight alone: an id in flight is due again after Done, at due or at what
// Done says, whichever is sooner.
func (t *Tracker) Add(id int64, due time.Time, fetched bool) {
	if e, found := t.incidents[id]; found {
		t.change(e, func() {
			if fetched && e.turn == turnNeverFetched {
				e.turn = turnRepeat
			}
			t.ask(e, due, false)
		})
		return
	}
	e := &incident{id: id, due: due, place: scattered(t.added), turn: turnNeverFetched}
	if fetched {
		e.turn = turnRepeat
	}
	_, e.inFlight = t.flights[id] // from before it was removed: one fetch of an incident at a time
	t.incidents[id] = e
	t.added++
	t.enqueue(e)
}

// Remove stops following id. When it is in flight the outcome of that flight is ignored, but Done must still be called.
func (t *Tracker) Remove(id int64) {
	e, found := t.incidents[id]
	if !found {
		return
	}
	if _, inFlight := t.flights[id]; inFlight {
		t.flights[id] = flight{orphaned: true}
	}
	t.dequeue(e)
	delete(t.incidents, id)
}

// Name makes id due at once, ahead of all others, because the change feed showed it.
// When it is in flight it is due at once again after Done. An id that is not followed is left alone.
func (t *Tracker) Name(id int64, now time.Time) {
	if e, found := t.incidents[id]; found {
		t.change(e, func() { t.ask(e, now, true) })
	}
}

// IDs returns all that are followed, in no order.
func (t *Tracker) IDs() []int64 {
	return slices.AppendSeq(make([]int64, 0, len(t.incidents)), maps.Keys(t.incidents))
}

// InFlight says whether id is being fetched, followed or not.
func (t *Tracker) InFlight(id int64) bool {
	_, inFlight := t.flights[id]
	return inFlight
}

// Observed reports that id was seen in another way than by a fetch: it is due again at due. One that is in flight is left alone.
func (t *Tracker) Observed(id int64, due time.Time) {
	if e, found := t.incidents[id]; found && !e.inFlight {
		t.change(e, func() { e.apply(Outcome{Due: due, Answered: true, Hung: e.hung}) }) // whether a fetch hangs it does not say
	}
}

// Has says whether id is followed.
func (t *Tracker) Has(id int64) bool {
	_, found := t.incidents[id]
	return found
}

// Len returns how many incidents are followed, those in flight included.
func (t *Tracker) Len() int { return len(t.incidents) }

// Next returns the best candidate of each class. Among those due at now: named ones first, then those never fetched, both unless
// their fetch has failed since; then the longest overdue. When none of the class is due: the one due soonest.
// Of the incidents whose last fetch ran into its timeout at most mostHung are in flight at once, so that hanging ones cannot hold up
// the others; it has to be 1 at least, or they would never be fetched again.
func (t *Tracker) Next(now time.Time, mostHung int) (fresh, repeat Candidate) {
	withHung := t.hungInFlight() < mostHung
	var heads [turns]*incident
	for turn := range t.queues {
		q := &t.queues[turn]
		heads[turn] = q.others.head()
		if withHung {
			heads[turn] = soonest(heads[turn], q.hung.head())
		}
	}
	return pick(now, heads[:turnRepeat]...).candidate(), heads[turnRepeat].candidate()
}

func (t *Tracker) hungInFlight() int {
	n := 0
	for id := range t.flights {
		if e, found := t.incidents[id]; found && e.hung {
			n++
		}
	}
	return n
}

// Start puts id in flight: it is not offered again until Done.
func (t *Tracker) Start(id int64) {
	if e, found := t.incidents[id]; found && !e.inFlight {
		t.change(e, func() { e.inFlight = true })
		t.flights[id] = flight{}
	}
}

// Done ends the flight of id. It is ignored when id is not in flight.
func (t *Tracker) Done(id int64, o Outcome) {
	f, inFlight := t.flights[id]
	if !inFlight {
		return
	}
	delete(t.flights, id)
	e, found := t.incidents[id]
	if !found {
		return
	}
	t.change(e, func() {
		e.inFlight = false
		if !f.orphaned {
			e.apply(o)
		}
		if f.asked {
			e.ask(f.due, f.named)
		}
	})
}

// Overdue counts the incidents whose due time has passed, without those in flight.
func (t *Tracker) Overdue(now time.Time) int {
	n := 0
	for _, q := range t.queues {
		n += q.others.overdue(now, 0) + q.hung.overdue(now, 0)
	}
	return n
}

// change lets something change that decides about the incident's place.
func (t *Tracker) change(e *incident, change func()) {
	t.dequeue(e)
	change()
	t.enqueue(e)
}

// enqueue puts e where its turn comes, unless it is in flight.
func (t *Tracker) enqueue(e *incident) {
	if !e.inFlight {
		t.queueOf(e).add(e)
	}
}

// dequeue takes e from where it is.
func (t *Tracker) dequeue(e *incident) {
	if !e.inFlight {
		t.queueOf(e).remove(e)
	}
}

func (t *Tracker) queueOf(e *incident) *queue {
	if e.hung {
		return &t.queues[e.turn].hung
	}
	return &t.queues[e.turn].others
}

// ask makes e due by due, after its flight if it is in one.
func (t *Tracker) ask(e *incident, due time.Time, named bool) {
	if !e.inFlight {
		e.ask(due, named)
		return
	}
	f := t.flights[e.id]
	if !f.asked || due.Before(f.due) {
		f.due = due
	}
	f.asked = true
	f.named = f.named || named
	t.flights[e.id] = f
}

// Interval is how long after an answer an incident is due again: the configured interval, or the time that n incidents take at one
// per spacing, whichever is more. So rounds stay even and the quota is not spent in bursts.
func Interval(configured, spacing time.Duration, n int) time.Duration {
	return max(configured, spacing*time.Duration(n))
}
