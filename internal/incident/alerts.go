// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// maxLag is how long after its change an alert may be missing in a Get because
	// a replica lags.
	maxLag = 10 * time.Minute
	// minRecheck is the shortest wait before the Get that follows.
	minRecheck = 30 * time.Second
)

// alertsDiff is what a comparison of the alerts finds.
type alertsDiff struct {
	changes []AlertChange
	moved   bool // an alert was added, changed or removed
	doubt   bool // in a row: only a Get can decide
	older   bool // an alert was ignored because a later version was delivered
	// again is how long to wait before looking again for an alert that the Get lacks but
	// that may be there; zero if there is none.
	again time.Duration
}

// compareAlerts compares the alerts by ID and stores them in after. later: the
// incident has changed since it was delivered.
func (c *Comparer) compareAlerts(before State, s *Snapshot, later, accept bool, after *State) (diff alertsDiff) {
	var f Fingerprint
	after.Alerts = make([]AlertState, 0, len(s.Alerts))
	for i := range s.Alerts {
		if !later && !accept && s.Source == FromList && before.unknown(s.Alerts[i].ID) {
			diff.doubt = true // a Get may have shown that it was removed
			continue
		}
		now, change, seen := c.compareAlert(before, s, &s.Alerts[i], accept, &f)
		diff.older = diff.older || seen == outdated
		diff.doubt = diff.doubt || seen == doubtful || seen == outdated && c.alerts == Embedded
		after.Alerts = append(after.Alerts, now)
		if change.Kind == "" {
			continue
		}
		diff.moved = diff.moved || change.Kind.changes()
		diff.changes = append(diff.changes, change)
	}
	slices.SortFunc(after.Alerts, byID)
	shown := after.Alerts

	maybeMore := s.Alerts == nil || s.Incomplete || len(s.Alerts) >= alertsCap || len(before.Alerts) >= alertsCap
	remove := func(last AlertState) {
		if _, stays := alertOf(shown, last.ID); stays {
			return
		}
		again := c.lags(last, s)
		kept, removal := before.removal(last, maybeMore || s.Source == FromList || again > 0)
		if removal == 0 {
			diff.doubt = diff.doubt || !maybeMore
			kept.Left = kept.Left || s.Source == FromList && !maybeMore
			if again > 0 && !maybeMore && (diff.again == 0 || again < diff.again) {
				diff.again = again
			}
			after.Alerts = append(after.Alerts, kept)
			return
		}
		diff.moved = true
		after.RetiredRevision = max(after.RetiredRevision, removal)
		diff.changes = append(diff.changes, AlertChange{Kind: Removed, ID: last.ID, Revision: removal, Title: last.Title, Severity: last.Severity})
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
	return diff
}

// unknown reports whether the incident was delivered without this alert.
func (s State) unknown(id string) bool {
	_, known := alertOf(s.Alerts, id)
	_, unsure := s.Intent.alert(id)
	return s.Seen && !known && !unsure
}

// compareAlert returns the state of an alert in the snapshot, its change, and how it
// compares with what was delivered. A change without a Kind has no record.
func (c *Comparer) compareAlert(before State, s *Snapshot, alert *Alert, accept bool, f *Fingerprint) (AlertState, AlertChange, sight) {
	now, kind, seen := c.kindOfAlert(before, s, alert, accept)
	last, _ := alertOf(before.Alerts, alert.ID)
	if c.alerts == Split {
		now.describe(last, alert, f)
	}
	change := AlertChange{Kind: kind, ID: now.ID, Alert: alert, Digest: now.Digest, Revision: now.Revision}
	if kind == Updated {
		change.Fields = c.changedFields(last, now, s, alert)
		if !sameStatus(last.Status, now.Status) {
			change.PreviousStatus = last.Status
		}
	}
	return now, change, seen
}

// describe adds title, severity and prints to the state of an alert. last is
// the previous state.
func (a *AlertState) describe(last AlertState, alert *Alert, f *Fingerprint) {
	a.Title, a.Severity, a.Prints = last.Title, last.Severity, last.Prints
	same := a.Digest == alert.Digest // false for another rendering, or an older version
	if same || a.Title == "" && a.Severity == "" {
		a.Title, a.Severity = kept(alert.Title, last.Title), kept(alert.Severity, last.Severity)
	}
	if same && (a.Prints == "" || last.Foreign || last.Digest != a.Digest) {
		a.Prints = f.prints(alert.Object)
	}
}

// changedFields returns which fields of an alert are known to have changed, sorted. If
// the source renders the alert in its own way, or the API was switched, only changes
// of the status and the time are known.
func (c *Comparer) changedFields(last, now AlertState, s *Snapshot, alert *Alert) (names []string) {
	near := near(last.LastUpdate, alert.LastUpdate)
	if !last.Foreign && (last.Source == s.Source || last.Source == fromBoth) && last.Prints != "" && now.Prints != "" {
		return slices.DeleteFunc(now.Prints.changed(last.Prints, namesOf(alert.Object)), func(name string) bool {
			return near && name == s.AlertLastUpdateField
		})
	}
	if c.ignored.Counts(statusField) && !sameStatus(last.Status, now.Status) {
		names = append(names, statusField)
	}
	if c.ignored.Counts(s.AlertLastUpdateField) && !sameTime(last.LastUpdate, now.LastUpdate) {
		names = append(names, s.AlertLastUpdateField)
	}
	slices.Sort(names)
	return names
}

// kindOfAlert returns the state of an alert in the snapshot, without its
// description, the kind of its record (empty: it has none), and how it compares with
// what was delivered.
func (c *Comparer) kindOfAlert(before State, s *Snapshot, alert *Alert, accept bool) (AlertState, Kind, sight) {
	now := AlertState{Part: Part{Digest: alert.Digest, Source: s.Source}, LastUpdate: alert.LastUpdate}
	last, known := alertOf(before.Alerts, alert.ID)
	intent, unsure := before.Intent.alert(alert.ID)
	switch {
	case !known || unsure:
		now.ID, now.Status = strings.Clone(alert.ID), intern(alert.Status)
		now.Revision = before.RetiredRevision + 1
		if unsure {
			now.Revision = intent.revision(false)
		}
		return now, FirstSeen, differs
	case !accept && newer(last.LastUpdate, alert.LastUpdate):
		return last, "", outdated
	}
	now.ID, now.Status, now.Revision = last.ID, last.Status, last.Revision
	if alert.Status != last.Status {
		now.Status = intern(alert.Status)
	}
	now, seen := c.changedAlert(last, now, s, accept)
	switch {
	case seen == differs:
		now.Revision++
		return now, Updated, seen
	case c.snapshots:
		return now, Unchanged, seen
	}
	return now, "", seen
}

// changedAlert compares two states of an alert and returns the one to store.
func (c *Comparer) changedAlert(last, now AlertState, s *Snapshot, accept bool) (AlertState, sight) {
	switch {
	case last.Digest == Digest{}: // all that is known is that it may have been delivered
		return now, differs
	case last.Foreign && c.statusOrTimeDiffers(last, now, s):
		return now, differs
	case last.Foreign:
		return now, alike
	}
	shown := now.LastUpdate
	moved := newer(shown, last.LastUpdate) || accept && newer(last.LastUpdate, shown)
	part, seen := last.seen(now.Digest, s.Source, moved)
	if seen != alike && near(shown, last.LastUpdate) && !shown.Equal(last.LastUpdate) &&
		c.ignored.Counts(s.AlertLastUpdateField) && !c.statusOrTimeDiffers(last, now, s) {
		return last, alike // only the time is known to differ; keeping it prevents records when replicas alternate
	}
	if seen == doubtful {
		last.Part = part
		return last, doubtful
	}
	now.Part, now.LastUpdate = part, latest(last.LastUpdate, shown)
	if s.Source == FromList && shown.IsZero() {
		now.LastUpdate = last.LastUpdate
	}
	return now, seen
}

// removal handles an alert that is not in the snapshot. It returns the revision of
// its removal, or 0 and the state to keep if the alert may still be there.
func (s State) removal(last AlertState, maybeMore bool) (kept AlertState, revision uint64) {
	intent, unsure := s.Intent.alert(last.ID)
	switch {
	case unsure && (intent.Gone || !maybeMore): // if Gone, a complete list has shown that before
		return AlertState{}, intent.revision(true)
	case unsure:
		return AlertState{ID: last.ID, Revision: intent.Revision}, 0
	case maybeMore:
		return last, 0
	}
	return AlertState{}, last.Revision + 1
}

// lags returns how long to wait before requesting the incident again if the Get
// lacks an alert that only a row has shown, a short time before: a replica of the
// service may lag behind the list. The wait grows with the time that has passed.
// Zero means that the alert has left. Embedded alerts are not kept, since the record
// would lack them.
func (c *Comparer) lags(last AlertState, s *Snapshot) time.Duration {
	age := s.Observed.Sub(last.LastUpdate)
	_, shown := last.shownBy(FromGet)
	if s.Source != FromGet || c.alerts != Split || shown || last.Left || age.Abs() >= maxLag {
		return 0
	}
	return max(minRecheck, min(age, maxLag-age))
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
