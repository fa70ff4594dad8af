package incident

import (
	"encoding/binary"
	"time"
)

// State is what was last delivered of an incident: all that is needed to tell
// what has changed since. It is what a checkpoint keeps. The zero State is an
// incident of which nothing was ever delivered.
type State struct {
	// Seen: a state of the incident was delivered, and it has not gone since.
	Seen bool `json:"seen,omitzero"`
	// Missing: that the API has no such incident was the last thing delivered.
	// MissingSince is when; wall clock.
	Missing      bool      `json:"missing,omitzero"`
	MissingSince time.Time `json:"missing_since,omitzero"`
	// Merged: that it was merged was delivered. Successor is the incident it
	// was merged into; 0 as long as the API names none.
	Merged    bool  `json:"merged,omitzero"`
	Successor int64 `json:"successor,omitzero"`

	Status     string    `json:"status,omitzero"`
	LastUpdate time.Time `json:"last_update,omitzero"`
	// API whose objects the digests are of.
	API string `json:"api,omitzero"`
	// Source that knows what is not in Fields to be absent; FromGet where
	// both do.
	Source Source `json:"source,omitzero"`
	// Fields are the digests of the incident's own content, without its
	// alerts, sorted by name.
	Fields []Field `json:"fields,omitzero"`
	// Alerts are sorted by id.
	Alerts []AlertState `json:"alerts,omitzero"`

	// Disappearances counts the alerts that left and the times the incident
	// was not found, so that each such record has an identity of its own.
	Disappearances uint64 `json:"disappearances,omitzero"`
	// Telling is what may have been delivered beyond that; nil: nothing.
	Telling *Telling `json:"telling,omitzero"`
	// Fetched is when the incident was last answered for; the due time after
	// a restart follows from it. Wall clock.
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
	// Foreign: the digest is of another API's object than the state's, for the
	// alert was not shown since the switch.
	Foreign bool `json:"foreign,omitzero"`
}

// Digest stands for the incident's own content and, where they are part of
// it, its alerts, all as they were delivered: what another source shows of
// the same content makes no other digest.
func (s State) Digest(withAlerts bool) Digest {
	buf := make([]byte, 0, 1024) // on the stack; enough for the fields of most
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
