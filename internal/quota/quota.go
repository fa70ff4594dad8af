// SPDX-License-Identifier: Apache-2.0

// Package quota determines when the next request may be sent, so that no window of a limit ever holds more requests than it allows.
//
// It counts as the server does. A request arrives at some moment between when it is sent and when its response arrives, so
// it occupies every window from when it is sent until one full window after its response. The package never sleeps and never
// reads the clock: the caller passes the time. Only one goroutine may use a Quota or an Account.
package quota

import "time"

// reserve is the share of each window that Repeat leaves to Fresh: one in 20, rounded down to whole requests.
const reserve = 20

// Demand is how much of each window a request may use.
type Demand int

const (
	// Fresh is for incidents that are new or have a pending change. They may use the whole of each window.
	Fresh Demand = iota
	// Repeat is for all other incidents. They leave the last 5 % of each window, in whole requests, to Fresh.
	Repeat
	// Sweep is for pages that poll many incidents. With the documented limits of the list, they leave 4 requests a minute and 60 an
	// hour to Fresh.
	Sweep
	// AfterFeed is for incidents that are new or have a pending change, and for everything else that precedes routine polls, on an account
	// shared with pages of the change feed. They leave 8 of 150 requests a minute to those pages, which are Fresh.
	AfterFeed
	// RepeatAfterFeed is Repeat on such an account: it leaves what AfterFeed leaves, and 5 % of each window to AfterFeed.
	RepeatAfterFeed
	// Half is for routine polls that find little, because change feeds show nearly all changes. They use at most half of a window.
	Half
)

// AfterFeed leaves leftToFeed of the documented requests a minute, and the same share of other limits, but at least leftToFeed if that is no
// more than half of the limit.
const (
	leftToFeed = 8
	documented = 150
)

// Sweep leaves leftBySweeps of a window: 4 % of its requests, and at least sweepsLeave if that is no more than half of the limit.
const (
	leftBySweeps = 25
	sweepsLeave  = 4
)

// Remaining is what is left of one limit.
type Remaining struct {
	Window   time.Duration // of the limit
	Requests int           // how many Fresh requests would fit into it now
}

// Quota counts what was sent. New makes one.
type Quota struct {
	limits    []limit // without those that limit nothing
	ended     ends
	inFlight  int
	last      time.Time // the latest time reported; an earlier one counts as this
	paused    time.Time // nothing is sent before it; zero: there was no pause
	apart     time.Time // before it, concurrent requests keep a gap; zero: never
	sent      time.Time // when the last request was sent
	refused   time.Time // the last refusal that was not part of the one before; zero: there was none
	succeeded time.Time // when the latest successful request was sent; zero: none succeeded
}

// New returns a quota with nothing sent yet. Without a limit, only pauses delay requests.
func New(limits ...Limit) *Quota {
	q := &Quota{}
	for _, l := range limits {
		if l.limits() {
			q.add(l, time.Time{})
		}
	}
	return q
}

func (q *Quota) add(l Limit, epoch time.Time) {
	q.limits = append(q.limits, limit{Limit: l, epoch: epoch})
	q.ended.grow(l.Requests)
}

// SetEpoch sets since when every request is counted; what was sent before is not known. Without it everything is known.
func (q *Quota) SetEpoch(epoch time.Time) {
	for i := range q.limits {
		q.limits[i].epoch = epoch
	}
}

// Next returns the earliest time at which a request of that demand may be sent: now if it may be sent at once.
// It assumes that the requests in flight stay in flight, so call it again after each Done. If they alone fill
// a window, the time is unknown and ok is false until one of them ends.
func (q *Quota) Next(now time.Time, d Demand) (at time.Time, ok bool) {
	at = now
	if q.paused.After(at) {
		at = q.paused
	}
	if next := q.sent.Add(q.gap(at)); q.inFlight > 0 && q.apart.After(at) && next.After(at) {
		at = next
	}
	for i := range q.limits {
		if at, ok = q.limits[i].room(&q.ended, q.inFlight, at, d); !ok {
			return time.Time{}, false
		}
	}
	return at, true
}

// Send notes that a request is sent now. It does not check whether Next allows that.
func (q *Quota) Send(now time.Time) {
	q.advance(now)
	q.inFlight++
	q.sent = now
}

// gap is the time between two requests that keep apart: twice the average spacing of the shortest window's limit, or a second if
// there is no limit. A slow response does not delay the others for longer.
func (q *Quota) gap(now time.Time) time.Duration {
	shortest := Limit{Window: time.Second, Requests: 2}
	found := false
	for i := range q.limits {
		if l := &q.limits[i]; !l.idle(now) && (!found || l.Window < shortest.Window) {
			shortest, found = Limit{Window: l.Window, Requests: l.allows(now)}, true
		}
	}
	return 2 * shortest.Window / time.Duration(max(1, shortest.Requests))
}

// Done notes that a request in flight has ended, with a response, an error or a cancellation. reached is how many requests
// reached the wire for it: usually 1; 0 if there was no token, and then it occupies nothing; 2 if the transport repeated it,
// and then both count, even beyond the limit. Without a request in flight, Done only counts what reached the wire. This is
// how requests of an earlier run are added, in the order in which they ended.
func (q *Quota) Done(now time.Time, reached int) {
	q.advance(now)
	q.inFlight = max(0, q.inFlight-1)
	for range min(reached, q.ended.size) {
		q.ended.add(q.last)
	}
}

// advance sets the latest time reported. A clock that went back must not change the order of the ends.
func (q *Quota) advance(now time.Time) {
	if now.After(q.last) {
		q.last = now
	}
}

// Pause sends nothing before until. It never shortens a pause.
func (q *Quota) Pause(until time.Time) {
	if until.After(q.paused) {
		q.paused = until
	}
}

// Spacing returns the mean time between two requests of that demand that the current limits allow in the long run. The
// strictest limit decides. It is zero if nothing is limited.
func (q *Quota) Spacing(now time.Time, d Demand) time.Duration {
	var spacing time.Duration
	for i := range q.limits {
		l := &q.limits[i]
		spacing = max(spacing, l.Window/time.Duration(l.usable(now, d)))
	}
	return spacing
}

// Remaining returns what each limit by itself has left: first the limits given to New, in that order, without those that limit
// nothing, then the limits adopted from refusals while they are in force. It ignores pauses.
func (q *Quota) Remaining(now time.Time) []Remaining {
	remaining := make([]Remaining, 0, len(q.limits))
	for i := range q.limits {
		l := &q.limits[i]
		if l.idle(now) {
			continue
		}
		remaining = append(remaining, Remaining{Window: l.Window, Requests: max(0, l.usable(now, Fresh)-q.occupying(l.Window, now))})
	}
	return remaining
}

// occupying counts the requests that occupy a window at now.
func (q *Quota) occupying(window time.Duration, now time.Time) int {
	return q.inFlight + q.ended.within(window, now)
}

// Ended returns when the requests that still occupy a window at now ended, oldest first.
func (q *Quota) Ended(now time.Time) []time.Time {
	var longest time.Duration
	for _, l := range q.limits {
		longest = max(longest, l.Window)
	}
	n := q.ended.within(longest, now)
	if n == 0 {
		return nil
	}
	ended := make([]time.Time, n)
	for i := range ended {
		ended[i], _ = q.ended.fromLast(n - 1 - i)
	}
	return ended
}

// InFlight returns how many requests have been sent and have not ended.
func (q *Quota) InFlight() int { return q.inFlight }
