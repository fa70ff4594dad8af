// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"math"
	"time"
)

const (
	// A learned limit stays in force for quiet of its windows without a refusal. After remembered of them, all refusals of a
	// limit are forgotten. That is more than quiet: a refusal just after the full limit applies again is not a first one.
	quiet      = 10
	remembered = 20
	// maxLimits is how many limits there may be, including those adopted from refusals, and maxRequests how large an adopted
	// one may be: this bounds the cost of a server that keeps stating new limits.
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

// limit is a Limit and what refusals have revealed about it.
type limit struct {
	Limit
	adopted bool      // it comes from refusals, not from the configuration: it limits only while something is learned
	epoch   time.Time // since when every request of this window is counted; zero: always
	refused time.Time // the last refusal; zero: there was none
	learned int       // how many requests it then seemed to allow; 0: nothing is learned
}

// inForce reports whether the learned limit applies.
func (l *limit) inForce(at time.Time) bool {
	return l.learned > 0 && at.Sub(l.refused) < quiet*l.Window
}

// idle reports whether an adopted limit limits nothing.
func (l *limit) idle(at time.Time) bool { return l.adopted && !l.inForce(at) }

// remembers reports whether a refusal now is a repeated one.
func (l *limit) remembers(now time.Time) bool {
	return !l.refused.IsZero() && now.Sub(l.refused) < remembered*l.Window
}

// allows returns how many requests may occupy the window at that time.
func (l *limit) allows(at time.Time) int {
	switch {
	case l.idle(at):
		return math.MaxInt
	case l.inForce(at):
		return min(l.Requests, l.learned)
	}
	return l.Requests
}

// usable returns how many of those are for requests of that demand. Part of a learned limit is left to whoever else uses it.
func (l *limit) usable(at time.Time, d Demand) int {
	allowed := l.allows(at)
	if l.inForce(at) {
		allowed -= allowed / reserve
	}
	switch d {
	case Repeat:
		allowed -= allowed / reserve
	case Sweep:
		allowed -= max(allowed/leftBySweeps, min(sweepsLeave, allowed/2))
	case AfterFeed:
		allowed -= feedShare(allowed)
	case RepeatAfterFeed:
		allowed -= feedShare(allowed) + allowed/reserve
	case Half:
		allowed = max(1, allowed/2)
	case Fresh:
	}
	return allowed
}

// feedShare returns how many of the allowed requests AfterFeed leaves.
func feedShare(allowed int) int {
	return max(allowed*leftToFeed/documented, min(leftToFeed, allowed/2))
}

// rises returns when the limit will next allow more; ok is false if it applies in full.
func (l *limit) rises(at time.Time) (next time.Time, ok bool) {
	return l.refused.Add(quiet * l.Window), l.inForce(at)
}

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
