// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// The population of the first API stays for the second, so that the queries also
// see values in the other API's case.
func TestLokiAcceptsEveryRecordAndTheDocumentedQueriesFindThem(t *testing.T) {
	l := startLoki(t)
	for n, api := range []string{defendersim.APIDefenderXDR, defendersim.APIGraph} {
		t.Run(api, func(t *testing.T) {
			s := newSetup(t, api, int64(1001+1000*n))
			huge := s.addHuge()
			gate := s.toLoki(l, unhurried("otlp_http"))
			require.Empty(t, gate.Problems())

			all := s.stored(l, huge)
			s.requireAll(all)
			for _, r := range all {
				require.WithinDuration(t, time.Now(), r.time, timeLimit, "the time of observation")
			}
			_, _, size := s.shown(huge)
			t.Logf("an incident of %d bytes; the largest push had %d", size, gate.largest)
			require.Greater(t, size, 4<<20, "more than Loki accepts at once")
			s.requireQueries(l, all)
		})
	}
	l.program.Stop(t)
}

func TestLokiAnswersTheDocumentedQueries(t *testing.T) {
	l := startLoki(t)
	g := &gate{notifier: harness.NewNotifier(), address: l.address}
	tellStory(t, harness.Example{Name: "loki.yaml", Env: map[string]string{"LOKI_OTLP_ENDPOINT": harness.Serve(t, g) + "/otlp"}}, g.notifier, g)
	others := requireAnswers(t, queries(t, "loki.md", "logql"), func(t *testing.T, q query) []map[string]string {
		t.Helper()
		var rows []map[string]string
		if !strings.Contains(q.text, "_over_time(") {
			for _, r := range l.lines(t, q.text, 5000) {
				rows = append(rows, r.attributes)
			}
			return rows
		}
		for _, labels := range l.rows(t, q.text) {
			one := map[string]string{}
			for name := range readTemplate(t).record() {
				one[name] = labels[underscored(name)]
			}
			rows = append(rows, one)
		}
		return rows
	})
	for title := range others { // requireQueries asks these
		require.Contains(t, []string{"Its latest state", "Its alerts", "Records of incidents of a severity", "Records of incidents with a status"}, title)
	}
	l.program.Stop(t)
}

// This is why the example sends the time of observation.
func TestLokiRejectsTimesOfChangesEvenLessThanAWeekOld(t *testing.T) {
	l := startLoki(t)
	for name, with := range map[string]struct{ statement, answer string }{
		"as they are":          {"", "timestamp too old"},
		"but for the too old":  {`- set(log.time, log.observed_time) where log.observed_time - log.time > Duration("144h")`, "entry too far behind"},
		"for all, as it is so": {`- set(log.time, log.observed_time)`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, defendersim.APIDefenderXDR, 1001)
			gate := s.toLoki(l, `
processors:
  transform:
    log_statements:
      - set(resource.attributes["service.name"], "`+name+`")
      `+with.statement+"\n")
			refused := strings.Join(gate.Problems(), "\n")
			require.Equal(t, with.answer != "", refused != "", refused)
			require.Contains(t, refused, with.answer)
		})
	}
	l.program.Stop(t)
}

// toLoki runs play with a collector that sends to Loki, until Loki has accepted
// or rejected every record.
func (s *setup) toLoki(l *loki, more string) *gate {
	s.T.Helper()
	g := &gate{notifier: s.Notifier, address: l.address}
	p := s.start("loki.yaml", map[string]string{"LOKI_OTLP_ENDPOINT": harness.Serve(s.T, g) + "/otlp"}, more)
	s.play(p)
	s.Await(p, "all records", func() bool { return arrivedAll(s, g) })
	p.Stop(s.T)
	return g
}

// stored returns all records of this setup in Loki. It queries them in parts,
// because responses have the same size limit as pushes.
func (s *setup) stored(l *loki, huge int64) []record {
	s.T.Helper()
	var all []record
	for _, id := range s.settings.IDs {
		logQL := `{service_name="microsoft-defender"} | microsoft_defender_incident_id="` + strconv.FormatInt(id, 10) + `"`
		if id != huge {
			all = append(all, l.lines(s.T, logQL, 5000)...)
			continue
		}
		all = append(all, l.lines(s.T, logQL+` | microsoft_defender_alert_id=~".*[02468]"`, 5000)...)
		all = append(all, l.lines(s.T, logQL+` | microsoft_defender_alert_id!~".*[02468]"`, 5000)...)
	}
	return all
}

// own returns the records of this setup's incidents.
func (s *setup) own(records []record) []record {
	return slices.DeleteFunc(records, func(r record) bool { return !slices.Contains(s.names(), r.incident()) })
}

func (s *setup) names() []string {
	names := make([]string, len(s.settings.IDs))
	for i, id := range s.settings.IDs {
		names[i] = strconv.FormatInt(id, 10)
	}
	return names
}

// requireQueries runs the queries in docs/backends/loki.md and compares their
// results with all records.
func (s *setup) requireQueries(l *loki, all []record) {
	s.T.Helper()
	large := strconv.FormatInt(s.large, 10)
	lines := map[string]struct {
		id    string
		limit int
		fits  func(record) bool
	}{
		"An incident with all that happened to it": {id: large, limit: 5000, fits: func(r record) bool { return r.incident() == large }},
		"Its alerts":                         {id: large, limit: 5000, fits: func(r record) bool { return r.incident() == large && r.event == alertEvent }},
		"Records of incidents of a severity": {limit: 5000, fits: func(r record) bool { return r.event == incidentEvent && strings.EqualFold(r.severity, "high") }},
		"Records of incidents with a status": {limit: 5000, fits: func(r record) bool {
			return r.event == incidentEvent && strings.EqualFold(r.attributes["microsoft.defender.incident.status"], "resolved")
		}},
		"Its latest state": {id: strconv.FormatInt(s.resolved, 10), limit: 1, fits: func(r record) bool { return r.change() == "resolved" }},
	}
	for _, q := range queries(s.T, "loki.md", "logql") {
		if want, known := lines[q.title]; known {
			found := s.own(l.lines(s.T, strings.ReplaceAll(q.text, "437", want.id), want.limit))
			wanted := slices.DeleteFunc(slices.Clone(all), func(r record) bool { return !want.fits(r) })
			require.NotEmpty(s.T, wanted, q.title)
			require.ElementsMatch(s.T, wanted, found, q.title)
			s.T.Logf("%s: %d lines", q.title, len(found))
			delete(lines, q.title)
			continue
		}
		if q.title == latestStates {
			s.requireTable(l, q.text, all)
		}
	}
	require.Empty(s.T, lines, "no longer documented")
}

// requireTable requires a row for each incident, with the values of its last
// record.
func (s *setup) requireTable(l *loki, logQL string, all []record) {
	s.T.Helper()
	const by = "microsoft.defender.incident.id"
	last := map[string]record{}
	for _, r := range all {
		key := r.attributes[by]
		if r.event != incidentEvent {
			continue
		}
		if !r.time.Before(last[key].time) {
			last[key] = r
		}
	}
	var wanted, found []map[string]string
	for key, r := range last {
		row := map[string]string{underscored(by): key, underscored(r.event + ".change"): r.change()}
		for name, value := range map[string]string{underscored(r.event + ".status"): r.attributes[r.event+".status"], "severity_text": r.severity} {
			if value != "" {
				row[name] = value
			}
		}
		wanted = append(wanted, row)
	}
	for _, row := range l.rows(s.T, logQL) {
		if _, own := last[row[underscored(by)]]; own {
			found = append(found, row)
		}
	}
	require.Greater(s.T, len(wanted), 1)
	require.ElementsMatch(s.T, wanted, found)
	slices.SortFunc(found, func(a, b map[string]string) int { return cmp.Compare(a[underscored(by)], b[underscored(by)]) })
	for _, row := range found {
		s.T.Log(slices.Sorted(maps.Values(row)))
	}
}
