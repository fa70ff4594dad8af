// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"encoding/binary"
	"slices"
	"time"
)

// State is what was last delivered of an incident: all that is needed to find out what
// has changed since. The checkpoint stores it. The zero State is that of an incident
// that was never delivered.
type State struct {
	// Seen: the incident was delivered and has not disappeared since.
	Seen bool `json:"seen,omitzero"`
	// Missing: the last delivery reported that the API has no such incident.
	Missing bool `json:"missing,omitzero"`
	// Merged: the incident was delivered as merged. Successor is the incident it was
	// merged into; 0 if the API does not say.
	Merged    bool  `json:"merged,omitzero"`
	Successor int64 `json:"successor,omitzero"`

	Status string `json:"status,omitzero"`
	// Description as it was last delivered. For a missing or merged incident, it is the
	// one from before that. Zero: an earlier receiver delivered the incident.
	Description Description `json:"description,omitzero"`
	// LastUpdate is when the incident last changed; zero if unknown.
	LastUpdate time.Time `json:"last_update,omitzero"`
	// ClosedSince is when the incident was resolved, merged or not found; zero if it is
	// open. It stays the same for as long as the incident is closed.
	ClosedSince time.Time `json:"closed_since,omitzero"`
	// API and Basis determine which digests can be compared: those from the same API
	// that leave out the same names (see NewComparer).
	API   string `json:"api,omitzero"`
	Basis uint32 `json:"basis,omitzero"`
	// Source that has shown that fields missing in Fields are absent.
	Source Source `json:"source,omitzero"`
	// Fields are the digests of the incident's own content without its alerts,
	// sorted by name.
	Fields []Field `json:"fields,omitzero"`
	// AlertsUnseen: only rows with OwnFields or SomeAlerts have shown the incident. It
	// may have more alerts than are in Alerts, and none can have left it.
	AlertsUnseen bool `json:"alerts_unseen,omitzero"`
	// Alerts are sorted by ID.
	Alerts []AlertState `json:"alerts,omitzero"`

	// Revision counts the delivered changes of the incident itself, also while it is
	// missing. It gives every change an identity, even one that restores former content.
	Revision uint64 `json:"revision,omitzero"`
	// RetiredRevision is the highest revision of any alert that is no longer in Alerts.
	// An alert that returns continues from there.
	RetiredRevision uint64 `json:"retired,omitzero"`
	// Intent is what may have been delivered beyond this state; nil: nothing.
	Intent *Intent `json:"intent,omitzero"`
	// Doubt: a row may have shown a change that only a Get can confirm, and no Get has
	// done so yet.
	Doubt bool `json:"doubt,omitzero"`
	// PollDue: a row has shown a part of a change, or left a doubt. A Get should follow
	// ahead of its turn, and none has shown the incident yet.
	PollDue bool `json:"poll_due,omitzero"`
	// Fetched is when the API last showed everything of the incident without leaving a
	// doubt, or reported that there is no such incident. With AlertsUnseen, it is when a
	// row first showed the incident, or showed that it is no longer merged. It determines
	// the next poll after a restart. Wall clock.
	Fetched time.Time `json:"fetched,omitzero"`
}

// Field is what was last delivered of one top-level field of an incident.
type Field struct {
	Name string `json:"n"`
	Part
}

// AlertState is what was last delivered of one alert.
type AlertState struct {
	ID string `json:"id"`
	Part
	Status     string    `json:"status,omitzero"`
	LastUpdate time.Time `json:"last_update,omitzero"`
	// Title and Severity are for the record of its removal; at most 256 bytes each.
	// Prints are made of the content as Source has shown it. All three are empty if
	// alerts have no records, or if an earlier receiver delivered the alert.
	Title    string `json:"t,omitzero"`
	Severity string `json:"v,omitzero"`
	Prints   Prints `json:"f,omitzero"`
	// Revision counts the delivered changes of the alert.
	Revision uint64 `json:"r,omitzero"`
	// Foreign: the digest is not comparable with the state's others, because no
	// snapshot has contained the alert since the API or the ignored names changed.
	Foreign bool `json:"foreign,omitzero"`
	// Left: a later row has shown that the alert may have left the incident. The next
	// Get that lacks it removes it.
	Left bool `json:"left,omitzero"`
}

// Alert finds an alert by its ID.
func (s State) Alert(id string) (a AlertState, known bool) { return alertOf(s.Alerts, id) }

// WithLeft returns the state after a row has shown one of its alerts
// in another incident.
func (s State) WithLeft(id string) State {
	s.Alerts = slices.Clone(s.Alerts)
	if at, known := slices.BinarySearchFunc(s.Alerts, AlertState{ID: id}, byID); known {
		s.Alerts[at].Left = true
	}
	return s
}

// closed reports whether no more changes of the incident are expected.
func (s State) closed() bool { return s.Missing || s.Merged || resolved(s.Status) }

// sameState reports whether the snapshot shows the incident's status and merge as
// they were delivered.
func (s State) sameState(shown *Snapshot) bool {
	return sameStatus(s.Status, shown.Status) && s.Merged == shown.Merged && s.Successor == shown.SuccessorID
}

// Digest returns the digest of the incident's own content and, if withAlerts is
// set, its alerts, as they were delivered. It does not depend on which source
// shows the content.
func (s State) Digest(withAlerts bool) Digest {
	buf := make([]byte, 0, 1024) // on the stack; enough for most incidents
	for _, f := range s.Fields {
		if f.Digest == (Digest{}) {
			continue // delivered as absent
		}
		buf = append(binary.AppendUvarint(buf, uint64(len(f.Name))), f.Name...)
		buf = append(buf, f.Digest[:]...)
	}
	if withAlerts {
		for _, a := range s.Alerts {
			buf = append(binary.AppendUvarint(buf, uint64(len(a.ID))), a.ID...)
			buf = append(buf, a.Digest[:]...)
		}
	}
	return digest(buf)
}
