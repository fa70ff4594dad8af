// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"math"
	"time"
)

// Summary is the part of a State that scheduling needs. It is small enough to keep one
// in memory for every incident. The State is loaded only to compare an incident. The
// zero Summary is that of the zero State.
type Summary struct {
	// Successor, Seen, Missing, Merged, AlertsUnseen and PollDue are the State's.
	Successor             int64
	Seen, Missing, Merged bool
	AlertsUnseen, PollDue bool

	// Row is the State's; zero if not known.
	Row Digest

	resolved                         bool
	lastUpdate, fetched, closedSince instant
}

// Summary returns the summary of a state.
func (s State) Summary() Summary {
	return Summary{
		Successor: s.Successor, Seen: s.Seen, Missing: s.Missing, Merged: s.Merged, AlertsUnseen: s.AlertsUnseen, PollDue: s.PollDue, resolved: resolved(s.Status),
		lastUpdate: instantOf(s.LastUpdate), fetched: instantOf(s.Fetched), closedSince: instantOf(s.ClosedSince),
		Row: s.Row(),
	}
}

// LastUpdate is the State's; zero if not known.
func (s Summary) LastUpdate() time.Time { return s.lastUpdate.time() }

// Fetched is the State's; zero if never.
func (s Summary) Fetched() time.Time { return s.fetched.time() }

// Listed reports whether the list has shown all of the incident, and left no doubt.
func (s Summary) Listed() bool { return s.Row != Digest{} }

// SetFetched records that the incident was polled and had not changed.
func (s *Summary) SetFetched(at time.Time) { s.fetched = instantOf(at) }

// Equal reports whether two summaries are the same, except for Fetched.
func (s Summary) Equal(other Summary) bool {
	s.fetched = other.fetched
	return s == other
}

// Superseded reports whether the incident was merged into a known incident, which
// is polled in its place.
func (s Summary) Superseded() bool { return s.Merged && s.Successor != 0 }

// ClosedSince returns when the incident was resolved, merged or not found; zero if no
// time is known. ok is false if it is open.
func (s Summary) ClosedSince() (since time.Time, ok bool) {
	switch {
	case !s.Missing && !s.Merged && !s.resolved:
		return time.Time{}, false
	case s.closedSince != 0:
		return s.closedSince.time(), true
	case s.lastUpdate != 0:
		return s.LastUpdate(), true
	}
	return s.Fetched(), true
}

// instant is a moment in nanoseconds since 1970: a third of the size of a
// time.Time, without a pointer for the garbage collector. 0: unknown.
type instant int64

// instantOf returns 0 for times before 1970, and the last instant for times after
// it, in 2262.
func instantOf(t time.Time) instant {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}
