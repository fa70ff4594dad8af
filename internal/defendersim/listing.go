package defendersim

import (
	"cmp"
	"slices"
	"time"
)

// listing is the population as List shows it: in the order of lastUpdateTime,
// and where it is so configured, later than Get shows it. It is kept in order
// change by change, so that a call looks only at the rows it may answer with.
type listing struct {
	rows []*shown // ascending by lastUpdateTime, then by id
	byID map[int64]*shown
	late []lateRow // ascending by when they show up

	seed       uint64
	delay, lag time.Duration
}

// shown is an incident in one of its states. It is never written to, so it may
// be read without the mutex.
type shown struct {
	incident Incident
	state    int // index in the incident's whole history
	removed  bool
}

// lateRow is a state that List does not show yet.
type lateRow struct {
	due time.Time
	row *shown
}

func newListing(c Config) listing {
	return listing{byID: make(map[int64]*shown), seed: c.Seed, delay: c.ListDelay, lag: c.ListLag}
}

// ListDelayOf returns how much later than Get the List call shows a change of
// an incident: its part of ListDelay, and ListLag.
func (s *Sim) ListDelayOf(id int64) time.Duration { return s.listing.lag + s.listing.delayOf(id) }

// take is given every new state of an incident and when it came about.
func (l *listing) take(row *shown, at time.Time) {
	wait := l.lag + l.delayOf(row.incident.ID)
	if wait == 0 {
		l.show(row)
		return
	}
	due := at.Add(wait)
	// Behind all that are due at the same moment: states of one incident stay
	// in their order.
	n, _ := slices.BinarySearchFunc(l.late, due, func(r lateRow, due time.Time) int {
		if r.due.After(due) {
			return 1
		}
		return -1
	})
	l.late = slices.Insert(l.late, n, lateRow{due, row})
}

// delayOf is how much later than Get the List call shows an incident. It is
// the same for all states of one incident, or else they might overtake each
// other.
func (l *listing) delayOf(id int64) time.Duration {
	if l.delay == 0 {
		return 0
	}
	return time.Duration(newDice(l.seed, streamListing, uint64(id)).Int64N(int64(l.delay) + 1))
}

// catchUp shows what has become due.
func (l *listing) catchUp(now time.Time) {
	due := 0
	for due < len(l.late) && !l.late[due].due.After(now) {
		l.show(l.late[due].row)
		due++
	}
	l.late = slices.Delete(l.late, 0, due)
}

// settle shows all that is late: the population at the start is no news.
func (l *listing) settle() {
	for _, late := range l.late {
		l.show(late.row)
	}
	l.late = nil
}

// show puts an incident's new state into the place of its former one.
func (l *listing) show(row *shown) {
	id := row.incident.ID
	if was, listed := l.byID[id]; listed {
		n, _ := slices.BinarySearchFunc(l.rows, was, newestLast)
		l.rows = slices.Delete(l.rows, n, n+1)
		delete(l.byID, id)
	}
	if row.removed {
		return
	}
	n, _ := slices.BinarySearchFunc(l.rows, row, newestLast)
	l.rows = slices.Insert(l.rows, n, row)
	l.byID[id] = row
}

// newestLast orders by lastUpdateTime. How the API orders rows of the same time
// is not known: here it is by id.
func newestLast(a, b *shown) int {
	return cmp.Or(a.incident.LastUpdate.Compare(b.incident.LastUpdate), cmp.Compare(a.incident.ID, b.incident.ID))
}

// page returns the rows that a query asks for, newest change first, and whether
// there are more of them.
func (l *listing) page(q query) (rows []*shown, more bool) {
	skip := q.skip
	for _, row := range slices.Backward(l.rows) {
		if row.incident.LastUpdate.Before(q.filter.since) {
			break // and so is all that follows
		}
		if !q.filter.passes(&row.incident) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(rows) == q.top {
			return rows, true
		}
		rows = append(rows, row)
	}
	return rows, false
}
