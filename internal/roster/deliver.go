// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// restingAfter is how long an open discovered incident may go without a change before it is no longer polled by ID. The change feed
// still shows its changes.
const restingAfter = 90 * 24 * time.Hour

// Delivery is what was accepted of an incident, or found unchanged.
type Delivery struct {
	ID      int64
	Summary incident.Summary
	// Polled: the response to a request by ID has shown it, which ends with this delivery. Otherwise a row of a list has.
	Polled bool
	// Streak of the poll, which fails while the incident is not found, or is not shown completely.
	Streak *health.Streak
	// Partial: the row shows a part of the incident only. It is due as before, or at Due if nothing was ever delivered of it.
	Partial bool
	// Doubt: it is a row, after which the incident must be requested by ID as if there had been none.
	Doubt bool
	Hung  bool // the poll ran into its timeout
	// Again: the poll may not have shown everything, and the next one, at Due, goes ahead of routine ones.
	Again bool
	// Refuted is the lastUpdateTime of what was delivered before, if an older version was accepted. Rows with that time no longer
	// count, nor does a pending change. Zero: the version is not older.
	Refuted time.Time
	// Due is when the incident is polled again, unless a change is still pending or it rests. Interval is the time between two polls
	// that the quota allows.
	Due      time.Time
	Interval time.Duration
}

// Delivered updates an incident with what was delivered of it. A pending change stays pending while the delivered version is older than
// the change. If the delivery closes a merge cycle, in which nothing is polled any more, Delivered returns its incidents; nil: it does not.
func (r *Roster) Delivered(d Delivery, now time.Time) (cycle []int64) {
	e := r.entries[d.ID]
	if d.Polled && !e.Polling() || e == nil && !r.rules.Discover { // evicted meanwhile, and perhaps added again
		r.Finish(d.ID, Outcome{})
		return nil
	}
	if e == nil { // a row has discovered it
		e = r.add(d.ID, now)
	}
	merged := e.Summary.Successor
	r.change(e, func() { r.deliver(e, d, now) })
	if e.Summary.Followed() || e.Summary.Successor == merged {
		return nil
	}
	return r.follow(e, now)
}

func (r *Roster) deliver(e *Entry, d Delivery, now time.Time) {
	seen := e.Summary.Seen
	e.Summary, e.stored = d.Summary, true
	switch {
	case d.Doubt:
		return
	case d.Partial:
		if e.class == Unpolled && !seen {
			e.apply(Outcome{Due: d.Due, Answered: true, Hung: e.hung, Streak: e.Streak})
		}
		return
	}
	if !d.Refuted.IsZero() {
		e.lag, e.refuted = nil, d.Refuted.UnixNano()
	}
	changed, pending := e.Pending()
	due, behind := d.Due, e.catchUp(d.Polled)
	if pending && !behind && !changed.IsZero() && e.polling {
		e.marked = time.Time{} // the response shows the change, although its row arrived during the poll
	}
	switch {
	case behind && !d.Polled:
		return // its poll is still needed, no later than it was
	case behind:
		due = now.Add(e.lag.next(d.Interval))
	case !d.Again && r.resting(e, now):
		due = never()
	}
	if !d.Polled {
		e.list(due)
		return
	}
	e.listed, e.fetched = false, now.Unix()
	delete(r.inFlight, e.ID)
	e.land(Outcome{Due: due, Answered: true, Hung: d.Hung, Streak: d.Streak})
	if d.Again && e.class == Routine {
		e.class = Shown
	}
}

// list ends a poll by a row, which does not say whether requests by ID fail or hang.
func (e *Entry) list(due time.Time) {
	if e.Streak.Failing() && e.due.Before(due) {
		due = e.due
	}
	e.listed = true
	e.apply(Outcome{Due: due, Answered: true, Hung: e.hung, Streak: e.Streak})
}

// Unchanged notes that a row shows an incident as it was delivered. It is due again at that time, unless a request by ID is pending.
// fetched is what its summary says from now on.
func (r *Roster) Unchanged(id int64, due, fetched, now time.Time) {
	e := r.entries[id]
	if e == nil {
		return
	}
	r.change(e, func() {
		e.Summary.SetFetched(fetched)
		switch {
		case e.polling || e.lag != nil:
		case r.resting(e, now):
			e.list(never())
		default:
			e.list(due)
		}
	})
}

// Hasten makes an incident due ahead of routine polls, because a row has shown a change of a part of it: at once, or wait after a request by
// ID last showed it. It does nothing for an incident that is due ahead of those anyway. One that is being polled is due again after that poll.
func (r *Roster) Hasten(id int64, wait time.Duration, now time.Time) {
	e := r.entries[id]
	switch {
	case e == nil:
		return
	case e.polling:
		e.hastened = now
		return
	case e.class != Routine && e.class != Shown:
		return
	}
	since := now.Round(0).Sub(e.Fetched())
	if since < 0 { // the clock was moved
		since = wait
	}
	r.change(e, func() {
		e.class = Shown
		if due := e.Streak.NotBefore(now.Add(max(0, wait-since))); due.Before(e.due) {
			e.due = due
		}
	})
}

// resting says that a discovered incident is open, works, and has not changed for restingAfter.
func (r *Roster) resting(e *Entry, now time.Time) bool {
	_, closed := e.Summary.ClosedSince()
	changed := e.Summary.LastUpdate()
	return r.rules.Discover && !e.configured && !closed && e.Streak == nil && e.lag == nil &&
		!changed.IsZero() && now.Round(0).Sub(changed) >= restingAfter
}
