// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Entry is all that is known about one incident ID. It is small, since there may be 100,000 of them.
type Entry struct {
	ID int64
	// Summary of what was last delivered; the zero value if nothing was.
	Summary incident.Summary
	// Streak of failed polls; nil: the last poll did not fail.
	Streak *health.Streak

	due        time.Time // when to poll it next
	place      uint64    // among entries that are due at the same time
	since      int64     // when it was added, in seconds since 1970
	fetched    int64     // when a response to a request by ID last showed it, in seconds since 1970; 0: never
	refuted    int64     // the lastUpdateTime that polls did not confirm, in nanoseconds since 1970; 0: none
	at         int       // its index in its queue, which sets it
	extraPages int32     // how many requests a poll takes beyond the first
	class      Class
	counted    State // the state it is counted as, since health may change a streak in place
	configured bool  // listed, or the successor of a listed incident
	polling    bool  // its poll is in flight
	hung       bool  // its last poll timed out
	blocked    bool  // an earlier entry of the same ID is still being polled
	stored     bool  // the checkpoint has its state
	listed     bool  // its last poll was a row of a list

	hastened time.Time // when Hasten was called during the poll in flight; zero if it was not
	marked   time.Time // when a list showed a change during the poll in flight; zero if none did
	lag      *lag      // nil: the last poll has shown every known change

	separation *separation     // nil: its alerts are returned together with it
	suspected  *suspectedMerge // nil: the last response did not show another incident
}

// lag describes an incident whose polls have not caught up with what was already shown.
type lag struct {
	pending    bool      // a list has shown a change that no poll has shown yet
	changed    time.Time // when the incident changed; zero: not known
	noted      time.Time // when a list showed the change
	staleSince time.Time // since when polls return an older version than was delivered; zero: they do not
	retry      *backoff.ExponentialBackOff
}

// Class decides which incidents are polled first. The classes are in that order.
type Class uint8

// The classes. A response that shows the incident moves it to Routine.
const (
	Marked   Class = iota // the change feed has shown a change
	Unpolled              // never polled
	Shown                 // polled before; since then a row has shown a part of it, and a poll may show more
	Retry                 // was marked or unpolled, and its poll failed: it must not always go first
	Routine               // polled before
	Classes               // how many there are
)

// State of a tracked incident, for telemetry.
type State uint8

// The states.
const (
	Waiting  State = iota // never polled
	Failing               // its polls fail
	NotFound              // the API has no such incident
	Resolved              // or merged, with an unknown successor
	Open
	states
)

// tracked reports whether the incident is polled by ID. A merged one is not, since its successor is polled instead, unless a list has shown
// a change of it.
func (e *Entry) tracked() bool {
	return e != nil && (!e.Summary.Superseded() || e.lag != nil && e.lag.pending)
}

// Class of the incident.
func (e *Entry) Class() Class { return e.class }

// Stored reports whether the checkpoint has a state of the incident, even if that is only an intent.
func (e *Entry) Stored() bool { return e != nil && e.stored }

// Knows reports whether a change at that time was already delivered, or was refuted by polls that kept showing an older version.
func (e *Entry) Knows(changed time.Time) bool {
	known := e.Summary.LastUpdate()
	if refuted := time.Unix(0, e.refuted); e.refuted != 0 && refuted.After(known) {
		known = refuted
	}
	return e.Summary.Seen && !incident.Later(changed, known)
}

// Polling reports whether the incident is being polled.
func (e *Entry) Polling() bool { return e != nil && e.polling }

// Fetched is when a response to a request by ID last showed the incident. Right after a restart it is when the stored state was fetched.
func (e *Entry) Fetched() time.Time { return time.Unix(e.fetched, 0) }

// Refutes reports whether polls have kept showing a version older than that change.
func (e *Entry) Refutes(changed time.Time) bool {
	return incident.Later(changed, e.Summary.LastUpdate()) && e.Knows(changed)
}

// pending reports whether a list has shown a change that no poll has shown yet, and when the incident changed; zero if not known.
func (e *Entry) pending() (changed time.Time, pending bool) {
	if e.lag == nil || !e.lag.pending {
		return time.Time{}, false
	}
	return e.lag.changed, true
}

// state of the incident.
func (e *Entry) state() State {
	switch {
	case e.Streak.Failing():
		return Failing
	case e.Summary.Missing:
		return NotFound
	case !e.Summary.Seen:
		return Waiting
	}
	if _, closed := e.Summary.ClosedSince(); closed {
		return Resolved
	}
	return Open
}

// dormant reports whether the incident is not polled until a list shows a change of it.
func (e *Entry) dormant() bool { return e.due.Unix() == neverUnix }

// neverUnix is the due time of a dormant incident, in seconds since 1970.
const neverUnix = 1 << 40

func never() time.Time { return time.Unix(neverUnix, 0) }

// waiting reports whether the entry is in a queue.
func (e *Entry) waiting() bool { return e.tracked() && !e.polling && !e.blocked }

// apply updates the entry with the outcome of a poll.
func (e *Entry) apply(o Outcome) {
	if o.Due.IsZero() {
		return
	}
	e.due, e.hung, e.Streak = o.Streak.NotBefore(o.Due), o.Hung, o.Streak
	if o.Responded {
		e.class = Routine
	} else if e.class != Routine {
		e.class = Retry
	}
}

// mark makes the entry due no later than due, ahead of all others, even if its last poll failed. A delay that the API requested for this
// incident still applies.
func (e *Entry) mark(due time.Time) {
	due = e.Streak.NotBefore(due)
	if due.Before(e.due) {
		e.due = due
	}
	e.class = Marked
}

// scattered returns the place of the n-th added incident among those due at the same time. It separates neighbours in the list. They may
// fail for a common reason, such as a service that hangs for all incidents of one day, and must not take all request slots at once.
// Multiplying by 2^64 divided by the golden ratio spreads any run of numbers evenly (D. Knuth, The Art of Computer Programming, volume
// 3, section 6.4).
func scattered(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 }
