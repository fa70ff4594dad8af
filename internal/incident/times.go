package incident

import "time"

// tolerance within which two times count as equal. The APIs round the same time
// differently, and replicas of the service differ by microseconds.
const tolerance = 10 * time.Millisecond

// near reports whether two times are known and count as equal.
func near(a, b time.Time) bool {
	return !a.IsZero() && a.Sub(b).Abs() <= tolerance
}

// sameTime is near, but an unknown time is no difference.
func sameTime(a, b time.Time) bool { return a.IsZero() || b.IsZero() || near(a, b) }

// newer reports whether a is known to be later than b. If either is unknown, it
// is not.
func newer(a, b time.Time) bool { return !b.IsZero() && a.Sub(b) > tolerance }

// latest is the shown time. If both count as equal it is the later one, so that
// times that alternate do not look newer again and again.
func latest(delivered, shown time.Time) time.Time {
	if near(delivered, shown) && delivered.After(shown) {
		return delivered
	}
	return shown
}

// closedSince returns since when the incident has been closed; zero: it is open.
// The change that closed it has a time of its own, unless that is unknown or
// ahead of our clock.
func closedSince(before, after State) time.Time {
	switch {
	case !after.closed():
		return time.Time{}
	case !before.ClosedSince.IsZero():
		return before.ClosedSince
	case instantOf(after.LastUpdate) == 0 || after.LastUpdate.After(after.Fetched):
		return after.Fetched
	}
	return after.LastUpdate
}
