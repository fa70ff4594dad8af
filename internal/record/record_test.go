// SPDX-License-Identifier: Apache-2.0

package record

import (
	"math"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

const tenant = "11111111-2222-3333-4444-555555555555"

var (
	updated  = time.Date(2026, 9, 6, 13, 2, 10, 530e6, time.UTC)
	observed = time.Date(2026, 9, 6, 13, 5, 0, 0, time.UTC)
)

// observation is an incident with one alert, seen for the first time.
func observation(t *testing.T) Observation {
	t.Helper()
	s := &incident.Snapshot{
		ID: 437, Name: "One incident", Status: "Active", Severity: "High", TenantID: tenant,
		LastUpdate: updated, Observed: observed, AlertsField: "alerts",
		Object: object(t, map[string]any{"incidentId": int64(437), "severity": "High", "assignedTo": nil}),
		Fields: []incident.Field{{Name: "severity", Part: incident.Part{Digest: incident.Digest{1}}}},
		Alerts: []incident.Alert{{
			ID: "da1", Title: "One alert", Severity: "Low", LastUpdate: updated.Add(-time.Hour),
			MitreTechniques: []string{"T1055", "T1078"},
			Object:          object(t, map[string]any{"alertId": "da1", "severity": "Low"}),
			Digest:          incident.Digest{2},
		}},
		Original: []byte(`{"incidentId": 437}`),
	}
	change, after := incident.NewComparer(incident.Split, false, nil, 0).Compare(incident.State{}, s)
	return Observation{ID: 437, Tenant: tenant, Observed: observed, Snapshot: s, Change: change, After: after}
}

func records(b Builder, o Observation) []plog.LogRecord {
	var all []plog.LogRecord
	for _, resource := range b.Logs(o).ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				all = append(all, r)
			}
		}
	}
	return all
}

func attribute(t *testing.T, r plog.LogRecord, name string) any {
	t.Helper()
	v, ok := r.Attributes().Get(name)
	if !ok {
		return nil
	}
	return v.AsRaw()
}

func TestAnIncidentComesFirstAndItsAlertsAfterIt(t *testing.T) {
	all := records(Builder{Alerts: incident.Split, Host: "api.example"}, observation(t))
	require.Len(t, all, 2)
	require.Equal(t, "microsoft.defender.incident", all[0].EventName())
	require.Equal(t, "microsoft.defender.alert", all[1].EventName())
	require.Equal(t, updated, all[0].Timestamp().AsTime())
	require.Equal(t, updated.Add(-time.Hour), all[1].Timestamp().AsTime())
	require.Equal(t, observed, all[1].ObservedTimestamp().AsTime())
	require.Equal(t, map[string]any{"incidentId": int64(437), "severity": "High", "assignedTo": nil}, all[0].Body().Map().AsRaw())
	require.Equal(t, map[string]any{"incidentId": int64(437), "alertId": "da1", "severity": "Low"}, all[1].Body().Map().AsRaw())
	require.Equal(t, []any{"T1055", "T1078"}, attribute(t, all[1], "microsoft.defender.alert.mitre_techniques"))
}

func TestAlertsArePartOfTheBodyOnlyWhenEmbedded(t *testing.T) {
	for mode, want := range map[incident.AlertsMode]any{
		incident.Split: nil, incident.None: nil,
		incident.Embedded: []any{map[string]any{"incidentId": int64(437), "alertId": "da1", "severity": "Low"}},
	} {
		o := observation(t)
		o.Change.Alerts = nil
		r := records(Builder{Alerts: mode}, o)[0]
		require.Equal(t, want, r.Body().Map().AsRaw()["alerts"], mode)
		require.Equal(t, int64(1), attribute(t, r, "microsoft.defender.incident.alert_count"), mode)
	}
}

func TestAListOfAlertsThatIsNullStaysNullOnlyWhenEmbedded(t *testing.T) {
	for mode, want := range map[incident.AlertsMode]bool{incident.Split: false, incident.None: false, incident.Embedded: true} {
		o := observation(t)
		o.Snapshot.Alerts, o.Change.Alerts = nil, nil
		o.Snapshot.Object = object(t, map[string]any{"alerts": nil})
		r := records(Builder{Alerts: mode}, o)[0]
		_, there := r.Body().Map().Get("alerts")
		require.Equal(t, want, there, mode)
		require.Nil(t, attribute(t, r, "microsoft.defender.incident.alert_count"), "no list, no count")
	}
}

func TestAlertsThatMayNotBeAllAreNotCounted(t *testing.T) {
	o := observation(t)
	o.Snapshot.Incomplete = true
	r := records(Builder{Alerts: incident.Split}, o)[0]
	require.Nil(t, attribute(t, r, "microsoft.defender.incident.alert_count"))
}

func TestListsOfWhatAlertsAffectMayLackSomethingIfAlertsMayBeMissing(t *testing.T) {
	o := observation(t)
	o.Snapshot.Evidence, o.Snapshot.Incomplete = many(1), true
	r := records(Builder{Alerts: incident.Embedded}, o)[0]
	require.Equal(t, []any{"hosts", "users", "ip_addresses", "file_hashes", "urls", "mailboxes", "processes"}, attribute(t, r, "microsoft.defender.incident.truncated"))
	o.Snapshot.Incomplete = false
	require.Nil(t, attribute(t, records(Builder{Alerts: incident.Embedded}, o)[0], "microsoft.defender.incident.truncated"))
}

func TestWhatTheAPIHasNoValueForIsLeftOut(t *testing.T) {
	r := records(Builder{Alerts: incident.Split}, observation(t))[0]
	for _, name := range []string{"classification", "determination", "assigned_to", "url", "redirect_id", "changed_fields", "previous_status"} {
		_, there := r.Attributes().Get("microsoft.defender.incident." + name)
		require.False(t, there, name)
	}
	_, there := r.Attributes().Get("log.record.original")
	require.False(t, there)
}

func TestTheOriginalIsTheIncidentRecordsAlone(t *testing.T) {
	all := records(Builder{Alerts: incident.Split, Original: true}, observation(t))
	require.Equal(t, `{"incidentId": 437}`, attribute(t, all[0], "log.record.original"))
	require.Nil(t, attribute(t, all[1], "log.record.original"))
}

func TestWhatIsGoneHasABodyOfIdsAndNoSeverity(t *testing.T) {
	o := observation(t)
	o.Change.Kind = ""
	o.Change.Alerts = []incident.AlertChange{{Kind: incident.Removed, ID: "da1", Revision: 1}}
	removed := records(Builder{Alerts: incident.Split}, o)
	require.Len(t, removed, 1, "an alert that left is no change of the incident itself")
	require.Equal(t, map[string]any{"incidentId": int64(437), "alertId": "da1"}, removed[0].Body().Map().AsRaw())

	missing := records(Builder{}, Observation{
		ID: 437, Observed: observed,
		Change: incident.Change{Kind: incident.NotFound, PreviousStatus: "Active"}, After: incident.State{Revision: 1},
	})
	require.Equal(t, map[string]any{"incidentId": int64(437)}, missing[0].Body().Map().AsRaw())
	require.Equal(t, "Active", attribute(t, missing[0], "microsoft.defender.incident.previous_status"))

	for _, r := range append(removed, missing...) {
		require.Equal(t, r.ObservedTimestamp(), r.Timestamp())
		require.Equal(t, plog.SeverityNumberUnspecified, r.SeverityNumber())
		require.Empty(t, r.SeverityText())
	}
}

func TestATimeThatATimestampCannotHoldIsReplacedByTheTimeOfArrival(t *testing.T) {
	epoch, last := time.Unix(0, 0).UTC(), time.Unix(0, math.MaxInt64).UTC()
	for at, want := range map[time.Time]time.Time{
		updated:       updated,
		epoch:         epoch,
		last:          last,
		epoch.Add(-1): observed,
		last.Add(1):   observed,
		{}:            observed,
		time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC):      observed,
		time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC):      observed,
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC): observed,
	} {
		o := observation(t)
		o.Snapshot.LastUpdate, o.Snapshot.Alerts[0].LastUpdate = at, at
		all := records(Builder{Alerts: incident.Split}, o)
		require.Len(t, all, 2)
		for _, r := range all {
			require.Equal(t, want, r.Timestamp().AsTime(), at)
		}
	}
}

func TestNothingChangedIsNoRecord(t *testing.T) {
	o := observation(t)
	o.Change = incident.Change{}
	require.Zero(t, Builder{}.Logs(o).ResourceLogs().Len())
}

func TestAConsumerThatChangesRecordsDoesNotChangeTheNextAttempt(t *testing.T) {
	for _, mode := range []incident.AlertsMode{incident.Split, incident.Embedded} {
		b, o := Builder{Alerts: mode, Original: true, Host: "api.example"}, observation(t)
		first, untouched := b.Logs(o), b.Logs(o)
		first.ResourceLogs().At(0).Resource().Attributes().Clear()
		for _, r := range first.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			r.Body().Map().PutStr("severity", "changed")
			if alerts, ok := r.Body().Map().Get("alerts"); ok {
				alerts.Slice().At(0).Map().PutStr("severity", "changed")
			}
			r.Attributes().Clear()
		}
		require.NoError(t, plogtest.CompareLogs(untouched, b.Logs(o)))
	}
}

func TestSeverityNumbers(t *testing.T) {
	for word, want := range map[string]plog.SeverityNumber{
		"Informational": 9, "Low": 13, "Medium": 17, "High": 19, "high": 19,
		"UnSpecified": 0, "unknown": 0, "Critical": 0, "": 0,
	} {
		r := plog.NewLogRecord()
		setSeverity(r, word)
		require.Equal(t, want, r.SeverityNumber(), word)
		require.Equal(t, word, r.SeverityText())
	}
}
