// Package quota says when the next request may go, so that no window of a limit ever holds more requests than it allows.
//
// It counts as the server does. A request arrives at some moment between its sending and its answer, so it occupies every
// window from its sending until one full window after its answer. The package never sleeps and reads no clock: every answer
// follows from what was reported and the moment that is passed in. A Quota belongs to one goroutine.
package quota

import "time"

// reserve is the part of a window that repeats leave to fresh requests: one in so many, whole requests only.
const reserve = 20

// Demand says how much of each window a request may use.
type Demand int

const (
	// Fresh is for incidents that are new or named by the change feed: the whole of each window.
	Fresh Demand = iota
	// Repeat is for all others: they leave the last 5 % of each window, in whole requests, to Fresh.
	Repeat
)

// Remaining is what one limit has left.
type Remaining struct {
	Window   time.Duration // the limit's own
	Requests int           // how many Fresh requests would fit into it now
}

// Quota is the account of what was sent. New makes one.
type Quota struct {
	limits   []limit // those that limit
	ended    ends
	inFlight int
	last     time.Time // the latest moment reported: a moment before it counts as this one
	paused   time.Time // nothing goes before it; zero: no pause was ever asked for
}

// New returns a quota with nothing sent yet. Without a limit only pauses hold requests up.
func New(limits ...Limit) *Quota {
	q := &Quota{}
	for _, l := range limits {
		if l.limits() {
			q.add(l, time.Time{})
		}
	}
	return q
}

func (q *Quota) add(l Limit, from time.Time) {
	q.limits = append(q.limits, limit{Limit: l, from: from})
	q.ended.grow(l.Requests)
}

// Begin says since when the account is whole: what was sent before is not known. Without it the account is whole since ever.
func (q *Quota) Begin(from time.Time) {
	for i := range q.limits {
		q.limits[i].from = from
	}
}

// Next returns the earliest moment a request of that demand may be sent: now itself when it may go at once.
// It takes the requests in flight to stay there, so ask again after each Done.
// When they alone fill a window no moment can be named, and ok is false until one of them ends.
func (q *Quota) Next(now time.Time, d Demand) (at time.Time, ok bool) {
	at = now
	if q.paused.After(at) {
		at = q.paused
	}
	for i := range q.limits {
		if at, ok = q.limits[i].room(&q.ended, q.inFlight, at, d); !ok {
			return time.Time{}, false
		}
	}
	return at, true
}

// Send reports that one request is in flight from now on: it occupies every window. It does not ask whether it may.
func (q *Quota) Send(now time.Time) {
	q.reach(now)
	q.inFlight++
}

// Done reports that one request in flight ended, by an answer, an error or a cancellation.
// Reached is how many requests reached the wire for it: most often 1; 0 when there was no token, and nothing stays occupied;
// 2 when the transport repeated it, and both count, even beyond the limit.
// Without a request in flight it only counts what reached the wire, which is how requests of an earlier run are remembered:
// report them in the order of their ends.
func (q *Quota) Done(now time.Time, reached int) {
	q.reach(now)
	q.inFlight = max(0, q.inFlight-1)
	for range min(reached, q.ended.size) {
		q.ended.add(q.last)
	}
}

// reach moves the latest moment on. A clock that went back must not disturb the order of the ends.
func (q *Quota) reach(now time.Time) {
	if now.After(q.last) {
		q.last = now
	}
}

// Pause lets nothing go before until. It never shortens the standing pause.
func (q *Quota) Pause(until time.Time) {
	if until.After(q.paused) {
		q.paused = until
	}
}

// PausedUntil returns the end of the standing pause; ok is false when there is none.
func (q *Quota) PausedUntil(now time.Time) (until time.Time, ok bool) {
	if !q.paused.After(now) {
		return time.Time{}, false
	}
	return q.paused, true
}

// Spacing returns the mean time between two requests of that demand that the limits of now allow in the long run: the largest
// window divided by what may be used of it. It is zero when nothing is limited.
func (q *Quota) Spacing(now time.Time, d Demand) time.Duration {
	var spacing time.Duration
	for i := range q.limits {
		l := &q.limits[i]
		spacing = max(spacing, l.Window/time.Duration(l.usable(now, d)))
	}
	return spacing
}

// Remaining returns what each limit has left by itself, in the order given to New, without those that do not limit; what refusals
// have shown to be limited comes behind.
// A pause changes nothing about it.
func (q *Quota) Remaining(now time.Time) []Remaining {
	remaining := make([]Remaining, 0, len(q.limits))
	for i := range q.limits {
		l := &q.limits[i]
		remaining = append(remaining, Remaining{Window: l.Window, Requests: max(0, l.allows(now)-q.occupying(l.Window, now))})
	}
	return remaining
}

// occupying counts the requests that occupy a window at now.
func (q *Quota) occupying(window time.Duration, now time.Time) int {
	return q.inFlight + q.ended.within(window, now)
}

// Ended returns when the requests ended that occupy a window at now, oldest first. With InFlight it is all that a later
// run has to know.
func (q *Quota) Ended(now time.Time) []time.Time {
	var longest time.Duration
	for _, l := range q.limits {
		longest = max(longest, l.Window)
	}
	ended := make([]time.Time, q.ended.within(longest, now))
	for i := range ended {
		ended[i], _ = q.ended.fromLast(len(ended) - 1 - i)
	}
	return ended
}

// InFlight returns how many requests were sent and have not ended.
func (q *Quota) InFlight() int { return q.inFlight }
