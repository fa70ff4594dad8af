// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// restingAfter is how long an open discovered incident must be unchanged before it is no longer polled by ID. The change feed still
// shows its changes.
const restingAfter = 90 * 24 * time.Hour

// Delivery is an observation of an incident whose change was accepted, or that found no change.
type Delivery struct {
	ID      int64
	Summary incident.Summary
	// Polled: a request by ID has shown the incident, and its poll ends with this delivery. Otherwise a row of a list has shown it.
	Polled bool
	// Streak of the poll, which fails while the incident is not found, or is not shown completely.
	Streak *health.Streak
	// Partial: the row shows only a part of the incident. The incident is due as before, or at Due if it was never delivered.
	Partial bool
	// Doubt: it is a row, and the incident must be requested by ID as if there had been none.
	Doubt bool
	Hung  bool // the poll timed out
	// Again: the poll may not have shown everything. The next one, at Due, goes ahead of routine polls.
	Again bool
	// Refuted is the lastUpdateTime of what was delivered before, if an older version was accepted. Rows with that time are then
	// ignored, and so is a pending change. Zero: the version is not older.
	Refuted time.Time
	// Due is when the incident is polled again, unless a change is still pending or the incident rests. Interval is the time between
	// two polls that the quota allows.
	Due      time.Time
	Interval time.Duration
}

// Delivered updates an incident after a delivery. A pending change stays pending while the delivered version is older than the change. If
// the delivery closes a merge cycle, none of its incidents is polled any more, and Delivered returns them. Otherwise it returns nil.
func (r *Roster) Delivered(d Delivery, now time.Time) (cycle []int64) {
	e := r.entries[d.ID]
	if d.Polled && !e.Polling() || e == nil && !r.rules.Discover { // evicted meanwhile, and perhaps added again
		r.Finish(d.ID, Outcome{})
		return nil
	}
	if e == nil { // discovered by a row
		e = r.add(d.ID, now)
	}
	merged := e.Summary.Successor
	r.change(e, func() { r.deliver(e, d, now) })
	if !e.Summary.Superseded() || e.Summary.Successor == merged {
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
			e.apply(Outcome{Due: d.Due, Responded: true, Hung: e.hung, Streak: e.Streak})
		}
		return
	}
	if !d.Refuted.IsZero() {
		e.lag, e.refuted = nil, d.Refuted.UnixNano()
	}
	changed, pending := e.pending()
	due, behind := d.Due, e.catchUp(d.Polled)
	if pending && !behind && !changed.IsZero() && e.polling {
		e.marked = time.Time{} // the row arrived during the poll, but the response shows the change
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
	e.endPoll(Outcome{Due: due, Responded: true, Hung: d.Hung, Streak: d.Streak})
	if d.Again && e.class == Routine {
		e.class = Shown
	}
}

// list ends a poll by a row. A row does not show whether requests by ID fail or hang.
func (e *Entry) list(due time.Time) {
	if e.Streak.Failing() && e.due.Before(due) {
		due = e.due
	}
	e.listed = true
	e.apply(Outcome{Due: due, Responded: true, Hung: e.hung, Streak: e.Streak})
}

// Unchanged records that a row shows an incident as it was delivered. The incident is due again at due, unless a request by ID is pending.
// fetched is its summary's new Fetched.
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

// Hasten makes an incident due ahead of routine polls, because a row has shown a change of a part of it. It is due at once, but not earlier
// than wait after a request by ID last showed it. Hasten does nothing if the incident is due ahead of routine polls anyway. An incident that is
// being polled is due again after that poll.
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

// resting reports whether a discovered incident is open, does not fail, and has not changed for restingAfter.
func (r *Roster) resting(e *Entry, now time.Time) bool {
	_, closed := e.Summary.ClosedSince()
	changed := e.Summary.LastUpdate()
	return r.rules.Discover && !e.configured && !closed && e.Streak == nil && e.lag == nil &&
		!changed.IsZero() && now.Round(0).Sub(changed) >= restingAfter
}
