// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Load fills a new roster with the configured incidents and those of a checkpoint, then removes those that Configure would remove. It returns
// the removed ones; their states can be deleted. All incidents are due now, until Resume is called.
func (r *Roster) Load(configured []int64, summaries map[int64]incident.Summary, now time.Time) (forgotten []*Entry) {
	r.entries = make(map[int64]*Entry, max(len(configured), len(summaries)))
	r.queues[Routine].others = make(queue, 0, len(summaries))
	load := func(ids []int64) {
		for _, id := range ids {
			if r.entries[id] == nil {
				summary, stored := summaries[id]
				r.load(r.newEntry(id, now), summary, stored)
			}
		}
	}
	load(configured)
	load(r.unknown(summaries))
	_, forgotten = r.retain(configured, now)
	return forgotten
}

// unknown lists the incidents that have no entry, sorted.
func (r *Roster) unknown(summaries map[int64]incident.Summary) []int64 {
	var ids []int64
	for id := range summaries {
		if r.entries[id] == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// load fills in an entry that is in no queue yet.
func (r *Roster) load(e *Entry, summary incident.Summary, stored bool) {
	e.Summary, e.stored = summary, stored
	if fetched := summary.Fetched(); !fetched.IsZero() {
		e.class, e.fetched = Routine, fetched.Unix()
	}
	_, closed := summary.ClosedSince()
	e.listed = !closed && summary.Listed() // sweeps poll it
	r.enter(e)
}

// Resume continues the polling cycle of an earlier run. Call it right after Load. due returns when an incident that was polled before is due
// again. It may call Cycle.
func (r *Roster) Resume(due func(incident.Summary) time.Time, now time.Time) {
	if r.rules.Discover { // first, since due may call Cycle, which does not count them
		for _, e := range r.entries {
			if r.resting(e, now) {
				r.change(e, func() { e.due = never() })
			}
		}
	}
	waiting := r.queues[Routine].others // none has timed out yet
	for i := range waiting {
		if e := waiting[i].entry; !e.dormant() {
			e.due = due(e.Summary)
			waiting[i] = r.slot(e)
		}
	}
	heap.Init(&waiting) // once for all entries, which is faster than one by one
}

// Configure sets the configured IDs. It keeps these, the incidents they were merged into and, with discovery, all others, and forgets the
// rest. New incidents are due at once.
func (r *Roster) Configure(ids []int64, now time.Time) (added int, forgotten []*Entry) {
	for _, e := range r.entries {
		e.configured = false
	}
	return r.retain(ids, now)
}

// retain is Configure for a roster in which no entry is marked as configured.
func (r *Roster) retain(ids []int64, now time.Time) (added int, forgotten []*Entry) {
	for _, id := range ids {
		added += r.addChain(id, true, now)
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
			added += r.addChain(id, false, now) // its successor, if it was merged just before the end of an earlier run
			continue
		}
		forgotten = append(forgotten, r.entries[id])
		r.evict(r.entries[id])
	}
	return added, forgotten
}

// Expire forgets discovered incidents that are closed and have not changed for Rules.ForgetAfter, or for which all polls have failed for that
// long. An incident that others were merged into is forgotten with the last of them, since they would bring it back. The change feed discovers
// a forgotten incident again when it shows a change of it.
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
	case e.polling || e.class == Marked && e.tracked():
		return false // its next poll decides
	case e.lag != nil && e.lag.pending && now.Sub(e.lag.noted) < r.rules.ForgetAfter:
		return false // its polls fail or lag, and the pending change must not be lost
	case !e.Summary.Seen && !e.Summary.Missing && !e.Summary.Merged:
		since, closed = time.Unix(e.since, 0), e.Streak != nil
	}
	if changed := e.Summary.LastUpdate(); changed.After(since) && !changed.After(now) {
		since = changed // the same rule as in WorthDiscovering, or its row would bring it back
	}
	return closed && now.Round(0).Sub(since) >= r.rules.ForgetAfter
}

// WorthDiscovering reports whether to track an unknown incident that a list shows: not if it would be forgotten at once. A zero lastUpdate
// is not known.
func (r *Roster) WorthDiscovering(closed bool, lastUpdate, now time.Time) bool {
	return r.rules.Discover && (!closed || lastUpdate.IsZero() || now.Round(0).Sub(lastUpdate) < r.rules.ForgetAfter)
}
