// SPDX-License-Identifier: Apache-2.0

// Package incident says what an incident is, what a poll compares, and what
// has changed between two of its observations.
//
// It is pure: it reads no clock, touches no network, and knows nothing of
// where an incident comes from or where it goes.
package incident

import (
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// Snapshot is one incident as the API showed it at one moment.
// A value the API did not give is empty or zero.
type Snapshot struct {
	// ID is the incident that was asked for.
	ID int64
	// API is the one that showed it, by any name that no other has; Source is
	// the call, and Shows is how much of the incident that shows.
	API    string
	Source Source
	Shows  Shows
	// SuccessorID is the incident that this one was merged into; 0: none named.
	SuccessorID int64
	// Merged: the incident lives on in another. Its alerts are there now.
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
	// Comments is how many comments the incident has; nil: the API gave no list of them.
	Comments *int

	// Object is the API's own object without its alerts; where the API
	// answered a merged id with its successor's object, just both ids.
	Object content.Object
	// Fields are the digests of that, sorted by name.
	Fields []Field
	// AlertsField is the name that the alerts have in the API's object,
	// LastUpdateField the name that LastUpdate has there, and
	// AlertLastUpdateField the one that an alert's has in the alert's object.
	AlertsField, LastUpdateField, AlertLastUpdateField string
	// Alerts is nil when the API gave no list, not even an empty one. Then no
	// alert counts as removed.
	Alerts []Alert
	// Evidence reads what the alerts affect; nil: that is not known.
	Evidence Evidence
	// Incomplete: the API may not have shown all of the incident. No alert and
	// no field that is not there counts as removed.
	Incomplete bool
	// Original is the JSON as received, kept only when it is to be emitted.
	Original []byte

	// Observed is when the answer had arrived.
	Observed time.Time
	// Ahead is the most that the service's clock may have been ahead of ours then;
	// negative: it was behind. Set with SomeAlerts only.
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

// Closed says that nothing is expected of the incident any more: it is resolved
// or merged away.
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
	URL             string // empty under Defender XDR, whose alerts have none
	MitreTechniques []string
	Created         time.Time
	LastUpdate      time.Time

	// Object is the API's own object, whole, and Digest stands for it.
	Object content.Object
	Digest Digest
}

// alertsCap is where the list of an incident's alerts seems to stop, without
// a mark (seen in captured List answers). A list this long may not be the
// whole of it, so an alert that is not in it may still be there.
const alertsCap = 150

// resolved compares without case: the two APIs write Resolved and resolved.
func resolved(status string) bool { return strings.EqualFold(status, "resolved") }
