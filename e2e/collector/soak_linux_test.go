// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// faultsLast is how long each choice of faults is in force.
	faultsLast = 5 * time.Second
	// oneStruckIn is how many incidents there are for each that is chosen.
	oneStruckIn = 10
)

// TestSoak runs one collector for the time that -e2e.soak sets.
func TestSoak(t *testing.T) {
	population := defendersim.DefaultConfig()
	population.Seed = harness.Seed(t, seed)
	population.Incidents, population.ChangesPerHour = 60, 4000
	population.Weights = defendersim.DefaultWeights()
	population.Weights[defendersim.ChangeMerge] = 0.5 // merged incidents are not polled any more
	population.PerMinute, population.PerHour = 600, 9000
	population.TokenLifetime = 6 * time.Minute // the sign-in leaves the last five of them unused
	s := newLongSetup(t, soak+timeLimit, population, func(c *harness.Settings) {
		c.Interval, c.Timeout = 10*time.Second, 5*time.Second
		c.Env = []string{goDebug}
	})

	v := &vitals{began: time.Now()}
	s.start()
	s.await("the first cycle", func() bool { return s.fetchedSince(v.began) })
	v.start = time.Since(v.began)
	s.endure(v, v.calm(), func() {})
	faults, dice := soakFaults(t), rand.New(rand.NewPCG(population.Seed, 0))
	s.endure(v, soak, func() { s.setFaults(faults, dice) })
	s.Sim.ClearFaults()
	s.endure(v, v.calm(), func() {})
	collections := s.collections() // only a collection frees the memory of large responses
	s.await("a collection", func() bool { return s.collections() > collections })
	v.end = time.Since(v.began)
	s.endure(v, v.calm(), func() {})
	_, output := s.settle()
	v.read(t, output)

	s.reportSoak(v)
	s.requireProof(population)
	require.Zero(t, proof.Repeats(s.sink.Records()))
	v.requireNoLeak(t)
}

// endure repeats something for some time, and logs one line per minute.
func (s *setup) endure(v *vitals, d time.Duration, again func()) {
	s.T.Helper()
	over := time.Now().Add(d)
	for time.Now().Before(over) {
		again()
		before := time.Since(v.began)
		s.wait(min(faultsLast, time.Until(over)))
		v.look(s.T, s.process.PID())
		if now := time.Since(v.began); now.Truncate(time.Minute) != before.Truncate(time.Minute) {
			s.T.Logf("%v: %d requests, %d records, %d MiB resident, %d open files", now.Round(time.Second),
				len(s.requests()), len(s.sink.Records()), v.resident.last()>>20, v.files.last())
		}
	}
}

// setFaults gives some incidents one fault each for their next request, and the
// others none.
func (s *setup) setFaults(faults []defendersim.Fault, dice *rand.Rand) {
	s.T.Helper()
	s.Sim.ClearFaults()
	for _, id := range s.Sim.IDs() {
		if dice.IntN(oneStruckIn) == 0 {
			rule := defendersim.Rule{Fault: faults[dice.IntN(len(faults))], Times: 1}
			require.NoError(s.T, s.Sim.SetFault(id, rule))
		}
	}
}

// collections returns how many garbage collections the collector has logged.
func (s *setup) collections() int { return strings.Count(s.process.Log(), "\ngc ") }

// soakFaults are all faults except three that would make the proof fail: 429,
// which means that the receiver exceeded the limit, and an integer beyond 64
// bits and a string that is not UTF-8, which are valid responses with different
// content.
func soakFaults(t *testing.T) []defendersim.Fault {
	t.Helper()
	arguments := map[string]string{"slow": "slow=2s", "huge": "huge=40MiB"}
	var faults []defendersim.Fault
	for _, kind := range defendersim.FaultKinds() {
		if strings.HasPrefix(kind.Name, "429") || kind.Name == "big-number" || kind.Name == "invalid-utf8" {
			continue
		}
		text := kind.Name
		if with, found := arguments[kind.Name]; found {
			text = with
		}
		fault, err := defendersim.ParseFault(text)
		require.NoError(t, err)
		faults = append(faults, fault)
	}
	return faults
}
