package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

const (
	// farAway is when to look again if nothing is known to happen before.
	farAway = time.Hour
	// successorInterval is how often a merged incident is asked again for the
	// successor that it does not name yet.
	successorInterval = time.Hour
)

// intervalOf is how long after an answer the incident is due again.
func (p *poller) intervalOf(merged bool, round int, now time.Time) time.Duration {
	interval := p.interval(round, now)
	if merged {
		return max(interval, successorInterval)
	}
	return interval
}

// interval is how long after an answer an incident is due again, as the quota
// allows for rounds of so many requests.
func (p *poller) interval(round int, now time.Time) time.Duration {
	return tracker.Interval(p.cfg.CollectionInterval, p.gets.Spacing(now, quota.Repeat), round)
}

// round is how many requests it takes to ask for all incidents.
func (p *poller) round() int { return p.tracker.Len() + p.further.all }

// furtherPages are how many requests beyond the first those incidents take whose
// alerts come in pages.
type furtherPages struct {
	of  map[int64]int
	all int
}

// note takes up how many pages an incident has; up to 1: no further ones.
func (f *furtherPages) note(id int64, pages int) {
	further := max(0, pages-1)
	f.all += further - f.of[id]
	if further == 0 {
		delete(f.of, id)
		return
	}
	f.of[id] = further
}

// task is what to ask the API for: an incident, the rest of one, or a page of
// the change feed.
type task struct {
	id   int64                 // 0: a page
	due  time.Time             // of an incident from its beginning
	rest *defender.Rest        // nil: the incident from its beginning
	page *defender.ListRequest // nil: an incident
}

// next is what to ask for now, the page of the feed first; or not ok, and when
// to look again.
func (p *poller) next(now time.Time) (t task, ok bool, wake time.Time) {
	if p.pending != nil {
		return task{}, false, p.pending.retryAt(now)
	}
	if p.inFlight == p.cfg.MaxConcurrentRequests {
		return task{}, false, now.Add(farAway)
	}
	pageAt, pageOK := p.feed.when(now)
	if pageOK && !pageAt.After(now) {
		request := defender.ListRequest(p.feed.cursor.Request())
		return task{page: &request}, true, now
	}
	if len(p.unfinished) > 0 {
		t, wake = p.nextRest(now)
	} else {
		t, wake = p.nextIncident(now)
	}
	if t.id == 0 && pageOK && pageAt.Before(wake) {
		wake = pageAt
	}
	return t, t.id != 0, wake
}

// nextRest goes on with an incident that has more alerts than were shown yet, or
// says when to look again. No other is begun before, so that no more of them are
// held than may be in flight; so it may use what is kept for fresh ones.
func (p *poller) nextRest(now time.Time) (t task, wake time.Time) {
	at, ok := p.gets.Next(now, quota.Fresh)
	switch {
	case !ok:
		return task{}, now.Add(farAway)
	case at.After(now):
		return task{}, at
	}
	return task{id: p.unfinished[0].ID(), rest: p.unfinished[0]}, now
}

// nextIncident is the incident to fetch now, or none and when to look again.
func (p *poller) nextIncident(now time.Time) (t task, wake time.Time) {
	wake = now.Add(farAway)
	// At most half of the slots are for incidents that hung before.
	fresh, repeat := p.tracker.Next(now, max(1, p.cfg.MaxConcurrentRequests/2))
	demand := quota.Fresh
	if !fresh.Ahead {
		demand = quota.Repeat
	}
	freshAt, freshOK := p.when(fresh, demand, now)
	repeatAt, repeatOK := p.when(repeat, quota.Repeat, now)
	freshGoes, repeatGoes := freshOK && !freshAt.After(now), repeatOK && !repeatAt.After(now)
	switch {
	case freshGoes && (fresh.Ahead || !repeatGoes || !repeat.Due.Before(fresh.Due)):
		return task{id: fresh.ID, due: fresh.Due}, now
	case repeatGoes:
		return task{id: repeat.ID, due: repeat.Due}, now
	}
	for _, c := range []struct {
		at time.Time
		ok bool
	}{{freshAt, freshOK}, {repeatAt, repeatOK}} {
		if c.ok && c.at.Before(wake) {
			wake = c.at
		}
	}
	return task{}, wake
}

// when is the moment at which a candidate may go: it is due and the quota has
// room. Not ok: that cannot be said before a request in flight has ended.
func (p *poller) when(c tracker.Candidate, demand quota.Demand, now time.Time) (time.Time, bool) {
	if !c.OK {
		return time.Time{}, false
	}
	at, ok := p.gets.Next(now, demand)
	if c.Due.After(at) {
		at = c.Due
	}
	return at, ok
}

// sending notes that a fetch is about to begin.
func (p *poller) sending(t task, now time.Time) {
	p.inFlight++
	if t.page != nil {
		p.listing(now)
		return
	}
	p.gets.Send(now)
	p.saveAccount(now)
	if t.rest != nil {
		p.unfinished = slices.Delete(p.unfinished, 0, 1)
		return
	}
	p.measureLag(t.due, now)
	p.tracker.Start(t.id)
}
