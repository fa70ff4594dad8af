// SPDX-License-Identifier: Apache-2.0

package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// with sets what records say about the observed incident and its alert.
func with(t *testing.T) Observation {
	t.Helper()
	o := observation(t)
	s := o.Snapshot
	s.AssignedTo, s.URL = "analyst@contoso.com", "https://security.example/incidents/437?tid="+tenant
	a := &s.Alerts[0]
	a.Status, a.AssignedTo, a.Classification, a.Determination = "New", "Automation", "TruePositive", "Malware"
	a.Created = updated.Add(-2 * time.Hour)
	o.Change, o.After = incident.NewComparer(incident.Split, false, nil, 0).Compare(incident.State{}, s)
	return o
}

func TestAnAlertsRecordHasItsOwnFieldsAndItsIncidents(t *testing.T) {
	r := records(Builder{Alerts: incident.Split}, with(t))[1]
	for name, want := range map[string]any{
		"incident.name": "One incident", "incident.status": "Active", "incident.severity": "High",
		"incident.assigned_to": "analyst@contoso.com", "incident.url": "https://security.example/incidents/437?tid=" + tenant,
		"alert.severity": "Low", "alert.status": "New", "alert.assigned_to": "Automation", "alert.classification": "TruePositive",
		"alert.determination": "Malware", "alert.created_time": "2026-09-06T11:02:10.53Z",
		"alert.changed_fields": nil, "alert.previous_status": nil,
	} {
		require.Equal(t, want, attribute(t, r, "microsoft.defender."+name), name)
	}
}

func TestARemovedAlertsRecordSaysWhatItWas(t *testing.T) {
	o := with(t)
	later := *o.Snapshot
	later.Alerts, later.LastUpdate = []incident.Alert{}, updated.Add(time.Hour)
	c := incident.NewComparer(incident.Split, false, nil, 0)
	o.Snapshot = &later
	o.Change, o.After = c.Compare(o.After, &later)
	require.Len(t, o.Change.Alerts, 1)
	all := records(Builder{Alerts: incident.Split}, o)
	r := all[len(all)-1]
	require.Equal(t, "removed", attribute(t, r, "microsoft.defender.alert.change"))
	require.Equal(t, "One alert", attribute(t, r, "microsoft.defender.alert.title"))
	require.Equal(t, "Low", attribute(t, r, "microsoft.defender.alert.severity"))
	require.Equal(t, "One incident", attribute(t, r, "microsoft.defender.incident.name"))
	require.Empty(t, r.SeverityText(), "that it left is not severe")
}

func TestAnUpdatedAlertsRecordNamesWhatChanged(t *testing.T) {
	o := with(t)
	o.Change.Alerts[0].Kind, o.Change.Alerts[0].Fields, o.Change.Alerts[0].PreviousStatus = incident.Updated, []string{"severity", "status"}, "InProgress"
	r := records(Builder{Alerts: incident.Split}, o)[1]
	require.Equal(t, []any{"severity", "status"}, attribute(t, r, "microsoft.defender.alert.changed_fields"))
	require.Equal(t, "InProgress", attribute(t, r, "microsoft.defender.alert.previous_status"))
}

func TestAnAlertsAddressIsItsOwnOrThatOfTheIncidentsPortal(t *testing.T) {
	const own = "https://security.example/alerts/own"
	for name, test := range map[string]struct {
		own, incident, id, tenant string
		want                      any
	}{
		"its own":            {own, "https://security.example/incidents/437", "da1", tenant, own},
		"derived":            {"", "https://security.example/incidents/437?tid=x#y", "da1_-5", tenant, "https://security.example/alerts/da1_-5?tid=" + tenant},
		"of no tenant":       {"", "https://security.example/incidents/437", "da1", "", "https://security.example/alerts/da1"},
		"an odd id":          {"", "https://security.example/incidents/437", "../a?b#c d", "", "https://security.example/alerts/..%2Fa%3Fb%23c%20d"},
		"without the portal": {"", "", "da1", tenant, nil},
		"of another scheme":  {"", "javascript://security.example/1", "da1", tenant, nil},
		"of no host":         {"", "https:///incidents/437", "da1", tenant, nil},
		"no address":         {"", "https://a b/", "da1", tenant, nil},
		"with a password":    {"", "https://user:secret@security.example/1", "da1", "", "https://security.example/alerts/da1"},
	} {
		o := with(t)
		o.Tenant, o.After.Description.URL = test.tenant, test.incident
		o.Snapshot.Alerts[0].URL, o.Snapshot.Alerts[0].ID = test.own, test.id
		r := records(Builder{Alerts: incident.Split}, o)[1]
		require.Equal(t, test.want, attribute(t, r, "microsoft.defender.alert.url"), name)
	}
}
