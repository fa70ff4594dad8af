// SPDX-License-Identifier: Apache-2.0

package incident

import "time"

// tolerance is the difference up to which two times count as equal. The APIs round the
// same time differently, by up to 7 ms (seen in captures), and replicas of the service
// differ by microseconds.
const tolerance = 10 * time.Millisecond

// near reports whether two times are known and count as equal.
func near(a, b time.Time) bool {
	return !a.IsZero() && a.Sub(b).Abs() <= tolerance
}

// sameTime is near, but an unknown time does not count as a difference.
func sameTime(a, b time.Time) bool { return a.IsZero() || b.IsZero() || near(a, b) }

// Later reports whether a is later than b by more than the tolerance. An unknown time
// is earlier than all others.
func Later(a, b time.Time) bool { return a.Sub(b) > tolerance }

// newer is Later, but nothing is newer than an unknown time.
func newer(a, b time.Time) bool { return !b.IsZero() && Later(a, b) }

// latest returns the shown time. If both count as equal, it returns the later one, so
// that alternating times do not repeatedly look newer.
func latest(delivered, shown time.Time) time.Time {
	if near(delivered, shown) && delivered.After(shown) {
		return delivered
	}
	return shown
}

// closedSince returns since when the incident has been closed; zero if it is open. It
// uses the time of the change that closed the incident, unless that is unknown or ahead
// of our clock.
func closedSince(before, after State, observed time.Time) time.Time {
	switch {
	case !after.closed():
		return time.Time{}
	case !before.ClosedSince.IsZero():
		return before.ClosedSince
	case instantOf(after.LastUpdate) == 0 || after.LastUpdate.After(observed):
		return observed
	}
	return after.LastUpdate
}
