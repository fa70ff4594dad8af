package quota

import "time"

const (
	// quietTime is how long no refusal must come until a learned limit rises by one part.
	quietTime = time.Hour
	// parts is how many parts a configured limit has: after as many quiet times at most it is whole again.
	parts = 10
	// maxLimits is how many limits there may be with those adopted from refusals, and maxRequests how large an adopted one may
	// be: a server that keeps naming new limits costs no more than that.
	maxLimits   = 4
	maxRequests = 10_000
)

// Limit allows at most Requests within any half-open span of Window.
// A limit with Requests or Window of zero or less limits nothing.
type Limit struct {
	Window   time.Duration
	Requests int
}

// limits reports whether l limits anything.
func (l Limit) limits() bool { return l.Window > 0 && l.Requests > 0 }

// limit is a Limit and what refusals have taught about it.
type limit struct {
	Limit
	epoch   time.Time // since when every request of this window is counted; zero: since ever
	learned int       // how many requests it seemed to allow at since; 0: all of them
	since   time.Time // the last refusal; only if learned
}

// allows returns how many requests may occupy the window at that time.
func (l *limit) allows(at time.Time) int {
	if l.learned == 0 {
		return l.Requests
	}
	return min(l.Requests, l.learned+l.quietTimes(at)*l.part())
}

// usable returns how many of those are for requests of that demand.
func (l *limit) usable(at time.Time, d Demand) int {
	allowed := l.allows(at)
	if d == Repeat {
		return allowed - allowed/reserve
	}
	return allowed
}

// rises returns when the limit will next allow more; ok is false if it is whole.
func (l *limit) rises(at time.Time) (next time.Time, ok bool) {
	if l.allows(at) == l.Requests {
		return time.Time{}, false
	}
	return l.since.Add(time.Duration(l.quietTimes(at)+1) * quietTime), true
}

func (l *limit) quietTimes(at time.Time) int { return int(max(0, at.Sub(l.since)) / quietTime) }

func (l *limit) part() int { return (l.Requests + parts - 1) / parts }

// room returns the earliest time, not before at, at which the window has room for one more request besides those that have ended
// and those in flight. Not ok: it depends on when one of those in flight ends.
func (l *limit) room(ended *ends, inFlight int, at time.Time, d Demand) (free time.Time, ok bool) {
	for {
		next, rises := l.rises(at)
		beside := l.usable(at, d) - inFlight - 1 // ended requests that may still occupy the window besides this one
		if beside >= 0 {
			free = at
			if end, found := ended.fromLast(beside); found && end.Add(l.Window).After(at) {
				free = end.Add(l.Window)
			}
			if !rises || !free.After(next) {
				return free, true
			}
		}
		if !rises {
			return time.Time{}, false
		}
		at = next
	}
}
