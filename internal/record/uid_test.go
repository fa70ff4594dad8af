// SPDX-License-Identifier: Apache-2.0

package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func uids(t *testing.T, b Builder, o Observation) []string {
	t.Helper()
	var all []string
	for _, r := range records(b, o) {
		uid := attribute(t, r, "log.record.uid")
		require.Len(t, uid, 32)
		all = append(all, uid.(string))
	}
	return all
}

func TestTheSameChangeDeliveredAgainHasTheSameUID(t *testing.T) {
	b := Builder{Alerts: incident.Split, Host: "api.example"}
	again := observation(t)
	again.Observed = observed.AddDate(1, 0, 0)
	require.Equal(t, uids(t, b, observation(t)), uids(t, b, again))
}

func TestRecordsThatDifferHaveDifferentUIDs(t *testing.T) {
	b := Builder{Alerts: incident.Split, Host: "api.example"}
	seen := map[string]string{}
	for name, change := range map[string]func(*Observation){
		"as it is":         func(*Observation) {},
		"another tenant":   func(o *Observation) { o.Tenant = "99999999-2222-3333-4444-555555555555" },
		"another incident": func(o *Observation) { o.ID = 438 },
		"another revision": func(o *Observation) { o.After.Revision++; o.Change.Alerts[0].Revision++ },
		"another kind":     func(o *Observation) { o.Change.Kind, o.Change.Alerts[0].Kind = incident.Updated, incident.Updated },
		"other content":    func(o *Observation) { o.After.Fields[0].Digest[0]++; o.Change.Alerts[0].Digest[0]++ },
		"not found":        func(o *Observation) { o.Change = incident.Change{Kind: incident.NotFound} },
		"found again, and not found": func(o *Observation) {
			o.Change = incident.Change{Kind: incident.NotFound}
			o.After.Revision += 2
		},
		"removed": func(o *Observation) {
			o.Change = incident.Change{Alerts: []incident.AlertChange{{Kind: incident.Removed, ID: "da1", Revision: 2}}}
		},
		"back, and removed": func(o *Observation) {
			o.Change = incident.Change{Alerts: []incident.AlertChange{{Kind: incident.Removed, ID: "da1", Revision: 4}}}
		},
		"another alert": func(o *Observation) { o.Change.Kind, o.Change.Alerts[0].ID = "", "da2" },
		"other changed fields": func(o *Observation) {
			o.Change = incident.Change{Kind: incident.Updated, Fields: []string{"alerts"}}
		},
		"another number of alerts": func(o *Observation) {
			o.Change.Alerts, o.Snapshot.Alerts = nil, append(o.Snapshot.Alerts, incident.Alert{})
		},
		"no list of alerts": func(o *Observation) { o.Change.Alerts, o.Snapshot.Alerts = nil, nil },
	} {
		o := observation(t)
		change(&o)
		for _, id := range uids(t, b, o) {
			require.NotContains(t, seen, id, "%s and %s", name, seen[id])
			seen[id] = name
		}
	}
}

func TestRepeatedSnapshotsHaveUIDsOfTheirOwn(t *testing.T) {
	b := Builder{Alerts: incident.Split, Host: "api.example"}
	at := func(observed time.Time) []string {
		o := observation(t)
		o.Change.Kind, o.Change.Alerts[0].Kind, o.Observed = incident.Unchanged, incident.Unchanged, observed
		return uids(t, b, o)
	}
	require.Equal(t, at(observed), at(observed), "the same observation, delivered again")
	for i, id := range at(observed) {
		require.NotEqual(t, id, at(observed.Add(1))[i])
	}
}

func TestTheIncidentsUIDCoversItsAlertsOnlyWhenEmbedded(t *testing.T) {
	for mode, same := range map[incident.AlertsMode]bool{incident.Split: true, incident.None: true, incident.Embedded: false} {
		b := Builder{Alerts: mode}
		one, two := observation(t), observation(t)
		two.After.Alerts[0].Digest[0]++
		require.Equal(t, same, uids(t, b, one)[0] == uids(t, b, two)[0], mode)
	}
}

func TestTheHostReplacesAnUnknownTenant(t *testing.T) {
	o := observation(t)
	o.Tenant = ""
	one := uids(t, Builder{Host: "one.example"}, o)
	two := uids(t, Builder{Host: "two.example"}, o)
	require.NotEqual(t, one, two)
	o.Tenant = tenant
	require.Equal(t, uids(t, Builder{Host: "one.example"}, o), uids(t, Builder{Host: "two.example"}, o))
}
