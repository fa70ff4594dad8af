//go:build unix

package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestARestartTellsWhatChangedMeanwhileAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, quiet(9))
	ids := s.settings.IDs
	for _, id := range ids {
		s.change(id, func(i *defendersim.Incident) {
			i.Status = defendersim.StatusActive
			i.Alerts[0].Severity = defendersim.SeverityHigh // and so the incident's: no other alert raises it
		})
	}
	s.start()
	s.awaitRecords(3 * len(ids))
	s.awaitRound(ids...)
	s.stop()
	require.Len(t, s.sink.records(), 3*len(ids), "each was seen once, with its alerts")
	first := len(s.sink.deliveries())

	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusInProgress })
	s.change(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
	s.change(1003, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	alone := s.alerts(1004)[0]
	require.NoError(t, s.sim.UpdateAlert(1004, alone, func(a *defendersim.Alert) { a.AssignedTo = "somebody-else@contoso.example" }))
	added, err := s.sim.AddAlert(1005)
	require.NoError(t, err)
	moved := s.alerts(1006)
	require.NoError(t, s.sim.Merge(1006, 1007))

	s.start()
	still := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id == 1006 })
	s.awaitRound(still...)
	s.stop()
	require.ElementsMatch(t, []string{
		"1001 updated [lastUpdateTime status] was Active",
		"1002 resolved [lastUpdateTime status] was Active",
		"1003 updated [assignedTo lastUpdateTime]",
		"1004 alert " + alone + " updated",
		"1005 updated [alerts lastUpdateTime]",
		"1005 alert " + added + " first_seen",
		"1006 merged into 1007 was Active",
		"1007 updated [alerts lastUpdateTime]",
		"1007 alert " + moved[0] + " first_seen",
		"1007 alert " + moved[1] + " first_seen",
	}, told(s.sink.deliveries()[first:]))
	second := len(s.sink.deliveries())

	s.start()
	s.awaitRound(still...)
	s.stop()
	require.Empty(t, told(s.sink.deliveries()[second:]), "nothing changed")
	s.requireProof(quiet(9))
}

// change changes an incident of the simulator's.
func (s *stage) change(id int64, how func(*defendersim.Incident)) {
	s.t.Helper()
	require.NoError(s.t, s.sim.Update(id, how))
}

// alerts are the ids of an incident's alerts.
func (s *stage) alerts(id int64) []string {
	s.t.Helper()
	i, err := s.sim.Incident(id)
	require.NoError(s.t, err)
	ids := make([]string, len(i.Alerts))
	for n, alert := range i.Alerts {
		ids[n] = alert.ID
	}
	return ids
}

// told puts what each record says about a change into a line.
func told(deliveries []plog.Logs) []string {
	var lines []string
	for _, logs := range deliveries {
		for _, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			lines = append(lines, line(r))
		}
	}
	return lines
}

func line(r plog.LogRecord) string {
	value := func(name string) string {
		v, found := r.Attributes().Get("microsoft.defender." + name)
		if !found {
			return ""
		}
		return v.AsString()
	}
	if r.EventName() == "microsoft.defender.alert" {
		return fmt.Sprintf("%s alert %s %s", value("incident.id"), value("alert.id"), value("alert.change"))
	}
	text := value("incident.id") + " " + value("incident.change")
	if successor := value("incident.redirect_id"); successor != "" {
		text += " into " + successor
	}
	if fields, found := r.Attributes().Get("microsoft.defender.incident.changed_fields"); found {
		text += " " + fmt.Sprint(fields.Slice().AsRaw())
	}
	if status := value("incident.previous_status"); status != "" {
		text += " was " + status
	}
	return text
}
