// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"time"
)

// compareSomeAlerts compares each alert of the snapshot by its own time and leaves the
// rest of the state as it is. An alert that was not delivered is added if no alert can
// have left the incident, or if it changed after the last Get. Otherwise a Get must
// show that it is there.
func (c *Comparer) compareSomeAlerts(delivered State, s *Snapshot) (Change, State) {
	before := delivered.base()
	switch {
	case c.alerts == None || before.Merged || before.Missing:
		return Change{}, delivered
	case !before.Seen || !c.comparable(before, s):
		return Change{Doubt: true}, delivered
	}
	var change Change
	var f Fingerprint
	after, doubt := delivered, delivered.Doubt
	after.Alerts = slices.Clone(delivered.Alerts)
	for i := range s.Alerts {
		alert := &s.Alerts[i]
		if !after.admits(alert, s.Ahead) {
			doubt = true
			continue
		}
		now, of, seen := c.compareAlert(after, s, alert, false, &f)
		doubt = doubt || seen == doubtful
		after.put(now)
		if of.Kind.changes() {
			after.Intent = after.Intent.without(now.ID)
			change.Alerts = append(change.Alerts, of)
		}
	}
	if c.alerts == Embedded && (doubt || !change.Empty()) {
		return Change{Doubt: true}, delivered
	}
	change.Doubt, after.Doubt = doubt, doubt
	return change, after
}

// admits reports whether an alert of a row can be compared or added. Its time is from
// the service's clock, and Fetched is from ours. ahead is the most by which the
// service's clock is ahead.
func (s State) admits(alert *Alert, ahead time.Duration) bool {
	last, known := alertOf(s.Alerts, alert.ID)
	if intent, unsure := s.Intent.alert(alert.ID); unsure { // a row may still show the alert as it was before it left
		return !intent.Gone && !newer(last.LastUpdate, alert.LastUpdate)
	}
	return known || s.AlertsUnseen || Later(alert.LastUpdate.Add(-ahead), s.Fetched)
}

// put replaces the alert or adds it. It modifies the list.
func (s *State) put(alert AlertState) {
	at, known := slices.BinarySearchFunc(s.Alerts, alert, byID)
	if known {
		s.Alerts[at] = alert
		return
	}
	s.Alerts = slices.Insert(s.Alerts, at, alert)
}
