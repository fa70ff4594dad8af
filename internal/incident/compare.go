// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"strings"
	"time"
	"unique"
)

// Comparer finds what has changed since the last delivery. It is immutable.
type Comparer struct {
	alerts    AlertsMode
	snapshots bool
	ignored   Ignored
	basis     uint32
}

// NewComparer returns a Comparer. With snapshots, content that has not changed is
// reported as Unchanged. The snapshots' digests must leave out the ignored names.
// basis identifies these names: a state with another basis was made with other names,
// so its digests cannot be compared.
func NewComparer(alerts AlertsMode, snapshots bool, ignored Ignored, basis uint32) *Comparer {
	return &Comparer{alerts: alerts, snapshots: snapshots, ignored: ignored, basis: basis}
}

// Compare returns what the snapshot changes and the state to store once the
// records of the change have been accepted. It does not modify delivered.
//
// A snapshot older than what was delivered is stale. Nothing is taken from it, except
// newer versions of known alerts if alerts are split. An alert older than its delivered
// version is ignored too.
//
// A Get may lag behind a row. If it lacks an alert that only a row has shown, and that
// changed less than 10 minutes ago, the alert is not removed. The change then says
// when to request the incident Again.
//
// A row of the list may lag behind what a Get has shown. It removes no alert, and if
// only a Get can decide whether something has changed, the change has a Doubt. A row
// that shows OwnFields does not affect the alerts, and one that shows SomeAlerts
// affects nothing else. Neither is reported as Unchanged. With embedded alerts,
// nothing is delivered from such rows: anything new in them is a Doubt. Without
// alerts, OwnFields count as Everything.
//
// If the stored digests cannot be compared with the snapshot's, because they are from
// the other API or leave out other names, only status and times are compared. Other
// differences are adopted silently.
func (c *Comparer) Compare(delivered State, s *Snapshot) (Change, State) {
	switch {
	case s.Shows == SomeAlerts:
		return c.compareSomeAlerts(delivered, s)
	case newer(delivered.base().LastUpdate, s.LastUpdate):
		return c.compareStale(delivered, s)
	}
	return c.compare(delivered, s, false)
}

// Accept is Compare for a snapshot that is accepted however old it is. It
// must show Everything.
func (c *Comparer) Accept(delivered State, s *Snapshot) (Change, State) {
	return c.compare(delivered, s, true)
}

func (c *Comparer) compare(delivered State, s *Snapshot, accept bool) (Change, State) {
	before := delivered.base()
	adopted := before.Seen && !c.comparable(before, s)
	switch {
	case !before.Seen:
		before.Source = s.Source // the other source has not shown anything yet
	case adopted:
		before = c.adopt(before, s)
	}
	moved := newer(s.LastUpdate, before.LastUpdate) || accept && newer(before.LastUpdate, s.LastUpdate)
	row, whole := s.Source == FromList, c.whole(s)
	after := State{
		Seen: true, API: s.API, Basis: c.basis, Merged: s.Merged, Successor: s.SuccessorID,
		Status: intern(s.Status), LastUpdate: latest(before.LastUpdate, s.LastUpdate),
		Source:          before.Source,
		Revision:        before.Revision,
		RetiredRevision: before.RetiredRevision,
		Fetched:         s.Observed.Round(0),
	}
	if !s.Incomplete {
		after.Source = before.Source.and(s.Source)
	}
	after.keepUnshown(before, s)

	own := c.compareFields(before, s, moved, &after)
	if row && before.Seen && !moved && !own.status && !before.sameState(s) {
		after.Status, after.Merged, after.Successor = before.Status, before.Merged, before.Successor
		own.doubt = true
	}
	var alerts alertsDiff
	switch {
	case after.Merged || c.alerts == None:
		after.RetiredRevision = before.retired()
	case !whole:
		after.keepAlerts(before)
	default:
		alerts = c.compareAlerts(before, s, newer(s.LastUpdate, before.LastUpdate), accept, &after)
		after.AlertsUnseen = before.AlertsUnseen && s.Incomplete
	}
	after.ClosedSince = closedSince(delivered, after, after.Fetched)
	after.PollDue = delivered.PollDue && (!whole || s.Incomplete) || alerts.again > 0
	if !whole && !delivered.Fetched.IsZero() && (delivered.AlertsUnseen || !after.AlertsUnseen) {
		after.Fetched = delivered.Fetched
	}

	change := Change{Alerts: alerts.changes, Again: alerts.again}
	change.Kind = c.kind(before, after, own.changed || c.alerts == Embedded && alerts.moved)
	if !whole && change.Kind == Unchanged {
		change.Kind = ""
	}
	if change.Kind.changes() {
		after.Revision = delivered.nextRevision(false)
	}
	if !row || moved || adopted || change.Kind.changes() || delivered.Description == (Description{}) && !own.doubt {
		after.describe(delivered.Description, s)
	} else { // the row may lag behind
		after.Description = delivered.Description
	}
	switch change.Kind {
	case Resolved, Reopened, Updated:
		change.Fields = own.fields
		if alerts.moved {
			change.Fields = append(change.Fields, s.AlertsField)
			slices.Sort(change.Fields)
			change.Fields = slices.Compact(change.Fields)
		}
	}
	if change.Kind != "" && before.Seen {
		change.setPrevious(before, after)
	}
	if c.alerts != Split {
		change.Alerts = nil
	}
	if !row {
		after.Doubt = before.Doubt && (s.Incomplete || alerts.older) || alerts.again > 0 // it may not show what a row has shown
		return change, after
	}
	hidden := !whole && c.alerts == Embedded && change.Kind.changes() // the record would lack the alerts
	doubt := before.Doubt || own.doubt || alerts.doubt || hidden
	return c.leaveToGet(change, delivered, after, doubt)
}

// setPrevious sets the previous status, severity and owner, if they have changed.
func (c *Change) setPrevious(before, after State) {
	if !strings.EqualFold(before.Status, after.Status) {
		c.PreviousStatus = before.Status
	}
	if !sameSeverity(before.Description.Severity, after.Description.Severity) {
		c.PreviousSeverity = before.Description.Severity
	}
	if !strings.EqualFold(before.Description.AssignedTo, after.Description.AssignedTo) {
		c.PreviousAssignedTo = before.Description.AssignedTo
	}
}

// whole reports whether the snapshot shows everything that is compared.
func (c *Comparer) whole(s *Snapshot) bool {
	return s.Shows == Everything || s.Shows == OwnFields && c.alerts == None
}

// leaveToGet returns what to deliver from a row, and the state to store, if there may
// be a doubt. With embedded alerts, a doubt means that nothing is delivered.
func (c *Comparer) leaveToGet(change Change, delivered, after State, doubt bool) (Change, State) {
	if !doubt {
		return change, after
	}
	switch {
	case c.alerts == Embedded && change.Kind.changes():
		return Change{Doubt: true}, delivered
	case c.alerts == Embedded:
		change = Change{}
	}
	change.Doubt, after.Doubt = true, true
	after.Fetched = delivered.Fetched // a Get is still due
	return change, after
}

// keepUnshown keeps the delivered values that are missing in a row, or in a snapshot
// that may be incomplete.
func (after *State) keepUnshown(before State, s *Snapshot) {
	if s.Incomplete && s.Status == "" {
		after.Status, after.Merged, after.Successor = before.Status, before.Merged, before.Successor
	}
	if (s.Incomplete || s.Source == FromList) && s.LastUpdate.IsZero() {
		after.LastUpdate = before.LastUpdate
	}
}

// keepAlerts keeps the alerts and their intents after an observation that
// shows no alerts.
func (after *State) keepAlerts(before State) {
	after.Alerts, after.Intent = before.Alerts, before.Intent.ofAlerts()
	after.AlertsUnseen = before.AlertsUnseen || !before.Seen || before.Merged // the merge retired the known alerts
}

// intern returns a copy of the text that all states share. The text in a snapshot is
// part of the response, and a state must not keep the whole response in memory.
func intern(text string) string { return unique.Make(text).Value() }

// Missing returns the change if the API has no such incident when it is observed, and
// the state to store once that was delivered.
func (c *Comparer) Missing(before State, observed time.Time) (Change, State) {
	observed = observed.Round(0)
	if before.Missing && before.Intent == nil {
		before.Fetched, before.PollDue = observed, false
		return Change{}, before
	}
	after := State{
		Missing: true, Fetched: observed, Description: before.Description,
		Revision: before.nextRevision(true), RetiredRevision: before.retired(),
	}
	after.ClosedSince = closedSince(before, after, observed)
	change := Change{Kind: NotFound}
	if before.Seen {
		change.PreviousStatus = before.Status
	}
	return change, after
}

// kind returns the first kind that applies, from top to bottom.
func (c *Comparer) kind(before, after State, changed bool) Kind {
	changed = changed || before.Intent != nil && before.Intent.Embedded
	switch {
	case after.Merged && (!before.Merged || before.Successor != after.Successor):
		return Merged
	case !before.Seen:
		return FirstSeen
	case changed && resolved(after.Status) && !resolved(before.Status):
		return Resolved
	case changed && resolved(before.Status) && !resolved(after.Status):
		return Reopened
	case changed:
		return Updated
	case c.snapshots:
		return Unchanged
	}
	return ""
}

// ownDiff is what a comparison of the incident's own fields finds.
type ownDiff struct {
	changed bool
	status  bool     // the status has changed
	fields  []string // those that are known to have changed, sorted
	doubt   bool     // in a row: only a Get can decide
}

// compareFields compares the incident's own fields by name and stores them in
// after. moved: the incident's time has changed.
func (c *Comparer) compareFields(before State, s *Snapshot, moved bool, after *State) (diff ownDiff) {
	after.Fields = withAbsent(slices.Clone(s.Fields), before.Fields)
	delivered := before.Fields
	sameMoment := near(s.LastUpdate, before.LastUpdate)
	for i := range after.Fields {
		field := &after.Fields[i]
		last := Part{Source: before.Source} // absent
		if len(delivered) > 0 && delivered[0].Name == field.Name {
			last, delivered = delivered[0].Part, delivered[1:]
		}
		switch {
		case field.Name == s.AlertsField: // null instead of a list
			field.Part = Part{Source: after.Source}
			continue
		case s.Incomplete && field.Digest == (Digest{}):
			field.Part = last
			continue
		}
		part, seen := last.seen(field.Digest, s.Source, moved)
		if seen != alike && sameMoment && field.Name == s.LastUpdateField {
			part, seen = last, alike // keeping it prevents records when replicas alternate
			if s.Source == FromList {
				part = last.rendered(field.Digest, s.Source) // so that the row is recognized
			}
		}
		field.Part = part
		diff.doubt = diff.doubt || seen == doubtful
		if seen != differs {
			continue
		}
		diff.changed = true
		diff.status = diff.status || field.Name == statusField
		if _, known := last.shownBy(s.Source); known || moved && field.Name == s.LastUpdateField ||
			field.Name == statusField && !strings.EqualFold(before.Status, s.Status) {
			diff.fields = append(diff.fields, field.Name)
		}
	}
	after.Fields = slices.DeleteFunc(after.Fields, func(f Field) bool { return f.Part == Part{Source: after.Source} }) // absent
	return diff
}

// withAbsent adds the delivered fields that are not in the snapshot, with a zero
// digest. All lists are sorted by name.
func withAbsent(shown, delivered []Field) []Field {
	all, at := shown, 0
	for _, f := range delivered {
		for at < len(shown) && shown[at].Name < f.Name {
			at++
		}
		if at == len(shown) || shown[at].Name != f.Name {
			all = append(all, Field{Name: f.Name})
		}
	}
	if len(all) > len(shown) {
		slices.SortFunc(all, byName)
	}
	return all
}
