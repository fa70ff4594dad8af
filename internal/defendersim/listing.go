// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// listing is what a list shows: incidents or alerts, if so configured, later
// than Get shows them. Its indexes are updated with each change, so a call
// looks only at the rows that it may return.
type listing struct {
	indexes [orders]index
	byKey   map[rowKey]*shown // also those that were removed
	late    []lateRow         // ascending by when they show up
	started bool              // what is added from now on is new

	seed       uint64
	delay, lag time.Duration
	overtaking bool // each state has a delay of its own, so a later one may be shown first
}

// shown is a row: a state of an incident, or an alert. It is never modified, so
// it may be read without the mutex.
type shown struct {
	incident *Incident // nil in the row of an alert
	alert    *Alert    // nil in the row of an incident
	owner    int64     // the incident, also of an alert; 0: none
	// state is the index in the incident's whole history; of an alert, that of the
	// first state with this version, -1 if it is in no incident.
	state   int
	version int // counts the versions of one incident or alert
	removed bool
	place   uint64 // in the random order
}

// rowKey identifies what lists show: incidents, or alerts by their IDs.
type rowKey struct {
	incident int64
	alert    string
}

func (r *shown) key() rowKey {
	if r.alert != nil {
		return rowKey{alert: r.alert.ID}
	}
	return rowKey{incident: r.incident.ID}
}

func (k rowKey) compare(other rowKey) int {
	return cmp.Or(cmp.Compare(k.incident, other.incident), cmp.Compare(k.alert, other.alert))
}

func (r *shown) updated() time.Time {
	if r.alert != nil {
		return r.alert.LastUpdated
	}
	return r.incident.LastUpdate
}

func (r *shown) created() time.Time {
	if r.alert != nil {
		return r.alert.Created
	}
	return r.incident.Created
}

// lateRow is a state that the list does not show yet.
type lateRow struct {
	due time.Time
	row *shown
}

func newListing(c Config, overtaking bool) listing {
	l := listing{byKey: make(map[rowKey]*shown), seed: c.Seed, delay: c.ListDelay, lag: c.ListLag, overtaking: overtaking}
	for o := range l.indexes {
		l.indexes[o].order = order(o)
	}
	return l
}

// ListDelayOf returns how much later than Get the List call of Defender XDR
// shows a change of an incident: its part of ListDelay, and ListLag. Under
// Graph each change has its own part of ListDelay.
func (s *Sim) ListDelayOf(id int64) time.Duration {
	return s.xdrList.waitOf(&shown{incident: &Incident{ID: id}})
}

// take adds every new state and when it came about. States before the start are
// shown at once.
func (l *listing) take(row *shown, at time.Time) {
	wait := l.waitOf(row)
	if wait == 0 || !l.started {
		l.show(row)
		return
	}
	due := at.Add(wait)
	// After all that are due at the same moment: states of one incident
	// stay in order.
	n, _ := slices.BinarySearchFunc(l.late, due, func(r lateRow, due time.Time) int {
		if r.due.After(due) {
			return 1
		}
		return -1
	})
	l.late = slices.Insert(l.late, n, lateRow{due, row})
}

// waitOf is how much later than Get the list shows a state. It is the same for
// all states of one incident, unless they may overtake each other.
func (l *listing) waitOf(row *shown) time.Duration {
	if l.delay == 0 {
		return l.lag
	}
	number := uint64(row.key().incident)
	if l.overtaking {
		number = scatter(row.place + uint64(row.version))
	}
	return l.lag + time.Duration(newDice(l.seed, streamListing, number).Int64N(int64(l.delay)+1))
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

// show replaces the previous state, unless that is newer.
func (l *listing) show(row *shown) {
	key := row.key()
	was, listed := l.byKey[key]
	if listed && was.version > row.version {
		return
	}
	l.byKey[key] = row
	for o := range l.indexes {
		if listed && !was.removed {
			l.indexes[o].remove(was)
		}
		if !row.removed {
			l.indexes[o].insert(row)
		}
	}
}

// sorted returns all rows in an order. They are read-only.
func (l *listing) sorted(o order) []*shown {
	in := &l.indexes[o]
	if !in.built {
		in.build(l.byKey)
	}
	return in.rows
}

// page returns the rows for a query, whether there are more of them, and, if
// requested, how many pass its filter.
func (l *listing) page(q query) (rows []*shown, more bool, total int) {
	for row := range l.passing(q) {
		total++
		switch {
		case total <= q.skip:
		case len(rows) < q.top:
			rows = append(rows, row)
		default:
			more = true
		}
		if more && !q.count {
			break
		}
	}
	return rows, more, total
}

// passing yields the rows that pass a query's filter, in its order.
func (l *listing) passing(q query) iter.Seq[*shown] {
	rows := within(l.sorted(q.order), q.order, q.filter.spans[q.order])
	for o, s := range q.filter.spans {
		if order(o) == q.order || s == (span{}) {
			continue
		}
		// Sorting a few rows is faster than searching all.
		if few := within(l.sorted(order(o)), order(o), s); len(few) < len(rows)/8 {
			rows = slices.DeleteFunc(slices.Clone(few), func(row *shown) bool { return !q.filter.passes(row) })
			slices.SortFunc(rows, q.order.compare)
		}
	}
	return func(yield func(*shown) bool) {
		for n := range rows {
			row := rows[n]
			if q.backward {
				row = rows[len(rows)-1-n]
			}
			if q.filter.passes(row) && !yield(row) {
				return
			}
		}
	}
}
