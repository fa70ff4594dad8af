package incident

import "slices"

// compareStale takes from a snapshot older than what was delivered only the
// newer versions of known alerts. It neither adds nor removes an alert, and the
// rest of the state stays as it is.
func (c *Comparer) compareStale(delivered State, s *Snapshot) (Change, State) {
	change, after := Change{Stale: true}, delivered
	if c.alerts != Split || !c.comparable(delivered, s) {
		return change, after
	}
	for i := range s.Alerts {
		alert := &s.Alerts[i]
		at, known := slices.BinarySearchFunc(delivered.Alerts, AlertState{ID: alert.ID}, byID)
		if !known || !newer(alert.LastUpdate, delivered.Alerts[at].LastUpdate) {
			continue
		}
		now, kind, _ := c.compareAlert(delivered, s, alert, false)
		if kind != Updated { // the same content, or an alert of the intent
			continue
		}
		if len(change.Alerts) == 0 {
			after.Alerts = slices.Clone(delivered.Alerts)
		}
		after.Alerts[at] = now
		change.Alerts = append(change.Alerts, AlertChange{Kind: Updated, ID: now.ID, Alert: alert, Digest: now.Digest, Revision: now.Revision})
	}
	return change, after
}
