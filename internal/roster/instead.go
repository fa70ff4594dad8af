// SPDX-License-Identifier: Apache-2.0

package roster

import "time"

// ConfirmAfter is how long after a response with another incident's ID the same ID must be returned again to count as a merge.
const ConfirmAfter = time.Minute

// instead is another incident that the API shows instead of the one that was requested.
type instead struct {
	id    int64
	since time.Time
}

// ShownInstead records that a response shows another incident, and reports whether a response at least a minute earlier showed the same one.
// While the same incident is shown for several IDs, none counts as merged: something in between returns one incident for all.
func (r *Roster) ShownInstead(id, other int64, now time.Time) (confirmed bool) {
	e := r.entries[id]
	if e == nil {
		return false
	}
	if e.instead == nil || e.instead.id != other {
		e.instead = &instead{id: other, since: now}
	}
	for _, same := range r.entries {
		if same != e && same.instead != nil && same.instead.id == other {
			return false
		}
	}
	return now.Sub(e.instead.since) >= ConfirmAfter
}

// ShownItself records that a response did not show another incident.
func (r *Roster) ShownItself(id int64) {
	if e := r.entries[id]; e != nil {
		e.instead = nil
	}
}
