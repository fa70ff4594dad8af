package roster

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Load adds the incidents of a checkpoint, then keeps those that Configure keeps. It returns the others, whose states can be deleted. All
// incidents are due now, until Resume.
func (r *Roster) Load(configured []int64, summaries map[int64]incident.Summary, now time.Time) (forgotten []*Entry) {
	for _, ids := range [][]int64{configured, slices.Sorted(maps.Keys(summaries))} {
		for _, id := range ids {
			if r.entries[id] == nil {
				summary, stored := summaries[id]
				r.load(r.newEntry(id, now), summary, stored)
			}
		}
	}
	_, forgotten = r.Configure(configured, now)
	return forgotten
}

// load fills in an entry that is in no queue yet.
func (r *Roster) load(e *Entry, summary incident.Summary, stored bool) {
	e.Summary, e.stored = summary, stored
	if !summary.Fetched().IsZero() {
		e.class = Routine
	}
	r.enter(e)
}

// Resume continues the polling cycle of an earlier run. due returns when an incident that was polled before is due again; it may call
// Cycle.
func (r *Roster) Resume(due func(incident.Summary) time.Time, now time.Time) {
	for _, e := range r.entries { // first, since due may call Cycle, which leaves them out
		if r.resting(e, now) {
			r.change(e, func() { e.due = never() })
		}
	}
	for _, e := range r.entries {
		if e.dormant() || e.Summary.Fetched().IsZero() {
			continue
		}
		e.due = due(e.Summary)
		if e.waiting() {
			(*r.queueOf(e))[e.at] = r.slot(e)
		}
	}
	for class := range r.queues { // once for all, which is faster than one by one
		heap.Init(&r.queues[class].others)
		heap.Init(&r.queues[class].hung)
	}
}

// Configure sets the configured IDs. It keeps these, the incidents they were merged into and, with discovery, all others. New incidents
// are due at once.
func (r *Roster) Configure(ids []int64, now time.Time) (added int, forgotten []*Entry) {
	for _, e := range r.entries {
		e.configured = false
	}
	for _, id := range ids {
		added += r.reach(id, true, now)
	}
	var others []int64
	for id, e := range r.entries {
		if !e.configured {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	for _, id := range others {
		if r.rules.Discover {
			added += r.reach(id, false, now) // the successor of one that was merged just before the end of an earlier run
			continue
		}
		forgotten = append(forgotten, r.entries[id])
		r.evict(r.entries[id])
	}
	return added, forgotten
}

// Expire forgets discovered incidents that are closed and have not changed for Rules.ForgetAfter, or whose polls have failed for that long
// from the start. An incident that others were merged into is forgotten with the last of them: otherwise they would bring it back. The
// change feed discovers a forgotten incident again when it shows a change of it.
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
	case e.polling || e.class == Marked && e.Tracked():
		return false // its next poll decides
	case e.lag != nil && e.lag.pending && now.Sub(e.lag.noted) < r.rules.ForgetAfter:
		return false // its polls fail or lag, and the pending change must not be lost
	case !e.Summary.Seen && !e.Summary.Missing && !e.Summary.Merged:
		since, closed = time.Unix(e.since, 0), e.Streak != nil
	}
	if changed := e.Summary.LastUpdate(); changed.After(since) && !changed.After(now) {
		since = changed // by the same rule as WorthDiscovering, or its row would bring it back
	}
	return closed && now.Round(0).Sub(since) >= r.rules.ForgetAfter
}

// WorthDiscovering says whether to track an unknown incident that a list shows: not if it would be forgotten at once. A zero lastUpdate
// is not known.
func (r *Roster) WorthDiscovering(closed bool, lastUpdate, now time.Time) bool {
	return r.rules.Discover && (!closed || lastUpdate.IsZero() || now.Round(0).Sub(lastUpdate) < r.rules.ForgetAfter)
}
