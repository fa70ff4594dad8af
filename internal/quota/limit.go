package quota

import "time"

const (
	// quietTime without a refusal gives a part of a learned limit back.
	quietTime = time.Hour
	// parts is how many such times it takes, at most, until a limit is whole again: each gives back a tenth of it.
	parts = 10
	// mostLimits and mostRequests bound what is taken up of limits that nobody has configured: a server that names ever new ones is
	// not followed.
	mostLimits   = 4
	mostRequests = 10_000
)

// Limit allows at most Requests within any half-open span of Window.
// A limit whose Requests or Window is zero or less does not limit.
type Limit struct {
	Window   time.Duration
	Requests int
}

// limits says whether it limits anything.
func (l Limit) limits() bool { return l.Window > 0 && l.Requests > 0 }

// limit is a Limit with what the server has shown of it.
type limit struct {
	Limit
	from    time.Time // since when the account of this window is whole
	learned int       // how many requests it seemed to allow at since; 0: all of them
	since   time.Time // the last refusal; only if learned
}

// allows is how many requests may occupy the window at that moment.
func (l *limit) allows(at time.Time) int {
	if l.learned == 0 {
		return l.Requests
	}
	return min(l.Requests, l.learned+l.quietTimes(at)*l.part())
}

// usable is how much of that is for requests of that demand.
func (l *limit) usable(at time.Time, d Demand) int {
	allowed := l.allows(at)
	if d == Repeat {
		return allowed - allowed/reserve
	}
	return allowed
}

// rises is the next moment at which the limit allows more; ok is false when it is whole.
func (l *limit) rises(at time.Time) (next time.Time, ok bool) {
	if l.allows(at) == l.Requests {
		return time.Time{}, false
	}
	return l.since.Add(time.Duration(l.quietTimes(at)+1) * quietTime), true
}

func (l *limit) quietTimes(at time.Time) int { return int(max(0, at.Sub(l.since)) / quietTime) }

func (l *limit) part() int { return (l.Requests + parts - 1) / parts }

// room returns the earliest moment, not before at, at which the window has room for one more beside what has ended and what is
// in flight. It is not ok when no moment can be named before one of those in flight ends.
func (l *limit) room(ended *ends, inFlight int, at time.Time, d Demand) (free time.Time, ok bool) {
	for {
		next, rises := l.rises(at)
		beside := l.usable(at, d) - inFlight - 1 // ended requests that may still occupy the window beside this one
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
