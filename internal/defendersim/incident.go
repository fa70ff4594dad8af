// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"slices"
	"time"
)

// Words of the API that the simulator itself uses. To a client, all of them are
// open sets: others occur too.
const (
	StatusActive     = "Active"
	StatusInProgress = "InProgress"
	StatusResolved   = "Resolved"
	StatusRedirected = "Redirected"
	StatusNew        = "New" // of an alert

	// StatusAwaitingAction is set only by Update.
	StatusAwaitingAction = "AwaitingAction"

	SeverityUnspecified   = "UnSpecified" // the API's own casing
	SeverityInformational = "Informational"
	SeverityLow           = "Low"
	SeverityMedium        = "Medium"
	SeverityHigh          = "High"
)

// Incident is one incident as the simulator keeps it, in no particular
// dialect. Zero values of RedirectID and AssignedTo are shown as null.
type Incident struct {
	ID             int64
	RedirectID     int64 // set exactly when Status is Redirected
	Name           string
	Created        time.Time
	LastUpdate     time.Time
	AssignedTo     string
	Classification string
	Determination  string
	Status         string
	Severity       string // the highest of its alerts
	Tags           []string
	Comments       []Comment
	Alerts         []Alert // ordered by Created
}

// Comment is a remark on an incident.
type Comment struct {
	Text      string
	CreatedBy string
	Created   time.Time
}

// Alert is one alert of an incident. Zero values of Resolved, InvestigationID,
// Classification, Determination, AssignedTo, ActorName and ThreatFamilyName
// are shown as null.
type Alert struct {
	ID                 string
	ProviderID         string
	IncidentID         int64
	ServiceSource      string
	Created            time.Time
	LastUpdated        time.Time
	Resolved           time.Time
	FirstActivity      time.Time
	LastActivity       time.Time
	Title              string
	Description        string
	Category           string
	Status             string
	Severity           string
	InvestigationID    int64
	InvestigationState string
	Classification     string
	Determination      string
	DetectionSource    string
	DetectorID         string
	AssignedTo         string
	ActorName          string
	ThreatFamilyName   string
	MitreTechniques    []string
	Devices            []Device
	Entities           []Entity
}

// Device is a machine an alert is about. Zero values of AADDeviceID,
// OSProcessor, OSBuild, RBACGroup and VM are shown as null.
type Device struct {
	ID             string
	AADDeviceID    string
	DNSName        string
	OSPlatform     string
	Version        string
	OSProcessor    string
	OSBuild        int64
	HealthStatus   string
	RiskScore      string
	RBACGroup      string
	FirstSeen      time.Time
	Tags           []string
	DefenderStatus string
	Onboarding     string
	VM             *VM
	LoggedOnUsers  []Account
}

// VM is where a virtual machine runs.
type VM struct {
	ID             string
	CloudProvider  string
	ResourceID     string
	SubscriptionID string
}

// Account is a user who was logged on to a device.
type Account struct {
	Name   string
	Domain string
}

// Entity is a piece of evidence. Its fields depend on its type; missing fields
// are not shown at all.
type Entity struct {
	Type               string
	EvidenceCreated    time.Time
	Verdict            string
	RemediationStatus  string
	RemediationDetails string // left out when empty
	Fields             []Field
}

// Field is one named value of an entity: a string, an int64 or a time.Time.
// The order of an entity's fields is the order in which they are shown.
type Field struct {
	Name  string
	Value any
}

// clone copies what a change to an incident may modify. The evidence of its
// alerts stays shared, because no change modifies it.
func (i Incident) clone() Incident {
	i.Tags = slices.Clone(i.Tags)
	i.Comments = slices.Clone(i.Comments)
	i.Alerts = slices.Clone(i.Alerts)
	return i
}

// deepClone shares nothing with the original, so callers may keep it.
func (i Incident) deepClone() Incident {
	i = i.clone()
	for n := range i.Alerts {
		i.Alerts[n] = i.Alerts[n].deepClone()
	}
	return i
}

func (a Alert) deepClone() Alert {
	a.MitreTechniques = slices.Clone(a.MitreTechniques)
	a.Devices = slices.Clone(a.Devices)
	for n := range a.Devices {
		d := &a.Devices[n]
		d.Tags = slices.Clone(d.Tags)
		d.LoggedOnUsers = slices.Clone(d.LoggedOnUsers)
		if d.VM != nil {
			vm := *d.VM
			d.VM = &vm
		}
	}
	a.Entities = slices.Clone(a.Entities)
	for n := range a.Entities {
		a.Entities[n].Fields = slices.Clone(a.Entities[n].Fields)
	}
	return a
}

// alert returns the place of an alert in the incident, or -1.
func (i Incident) alert(id string) int {
	return slices.IndexFunc(i.Alerts, func(a Alert) bool { return a.ID == id })
}

func (i Incident) redirected() bool { return i.Status == StatusRedirected }

// sortAlerts puts the alerts into the API's order.
func (i *Incident) sortAlerts() {
	slices.SortStableFunc(i.Alerts, func(a, b Alert) int { return a.Created.Compare(b.Created) })
}

// raiseSeverity sets the incident's severity to the highest of its alerts. An
// incident without alerts keeps its own.
func (i *Incident) raiseSeverity() {
	if len(i.Alerts) == 0 {
		return
	}
	highest := i.Alerts[0].Severity
	for _, a := range i.Alerts[1:] {
		if severityRank(a.Severity) > severityRank(highest) {
			highest = a.Severity
		}
	}
	i.Severity = highest
}

func severityRank(severity string) int {
	ascending := [...]string{SeverityUnspecified, SeverityInformational, SeverityLow, SeverityMedium, SeverityHigh}
	return slices.Index(ascending[:], severity)
}
