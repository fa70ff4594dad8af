package incident

import (
	"math"
	"time"
)

// Summary is what every decision asks of a State. It is so small that it can be
// kept in memory of each incident; the State is read where an incident is
// compared. The zero Summary is that of the zero State.
type Summary struct {
	// Successor, Seen, Missing and Merged are the State's.
	Successor             int64
	Seen, Missing, Merged bool

	resolved                          bool
	lastUpdate, fetched, missingSince instant
}

// Summary is the state's own.
func (s State) Summary() Summary {
	return Summary{
		Successor: s.Successor, Seen: s.Seen, Missing: s.Missing, Merged: s.Merged, resolved: resolved(s.Status),
		lastUpdate: instantOf(s.LastUpdate), fetched: instantOf(s.Fetched), missingSince: instantOf(s.MissingSince),
	}
}

// LastUpdate is the State's; zero: not known.
func (s Summary) LastUpdate() time.Time { return s.lastUpdate.time() }

// Fetched is when the incident was last answered for; zero: never.
func (s Summary) Fetched() time.Time { return s.fetched.time() }

// Followed says whether the incident is fetched: not any more once it was merged
// into another, which is fetched in its place.
func (s Summary) Followed() bool { return !s.Merged || s.Successor == 0 }

// ClosedSince is since when nothing is expected of the incident any more, for
// it is resolved, merged away or not found. Not ok: it is open.
func (s Summary) ClosedSince() (since time.Time, ok bool) {
	switch {
	case s.Missing:
		return s.missingSince.time(), true
	case s.Merged || s.resolved:
		return s.lastUpdate.time(), true
	}
	return time.Time{}, false
}

// instant is a moment in nanoseconds since 1970: a third of a time.Time, and
// nothing for the garbage collector to look at. 0: not known.
type instant int64

// instantOf takes what lies before 1970 for not known, and what lies beyond 2262
// for the end of that: no incident is from then.
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
