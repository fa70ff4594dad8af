package quota

import (
	"slices"
	"time"
)

// Correction is what a refusal has changed. The zero value: nothing.
type Correction struct {
	// Limit is in force from now on. If a higher one is configured, it rises by a tenth of that with each hour without a refusal.
	Limit Limit
	// Assumed is how many requests are now assumed to have been sent before the account began.
	Assumed int
}

// Learned is a stricter limit that the server has shown to apply. Since is when it last did.
type Learned struct {
	Limit Limit
	Since time.Time
}

// Refused reports that the server refused a request because of its rate limit, although the quota saw room for it. Named is the
// limit that the refusal names, zero if it names none. Wait is how long nothing is sent now.
//
// The full window is the one that the refusal names, or else the fullest of those that are at least as long as the wait.
// If more was sent than the named limit allows, or the named window was unknown, the named limit is in force from now on.
// Otherwise something else uses the same quota:
//   - If the window reaches back before the epoch, an earlier run may have used it. The rest of the limit is assumed to have been
//     sent before the epoch, evenly spread, and leaves the window accordingly.
//   - Otherwise another program uses it now. The new limit is 90 % of what was sent in the window, but at least a tenth of the
//     configured limit, because there may have been little to send.
func (q *Quota) Refused(now time.Time, named Limit, wait time.Duration) Correction {
	q.advance(now)
	l := q.refusing(now, named, wait)
	if l == nil {
		return q.adoptLimit(now, named, wait)
	}
	sent := q.occupying(l.Window, now)
	switch {
	case named.limits() && sent > named.Requests && named.Requests < l.allows(now):
		return q.restrict(l, named.Requests, now)
	case sent > l.allows(now): // it was in flight when the limit was learned
		if l.learned > 0 {
			l.learned, l.since = l.allows(now), now
		}
		return Correction{}
	case now.Sub(l.epoch) < l.Window:
		return Correction{Assumed: q.backfill(l, now, wait)}
	}
	return q.restrict(l, max(sent*9/10, l.part()), now)
}

// refusing returns the limit that a refusal is about; nil if there is none.
func (q *Quota) refusing(now time.Time, named Limit, wait time.Duration) *limit {
	if named.limits() {
		i := slices.IndexFunc(q.limits, func(l limit) bool { return l.Window == named.Window })
		if i < 0 {
			return nil
		}
		return &q.limits[i]
	}
	var fullest *limit
	var most float64
	for i := range q.limits {
		l := &q.limits[i]
		full := float64(q.occupying(l.Window, now)) / float64(l.allows(now))
		if wait <= l.Window && (fullest == nil || full > most) {
			fullest, most = l, full
		}
	}
	return fullest
}

// adoptLimit adds a limit that was not known.
func (q *Quota) adoptLimit(now time.Time, named Limit, wait time.Duration) Correction {
	if !named.limits() || named.Requests > maxRequests || len(q.limits) == maxLimits {
		return Correction{}
	}
	epoch := now
	if known := q.ended.all(); len(known) > 0 {
		epoch = known[0]
	}
	q.add(named, epoch)
	return Correction{Limit: named, Assumed: q.backfill(&q.limits[len(q.limits)-1], now, wait)}
}

// restrict lowers a limit to what the server seems to allow.
func (q *Quota) restrict(l *limit, requests int, now time.Time) Correction {
	l.learned, l.since = max(1, requests), now
	return Correction{Limit: Limit{Window: l.Window, Requests: l.allows(now)}}
}

// backfill fills a window with requests assumed to have been sent before its epoch, spread evenly over that part of the window.
// The first leaves the window when the wait is over. It returns how many there are.
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

// Learned returns the stricter limits that refusals have shown and that are still in force at now.
func (q *Quota) Learned(now time.Time) []Learned {
	var learned []Learned
	for i := range q.limits {
		if l := &q.limits[i]; l.allows(now) < l.Requests {
			learned = append(learned, Learned{Limit: Limit{Window: l.Window, Requests: l.learned}, Since: l.since})
		}
	}
	return learned
}

// RestoreLimit restores what an earlier run has learned. It is ignored if its window is no longer limited.
func (q *Quota) RestoreLimit(learned Learned) {
	for i := range q.limits {
		if l := &q.limits[i]; l.Window == learned.Limit.Window && learned.Limit.limits() {
			l.learned, l.since = learned.Limit.Requests, learned.Since
		}
	}
}
