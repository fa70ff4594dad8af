package roster

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Load takes over what a checkpoint holds, then keeps what Configure keeps. It returns the incidents that are not known any more:
// their states can be deleted. All that is known is due now, until Resume.
func (r *Roster) Load(configured []int64, summaries map[int64]incident.Summary, now time.Time) (forgotten []*Entry) {
	for _, ids := range [][]int64{configured, slices.Sorted(maps.Keys(summaries))} {
		for _, id := range ids {
			if r.entries[id] == nil {
				summary, stored := summaries[id]
				r.load(r.add(id, now), summary, stored)
			}
		}
	}
	_, forgotten = r.Configure(configured, now)
	return forgotten
}

func (r *Roster) load(e *Entry, summary incident.Summary, stored bool) {
	r.change(e, func() {
		e.Summary, e.stored = summary, stored
		if !summary.Fetched().IsZero() {
			e.class = Routine
		}
	})
}

// Resume continues the polling cycle of an earlier run: due says when an incident that was polled before is due again. It may ask for
// Cycle.
func (r *Roster) Resume(due func(incident.Summary) time.Time, now time.Time) {
	for _, e := range r.entries { // these first, for they lengthen no cycle
		if r.resting(e, now) {
			r.change(e, func() { e.due = never() })
		}
	}
	for _, e := range r.entries {
		if e.dormant() || e.Summary.Fetched().IsZero() {
			continue
		}
		at := due(e.Summary)
		r.change(e, func() { e.due = at })
	}
}

// Configure takes over the configured IDs. It keeps those, what they were merged into and, with discovery, all others. What is new is
// due at once.
func (r *Roster) Configure(ids []int64, now time.Time) (added int, forgotten []*Entry) {
	for _, e := range r.entries {
		e.configured = false
	}
	for _, id := range ids {
		added += r.reach(id, true, now)
	}
	for _, id := range slices.Sorted(maps.Keys(r.entries)) {
		e := r.entries[id]
		switch {
		case e.configured:
		case r.rules.Discover:
			added += r.reach(id, false, now) // the successor of one that was merged just before the end of an earlier run
		default:
			r.evict(e)
			forgotten = append(forgotten, e)
		}
	}
	return added, forgotten
}

// Expire forgets the discovered incidents whose time has come: those that are closed and have not changed for the time in the rules, or
// whose polls have failed for so long from the start. One that others were merged into is forgotten with the last of them, so that none of them
// leads back to it. A forgotten incident is discovered again when the change feed shows a change of it.
func (r *Roster) Expire(now time.Time) (forgotten []*Entry) {
	if !r.rules.Discover {
		return nil
	}
	expired := map[int64]*Entry{}
	for id, e := range r.entries {
		if !e.configured && r.expired(e, now) {
			expired[id] = e
		}
	}
	for again := len(expired) > 0; again; {
		again = false
		for _, e := range r.entries {
			successor := e.Summary.Successor
			if _, leaves := expired[e.ID]; !leaves && successor != 0 && expired[successor] != nil {
				delete(expired, successor)
				again = true
			}
		}
	}
	for _, e := range expired {
		r.evict(e)
		forgotten = append(forgotten, e)
	}
	slices.SortFunc(forgotten, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
	return forgotten
}

func (r *Roster) expired(e *Entry, now time.Time) bool {
	since, closed := e.Summary.ClosedSince()
	switch {
	case e.flight != nil || e.class == Marked && e.Tracked():
		return false // its poll will show what it is by now
	case e.lag != nil && e.lag.pending && now.Sub(e.lag.noted) < r.rules.ForgetAfter:
		return false // its polls fail, or lag: what a list has shown must not be lost
	case !e.Summary.Seen && !e.Summary.Missing && !e.Summary.Merged:
		since, closed = time.Unix(e.since, 0), e.Streak != nil
	}
	if changed := e.Summary.LastUpdate(); changed.After(since) && !changed.After(now) {
		since = changed // as WorthDiscovering has it: or else its row would bring it back
	}
	return closed && now.Round(0).Sub(since) >= r.rules.ForgetAfter
}

// WorthDiscovering says whether an incident that a list shows would not be forgotten at once. A zero lastUpdate is not known.
func (r *Roster) WorthDiscovering(closed bool, lastUpdate, now time.Time) bool {
	return r.rules.Discover && (!closed || lastUpdate.IsZero() || now.Round(0).Sub(lastUpdate) < r.rules.ForgetAfter)
}
