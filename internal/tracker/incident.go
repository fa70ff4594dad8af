package tracker

import "time"

// incident is one that is followed. It is kept small, for there may be 100,000.
type incident struct {
	id       int64
	due      time.Time
	place    uint64 // among equals
	at       int    // where it is in its queue, which says so
	turn     turn
	hung     bool // its last fetch ran into its timeout
	inFlight bool
}

// turn is the queue an incident stands in until the API answers for it. All but the last are fresh, and go in this order.
type turn uint8

const (
	turnNamed turn = iota
	turnNeverFetched
	turnFailed // named or never fetched, but then its fetch failed: otherwise it would come up again and again before the others
	turnRepeat
	turns // how many there are
)

// scattered is the place among equals of the n-th incident that was added. Neighbours in the list come far apart: what they may have
// in common, such as a service that hangs for all incidents of one day, must not take all request slots at once. Multiplying by 2^64
// divided by the golden ratio spreads any run of numbers evenly (D. Knuth, The Art of Computer Programming, volume 3, section 6.4).
func scattered(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 }

// sooner is the order within a queue.
func (e *incident) sooner(other *incident) bool {
	c := e.due.Compare(other.due)
	return c < 0 || c == 0 && e.place < other.place
}

// soonest returns the one that goes first of two, either of which may be nil.
func soonest(a, b *incident) *incident {
	if a == nil || b != nil && b.sooner(a) {
		return b
	}
	return a
}

// pick returns the head that goes first of several queues, given in their order: the first that is due, else the soonest.
// Heads may be nil; so is the result when all are.
func pick(now time.Time, heads ...*incident) *incident {
	var first *incident
	for _, e := range heads {
		if e == nil {
			continue
		}
		if !e.due.After(now) {
			return e
		}
		if first == nil || e.due.Before(first.due) {
			first = e
		}
	}
	return first
}

// candidate is e as an answer; no incident is no candidate.
func (e *incident) candidate() Candidate {
	if e == nil {
		return Candidate{}
	}
	return Candidate{ID: e.id, Due: e.due, Ahead: e.turn < turnFailed, OK: true}
}

// apply takes over what a fetch has shown.
func (e *incident) apply(o Outcome) {
	if o.Due.IsZero() {
		return
	}
	e.due, e.hung = o.Due, o.Hung
	if o.Answered {
		e.turn = turnRepeat
	} else if e.turn != turnRepeat {
		e.turn = turnFailed
	}
}

// ask makes it due by due, never later than it was. A named one leads again even if its last fetch failed.
func (e *incident) ask(due time.Time, named bool) {
	if due.Before(e.due) {
		e.due = due
	}
	if named {
		e.turn = turnNamed
	}
}
