package incident

import (
	"cmp"
	"slices"
	"strings"
)

// compareAlerts compares the alerts by ID and stores them in after. moved: an
// alert was added, changed or removed.
func (c *Comparer) compareAlerts(before State, s *Snapshot, accept bool, after *State) (changes []AlertChange, moved bool) {
	after.Alerts = make([]AlertState, 0, len(s.Alerts))
	for i := range s.Alerts {
		now, kind := c.compareAlert(before, s, &s.Alerts[i], accept)
		after.Alerts = append(after.Alerts, now)
		if kind == "" {
			continue
		}
		moved = moved || kind.changes()
		changes = append(changes, AlertChange{Kind: kind, ID: now.ID, Alert: &s.Alerts[i], Digest: now.Digest, Revision: now.Revision})
	}
	slices.SortFunc(after.Alerts, byID)
	shown := after.Alerts

	maybeMore := s.Alerts == nil || s.Incomplete || len(s.Alerts) >= alertsCap || len(before.Alerts) >= alertsCap
	remove := func(last AlertState) {
		if _, stays := alertOf(shown, last.ID); stays {
			return
		}
		kept, removal := before.removal(last, maybeMore)
		if removal == 0 {
			after.Alerts = append(after.Alerts, kept)
			return
		}
		moved = true
		after.RetiredRevision = max(after.RetiredRevision, removal)
		changes = append(changes, AlertChange{Kind: Removed, ID: last.ID, Revision: removal})
	}
	for _, last := range before.Alerts {
		remove(last)
	}
	for _, intent := range before.Intent.alerts() {
		if _, delivered := alertOf(before.Alerts, intent.ID); !delivered {
			remove(AlertState{ID: intent.ID})
		}
	}
	if len(after.Alerts) > len(shown) {
		slices.SortFunc(after.Alerts, byID)
	}
	return changes, moved
}

// compareAlert returns the state of an alert of the snapshot and the kind of its
// record; empty: it has none.
func (c *Comparer) compareAlert(before State, s *Snapshot, alert *Alert, accept bool) (AlertState, Kind) {
	now := AlertState{Part: Part{Digest: alert.Digest, Source: s.Source}, LastUpdate: alert.LastUpdate}
	last, known := alertOf(before.Alerts, alert.ID)
	intent, unsure := before.Intent.alert(alert.ID)
	if !known || unsure {
		now.ID, now.Status = strings.Clone(alert.ID), intern(alert.Status)
		now.Revision = before.RetiredRevision + 1
		if unsure {
			now.Revision = intent.revision(false)
		}
		return now, FirstSeen
	}
	now.ID, now.Status, now.Revision = last.ID, last.Status, last.Revision
	if alert.Status != last.Status {
		now.Status = intern(alert.Status)
	}
	now, changed := c.changedAlert(last, now, s, accept)
	switch {
	case changed:
		now.Revision++
		return now, Updated
	case c.snapshots:
		return now, Unchanged
	}
	return now, ""
}

// changedAlert compares two states of an alert and returns the one to store.
func (c *Comparer) changedAlert(last, now AlertState, s *Snapshot, accept bool) (AlertState, bool) {
	switch {
	case last.Digest == Digest{}: // nothing is known about it but that it may have been delivered
		return now, true
	case last.Foreign:
		return now, c.statusOrTimeDiffers(last, now, s)
	}
	shown := now.LastUpdate
	moved := newer(shown, last.LastUpdate) || accept && newer(last.LastUpdate, shown)
	part, changed := last.seen(now.Digest, s.Source, moved)
	if changed && near(shown, last.LastUpdate) && !shown.Equal(last.LastUpdate) &&
		c.ignored.Counts(s.AlertLastUpdateField) && !c.statusOrTimeDiffers(last, now, s) {
		return last, false // only the time is known to differ; keeping it, replicas that alternate do not emit either
	}
	now.Part, now.LastUpdate = part, latest(last.LastUpdate, shown)
	return now, changed
}

// removal returns the revision at which an alert is removed that is not in the
// snapshot, and 0 with the state to keep if it may still be there.
func (s State) removal(last AlertState, maybeMore bool) (kept AlertState, revision uint64) {
	intent, unsure := s.Intent.alert(last.ID)
	switch {
	case unsure && (intent.Gone || !maybeMore): // if it has gone, a complete list has shown that before
		return AlertState{}, intent.revision(true)
	case unsure:
		return AlertState{ID: last.ID, Revision: intent.Revision}, 0
	case maybeMore:
		return last, 0
	}
	return AlertState{}, last.Revision + 1
}

func byID(a, b AlertState) int { return cmp.Compare(a.ID, b.ID) }

// alertOf finds an alert in a list sorted by ID.
func alertOf(alerts []AlertState, id string) (AlertState, bool) {
	i, found := slices.BinarySearchFunc(alerts, id, func(a AlertState, id string) int { return cmp.Compare(a.ID, id) })
	if !found {
		return AlertState{}, false
	}
	return alerts[i], true
}
