// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestVictoriaLogsKeepsEveryRecordWithAMessageForPeople(t *testing.T) {
	t.Parallel()
	for _, api := range []string{defendersim.APIDefenderXDR, defendersim.APIGraph} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, api, 1001)
			s.addHuge()
			v := startVictoriaLogs(t)
			g := &gate{notifier: s.Notifier, address: v.address}
			p := s.start("victorialogs.yaml", g.exampleEnvironment(t), unhurried("otlp_http"))
			s.play(p)
			s.awaitAll(p, g)
			p.Stop(t)

			require.Zero(t, v.dropped())
			mapped := readTemplate(t)
			var all []record
			for _, row := range v.rows("*") {
				r := victoriaRecord(t, mapped, row)
				require.WithinDuration(t, time.Now(), r.time, timeLimit, "the time of observation")
				requireMessage(t, row, r)
				requireChangeTime(t, row, r)
				require.Regexp(t, `^\{event_name="`+regexp.QuoteMeta(r.event)+`",(microsoft\.tenant\.id="[-0-9a-f]+",)?service\.name="microsoft-defender"\}$`, row["_stream"])
				requireNoFieldsOfTheBody(t, mapped, row)
				all = append(all, r)
			}
			s.requireAll(all)
			require.Contains(t, string(v.get("/select/vmui/", nil)), "<html", "the web interface")
			v.program.Stop(t)
		})
	}
}

// requireMessage requires one line that says what happened to what.
func requireMessage(t *testing.T, row map[string]string, r record) {
	t.Helper()
	want := "incident " + r.incident() + " " + r.change()
	name, status, owner := r.attributes["microsoft.defender.incident.name"], r.attributes["microsoft.defender.incident.status"], r.attributes["microsoft.defender.incident.assigned_to"]
	if r.alert() != "" {
		want = "incident " + r.incident() + " alert " + r.change()
		name, status, owner = r.attributes["microsoft.defender.alert.title"], r.attributes["microsoft.defender.alert.status"], ""
	}
	if name != "" {
		want += ": " + name
	}
	for _, more := range []string{r.severity, status, owner} {
		if more != "" {
			want += ", " + more
		}
	}
	require.Equal(t, want, row["_msg"])
	require.NotContains(t, row["_msg"], "nil")
}

// requireNoFieldsOfTheBody requires that the names in the API's objects are not
// fields: there may be any number of them.
func requireNoFieldsOfTheBody(t *testing.T, mapped indexTemplate, row map[string]string) {
	t.Helper()
	for name := range row {
		_, attribute := mapped.record()[name]
		_, resource := mapped.resource()[name]
		require.True(t, attribute || resource || slices.Contains([]string{
			"_msg", "_time", "_stream", "_stream_id", "event_name", "severity_text", "severity_number", "service.name",
			"scope.name", "scope.version", "body", "change_time",
		}, name), name)
	}
}

// requireChangeTime requires that the time of the change is kept.
func requireChangeTime(t *testing.T, row map[string]string, r record) {
	t.Helper()
	found, err := time.Parse(time.RFC3339Nano, row["change_time"])
	require.NoError(t, err)
	want := r.proof(t).Time
	if want.IsZero() {
		want = r.time
	}
	require.True(t, want.Equal(found), "%v", row)
}

// This is why the example sends the time of observation.
func TestVictoriaLogsDropsWhatChangedBeforeItsRetentionPeriod(t *testing.T) {
	t.Parallel()
	v := startVictoriaLogs(t)
	g := &gate{notifier: harness.NewNotifier(), address: v.address}
	tellStory(t, harness.Example{Name: "victorialogs.yaml", Env: g.exampleEnvironment(t), Overlays: []string{"processors: {transform: {log_statements: []}}"}}, g.notifier, g)
	old := 0
	for _, r := range story() {
		if r.changed > 7*day {
			old++
		}
	}
	require.NotZero(t, old)
	require.Equal(t, old, v.dropped(), "though all of it was accepted")
	v.program.Stop(t)
}

func TestVictoriaLogsAnswersTheDocumentedQueries(t *testing.T) {
	t.Parallel()
	v := startVictoriaLogs(t)
	g := &gate{notifier: harness.NewNotifier(), address: v.address}
	tellStory(t, harness.Example{Name: "victorialogs.yaml", Env: g.exampleEnvironment(t)}, g.notifier, g)
	require.Zero(t, v.dropped())
	others := requireAnswers(t, queries(t, "victorialogs.md", "logsql"), func(t *testing.T, q query) []map[string]string {
		t.Helper()
		rows := v.rows(q.text)
		if strings.Contains(q.text, "| stats") {
			require.Len(t, v.stats(q.text), len(rows), "a rule of vmalert gets as much: %s", q.title)
		}
		return rows
	})
	require.Len(t, others, 1)
	found := v.rows(others["What the API sent"])
	require.Len(t, found, 1)
	require.Equal(t, "on a host", found[0]["microsoft.defender.alert.id"])
	require.Equal(t, "MicrosoftDefenderForEndpoint", found[0]["body.serviceSource"])
	v.program.Stop(t)
}

// exampleEnvironment returns the variables with which the example sends through
// the gate.
func (g *gate) exampleEnvironment(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"VICTORIALOGS_OTLP_ENDPOINT": harness.Serve(t, g) + "/insert/opentelemetry"}
}
