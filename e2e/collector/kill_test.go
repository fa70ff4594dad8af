// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestKillsAtRandomMomentsLoseNothing(t *testing.T) {
	t.Parallel()
	seed := harness.Seed(t, seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	between := func(shortest, longest time.Duration) time.Duration {
		return shortest + time.Duration(dice.Int64N(int64(longest-shortest)))
	}
	population := lively(seed)
	s := newLongSetup(t, timeLimit+time.Duration(kills)*10*time.Second, population, func(c *harness.Settings) { c.Interval = time.Second })
	s.sink.KeepJournal(t)

	var lives []time.Time
	for n := range kills {
		through := s.gate.through()
		lives = append(lives, time.Now())
		s.start()
		if n%5 == 0 { // while it starts
			s.wait(between(0, 300*time.Millisecond))
		} else {
			s.await("a request", func() bool { return s.gate.through() > through })
			s.wait(between(300*time.Millisecond, 3*time.Second))
		}
		switch n % 10 {
		case 2, 7:
			s.awaitDelivery(harness.Hang) // it is in flight
		case 4:
			s.awaitDelivery(harness.AcceptAndHang) // the backend has stored it, and the collector does not know
		case 9:
			s.awaitDelivery(harness.Accept) // the collector is writing the checkpoint
		}
		s.kill()
		s.sink.SetMode(harness.Accept)
	}
	last := time.Now()
	s.start()
	s.await("a last fetch of every incident", func() bool { return s.fetchedSince(last) })
	s.settle()

	deliveries := s.sink.Journal(t)
	records := harness.RecordsOf(deliveries)
	repeats, requests := proof.Repeats(records), s.requests()
	t.Logf("%d kills, %d records, of them %d repeats (%.1f %%), %d requests, at most %d in a minute",
		kills, len(records), repeats, 100*float64(repeats)/float64(len(records)), len(requests), s.Sim.MaxInWindow(time.Minute))
	require.Empty(t, proof.AtLeast(s.Sim, append(lives, last), records))
	require.LessOrEqual(t, repeatedDeliveries(deliveries), kills, "a kill repeats at most one delivery")
	require.LessOrEqual(t, s.Sim.MaxInWindow(time.Minute), population.PerMinute)
	for _, r := range requests {
		require.NotEqual(t, http.StatusTooManyRequests, r.Status)
	}
}

func TestKillLosesNothingAndRepeatsAtMostOneDelivery(t *testing.T) {
	t.Parallel()
	population := quiet(60)
	s := newSetup(t, population)
	for _, enough := range []int{15, 75} {
		s.start()
		s.awaitRecords(enough)
		s.kill()
	}
	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()

	repeated := s.requireProofBesideRepeats()
	require.LessOrEqual(t, len(repeated), 2, "at most one delivery per kill: %v", repeated)
}

// requireProofBesideRepeats compares what arrived with what was served, ignoring
// repeated records, and returns the incidents of those.
func (s *setup) requireProofBesideRepeats() (repeated map[int64]bool) {
	s.T.Helper()
	var once []proof.Record
	seen, repeated := map[string]bool{}, map[int64]bool{}
	for _, r := range s.sink.Records() {
		if seen[r.UID] {
			repeated[r.Incident] = true
			continue
		}
		seen[r.UID] = true
		once = append(once, r)
	}
	require.Empty(s.T, proof.Exactly(s.Sim, once))
	return repeated
}

func TestKillBeforeTheCheckpointRepeatsTheDeliveryWithTheSameUIDs(t *testing.T) {
	t.Parallel()
	s := newSetup(t, quiet(8))
	s.start()
	s.awaitRecords(24)
	s.awaitCycle(s.settings.IDs...)

	s.sink.SetMode(harness.AcceptAndHang)
	_, err := s.Sim.AddAlert(1003)
	require.NoError(t, err)
	s.await("a delivery that is stored and gets no response", func() bool { return s.sink.Unanswered() == 1 })
	s.kill()
	s.sink.SetMode(harness.Accept)
	require.Len(t, s.sink.Records(), 26)

	s.change(1004, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()

	records := s.sink.Records()
	require.Len(t, records, 29)
	once, again := records[:26], records[26:]
	if again[0].Incident == 1004 { // either may be fetched first
		again = append(again[1:], again[0])
	}
	require.Equal(t, once[24:], again[:2], "the same records with the same UIDs")
	require.Empty(t, proof.Exactly(s.Sim, append(once, again[2])))
}

func TestChangeBetweenKillAndRestartIsEmittedBesideTheRepeat(t *testing.T) {
	t.Parallel()
	s := newSetup(t, quiet(2))
	s.start()
	s.awaitRecords(6)
	s.awaitCycle(s.settings.IDs...)

	s.sink.SetMode(harness.AcceptAndHang)
	added, err := s.Sim.AddAlert(1001)
	require.NoError(t, err)
	s.await("a delivery that is stored and gets no response", func() bool { return s.sink.Unanswered() == 1 })
	s.kill()
	s.sink.SetMode(harness.Accept)
	s.change(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusInProgress })
	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()

	records := s.sink.Records()
	require.Len(t, records, 10)
	require.Equal(t, added, records[7].Alert)
	require.Equal(t, records[7], records[9], "the alert has not changed")
	require.NotEqual(t, records[6].UID, records[8].UID, "the incident has changed")
	require.Empty(t, proof.Exactly(s.Sim, records[:9]))
}

// lively is a small population with several changes per second.
func lively(seed uint64) defendersim.Config {
	population := defendersim.DefaultConfig()
	population.Seed = seed
	population.Incidents, population.AlertsPerIncident, population.ChangesPerHour = 32, 3, 30000
	population.Weights = defendersim.DefaultWeights()
	population.Weights[defendersim.ChangeMerge] = 1
	population.PerMinute, population.PerHour = 2100, 0
	return population
}

// awaitDelivery waits for a delivery that the sink receives in that mode.
func (s *setup) awaitDelivery(m harness.Mode) {
	s.T.Helper()
	before := s.sink.SetMode(m)
	s.await("a delivery", func() bool { return s.sink.Received() > before })
}

// fetchedSince reports whether each incident was served since then, or was
// merged at any time.
func (s *setup) fetchedSince(from time.Time) bool {
	for _, id := range s.Sim.IDs() {
		served := s.Sim.Served(id)
		if len(served) == 0 {
			return false
		}
		last := served[len(served)-1]
		states, first := s.Sim.History(id)
		if last.At.Before(from) && states[last.State-first].RedirectID == 0 {
			return false
		}
	}
	return true
}

// repeatedDeliveries counts the deliveries that contain a repeated record.
func repeatedDeliveries(deliveries []plog.Logs) int {
	n, seen := 0, map[string]bool{}
	for _, logs := range deliveries {
		again := false
		for _, r := range proof.Records(logs) {
			again = again || seen[r.UID]
			seen[r.UID] = true
		}
		if again {
			n++
		}
	}
	return n
}
