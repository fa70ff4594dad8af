// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"slices"
	"time"
)

// follow adds the successor of a merged incident. It is configured if the merged incident is.
func (r *Roster) follow(merged *Entry, now time.Time) (cycle []int64) {
	successor := r.entries[merged.Summary.Successor]
	if successor == nil {
		successor = r.add(merged.Summary.Successor, now)
	}
	for e := successor; merged.configured && e != nil && !e.configured; e = r.entries[e.Summary.Successor] {
		r.configure(e, now)
	}
	return r.mergeCycle(merged.ID)
}

// configure marks an incident as listed, or as the successor of a listed one. Such an incident never rests.
func (r *Roster) configure(e *Entry, now time.Time) {
	e.configured = true
	if e.dormant() {
		r.change(e, func() { e.due = now })
	}
}

// mergeChain lists an incident and its successors, to the end of the chain or until it repeats.
func (r *Roster) mergeChain(id int64) []int64 {
	var chain []int64
	for id != 0 && !slices.Contains(chain, id) {
		chain = append(chain, id)
		id = 0
		if e := r.entries[chain[len(chain)-1]]; e != nil {
			id = e.Summary.Successor
		}
	}
	return chain
}

// mergeCycle lists the incidents of the cycle in which a merge chain ends, sorted. It returns nil if the chain ends with a polled incident.
func (r *Roster) mergeCycle(id int64) []int64 {
	if e := r.entries[id]; e == nil || !e.Summary.Superseded() {
		return nil
	}
	chain := r.mergeChain(id)
	last := r.entries[chain[len(chain)-1]]
	if last == nil || !last.Summary.Superseded() {
		return nil
	}
	cycle := slices.Clone(chain[slices.Index(chain, last.Summary.Successor):]) // the chain ends where it would repeat
	slices.Sort(cycle)
	return cycle
}

// MergeCycles lists the cycles in which the merge chains of the IDs end, each once. No incident in a cycle is polled.
func (r *Roster) MergeCycles(ids []int64) (cycles [][]int64) {
	for _, id := range ids {
		cycle := r.mergeCycle(id)
		if cycle == nil || slices.ContainsFunc(cycles, func(other []int64) bool { return slices.Equal(other, cycle) }) {
			continue
		}
		cycles = append(cycles, cycle)
	}
	return cycles
}

// addChain adds the unknown incidents of an ID's merge chain, due at once. If configured, it configures the whole chain.
func (r *Roster) addChain(id int64, configured bool, now time.Time) (added int) {
	if e := r.entries[id]; e != nil && e.Summary.Successor == 0 { // nearly all
		if configured {
			r.configure(e, now)
		}
		return 0
	}
	for _, id := range r.mergeChain(id) {
		e := r.entries[id]
		if e == nil {
			e = r.add(id, now)
			added++
		}
		if configured {
			r.configure(e, now)
		}
	}
	return added
}
