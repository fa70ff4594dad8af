// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestSwitchingTheAPIAndBackEmitsOnlyWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	population := quiet(8)
	s := newSetup(t, population, swift)
	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusActive })
	s.run(s.settings.IDs)
	require.Len(t, s.sink.Records(), 3*8)

	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
	require.NoError(t, s.Sim.UpdateAlert(1002, s.alerts(1002)[0], func(a *defendersim.Alert) { a.AssignedTo = "soc@contoso.example" }))
	_, err := s.Sim.AddAlert(1003)
	require.NoError(t, err)
	require.NoError(t, s.Sim.Merge(1004, 1005))
	still := append([]int64{1001, 1002, 1003}, s.settings.IDs[4:]...)
	require.ElementsMatch(t, []string{
		"1001 resolved", "1002 alert updated", "1003 updated", "1003 alert first_seen",
		"1004 merged", "1005 updated", "1005 alert first_seen", "1005 alert first_seen",
	}, s.afterSwitch(defendersim.APIGraph, still))

	s.change(1006, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
	require.Equal(t, []string{"1006 updated"}, s.afterSwitch(defendersim.APIDefenderXDR, still))
	require.Empty(t, s.afterSwitch(defendersim.APIGraph, still), "nothing changed")
	s.requireProof(population)
}

func TestKillDuringTheFirstCycleAfterAnAPISwitchRepeatsOneDelivery(t *testing.T) {
	t.Parallel()
	population := quiet(30)
	population.PerHour = 0
	s := newSetup(t, population, swift)
	s.run(s.settings.IDs)
	requests, before := s.requests(), len(s.Sim.Journal())
	for _, r := range requests[len(requests)-15 : len(requests)-harness.MaxConcurrentRequests] { // processed, and due after the others
		s.change(r.ID, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
	}

	s.use(defendersim.APIGraph)
	s.sink.SetMode(harness.AcceptAndHang)
	s.start()
	s.await("a delivery that is stored and gets no response", func() bool { return s.sink.Unanswered() == 1 })
	s.kill()
	s.sink.SetMode(harness.Accept)
	t.Logf("%d of 30 incidents were fetched", len(s.requests())-len(requests))
	require.Less(t, len(s.requests())-len(requests), 30)

	s.run(s.settings.IDs)
	require.Len(t, s.requireProofBesideRepeats(), 1, "the delivery that got no response")
	s.requireOnly(defendersim.APIGraph, before)
}

// swift makes polling cycles as short as possible.
func swift(c *harness.Settings) { c.Interval = 500 * time.Millisecond }

// run runs a collector for one polling cycle and requires a log without
// warnings.
func (s *setup) run(ids []int64) (output string) {
	s.T.Helper()
	s.start()
	s.awaitCycle(ids...)
	output = s.stop()
	requireNoComplaint(s.T, output)
	return output
}

// afterSwitch returns what the first run after a switch of the API emits.
func (s *setup) afterSwitch(to string, ids []int64) []string {
	s.T.Helper()
	records, requests := len(s.sink.Records()), len(s.Sim.Journal())
	s.use(to)
	require.Contains(s.T, s.run(ids), "api setting changed; incidents that match the checkpoint are adopted silently")
	s.requireOnly(to, requests)
	return changes(s.sink.Records()[records:])
}

// changes describes each record in one line, without the names of fields, which
// differ between the APIs.
func changes(records []proof.Record) []string {
	var lines []string
	for _, r := range records {
		line := strconv.FormatInt(r.Incident, 10) + " "
		if r.Alert != "" {
			line += "alert "
		}
		lines = append(lines, line+r.Change)
	}
	return lines
}
