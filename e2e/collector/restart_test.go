// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestRestartEmitsOnlyWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSetup(t, quiet(9))
	ids := s.settings.IDs
	for _, id := range ids {
		s.change(id, func(i *defendersim.Incident) {
			i.Status = defendersim.StatusActive
			i.Alerts[0].Severity = defendersim.SeverityHigh // also the incident's severity, so no other alert raises it
		})
	}
	s.start()
	s.awaitRecords(3 * len(ids))
	s.awaitCycle(ids...)
	s.stop()
	require.Len(t, s.sink.Records(), 3*len(ids), "each incident once, with its alerts")
	first := len(s.sink.Deliveries())

	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusInProgress })
	s.change(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
	s.change(1003, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	alone := s.alerts(1004)[0]
	require.NoError(t, s.Sim.UpdateAlert(1004, alone, func(a *defendersim.Alert) { a.AssignedTo = "somebody-else@contoso.example" }))
	added, err := s.Sim.AddAlert(1005)
	require.NoError(t, err)
	moved := s.alerts(1006)
	require.NoError(t, s.Sim.Merge(1006, 1007))

	s.start()
	still := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id == 1006 })
	s.awaitCycle(still...)
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
	}, changeLines(s.sink.Deliveries()[first:]))
	second := len(s.sink.Deliveries())

	s.start()
	s.awaitCycle(still...)
	s.stop()
	require.Empty(t, changeLines(s.sink.Deliveries()[second:]), "nothing changed")
	s.requireProof(quiet(9))
}

// change changes an incident in the simulator.
func (s *setup) change(id int64, how func(*defendersim.Incident)) {
	s.T.Helper()
	require.NoError(s.T, s.Sim.Update(id, how))
}

// alerts returns the IDs of an incident's alerts.
func (s *setup) alerts(id int64) []string {
	s.T.Helper()
	i, err := s.Sim.Incident(id)
	require.NoError(s.T, err)
	ids := make([]string, len(i.Alerts))
	for n, alert := range i.Alerts {
		ids[n] = alert.ID
	}
	return ids
}

// changeLines describes the change in each record in one line.
func changeLines(deliveries []plog.Logs) []string {
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
