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
	Missing bool `json:"missing,omitzero"`
	// Merged: that it was merged was delivered. Successor is the incident it
	// was merged into; 0 as long as the API names none.
	Merged    bool  `json:"merged,omitzero"`
	Successor int64 `json:"successor,omitzero"`

	Status     string    `json:"status,omitzero"`
	LastUpdate time.Time `json:"last_update,omitzero"`
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

// AlertState is what was last delivered of one alert.
type AlertState struct {
	ID         string    `json:"id"`
	Digest     Digest    `json:"d"`
	Status     string    `json:"status,omitzero"`
	LastUpdate time.Time `json:"last_update,omitzero"`
}

// Digest stands for the incident's own content and, where they are part of
// it, its alerts.
func (s State) Digest(withAlerts bool) Digest {
	var buf []byte
	for _, f := range s.Fields {
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
