// SPDX-License-Identifier: Apache-2.0

package record

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

var update = flag.Bool("update", false, "write the golden files")

// listings has what a Get and the rows of both lists show of one incident.
func listings(t *testing.T) (get, own, alert *incident.Snapshot) {
	t.Helper()
	get = &incident.Snapshot{
		ID: 437, API: "graph", Name: "One incident", Status: "active", Severity: "high", Classification: "unknown", TenantID: tenant,
		URL: "https://security.microsoft.com/incident2/437/overview", LastUpdate: updated, Observed: observed,
		AlertsField: "alerts", LastUpdateField: "lastUpdateDateTime", AlertLastUpdateField: "lastUpdateDateTime",
		Object: object(t, map[string]any{"id": "437", "displayName": "One incident", "status": "active", "severity": "high"}),
		Alerts: []incident.Alert{
			{
				ID: "da1", Title: "One alert", Status: "new", Severity: "low", Category: "Execution", ServiceSource: "microsoftDefenderForEndpoint",
				LastUpdate: updated, MitreTechniques: []string{"T1055"}, Object: object(t, map[string]any{"id": "da1", "severity": "low", "evidence": []any{}}),
			},
			{ID: "da2", Title: "Another alert", Severity: "low", LastUpdate: updated, Object: object(t, map[string]any{"id": "da2", "severity": "low"})},
		},
		Original: []byte(`{"id":"437","displayName":"One incident","alerts":[]}`),
	}
	new(incident.Fingerprint).Snapshot(get)
	row := *get
	row.Source, row.Shows, row.Alerts, row.Original = incident.FromList, incident.OwnFields, nil, []byte(`{"id":"437","displayName":"One incident"}`)
	return get, &row, &incident.Snapshot{
		ID: 437, API: "graph", Source: incident.FromList, Shows: incident.SomeAlerts, TenantID: tenant, Observed: observed,
		AlertLastUpdateField: "lastUpdateDateTime", Alerts: get.Alerts[:1],
	}
}

// observing returns the observation of a snapshot after others.
func observing(mode incident.AlertsMode, s *incident.Snapshot, before ...*incident.Snapshot) Observation {
	c := incident.NewComparer(mode, false, nil, 0)
	var state incident.State
	for _, earlier := range before {
		_, state = c.Compare(state, earlier)
	}
	o := Observation{ID: 437, Tenant: tenant, Observed: observed, Snapshot: s}
	o.Change, o.After = c.Compare(state, s)
	return o
}

// moved returns a snapshot after a later change.
func moved(t *testing.T, s *incident.Snapshot) *incident.Snapshot {
	t.Helper()
	after := *s
	after.Severity, after.LastUpdate = "medium", updated.Add(time.Hour)
	after.Object = object(t, map[string]any{"id": "437", "displayName": "One incident", "status": "active", "severity": "medium"})
	new(incident.Fingerprint).Snapshot(&after)
	return &after
}

func TestRecordsOfRowsMatchGoldenFiles(t *testing.T) {
	get, own, alert := listings(t)
	for name, o := range map[string]Observation{
		"row_of_incidents_first":  observing(incident.Split, own),
		"row_of_incidents_later":  observing(incident.Split, moved(t, own), get, own),
		"row_of_incidents_none":   observing(incident.None, own),
		"row_of_alerts_first":     observing(incident.Split, alert, own),
		"row_of_alerts_and_a_get": observing(incident.Split, get, own, alert),
	} {
		t.Run(name, func(t *testing.T) {
			b := Builder{Alerts: incident.Split, Original: true, Host: "graph.microsoft.com", Scope: "test", ScopeVersion: "0.0.0-test"}
			if name == "row_of_incidents_none" {
				b.Alerts = incident.None
			}
			file, logs := filepath.Join("testdata", name+".yaml"), b.Logs(o)
			if *update {
				require.NoError(t, golden.WriteLogsToFile(file, logs))
			}
			want, err := golden.ReadLogs(file)
			require.NoError(t, err)
			require.NoError(t, plogtest.CompareLogs(want, logs))
		})
	}
}

func TestARowWithoutAlertsCountsThoseThatWereDelivered(t *testing.T) {
	get, own, alert := listings(t)
	merged := moved(t, own)
	merged.Merged, merged.SuccessorID = true, 900
	incomplete := moved(t, own)
	incomplete.Incomplete = true
	for name, test := range map[string]struct {
		mode   incident.AlertsMode
		row    *incident.Snapshot
		before []*incident.Snapshot
		want   any
	}{
		"after a Get":        {incident.Split, moved(t, own), []*incident.Snapshot{get}, int64(2)},
		"before a Get":       {incident.Split, moved(t, own), []*incident.Snapshot{own, alert}, nil},
		"for the first time": {incident.Split, own, nil, nil},
		"merged":             {incident.Split, merged, []*incident.Snapshot{get}, int64(0)},
		"incomplete":         {incident.Split, incomplete, []*incident.Snapshot{get}, nil},
		"without alerts":     {incident.None, moved(t, own), []*incident.Snapshot{get}, nil},
	} {
		r := records(Builder{Alerts: test.mode}, observing(test.mode, test.row, test.before...))
		require.Len(t, r, 1, name)
		require.Equal(t, test.want, attribute(t, r[0], "microsoft.defender.incident.alert_count"), name)
	}
}

// Another alert may be delivered before the row is shown again.
func TestTheUIDOfARowsRecordCoversTheCount(t *testing.T) {
	get, own, _ := listings(t)
	b, o := Builder{Alerts: incident.Split}, observing(incident.Split, moved(t, own), get)
	first := uids(t, b, o)
	require.Equal(t, first, uids(t, b, observing(incident.Split, moved(t, own), get)))
	o.After.Alerts = append(o.After.Alerts, incident.AlertState{ID: "da3"})
	require.NotEqual(t, first, uids(t, b, o))
	o.After.AlertsUnseen = true
	require.NotEqual(t, first, uids(t, b, o))
}

// If a row shows a change, and after a crash a Get shows it again, it is one change.
func TestARowAndAGetThatShowTheSameHaveTheSameUIDs(t *testing.T) {
	get, own, alert := listings(t)
	b := Builder{Alerts: incident.Split}
	require.Equal(t, uids(t, b, observing(incident.Split, moved(t, own), get, own)), uids(t, b, observing(incident.Split, moved(t, get), get, own)))
	both := uids(t, b, observing(incident.Split, get, own))
	require.Equal(t, both[:1], uids(t, b, observing(incident.Split, alert, own)))
}
