// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"slices"
	"time"
)

// Correction is what a refusal has changed. The zero value: nothing.
type Correction struct {
	// Limit is in force from now on, until LearnedFor its window has passed without a refusal: ten windows.
	Limit Limit
	// New: nothing was learned about that limit before, or it is forgotten, or it was at least a third higher.
	New bool
	// Assumed is how many requests are now assumed to have been sent before the account began.
	Assumed int
}

// Learned is a stricter limit that the server has enforced, last at Since.
type Learned struct {
	Limit Limit
	Since time.Time
}

// Succeeded notes that a request that was sent at that time has succeeded.
func (q *Quota) Succeeded(sent time.Time) {
	if sent.After(q.succeeded) {
		q.succeeded = sent
	}
}

// Refused notes that the server refused a request because of its rate limit, although the quota saw room for it. sent is when the
// request was sent, named the limit that the refusal states, zero if there is none, and wait how long nothing is sent now.
//
// A single refusal only causes a wait. Requests that were in flight when it came count as refused with it, and so do all until
// another request has succeeded. A refusal concerns the window that it states, or else the fullest of those that are at least as
// long as the wait. If that window had a refusal less than twenty of its lengths ago:
//   - If more was sent than the named limit allows, or the named window is unknown, the named limit is in force from now on.
//   - Otherwise something else uses the same quota. If the window began before the epoch, it may have been an earlier run. The rest of
//     the limit is assumed to have been sent before the epoch, evenly spread, and leaves the window accordingly.
//   - Otherwise another program uses it now. The new limit is 90 % of what was sent in the window, but at least half of the
//     configured or the named one, because there may have been little to send.
func (q *Quota) Refused(sent, now time.Time, named Limit, wait time.Duration) Correction {
	q.advance(now)
	if !q.refused.IsZero() && (!sent.After(q.refused) || !q.succeeded.After(q.refused)) {
		return Correction{}
	}
	q.refused = now
	l := q.refusing(now, named, wait)
	if l == nil {
		return Correction{}
	}
	repeated, allowed := l.remembers(now), l.allows(now)
	if !repeated {
		l.learned = 0
	}
	l.refused = now
	if !repeated {
		return Correction{}
	}
	occupied := q.occupying(l.Window, now)
	most := l.Requests
	if named.limits() {
		most = min(most, named.Requests)
	}
	switch {
	case named.limits() && named.Requests < allowed && (l.adopted || occupied > named.Requests):
		return l.learn(named.Requests)
	case now.Sub(l.epoch) < l.Window:
		return Correction{Assumed: q.backfill(l, now, wait)}
	}
	return l.learn(min(allowed, max(occupied*9/10, (most+1)/2)))
}

// learn lowers a limit to what the server seems to allow.
func (l *limit) learn(requests int) Correction {
	before := l.learned
	l.learned = requests
	return Correction{Limit: Limit{Window: l.Window, Requests: requests}, New: before == 0 || requests*4 <= before*3}
}

// refusing returns the limit that a refusal is about; nil if there is none.
func (q *Quota) refusing(now time.Time, named Limit, wait time.Duration) *limit {
	if named.limits() {
		i := slices.IndexFunc(q.limits, func(l limit) bool { return l.Window == named.Window })
		if i < 0 {
			return q.adopt(named, now)
		}
		return &q.limits[i]
	}
	var fullest *limit
	var most float64
	for i := range q.limits {
		l := &q.limits[i]
		if l.idle(now) {
			continue
		}
		full := float64(q.occupying(l.Window, now)) / float64(l.allows(now))
		if wait <= l.Window && (fullest == nil || full > most) {
			fullest, most = l, full
		}
	}
	return fullest
}

// adopt adds an unknown limit, in place of those that are forgotten. Nil: it is absurd, or there are too many.
func (q *Quota) adopt(named Limit, now time.Time) *limit {
	q.limits = slices.DeleteFunc(q.limits, func(l limit) bool { return l.adopted && !l.remembers(now) })
	if named.Requests > maxRequests || len(q.limits) == maxLimits {
		return nil
	}
	epoch := now
	if known := q.ended.all(); len(known) > 0 {
		epoch = known[0]
	}
	q.add(named, epoch)
	l := &q.limits[len(q.limits)-1]
	l.adopted = true
	return l
}

// backfill fills a window with requests assumed to have been sent before its epoch, spread evenly over that part of the window.
// The first leaves the window when the wait is over. It returns their number.
func (q *Quota) backfill(l *limit, now time.Time, wait time.Duration) int {
	missing := max(0, l.allows(now)-q.occupying(l.Window, now))
	first := now.Add(wait - l.Window)
	if first.After(l.epoch) {
		first = l.epoch
	}
	span := l.epoch.Sub(first)
	before := make([]time.Time, missing)
	for i := range before {
		before[i] = first.Add(span / time.Duration(missing) * time.Duration(i))
	}
	q.ended.insert(before)
	l.epoch = time.Time{} // complete from now on: further refusals are due to another program
	return missing
}

// Learned returns what was learned about the limits given to New, if it is still in force at now.
func (q *Quota) Learned(now time.Time) []Learned {
	var learned []Learned
	for i := range q.limits {
		if l := &q.limits[i]; !l.adopted && l.allows(now) < l.Requests {
			learned = append(learned, Learned{Limit: Limit{Window: l.Window, Requests: l.learned}, Since: l.refused})
		}
	}
	return learned
}

// LearnedLimits returns what is learned about each limit that Remaining returns, in the same order, and in force at now. Requests 0:
// nothing, so the limit applies as it was given to New.
func (q *Quota) LearnedLimits(now time.Time) []Limit {
	learned := make([]Limit, 0, len(q.limits))
	for i := range q.limits {
		l := &q.limits[i]
		switch {
		case l.idle(now):
		case l.adopted || l.allows(now) < l.Requests:
			learned = append(learned, Limit{Window: l.Window, Requests: l.learned})
		default:
			learned = append(learned, Limit{Window: l.Window})
		}
	}
	return learned
}

// LearnedFor is how long a learned limit of that window applies after the last refusal.
func LearnedFor(window time.Duration) time.Duration { return quiet * window }

// RestoreLimit restores what an earlier run has learned. It ignores a window that is no longer limited.
func (q *Quota) RestoreLimit(learned Learned) {
	for i := range q.limits {
		if l := &q.limits[i]; l.Window == learned.Limit.Window && learned.Limit.limits() {
			l.learned, l.refused = learned.Limit.Requests, learned.Since
		}
	}
}
