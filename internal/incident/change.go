// SPDX-License-Identifier: Apache-2.0

package incident

import "time"

// Kind says what happened to an incident or an alert; the values are those of
// the records. Empty: there is nothing to report.
type Kind string

// The kinds of change. Only alerts can be Removed. FirstSeen, Updated and
// Unchanged apply to incidents and alerts, the others to incidents only.
const (
	Merged    Kind = "merged"
	NotFound  Kind = "not_found"
	FirstSeen Kind = "first_seen"
	Resolved  Kind = "resolved"
	Reopened  Kind = "reopened"
	Updated   Kind = "updated"
	Removed   Kind = "removed"
	Unchanged Kind = "snapshot" // emitted only on request
)

// changes reports whether the kind stands for a record of a change.
func (k Kind) changes() bool { return k != "" && k != Unchanged }

// AlertsMode says how alerts are compared and emitted.
type AlertsMode string

// With Split every alert has records of its own, with Embedded the alerts are
// part of their incident's content, and with None they are ignored.
const (
	Split    AlertsMode = "split"
	Embedded AlertsMode = "embedded"
	None     AlertsMode = "none"
)

// Change is the difference between an observation and what was delivered
// before. The revision of the incident's own record is the one of the state
// that the comparison returned along with the change.
type Change struct {
	// Kind of the incident's own record; empty: it has none.
	Kind Kind
	// Fields are the names of the top-level fields that are known to have changed,
	// sorted. A field that this source shows for the first time may differ in its
	// rendering only, so it is not among them. Only with Resolved, Reopened and
	// Updated.
	Fields []string
	// PreviousStatus, PreviousSeverity and PreviousAssignedTo are those before; empty
	// if they are the same, or were not known.
	PreviousStatus, PreviousSeverity, PreviousAssignedTo string
	// Alerts that have a record of their own, in the API's order, removed
	// alerts last.
	Alerts []AlertChange
	// Stale: the incident is older than what was delivered before, so only
	// newer versions of known alerts are taken from it.
	Stale bool
	// Doubt, of a row only: it may show a change that only a Get can decide, or one
	// that it cannot show whole. It comes with every row until a Get has shown the
	// incident. With embedded alerts nothing else comes with it.
	Doubt bool
	// Again, of a Get only: after how long to request the incident again, since a
	// replica may lag that does not show an alert. Zero: there is no need to.
	Again time.Duration
}

// AlertChange is the change of one alert.
type AlertChange struct {
	Kind  Kind
	ID    string
	Alert *Alert // as in the snapshot; nil when Removed
	// Title and Severity as they were last delivered, of a Removed alert only; empty:
	// not known.
	Title, Severity string
	// Fields are the names of the top-level fields that are known to have changed,
	// sorted, and PreviousStatus is the status before; empty if it is the same. Of an
	// Updated alert only.
	Fields         []string
	PreviousStatus string
	// Digest of the alert's content as it will have been delivered; zero when
	// Removed.
	Digest Digest
	// Revision of the alert once the change has been delivered; of a removed
	// alert, the revision of its removal.
	Revision uint64
}

// Empty reports whether there is nothing to emit.
func (c Change) Empty() bool { return c.Kind == "" && len(c.Alerts) == 0 }
