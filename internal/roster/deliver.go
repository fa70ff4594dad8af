package roster

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// restingAfter is how long a discovered incident that is open may not have changed until only the change feed polls it.
const restingAfter = 90 * 24 * time.Hour

// Delivery is what was accepted of an incident, or found unchanged.
type Delivery struct {
	ID      int64
	Summary incident.Summary
	// Polled: a request for the incident has shown it, whose poll ends with this; else a row of a list.
	Polled bool
	Streak *health.Streak // of the poll, which fails while the incident is not found
	// Refuted is the time of change of what was delivered before, where the incident is taken as shown although that is older: rows
	// that show it so, and a pending change, do not count any more. Zero: it is not older.
	Refuted time.Time
	// Due is when the incident is polled again if nothing else is known; Interval is the time between two polls, as the quota allows.
	Due      time.Time
	Interval time.Duration
}

// Delivered takes over what was delivered of an incident. A pending change stays pending while what was shown is older than that. It
// returns the incidents of a merge cycle that it closes, in which nothing is polled any more; nil: there is none.
func (r *Roster) Delivered(d Delivery, now time.Time) (cycle []int64) {
	e := r.entries[d.ID]
	if d.Polled && !e.Polling() || e == nil && !r.rules.Discover { // evicted meanwhile, and perhaps added anew
		r.Finish(d.ID, Outcome{})
		return nil
	}
	if e == nil { // a row has shown it for the first time
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
	e.Summary, e.stored = d.Summary, true
	if !d.Refuted.IsZero() {
		e.lag, e.refuted = nil, d.Refuted.UnixNano()
	}
	changed, pending := e.Pending()
	due, behind := d.Due, e.catchUp()
	if pending && !behind && !changed.IsZero() && e.flight != nil {
		e.flight.marked = time.Time{} // the change is shown, though its row came while the poll was under way
	}
	switch {
	case behind && !d.Polled:
		return // its poll is still needed, no later than it was
	case behind:
		due = now.Add(e.lag.next(d.Interval))
	case r.resting(e, now):
		due = never()
	}
	if !d.Polled { // a row does not say whether polls fail or hang
		e.apply(Outcome{Due: due, Answered: true, Hung: e.hung, Streak: e.Streak})
		return
	}
	delete(r.inFlight, e.ID)
	e.land(Outcome{Due: due, Answered: true, Streak: d.Streak})
}

// resting says that a discovered incident is open and has not changed for long: rows still show its changes.
func (r *Roster) resting(e *Entry, now time.Time) bool {
	_, closed := e.Summary.ClosedSince()
	changed := e.Summary.LastUpdate()
	return r.rules.Discover && !e.configured && !closed && e.Streak == nil && e.lag == nil &&
		!changed.IsZero() && now.Round(0).Sub(changed) >= restingAfter
}
