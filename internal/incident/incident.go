// SPDX-License-Identifier: Apache-2.0

// Package incident defines what an incident is, what a poll compares, and what has
// changed between two observations.
//
// It is pure: it reads no clock, uses no network, and does not know where an incident
// comes from or where it goes.
//
// Where to look:
//
//   - incident.go: what the API shows, a Snapshot; affected.go: what its alerts affect
//   - state.go: what was last delivered, a State; summary.go: the part of it that stays in
//     memory; description.go: what is kept for records; upgrade.go: states of earlier
//     versions
//   - fingerprint.go: digests of content; prints.go: which members of an alert differ;
//     part.go: what a digest means if Get and list show the same content differently
//   - compare.go: the comparison; alerts.go, somealerts.go: that of the alerts; stale.go:
//     an older snapshot; row.go: a row that shows nothing new; adopt.go: another API
//   - change.go: the result, a Change; intent.go: what is about to be delivered
//   - times.go: which of two times is later; cut.go: texts that are too long
package incident

import (
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// Snapshot is one incident as the API showed it at one moment. A value that the API
// did not provide is empty or zero.
type Snapshot struct {
	// ID is the incident that was requested.
	ID int64
	// API is the one that showed the incident, under any unique name. Source is the
	// kind of request, and Shows is how much of the incident its response shows.
	API    string
	Source Source
	Shows  Shows
	// SuccessorID is the incident that this one was merged into; 0 if not known.
	SuccessorID int64
	// Merged: the incident was merged into another, which has its alerts now.
	Merged bool

	Name           string
	Status         string
	Severity       string
	Classification string
	Determination  string
	AssignedTo     string
	URL            string
	TenantID       string
	Tags           []string
	Created        time.Time
	LastUpdate     time.Time
	// Comments is how many comments the incident has; nil if the API returned no list.
	Comments *int

	// Object is the API's own object without its alerts. If the API returned the
	// successor's object for a merged ID, it has only both IDs.
	Object content.Object
	// Fields are the digests of Object's fields, sorted by name.
	Fields []Field
	// The names of fields in the API's objects: of the incident's alerts, of its
	// LastUpdate, and of an alert's LastUpdate.
	AlertsField, LastUpdateField, AlertLastUpdateField string
	// Alerts is nil if the API returned no list, not even an empty one. Then no alert
	// counts as removed.
	Alerts []Alert
	// Evidence reads what the alerts affect; nil if that is not known.
	Evidence Evidence
	// Incomplete: the API may not have shown all of the incident. Missing alerts and
	// fields do not count as removed.
	Incomplete bool
	// Original is the JSON as received, kept only if it is to be emitted.
	Original []byte

	// Observed is when the response had arrived.
	Observed time.Time
	// Ahead is the most by which the service's clock may have been ahead of ours at
	// that time; negative if it was behind. Set with SomeAlerts only.
	Ahead time.Duration
}

// Shows is how much of an incident an observation shows.
type Shows uint8

// The extents of an observation. Rows that do not show everything are FromList.
const (
	Everything Shows = iota // own fields and alerts: a Get, or a row of Defender XDR's list of incidents
	OwnFields               // own fields only: a row of Graph's list of incidents
	// SomeAlerts are some of its alerts and no own fields: rows of Graph's list of
	// alerts. The snapshot has ID, API, Source, TenantID, Alerts,
	// AlertLastUpdateField and Observed.
	SomeAlerts
)

// Closed reports whether the incident is resolved or merged, so that no more
// changes are expected.
func (s *Snapshot) Closed() bool { return s.Merged || resolved(s.Status) }

// Alert is one alert of an incident.
type Alert struct {
	ID              string
	Title           string
	Status          string
	Severity        string
	Category        string
	ServiceSource   string
	DetectionSource string
	Classification  string
	Determination   string
	AssignedTo      string
	URL             string // empty under Defender XDR
	MitreTechniques []string
	Created         time.Time
	LastUpdate      time.Time

	// Object is the API's own object, whole, and Digest is its digest.
	Object content.Object
	Digest Digest
}

// alertsCap is the length at which the list of an incident's alerts seems to be cut
// without notice (seen in captured list responses). A list this long may be incomplete,
// so an alert that is not in it may still be there.
const alertsCap = 150

// resolved ignores case: the two APIs write Resolved and resolved.
func resolved(status string) bool { return strings.EqualFold(status, "resolved") }
