// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestAnIncidentsOwnFieldsAreAttributes(t *testing.T) {
	o := observation(t)
	o.Snapshot.Created, o.Snapshot.Tags, o.Snapshot.Comments = updated.Add(-time.Hour).In(time.FixedZone("", 3600)), []string{"VIP", ""}, new(0)
	r := records(Builder{}, o)[0]
	require.Equal(t, "2026-09-06T12:02:10.53Z", attribute(t, r, "microsoft.defender.incident.created_time"))
	require.Equal(t, []any{"VIP", ""}, attribute(t, r, "microsoft.defender.incident.tags"))
	require.Equal(t, int64(0), attribute(t, r, "microsoft.defender.incident.comment_count"))
	require.Equal(t, "High", attribute(t, r, "microsoft.defender.incident.severity"))
}

func TestWhatAnIncidentDoesNotHaveIsNoAttribute(t *testing.T) {
	o := observation(t)
	o.Snapshot.Severity = ""
	r := records(Builder{}, o)[0]
	for _, name := range []string{"created_time", "tags", "comment_count", "severity", "truncated"} {
		require.Nil(t, attribute(t, r, "microsoft.defender.incident."+name), name)
	}
}

// Whoever can write into an incident must not be able to make records arbitrarily large.
func TestAttributesAreBounded(t *testing.T) {
	o := observation(t)
	long := strings.Repeat("ä", 10_000)
	s, a := o.Snapshot, &o.Snapshot.Alerts[0]
	s.Name, s.Severity, s.AssignedTo, s.URL, s.Status = long, long, long, long, long
	a.Title, a.Status, a.Category, a.Severity = long, long, long, long
	s.Tags, a.MitreTechniques = nil, nil
	for i := range 10_000 {
		s.Tags, a.MitreTechniques = append(s.Tags, fmt.Sprint(i, long)), append(a.MitreTechniques, fmt.Sprint(i, long))
	}
	o.Change, o.After = incident.NewComparer(incident.Split, false, nil, 0).Compare(incident.State{}, s)
	for i, r := range records(Builder{Alerts: incident.Split}, o) {
		require.LessOrEqual(t, len(r.SeverityText()), 1024)
		require.NotEmpty(t, r.SeverityText())
		for name, value := range r.Attributes().AsRaw() {
			switch value := value.(type) {
			case string:
				require.LessOrEqual(t, len(value), 1024, name)
			case []any:
				require.LessOrEqual(t, len(value), 100, name)
				for _, v := range value {
					require.LessOrEqual(t, len(v.(string)), 1024, name)
				}
			}
		}
		if i == 0 {
			require.Equal(t, []any{"tags"}, attribute(t, r, "microsoft.defender.incident.truncated"))
			require.Equal(t, strings.Repeat("ä", 512), attribute(t, r, "microsoft.defender.incident.name"))
			continue
		}
		require.Equal(t, []any{"mitre_techniques"}, attribute(t, r, "microsoft.defender.alert.truncated"))
	}
}

func TestAListThatFitsIsNotCut(t *testing.T) {
	o := observation(t)
	for i := range 100 {
		o.Snapshot.Tags = append(o.Snapshot.Tags, fmt.Sprint(i))
	}
	r := records(Builder{}, o)[0]
	require.Len(t, attribute(t, r, "microsoft.defender.incident.tags"), 100)
	require.Nil(t, attribute(t, r, "microsoft.defender.incident.truncated"))
}

// many is evidence of that many hosts and one user in each alert.
type many int

func (m many) Affected(alert *incident.Alert, to *incident.Affected) {
	to.Add(incident.Users, "jdoe")
	for i := range int(m) {
		to.Add(incident.Hosts, fmt.Sprint(alert.ID, " ", i))
	}
}

func TestWhatAlertsAffectIsInTheirRecordsOrEmbeddedInTheIncidents(t *testing.T) {
	for mode, prefix := range map[incident.AlertsMode]string{
		incident.Split: "microsoft.defender.alert.", incident.Embedded: "microsoft.defender.incident.", incident.None: "",
	} {
		for hosts, cut := range map[int]any{60: nil, 101: []any{"hosts"}} {
			o := observation(t)
			o.Snapshot.Evidence = many(hosts)
			o.Snapshot.Alerts = append(o.Snapshot.Alerts, o.Snapshot.Alerts[0])
			o.Snapshot.Alerts[1].ID = "da2"
			o.Change, o.After = incident.NewComparer(mode, false, nil, 0).Compare(incident.State{}, o.Snapshot)
			want := min(hosts, 100)
			if mode == incident.Embedded { // both alerts' together
				want, cut = 100, []any{"hosts"}
			}
			found := 0
			for _, r := range records(Builder{Alerts: mode}, o) {
				for name := range r.Attributes().AsRaw() {
					require.False(t, strings.HasSuffix(name, ".hosts") && name != prefix+"hosts", "%s with %s", name, mode)
				}
				if hosts := attribute(t, r, prefix+"hosts"); prefix != "" && hosts != nil {
					found++
					require.Len(t, hosts, want)
					require.Equal(t, []any{"jdoe"}, attribute(t, r, prefix+"users"))
					require.Equal(t, cut, attribute(t, r, prefix+"truncated"))
				}
			}
			require.Equal(t, map[incident.AlertsMode]int{incident.Split: 2, incident.Embedded: 1}[mode], found, mode)
		}
	}
}
