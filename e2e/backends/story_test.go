// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// storyRecord is a record written by hand, as docs/records.md describes it.
type storyRecord struct {
	incident          int64
	alert             string // empty: the record is the incident's own
	kind              string // of change
	changed, observed time.Duration
	severity          string
	attributes        map[string]any // beside those above, without "microsoft.defender."
	body              map[string]any // beside the incident's ID
}

const (
	// soon is before the test and within the last five minutes, the window of the
	// documented alarms.
	soon = 90 * time.Second
	day  = 24 * time.Hour
)

// story has an incident for every case that a query has to tell from the others.
// Durations say how long ago something was.
func story() []storyRecord {
	return slices.Concat(statesOfTheStory(), alarmsOfTheStory(), alertsOfTheStory())
}

// statesOfTheStory are incidents whose last state is not the one that changed
// last. All of it was observed too long ago for an alarm.
func statesOfTheStory() []storyRecord {
	return []storyRecord{
		// Came back as it was before it was not found.
		own(9001, "first_seen", 40*day, 50*time.Minute, "High", "New", 41*day),
		gone(9001, "not_found", 30*time.Minute, "High"),
		own(9001, "first_seen", 40*day, 10*time.Minute, "High", "New", 41*day),
		// Stays away.
		own(9002, "first_seen", 40*day, 50*time.Minute, "High", "New", 41*day),
		gone(9002, "not_found", 30*time.Minute, "High"),
		// Merged.
		own(9003, "first_seen", 5*day, 50*time.Minute, "High", "New", 6*day),
		with(gone(9003, "merged", 30*time.Minute, "High"), "incident.redirect_id", int64(9004), "incident.status", "Redirected"),
		// Resolved, and its severity in Graph's case.
		own(9004, "first_seen", 5*day, 50*time.Minute, "high", "active", 6*day),
		with(own(9004, "resolved", 35*time.Minute, 30*time.Minute, "high", "resolved", 6*day), "incident.previous_status", "active"),
		// Open, and in Graph's case.
		own(9005, "first_seen", 5*day, 50*time.Minute, "high", "inProgress", 6*day),
		// The API showed an older time later, once within the same second.
		own(9006, "updated", 20*time.Minute, 19*time.Minute, "High", "Active", 6*day),
		own(9006, "updated", 25*time.Minute, 18*time.Minute, "Low", "Active", 6*day),
		own(9007, "updated", 20*time.Minute, 19*time.Minute, "High", "Active", 6*day),
		own(9007, "resolved", 25*time.Minute, 19*time.Minute-300*time.Millisecond, "High", "Resolved", 6*day),
	}
}

// alarmsOfTheStory are incidents that have just been observed to change. Some
// changed long before.
func alarmsOfTheStory() []storyRecord {
	return []storyRecord{
		own(9011, "first_seen", 2*time.Hour, soon, "High", "Active", 3*time.Hour),
		own(9012, "first_seen", 2*time.Hour, soon, "high", "active", 3*time.Hour),
		own(9013, "first_seen", 2*time.Hour, soon, "Medium", "Active", 3*time.Hour),
		own(9014, "first_seen", 2*time.Hour, soon, "High", "Active", 60*day),        // merely first seen
		own(9015, "first_seen", 2*time.Hour, soon, "High", "Resolved", 3*time.Hour), // over when it was found
		own(9016, "first_seen", 2*time.Hour, 20*time.Minute, "High", "Active", 3*time.Hour),
		own(9017, "first_seen", 2*time.Hour, soon, "High", "Active", day+soon/2), // less than a day old when it was observed, but not now
		change(9021, "resolved", "High", "Resolved", "incident.previous_status", "Active"),
		change(9022, "resolved", "low", "resolved", "incident.previous_status", "active"),
		change(9023, "reopened", "Low", "Active", "incident.previous_status", "Resolved"),
		change(9031, "updated", "High", "InProgress", "incident.assigned_to", "soc@contoso.com", "incident.previous_assigned_to", "analyst@contoso.com"),
		change(9032, "updated", "High", "InProgress", "incident.previous_assigned_to", "analyst@contoso.com"), // to nobody
		change(9033, "updated", "High", "InProgress", "incident.assigned_to", "soc@contoso.com"),
		change(9041, "updated", "High", "Active", "incident.previous_severity", "Medium"),
		change(9042, "updated", "medium", "active", "incident.previous_severity", "low"),
		change(9043, "updated", "Low", "Active", "incident.previous_severity", "Informational"),
		change(9044, "updated", "Medium", "Active", "incident.previous_severity", "High"),
		change(9045, "updated", "Low", "Active", "incident.previous_severity", "Medium"),
		change(9046, "updated", "informational", "active", "incident.previous_severity", "low"),
		change(9047, "updated", "Medium", "Active", "incident.previous_severity", "UnSpecified"),
		change(9048, "updated", "Low", "Active", "incident.previous_severity", "UnSpecified"),
	}
}

// alertsOfTheStory are the alerts of one incident.
func alertsOfTheStory() []storyRecord {
	const incident = 9051
	withBody := with(alert(incident, "on a host", "first_seen", 2*time.Hour, soon, 3*time.Hour), "alert.hosts", []string{"ws-17.contoso.com", "dc01.contoso.com"})
	withBody.body = map[string]any{"serviceSource": "MicrosoftDefenderForEndpoint", "entities": []any{map[string]any{"entityType": "Ip", "ipAddress": "192.0.2.1"}}}
	return []storyRecord{
		own(incident, "first_seen", 2*time.Hour, 50*time.Minute, "Medium", "Active", 3*time.Hour),
		// Left and came back as it was, and one that stays away.
		alert(incident, "returned", "first_seen", 2*time.Hour, 50*time.Minute, 3*time.Hour),
		alert(incident, "returned", "removed", 30*time.Minute, 30*time.Minute, 0),
		alert(incident, "returned", "first_seen", 2*time.Hour, 10*time.Minute, 3*time.Hour),
		alert(incident, "removed", "first_seen", 2*time.Hour, 50*time.Minute, 3*time.Hour),
		alert(incident, "removed", "removed", soon, soon, 0),
		// On hosts and users, on the list and not.
		withBody,
		with(alert(incident, "on a user", "first_seen", 2*time.Hour, soon, 3*time.Hour), "alert.users", []string{"Admin@contoso.com"}),
		with(alert(incident, "elsewhere", "first_seen", 2*time.Hour, soon, 3*time.Hour), "alert.hosts", []string{"ws-17.contoso.com", "dc01.contoso.com.example"}, "alert.users", []string{"analyst@contoso.com"}),
		with(alert(incident, "old", "first_seen", 2*time.Hour, soon, 60*day), "alert.hosts", []string{"dc01.contoso.com"}),
		with(alert(incident, "a day old", "first_seen", 2*time.Hour, soon, day+soon/2), "alert.hosts", []string{"dc01.contoso.com"}),
		with(alert(incident, "changed", "first_seen", 2*time.Hour, 50*time.Minute, 3*time.Hour), "alert.hosts", []string{"dc01.contoso.com"}),
		with(alert(incident, "changed", "updated", soon, soon, 3*time.Hour), "alert.hosts", []string{"dc01.contoso.com"}, "alert.changed_fields", []string{"status"}),
	}
}

// answers are the rows that the queries of every page have to find in the story,
// by the heading above the query: an incident's ID, and of a query for alerts
// the alert's ID.
func answers() map[string][]string {
	const many = "9001 9002 9003 9004 9005 9006 9007 9011 9012 9013 9014 9015 9016 9017 9021 9022 9023 9031 9032 9033 9041 9042 9043 9044 9045 9046 9047 9048 9051"
	return map[string][]string{
		latestStates:                             strings.Fields(many),
		"What is open and severe now":            {"9001", "9005", "9011", "9012", "9014", "9016", "9017", "9031", "9032", "9033", "9041"},
		"The latest state of its alerts":         {"9051 a day old", "9051 changed", "9051 elsewhere", "9051 old", "9051 on a host", "9051 on a user", "9051 returned"},
		"A new severe incident":                  {"9011", "9012", "9017"},
		"Resolved":                               {"9021", "9022"},
		"Reopened":                               {"9023"},
		"Reassigned":                             {"9031", "9032"},
		"Severity raised":                        {"9041", "9042", "9043", "9047"},
		"An alert on a host or user from a list": {"9051 a day old", "9051 on a host", "9051 on a user"},
	}
}

const (
	latestStates = "The latest state of each incident"
	// wholeStory is the query for all records of one incident, its alerts included.
	wholeStory = "An incident with all that happened to it"
	// documentedID is the incident that the documented queries ask for.
	documentedID = "437"
	// storyID is the one that they ask for in a test.
	storyID = "9051"
)

// own is a record of an incident. changed, observed and created are how long ago.
func own(id int64, kind string, changed, observed time.Duration, severity, status string, created time.Duration) storyRecord {
	return with(storyRecord{incident: id, kind: kind, changed: changed, observed: observed, severity: severity},
		"incident.name", fmt.Sprintf("Incident %d", id), "incident.status", status, "incident.severity", severity,
		"incident.created_time", ago(created), "incident.url", fmt.Sprintf("https://security.microsoft.com/incidents/%d", id),
		"incident.alert_count", int64(2), "incident.tags", []string{"tag"}, "incident.comment_count", int64(0))
}

// change is a record of a change that was observed just now, half an hour after
// it was made. The incident was created days ago.
func change(id int64, kind, severity, status string, more ...any) storyRecord {
	return with(own(id, kind, 30*time.Minute, soon, severity, status, 5*day), more...)
}

// gone is a record of an incident that the API does not show any more. It has the
// severity that was last known, and no query may take that for the state now.
func gone(id int64, kind string, observed time.Duration, severity string) storyRecord {
	return with(storyRecord{incident: id, kind: kind, changed: observed, observed: observed, severity: severity},
		"incident.name", fmt.Sprintf("Incident %d", id), "incident.severity", severity)
}

func alert(incident int64, id, kind string, changed, observed, created time.Duration) storyRecord {
	a := with(storyRecord{incident: incident, alert: id, kind: kind, changed: changed, observed: observed},
		"alert.title", "Alert "+id, "incident.name", fmt.Sprintf("Incident %d", incident), "incident.status", "Active",
		"incident.severity", "Medium", "alert.severity", "High")
	if kind == "removed" {
		return a
	}
	a.severity = "High"
	return with(a, "alert.status", "New", "alert.created_time", ago(created))
}

// with returns the record with more attributes, given as names and values.
func with(r storyRecord, more ...any) storyRecord {
	attributes := maps.Clone(r.attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	for i := 0; i < len(more); i += 2 {
		attributes[more[i].(string)] = more[i+1]
	}
	r.attributes = attributes
	return r
}

// ago stands for a time; the records get it when they are built.
type ago time.Duration

// logsOf returns the records as the receiver delivers them, the first observed
// first.
func logsOf(t *testing.T, records []storyRecord, now time.Time) plog.Logs {
	t.Helper()
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b storyRecord) int { return int(b.observed - a.observed) })
	now = now.Truncate(time.Second)
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("microsoft.tenant.id", "11111111-2222-3333-4444-555555555555")
	resource.Resource().Attributes().PutStr("server.address", "api.security.microsoft.com")
	resource.Resource().Attributes().PutStr("cloud.provider", "azure")
	scope := resource.ScopeLogs().AppendEmpty()
	for n, told := range records {
		r := scope.LogRecords().AppendEmpty()
		event := incidentEvent
		if told.alert != "" {
			event = alertEvent
			r.Attributes().PutStr("microsoft.defender.alert.id", told.alert)
		}
		r.SetEventName(event)
		r.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-told.changed)))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now.Add(-told.observed)))
		r.SetSeverityText(told.severity)
		body := map[string]any{"incidentId": told.incident}
		maps.Copy(body, told.body)
		require.NoError(t, r.Body().FromRaw(body))
		r.Attributes().PutInt("microsoft.defender.incident.id", told.incident)
		r.Attributes().PutStr(event+".change", told.kind)
		r.Attributes().PutStr("log.record.uid", fmt.Sprintf("%032x", n))
		for name, value := range told.attributes {
			if since, is := value.(ago); is {
				value = now.Add(-time.Duration(since)).UTC().Format(time.RFC3339Nano)
			}
			if list, is := value.([]string); is {
				values := r.Attributes().PutEmptySlice("microsoft.defender." + name)
				for _, v := range list {
					values.AppendEmpty().SetStr(v)
				}
				continue
			}
			require.NoError(t, r.Attributes().PutEmpty("microsoft.defender."+name).FromRaw(value))
		}
	}
	return logs
}

// tellStory sends the story through an example: the collector takes it over OTLP
// instead of polling, and does all else as the example says. It returns when the
// backend has answered for all records, which all must be accepted.
func tellStory(t *testing.T, e harness.Example, n *harness.Notifier, to backend) {
	t.Helper()
	h := harness.NewWithoutSim(t, timeLimit)
	h.Notifier = n
	address := harness.FreeAddress(t)
	e.Overlays = append(e.Overlays, `
extensions: {file_storage: {directory: "`+filepath.Join(t.TempDir(), "storage")+`"}}
receivers: {otlp: {protocols: {http: {endpoint: "`+address+`"}}}}
service:
  extensions: [file_storage]
  pipelines: {logs: {receivers: [otlp]}}
  telemetry: {metrics: {level: none}}
`)
	p := harness.Launch(h.Ctx, t, n, e.Environment(t), collector, e.Arguments(t)...)
	h.Await(p, "the collector", func() bool { return strings.Contains(p.Log(), ready) })
	records := story()
	body, err := plogotlp.NewExportRequestFromLogs(logsOf(t, records, time.Now())).MarshalProto()
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(h.Ctx, http.MethodPost, "http://"+address+"/v1/logs", bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
	h.Await(p, "the story", func() bool { return to.RecordCount() >= len(records) || len(to.Problems()) > 0 })
	p.Stop(t)
	require.Empty(t, to.Problems())
	require.Equal(t, len(records), to.RecordCount())
}

// requireAnswers asks the queries that have an answer about the story, and requires
// that answer. None may be missing. ask returns rows with attributes under the
// names of docs/records.md. requireAnswers returns the other queries by heading.
func requireAnswers(t *testing.T, documented []query, ask func(t *testing.T, q query) []map[string]string) (others map[string]string) {
	t.Helper()
	others = map[string]string{}
	missing := answers()
	for _, q := range documented {
		q.text = strings.ReplaceAll(q.text, documentedID, storyID)
		want, known := missing[q.title]
		switch {
		case q.title == wholeStory:
			requireWholeStory(t, ask(t, q))
		case known:
			var found []string
			for _, row := range ask(t, q) {
				found = append(found, strings.TrimSpace(row["microsoft.defender.incident.id"]+" "+row["microsoft.defender.alert.id"]))
				if q.title == latestStates {
					requireLatestOfTheStory(t, row)
				}
			}
			require.ElementsMatch(t, want, found, q.title)
			delete(missing, q.title)
		default:
			others[q.title] = q.text
		}
	}
	require.Empty(t, missing, "not documented")
	return others
}

// requireLatestOfTheStory requires the state that was observed last, not the one
// that changed last.
func requireLatestOfTheStory(t *testing.T, row map[string]string) {
	t.Helper()
	last := storyRecord{observed: 365 * day}
	for _, r := range story() {
		if fmt.Sprint(r.incident) == row["microsoft.defender.incident.id"] && r.alert == "" && r.observed < last.observed {
			last = r
		}
	}
	require.Equal(t, last.kind, row["microsoft.defender.incident.change"], "%v", row)
	status, _ := last.attributes["incident.status"].(string)
	require.True(t, strings.EqualFold(status, row["microsoft.defender.incident.status"]), "%v", row)
}

// requireWholeStory requires all records of an incident, in the order in which
// they were observed or the reverse.
func requireWholeStory(t *testing.T, rows []map[string]string) {
	t.Helper()
	var want, found []string
	records := story()
	slices.SortStableFunc(records, func(a, b storyRecord) int { return int(b.observed - a.observed) })
	for _, r := range records {
		if fmt.Sprint(r.incident) == storyID {
			want = append(want, r.kind)
		}
	}
	for _, row := range rows {
		found = append(found, row[incidentEvent+".change"]+row[alertEvent+".change"])
	}
	require.ElementsMatch(t, want, found)
}
