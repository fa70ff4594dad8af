// SPDX-License-Identifier: Apache-2.0

package roster

import "time"

// ConfirmMergeAfter is how long after a response that shows another incident a response must show the same one to confirm a merge.
const ConfirmMergeAfter = time.Minute

// suspectedMerge says which other incident the API shows instead of the requested one, which may have been merged into it.
type suspectedMerge struct {
	into  int64
	since time.Time
}

// SuspectMerge records that a response shows another incident instead. The merge is confirmed if a response at least a minute earlier showed
// the same one. While the same incident is shown for several IDs, none counts as merged: something in between returns one incident for all.
func (r *Roster) SuspectMerge(id, into int64, now time.Time) (confirmed bool) {
	e := r.entries[id]
	if e == nil {
		return false
	}
	if e.suspected == nil || e.suspected.into != into {
		e.suspected = &suspectedMerge{into: into, since: now}
	}
	for _, same := range r.entries {
		if same != e && same.suspected != nil && same.suspected.into == into {
			return false
		}
	}
	return now.Sub(e.suspected.since) >= ConfirmMergeAfter
}

// DismissMerge records that a response did not show another incident instead, so a suspected merge was none.
func (r *Roster) DismissMerge(id int64) {
	if e := r.entries[id]; e != nil {
		e.suspected = nil
	}
}
