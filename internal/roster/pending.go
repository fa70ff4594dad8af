// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"cmp"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// lagRetry is the first wait before the next poll of an incident after a poll returned an older version than was already shown. A replica
// that lags catches up within seconds.
const lagRetry = 30 * time.Second

// Mark makes an incident due at once, ahead of all others, because a list shows that it changed. A zero changed means that the time of the
// change is not known. An unknown incident is added. A change that is already pending keeps its due time, since its poll may have failed. A
// newer one restarts the backoff from 30 s. An incident that is being polled is due again after that poll.
func (r *Roster) Mark(id int64, changed, now time.Time) { r.mark(Pending{id, changed, now}, now) }

// Pending is a change that lists have shown and no poll has shown yet.
type Pending struct {
	ID      int64
	Changed time.Time // when the incident changed; zero: not known
	Noted   time.Time // when a list showed the change
}

// Restore marks an incident with a change that was pending in an earlier run.
func (r *Roster) Restore(p Pending, now time.Time) {
	if p.Noted.IsZero() || p.Noted.After(now) {
		p.Noted = now
	}
	r.mark(p, now)
}

func (r *Roster) mark(p Pending, now time.Time) {
	e, changed := r.entries[p.ID], p.Changed
	if e == nil {
		e = r.add(p.ID, now)
	}
	e.since = min(e.since, p.Noted.Unix())
	if before, pending := e.pending(); pending && !changed.After(before) {
		return
	}
	r.change(e, func() {
		l := e.lagging()
		l.pending, l.changed, l.noted, l.retry = true, changed, p.Noted, nil
		if e.polling {
			e.marked = now
			return
		}
		e.mark(now)
	})
}

func (e *Entry) lagging() *lag {
	if e.lag == nil {
		e.lag = &lag{}
	}
	return e.lag
}

// Stale records that a poll returned an older version than was delivered. It returns since when polls have done so, and how long to wait
// before the next poll: 30 s at first, later up to interval.
func (r *Roster) Stale(id int64, interval time.Duration, now time.Time) (since time.Time, wait time.Duration) {
	e := r.entries[id]
	if e == nil {
		return now, interval
	}
	l := e.lagging()
	if l.staleSince.IsZero() {
		l.staleSince = now
	}
	return l.staleSince, l.next(interval)
}

// next returns the wait before the next poll of an incident that lags.
func (l *lag) next(interval time.Duration) time.Duration {
	if l.retry == nil {
		l.retry = backoff.NewExponentialBackOff()
		l.retry.RandomizationFactor = 0
		l.retry.InitialInterval = lagRetry
	}
	l.retry.MaxInterval = interval
	return min(l.retry.NextBackOff(), interval)
}

// catchUp compares a new summary with the pending change, if there is one, and reports whether the change is still pending. If the time of the
// change is not known, only the response to a request by ID can show it.
func (e *Entry) catchUp(polled bool) (behind bool) {
	if e.lag == nil {
		return false
	}
	e.lag.staleSince = time.Time{}
	changed, pending := e.pending()
	if pending && (!e.Summary.Missing && incident.Later(changed, e.Summary.LastUpdate()) || changed.IsZero() && !polled) {
		return true
	}
	e.lag = nil
	return false
}

// Pending returns the pending changes, by ID.
func (r *Roster) Pending() (pending []Pending) {
	for id, e := range r.entries {
		if changed, is := e.pending(); is {
			pending = append(pending, Pending{id, changed, e.lag.noted})
		}
	}
	slices.SortFunc(pending, func(a, b Pending) int { return cmp.Compare(a.ID, b.ID) })
	return pending
}
