package quota

import (
	"slices"
	"time"
)

// Correction is what a refusal has changed about an account. The zero value: nothing.
type Correction struct {
	// Limit holds from now on in its window. One that was configured higher comes back by a tenth of that with each hour without
	// a refusal.
	Limit Limit
	// Assumed is how many requests are now taken to have been sent before the account began.
	Assumed int
}

// Learned is a limit that the server has shown to be stricter, at Since.
type Learned struct {
	Limit Limit
	Since time.Time
}

// Refused reports that the server refused a request as one too many, although this account saw room for it. Said is the limit that
// the refusal names, zero if it names none; wait is how long nothing is sent now.
//
// Which window was full is what the refusal names; else, of those that the wait fits into, the one that is fullest by this account.
// When more was sent than the named limit allows, or nobody knew of such a window, that becomes the limit. Else somebody else spends of the same quota:
//   - before the account began, as an earlier run that was not remembered: then the rest of the limit is taken to have been sent
//     evenly before, and leaves the window in its time;
//   - or still, as another program does: then 90 % of what was sent in the window becomes the limit, and at least a tenth of the
//     configured one, since little may have been sent for want of anything to ask.
func (q *Quota) Refused(now time.Time, said Limit, wait time.Duration) Correction {
	q.reach(now)
	l := q.refusing(now, said, wait)
	if l == nil {
		return q.takeUp(now, said, wait)
	}
	sent := q.occupying(l.Window, now)
	switch {
	case said.limits() && sent > said.Requests && said.Requests < l.allows(now):
		return q.restrict(l, said.Requests, now)
	case sent > l.allows(now): // those that were in flight when the limit was learned
		if l.learned > 0 {
			l.learned, l.since = l.allows(now), now
		}
		return Correction{}
	case now.Sub(l.from) < l.Window:
		return Correction{Assumed: q.assume(l, now, wait)}
	}
	return q.restrict(l, max(sent*9/10, l.part()), now)
}

// refusing is the limit that a refusal is about; nil when there is none.
func (q *Quota) refusing(now time.Time, said Limit, wait time.Duration) *limit {
	if said.limits() {
		i := slices.IndexFunc(q.limits, func(l limit) bool { return l.Window == said.Window })
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

// takeUp keeps a limit from now on that was not known to be one.
func (q *Quota) takeUp(now time.Time, said Limit, wait time.Duration) Correction {
	if !said.limits() || said.Requests > mostRequests || len(q.limits) == mostLimits {
		return Correction{}
	}
	from := now
	if known := q.ended.all(); len(known) > 0 {
		from = known[0]
	}
	q.add(said, from)
	return Correction{Limit: said, Assumed: q.assume(&q.limits[len(q.limits)-1], now, wait)}
}

// restrict makes what the server seems to allow the limit.
func (q *Quota) restrict(l *limit, requests int, now time.Time) Correction {
	l.learned, l.since = max(1, requests), now
	return Correction{Limit: Limit{Window: l.Window, Requests: l.allows(now)}}
}

// assume fills a window up with requests that were sent before the account of it began, spread evenly over that part of the
// window: the first leaves it when the wait is over. It returns how many.
func (q *Quota) assume(l *limit, now time.Time, wait time.Duration) int {
	missing := max(0, l.allows(now)-q.occupying(l.Window, now))
	first := now.Add(wait - l.Window)
	if first.After(l.from) {
		first = l.from
	}
	span := l.from.Sub(first)
	before := make([]time.Time, missing)
	for i := range before {
		before[i] = first.Add(span / time.Duration(missing) * time.Duration(i))
	}
	q.ended.insert(before)
	l.from = time.Time{} // whole from now on: what is refused from here on is another program's
	return missing
}

// Learned returns what refusals have shown, as far as it still holds at now.
func (q *Quota) Learned(now time.Time) []Learned {
	var learned []Learned
	for i := range q.limits {
		if l := &q.limits[i]; l.allows(now) < l.Requests {
			learned = append(learned, Learned{Limit: Limit{Window: l.Window, Requests: l.learned}, Since: l.since})
		}
	}
	return learned
}

// Restore takes up what an earlier run has learned. A window that is not limited any more is left alone.
func (q *Quota) Restore(learned Learned) {
	for i := range q.limits {
		if l := &q.limits[i]; l.Window == learned.Limit.Window && learned.Limit.limits() {
			l.learned, l.since = learned.Limit.Requests, learned.Since
		}
	}
}
