// SPDX-License-Identifier: Apache-2.0

package incident

import "time"

// Kind says what happened to an incident or an alert. The values are those in the
// records. Empty: there is nothing to report.
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

// With Split, every alert has records of its own. With Embedded, alerts are part of
// their incident's content. With None, they are ignored.
const (
	Split    AlertsMode = "split"
	Embedded AlertsMode = "embedded"
	None     AlertsMode = "none"
)

// Change is the difference between an observation and what was delivered before. The
// revision of the incident's own record is in the state that the comparison returns
// along with the change.
type Change struct {
	// Kind of the incident's own record; empty: it has none.
	Kind Kind
	// Fields are the names of the top-level fields that are known to have changed,
	// sorted. A field that this source shows for the first time may differ only in its
	// rendering, so it is not included. Only with Resolved, Reopened and Updated.
	Fields []string
	// PreviousStatus, PreviousSeverity and PreviousAssignedTo are the previous values;
	// empty if they have not changed, or were not known.
	PreviousStatus, PreviousSeverity, PreviousAssignedTo string
	// Alerts that have a record of their own, in the API's order, removed alerts last.
	Alerts []AlertChange
	// Stale: the snapshot is older than what was delivered before, so only newer
	// versions of known alerts are taken from it.
	Stale bool
	// Doubt, for a row only: it may show a change that only a Get can confirm, or one
	// that it does not show whole. Every row has the Doubt until a Get has shown the
	// incident. With embedded alerts, the Change then has nothing else.
	Doubt bool
	// Again, for a Get only, is how long to wait before requesting the incident again,
	// because a lagging replica may have left out an alert. Zero: there is no need to.
	Again time.Duration
}

// AlertChange is the change of one alert.
type AlertChange struct {
	Kind  Kind
	ID    string
	Alert *Alert // as in the snapshot; nil when Removed
	// Title and Severity as they were last delivered, for a Removed alert only; empty
	// if not known.
	Title, Severity string
	// Fields are the names of the top-level fields that are known to have changed,
	// sorted. PreviousStatus is the previous status, or empty if it has not changed.
	// Both are for an Updated alert only.
	Fields         []string
	PreviousStatus string
	// Digest of the alert's content after this delivery; zero when Removed.
	Digest Digest
	// Revision of the alert after this delivery; for a removed alert, the revision
	// of its removal.
	Revision uint64
}

// Empty reports whether there is nothing to emit.
func (c Change) Empty() bool { return c.Kind == "" && len(c.Alerts) == 0 }
