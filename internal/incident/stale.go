// SPDX-License-Identifier: Apache-2.0

package incident

import "slices"

// compareStale handles a snapshot older than what was delivered. It takes only newer
// versions of known alerts from it. It neither adds nor removes an alert, and the rest
// of the state stays as it is.
func (c *Comparer) compareStale(delivered State, s *Snapshot) (Change, State) {
	change, after := Change{Stale: true}, delivered
	if c.alerts != Split || !c.comparable(delivered, s) {
		return change, after
	}
	var f Fingerprint
	for i := range s.Alerts {
		alert := &s.Alerts[i]
		at, known := slices.BinarySearchFunc(delivered.Alerts, AlertState{ID: alert.ID}, byID)
		if !known || !newer(alert.LastUpdate, delivered.Alerts[at].LastUpdate) {
			continue
		}
		now, updated, _ := c.compareAlert(delivered, s, alert, false, &f)
		if updated.Kind != Updated { // the same content, or an alert of the intent
			continue
		}
		if len(change.Alerts) == 0 {
			after.Alerts = slices.Clone(delivered.Alerts)
		}
		after.Alerts[at] = now
		change.Alerts = append(change.Alerts, updated)
	}
	return change, after
}
