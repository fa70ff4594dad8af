// SPDX-License-Identifier: Apache-2.0

// Package record turns the changes of incidents into log records.
//
// It is pure. Logs builds new records on every call, because a consumer may modify
// them, and the delivery may have to be retried.
package record

import (
	"cmp"
	"math"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// The names of the two events.
const (
	eventIncident = "microsoft.defender.incident"
	eventAlert    = "microsoft.defender.alert"
)

// How many attributes most resources and records have.
const (
	originAttributes   = 3
	incidentAttributes = 16
	alertAttributes    = 24
)

// Builder builds records. Do not change its fields while it is in use.
type Builder struct {
	Alerts incident.AlertsMode
	// Original adds an incident's JSON as received as log.record.original.
	Original bool
	// Host of the API, without a port.
	Host string
	// Scope is the receiver's name, ScopeVersion its version.
	Scope, ScopeVersion string
}

// Observation is one incident's change, ready to be emitted.
type Observation struct {
	ID int64
	// Tenant is the tenant's ID; empty if not known yet.
	Tenant   string
	Observed time.Time
	// Snapshot is nil if the incident was not found. If it shows only
	// incident.SomeAlerts, Change has no record of the incident itself.
	Snapshot *incident.Snapshot
	Change   incident.Change
	// After is the state to store once these records have been accepted.
	After incident.State
}

// Logs builds the records of one observation under one resource and scope, the
// incident's own first. There are none if nothing has changed.
func (b Builder) Logs(o Observation) plog.Logs {
	logs := plog.NewLogs()
	if o.Change.Empty() {
		return logs
	}
	resource := logs.ResourceLogs().AppendEmpty()
	origin := resource.Resource().Attributes()
	origin.EnsureCapacity(originAttributes)
	put(origin, "microsoft.tenant.id", o.Tenant)
	put(origin, "server.address", b.Host)
	put(origin, "cloud.provider", "azure")
	scope := resource.ScopeLogs().AppendEmpty()
	scope.Scope().SetName(b.Scope)
	scope.Scope().SetVersion(b.ScopeVersion)

	w := &writer{}
	records := scope.LogRecords()
	records.EnsureCapacity(1 + len(o.Change.Alerts))
	if o.Change.Kind != "" {
		b.incident(records.AppendEmpty(), o, w)
	}
	for _, change := range o.Change.Alerts {
		b.alert(records.AppendEmpty(), o, change, w)
	}
	return logs
}

func (b Builder) incident(r plog.LogRecord, o Observation, w *writer) {
	r.SetEventName(eventIncident)
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(o.Observed))
	attributes := r.Attributes()
	attributes.EnsureCapacity(incidentAttributes)
	attributes.PutInt("microsoft.defender.incident.id", o.ID)
	attributes.PutStr("microsoft.defender.incident.change", string(o.Change.Kind))
	put(attributes, "microsoft.defender.incident.previous_status", o.Change.PreviousStatus)
	put(attributes, "microsoft.defender.incident.previous_severity", o.Change.PreviousSeverity)
	put(attributes, "microsoft.defender.incident.previous_assigned_to", o.Change.PreviousAssignedTo)
	putAll(attributes, "microsoft.defender.incident.changed_fields", o.Change.Fields)
	attributes.PutStr("log.record.uid", b.incidentUID(o))

	if o.Snapshot == nil {
		known := o.After.Description
		put(attributes, "microsoft.defender.incident.name", known.Name)
		put(attributes, "microsoft.defender.incident.severity", known.Severity)
		put(attributes, "microsoft.defender.incident.url", known.URL)
		r.SetTimestamp(r.ObservedTimestamp())
		r.Body().SetEmptyMap().PutInt("incidentId", o.ID)
		return
	}
	s := o.Snapshot
	r.SetTimestamp(timestamp(s.LastUpdate, o.Observed))
	setSeverity(r, s.Severity)
	name, severity, address := s.Name, s.Severity, s.URL
	if s.Merged { // the API may no longer show anything of it
		known := o.After.Description
		name, severity, address = cmp.Or(name, known.Name), known.Severity, cmp.Or(address, known.URL)
	}
	put(attributes, "microsoft.defender.incident.name", name)
	put(attributes, "microsoft.defender.incident.status", s.Status)
	put(attributes, "microsoft.defender.incident.severity", severity)
	put(attributes, "microsoft.defender.incident.classification", s.Classification)
	put(attributes, "microsoft.defender.incident.determination", s.Determination)
	put(attributes, "microsoft.defender.incident.assigned_to", s.AssignedTo)
	put(attributes, "microsoft.defender.incident.url", address)
	putTime(attributes, "microsoft.defender.incident.created_time", s.Created)
	cut := putList(attributes, "microsoft.defender.incident.", "tags", s.Tags, nil)
	if s.Comments != nil {
		attributes.PutInt("microsoft.defender.incident.comment_count", int64(*s.Comments))
	}
	if s.SuccessorID != 0 {
		attributes.PutInt("microsoft.defender.incident.redirect_id", s.SuccessorID)
	}
	if n, known := b.alertCount(o); known {
		attributes.PutInt("microsoft.defender.incident.alert_count", int64(n))
	}
	if b.Alerts == incident.Embedded {
		cut = putAffected(attributes, "microsoft.defender.incident.", s, s.Alerts, s.Incomplete, cut)
	}
	putAll(attributes, "microsoft.defender.incident.truncated", cut)
	if b.Original && len(s.Original) > 0 {
		attributes.PutStr("log.record.original", string(s.Original))
	}
	b.incidentBody(r.Body().SetEmptyMap(), s, w)
}

// alertCount returns how many alerts the incident has. If the snapshot shows none, it
// counts the delivered ones, if all were delivered.
func (b Builder) alertCount(o Observation) (n int, known bool) {
	switch s := o.Snapshot; {
	case s == nil || s.Incomplete:
		return 0, false
	case s.Shows == incident.Everything:
		return len(s.Alerts), s.Alerts != nil
	case b.Alerts == incident.None || o.After.AlertsUnseen:
		return 0, false
	}
	return len(o.After.Alerts), true
}

func (b Builder) incidentBody(body pcommon.Map, s *incident.Snapshot, w *writer) {
	w.putObject(s.Object, body, 1) // the alerts
	if b.Alerts != incident.Embedded {
		body.Remove(s.AlertsField) // null, if the API returned no list
		return
	}
	if s.Alerts == nil {
		return
	}
	alerts := body.PutEmptySlice(s.AlertsField)
	alerts.EnsureCapacity(len(s.Alerts))
	for _, alert := range s.Alerts {
		w.putObject(alert.Object, alerts.AppendEmpty().SetEmptyMap(), 0)
	}
}

func (b Builder) alert(r plog.LogRecord, o Observation, change incident.AlertChange, w *writer) {
	r.SetEventName(eventAlert)
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(o.Observed))
	attributes := r.Attributes()
	attributes.EnsureCapacity(alertAttributes)
	attributes.PutInt("microsoft.defender.incident.id", o.ID)
	attributes.PutStr("microsoft.defender.alert.id", change.ID)
	attributes.PutStr("microsoft.defender.alert.change", string(change.Kind))
	put(attributes, "microsoft.defender.alert.previous_status", change.PreviousStatus)
	putAll(attributes, "microsoft.defender.alert.changed_fields", change.Fields)
	attributes.PutStr("log.record.uid", b.alertUID(o, change))
	putIncident(attributes, o.After)

	if change.Alert == nil {
		put(attributes, "microsoft.defender.alert.title", change.Title)
		put(attributes, "microsoft.defender.alert.severity", change.Severity)
		r.SetTimestamp(r.ObservedTimestamp())
		body := r.Body().SetEmptyMap()
		body.PutInt("incidentId", o.ID)
		body.PutStr("alertId", change.ID)
		return
	}
	a := change.Alert
	r.SetTimestamp(timestamp(a.LastUpdate, o.Observed))
	setSeverity(r, a.Severity)
	put(attributes, "microsoft.defender.alert.title", a.Title)
	put(attributes, "microsoft.defender.alert.status", a.Status)
	put(attributes, "microsoft.defender.alert.severity", a.Severity)
	put(attributes, "microsoft.defender.alert.classification", a.Classification)
	put(attributes, "microsoft.defender.alert.determination", a.Determination)
	put(attributes, "microsoft.defender.alert.assigned_to", a.AssignedTo)
	put(attributes, "microsoft.defender.alert.url", cmp.Or(a.URL, alertURL(o, a.ID)))
	putTime(attributes, "microsoft.defender.alert.created_time", a.Created)
	put(attributes, "microsoft.defender.alert.category", a.Category)
	put(attributes, "microsoft.defender.alert.service_source", a.ServiceSource)
	put(attributes, "microsoft.defender.alert.detection_source", a.DetectionSource)
	cut := putList(attributes, "microsoft.defender.alert.", "mitre_techniques", a.MitreTechniques, nil)
	cut = putAffected(attributes, "microsoft.defender.alert.", o.Snapshot, []incident.Alert{*a}, false, cut)
	putAll(attributes, "microsoft.defender.alert.truncated", cut)
	w.putObject(a.Object, r.Body().SetEmptyMap(), 0)
}

// putIncident writes what is known about an alert's incident. It comes from the state,
// since the observation may not show it.
func putIncident(attributes pcommon.Map, known incident.State) {
	put(attributes, "microsoft.defender.incident.name", known.Description.Name)
	put(attributes, "microsoft.defender.incident.status", known.Status)
	put(attributes, "microsoft.defender.incident.severity", known.Description.Severity)
	put(attributes, "microsoft.defender.incident.assigned_to", known.Description.AssignedTo)
	put(attributes, "microsoft.defender.incident.url", known.Description.URL)
}

// alertURL returns the address of an alert in the portal, derived from its incident's
// address. Defender XDR does not provide one. It has the form of Graph's addresses.
func alertURL(o Observation, id string) string {
	portal, err := url.Parse(o.After.Description.URL)
	if err != nil || portal.Scheme != "https" || portal.Host == "" {
		return ""
	}
	address := "https://" + portal.Host + "/alerts/" + url.PathEscape(id)
	if o.Tenant != "" {
		address += "?tid=" + url.QueryEscape(o.Tenant)
	}
	return address
}

// timestamp returns when it happened, or when it was observed if the API does not say.
// A time that a timestamp cannot hold would wrap, so it counts as unknown.
func timestamp(happened, observed time.Time) pcommon.Timestamp {
	if happened.Before(time.Unix(0, 0)) || happened.After(time.Unix(0, math.MaxInt64)) {
		happened = observed
	}
	return pcommon.NewTimestampFromTime(happened)
}
