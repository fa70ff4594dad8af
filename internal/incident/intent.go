// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"cmp"
	"slices"
)

// Intent records what is about to be delivered about an incident or alerts that appear
// or disappear. It is stored before the delivery, and removed after it. If the process
// ends in between, it is unknown whether the records were accepted. Something that
// disappeared and returned, or appeared and disappeared again, then looks unchanged.
// Therefore everything in an intent is emitted again as it is then: with the same
// revision if it is still the same, otherwise with the next one.
type Intent struct {
	// Revision of the incident's own record if the incident disappeared (Gone) or
	// returned; 0 if it did neither.
	Revision uint64 `json:"revision,omitzero"`
	Gone     bool   `json:"gone,omitzero"`
	// Alerts that appeared or disappeared, sorted by ID.
	Alerts []AlertIntent `json:"alerts,omitzero"`
	// Embedded: an alert appeared or disappeared within the incident's own record.
	Embedded bool `json:"embedded,omitzero"`
}

// AlertIntent is an alert whose appearance, or disappearance if Gone, may have
// been delivered with this revision.
type AlertIntent struct {
	ID       string `json:"id"`
	Revision uint64 `json:"r"`
	Gone     bool   `json:"gone,omitzero"`
}

// Intent returns what to store with the previous state while the change is being
// delivered; nil if nothing appears or disappears.
func (c *Comparer) Intent(change Change, before, after State) *Intent {
	var i Intent
	if before.Intent != nil { // what an earlier process may have delivered
		i = *before.Intent
	}
	i.Embedded = i.Embedded || c.alerts == Embedded && before.Seen && !sameAlerts(before.Alerts, after.Alerts)
	i.Alerts = mergeIntents(i.Alerts, change.Alerts)
	switch {
	case change.Kind == NotFound:
		i.Revision, i.Gone = after.Revision, true
		for n := range i.Alerts {
			a := &i.Alerts[n]
			a.Revision, a.Gone = a.revision(true), true
		}
	case change.Kind.changes() && (i.Revision != 0 || before.Missing):
		i.Revision, i.Gone = after.Revision, false
	}
	return i.orNil()
}

// orNil returns nil if the intent is empty.
func (i Intent) orNil() *Intent {
	if i.Revision == 0 && !i.Embedded && len(i.Alerts) == 0 {
		return nil
	}
	return &i
}

// mergeIntents returns a new list of the earlier intents and the intents of the
// changes. The latter replace earlier ones of the same alert.
func mergeIntents(earlier []AlertIntent, changes []AlertChange) []AlertIntent {
	var merged []AlertIntent
	for _, a := range changes {
		if a.Kind == FirstSeen || a.Kind == Removed {
			merged = append(merged, AlertIntent{ID: a.ID, Revision: a.Revision, Gone: a.Kind == Removed})
		}
	}
	slices.SortFunc(merged, byIntentID)
	replaced := merged
	for _, a := range earlier {
		if _, found := slices.BinarySearchFunc(replaced, a, byIntentID); !found {
			merged = append(merged, a)
		}
	}
	slices.SortFunc(merged, byIntentID)
	return merged
}

func byIntentID(a, b AlertIntent) int { return cmp.Compare(a.ID, b.ID) }

// sameAlerts compares the IDs of two sorted lists.
func sameAlerts(before, after []AlertState) bool {
	return slices.EqualFunc(before, after, func(a, b AlertState) bool { return a.ID == b.ID })
}

// ofAlerts returns what remains of the intent after the incident's own record was
// delivered; nil if nothing does.
func (i *Intent) ofAlerts() *Intent { return Intent{Alerts: i.alerts()}.orNil() }

// without returns what remains of the intent after this alert was delivered; nil
// if nothing does.
func (i *Intent) without(id string) *Intent {
	if _, found := i.alert(id); !found {
		return i
	}
	rest := *i
	rest.Alerts = slices.DeleteFunc(slices.Clone(i.Alerts), func(a AlertIntent) bool { return a.ID == id })
	return rest.orNil()
}

func (i *Intent) alerts() []AlertIntent {
	if i == nil {
		return nil
	}
	return i.Alerts
}

func (i *Intent) alert(id string) (AlertIntent, bool) {
	alerts := i.alerts()
	at, found := slices.BinarySearchFunc(alerts, AlertIntent{ID: id}, byIntentID)
	if !found {
		return AlertIntent{}, false
	}
	return alerts[at], true
}

// revision returns the revision with which to deliver the alert's
// appearance or disappearance.
func (a AlertIntent) revision(gone bool) uint64 {
	if a.Gone == gone {
		return a.Revision // the same change again
	}
	return a.Revision + 1
}

// nextRevision returns the revision of the incident's next own record. gone: the API
// does not have the incident.
func (s State) nextRevision(gone bool) uint64 {
	switch i := s.Intent; {
	case i == nil || i.Revision == 0:
		return s.Revision + 1
	case i.Gone == gone:
		return i.Revision // the same change again
	default:
		return i.Revision + 1
	}
}

// retired returns the highest revision of any alert, including those that may
// have been delivered.
func (s State) retired() uint64 {
	highest := s.RetiredRevision
	for _, a := range s.Alerts {
		highest = max(highest, a.Revision)
	}
	for _, a := range s.Intent.alerts() {
		highest = max(highest, a.Revision)
	}
	return highest
}

// base returns what a snapshot is compared with. If the incident may have been
// delivered as disappeared or returned, that is an empty state.
func (s State) base() State {
	if s.Intent == nil || s.Intent.Revision == 0 {
		return s
	}
	return State{Revision: s.Revision, RetiredRevision: s.retired(), Intent: s.Intent}
}
