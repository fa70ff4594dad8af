// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	incidentEvent = "microsoft.defender.incident"
	alertEvent    = "microsoft.defender.alert"
)

// record is what a backend stores of a log record, in whatever form.
type record struct {
	event      string
	time       time.Time // by which the backend sorts
	severity   string
	attributes map[string]string // as text, also of the resource
	body       map[string]any    // with numbers as they are written
}

// recordsOf reads the records of deliveries.
func recordsOf(t *testing.T, deliveries []plog.Logs) []record {
	t.Helper()
	var records []record
	for _, logs := range deliveries {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, r := range scope.LogRecords().All() {
					made := record{event: r.EventName(), time: r.Timestamp().AsTime(), severity: r.SeverityText(), attributes: map[string]string{}}
					for name, value := range resource.Resource().Attributes().All() {
						made.attributes[name] = value.AsString()
					}
					for name, value := range r.Attributes().All() {
						made.attributes[name] = value.AsString()
					}
					body, err := json.Marshal(r.Body().AsRaw())
					require.NoError(t, err)
					made.body = harness.Object(t, body)
					records = append(records, made)
				}
			}
		}
	}
	return records
}

// change returns what happened.
func (r record) change() string { return r.attributes[r.event+".change"] }

// incident returns the incident ID as text.
func (r record) incident() string { return r.attributes["microsoft.defender.incident.id"] }

// alert returns the alert ID; empty for a record of an incident.
func (r record) alert() string { return r.attributes["microsoft.defender.alert.id"] }

// proof returns the record in the form that package proof compares. The time is
// from the body, because backends may replace the time of the record.
func (r record) proof(t *testing.T) proof.Record {
	t.Helper()
	id, err := json.Number(r.incident()).Int64()
	require.NoError(t, err, "%v", r.attributes)
	converted := proof.Record{UID: r.attributes["log.record.uid"], Incident: id, Alert: r.alert(), Change: r.change()}
	for _, name := range []string{"lastUpdateTime", "lastUpdatedTime", "lastUpdateDateTime"} {
		if text, has := r.body[name].(string); has {
			converted.Time, err = time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
		}
	}
	return converted
}

// requireAll compares what a backend stores with what was served: every record
// exactly once, and the last one of each incident and each alert as the API
// shows it now.
func (s *setup) requireAll(records []record) {
	s.T.Helper()
	all := make([]proof.Record, len(records))
	for i, r := range records {
		require.Contains(s.T, []string{incidentEvent, alertEvent}, r.event)
		require.Equal(s.T, r.event == alertEvent, r.alert() != "")
		require.Equal(s.T, "azure", r.attributes["cloud.provider"])
		all[i] = r.proof(s.T)
	}
	require.Empty(s.T, proof.Exactly(s.Sim, all))
	changes := map[string]int{}
	for _, r := range records {
		changes[r.event+" "+r.change()]++
	}
	for _, change := range []string{
		incidentEvent + " first_seen", incidentEvent + " resolved", incidentEvent + " updated", incidentEvent + " merged",
		incidentEvent + " not_found", alertEvent + " first_seen", alertEvent + " updated", alertEvent + " removed",
	} {
		require.NotZero(s.T, changes[change], "the test needs a record of %s", change)
	}
	s.requireLatest(records)
}

// requireLatest compares the last record of each incident and each alert with
// what the API shows.
func (s *setup) requireLatest(records []record) {
	s.T.Helper()
	last := map[string]record{}
	for _, r := range records {
		key := r.incident() + " " + r.alert()
		if !r.time.Before(last[key].time) {
			last[key] = r
		}
	}
	alerts := 0
	for _, id := range s.Sim.IDs() {
		if id == s.from {
			continue // merged into another
		}
		incident, shown, size := s.shown(id)
		key := incidentKey(s, incident)
		s.requireSame(incident, last[key])
		require.Equal(s.T, incident["status"], last[key].attributes["microsoft.defender.incident.status"])
		for _, alert := range shown {
			s.requireSame(alert, last[key+alertKey(s, alert)])
			alerts++
		}
		if id == s.large {
			require.Len(s.T, shown, manyAlerts)
			require.Greater(s.T, size, 210_000, "large enough; larger under Graph")
			s.T.Logf("an incident of %d bytes with %d alerts", size, len(shown))
		}
	}
	require.Greater(s.T, alerts, manyAlerts)
}

func incidentKey(s *setup, incident map[string]any) string {
	if s.settings.API == defendersim.APIGraph {
		return incident["id"].(string) + " "
	}
	return incident["incidentId"].(json.Number).String() + " "
}

func alertKey(s *setup, alert map[string]any) string {
	if s.settings.API == defendersim.APIGraph {
		return alert["id"].(string)
	}
	return alert["alertId"].(string)
}

func (s *setup) requireSame(shown map[string]any, r record) {
	s.T.Helper()
	require.Equal(s.T, shown, r.body)
	require.Equal(s.T, shown["severity"], r.severity)
}
