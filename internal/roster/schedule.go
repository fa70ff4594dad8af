// SPDX-License-Identifier: Apache-2.0

package roster

import "time"

// Candidate is the incident of one class to poll next.
type Candidate struct {
	ID  int64
	Due time.Time // when it may be polled
	OK  bool      // false: the class has no incident that may be polled
}

// Next returns the head of each class: the incident that has been due longest, or else the one due soonest. At most maxHung of the
// incidents in flight may have timed out in their last poll. Otherwise, hanging ones would hold up the others. maxHung must be at least 1,
// or they would never be polled again.
func (r *Roster) Next(maxHung int) (heads [Classes]Candidate) {
	hung := 0
	for _, e := range r.inFlight {
		if e.hung {
			hung++
		}
	}
	for class := range r.queues {
		q := &r.queues[class]
		head := q.others.head()
		if behind := q.hung.head(); hung < maxHung && behind.entry != nil && (head.entry == nil || behind.sooner(head)) {
			head = behind
		}
		if e := head.entry; e != nil && !e.dormant() {
			heads[class] = Candidate{ID: e.ID, Due: e.due, OK: true}
		}
	}
	return heads
}

// PollUnseen makes incidents due as if they were never polled, if nothing has shown their alerts. shown is when lists began to show all
// alerts: incidents that were delivered by then need no poll. It is zero if lists do not show all alerts.
func (r *Roster) PollUnseen(shown, now time.Time) {
	for _, e := range r.entries {
		if e.unseen(shown) {
			r.change(e, func() { e.class, e.due = Unpolled, e.Streak.NotBefore(now) })
		}
	}
}

// Unseen counts the incidents that PollUnseen would make due.
func (r *Roster) Unseen(shown time.Time) (n int) {
	for _, e := range r.entries {
		if e.unseen(shown) {
			n++
		}
	}
	return n
}

// unseen reports whether nothing has shown the incident's alerts, and no poll that would show them is due ahead of routine ones. shown is
// as in PollUnseen.
func (e *Entry) unseen(shown time.Time) bool {
	return e.Summary.AlertsUnseen && (e.class == Routine || e.class == Shown) && (shown.IsZero() || e.Summary.Fetched().After(shown))
}

// Overdue counts the incidents whose due time has passed, without those in flight.
func (r *Roster) Overdue(now time.Time) int {
	n := 0
	for _, q := range r.queues {
		n += q.others.overdue(now.Sub(r.epoch), 0) + q.hung.overdue(now.Sub(r.epoch), 0)
	}
	return n
}

// Counts returns how many tracked incidents are in each State.
func (r *Roster) Counts() map[State]int {
	counts := make(map[State]int, states)
	for s := range states {
		counts[s] = r.states[s]
	}
	return counts
}

// Interval returns how long after a response an incident is due again: the configured interval, or the time that n requests take at one per
// spacing, whichever is longer. This keeps cycles even and avoids spending the quota in bursts.
func Interval(configured, spacing time.Duration, n int) time.Duration {
	return max(configured, spacing*time.Duration(n))
}
