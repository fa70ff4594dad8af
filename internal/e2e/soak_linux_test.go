package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// faultsLast is how long each choice of faults is in force.
	faultsLast = 5 * time.Second
	// oneStruckIn is how many incidents there are for each that is chosen.
	oneStruckIn = 10
)

// TestSoak runs one collector for as long as -e2e.soak says.
func TestSoak(t *testing.T) {
	population := defendersim.DefaultConfig()
	population.Seed = chance(t)
	population.Incidents, population.ChangesPerHour = 60, 4000
	population.Weights = defendersim.DefaultWeights()
	population.Weights[defendersim.ChangeMerge] = 0.5 // what is merged away is not asked for any more
	population.PerMinute, population.PerHour = 600, 9000
	population.TokenLifetime = 6 * time.Minute // of which the sign-in leaves the last five unused
	s := newLongStage(t, soak+patience, population, func(c *settings) {
		c.Interval, c.Timeout = 10*time.Second, 5*time.Second
		c.Env = []string{telling}
	})

	v := &vitals{began: time.Now()}
	s.start()
	s.await("a first round", func() bool { return s.lookedAtSince(v.began) })
	v.start = time.Since(v.began)
	s.endure(v, v.calm(), func() {})
	faults, dice := faultsToEndure(t), rand.New(rand.NewPCG(population.Seed, 0))
	s.endure(v, soak, func() { s.strike(faults, dice) })
	s.sim.ClearFaults()
	s.endure(v, v.calm(), func() {})
	collections := s.collections() // what large answers took is only given back by one
	s.await("a collection", func() bool { return s.collections() > collections })
	v.end = time.Since(v.began)
	s.endure(v, v.calm(), func() {})
	_, output := s.settle()
	v.read(t, output)

	s.reportSoak(v)
	s.requireProof(population)
	require.Zero(t, proof.Repeats(s.sink.records()))
	v.requireNoLeak(t)
}

// endure lets time pass, has something done again and again, and says a line a
// minute.
func (s *stage) endure(v *vitals, d time.Duration, again func()) {
	s.t.Helper()
	over := time.Now().Add(d)
	for time.Now().Before(over) {
		again()
		before := time.Since(v.began)
		s.let(min(faultsLast, time.Until(over)))
		v.look(s.t, s.process.cmd.Process.Pid)
		if now := time.Since(v.began); now.Truncate(time.Minute) != before.Truncate(time.Minute) {
			s.t.Logf("%v: %d requests, %d records, %d MiB resident, %d open files", now.Round(time.Second),
				len(s.requests()), len(s.sink.records()), v.resident.last()>>20, v.files.last())
		}
	}
}

// strike has some of the incidents meet a fault each with their next request,
// and the others none.
func (s *stage) strike(faults []defendersim.Fault, dice *rand.Rand) {
	s.t.Helper()
	s.sim.ClearFaults()
	for _, id := range s.sim.IDs() {
		if dice.IntN(oneStruckIn) == 0 {
			rule := defendersim.Rule{Fault: faults[dice.IntN(len(faults))], Times: 1}
			require.NoError(s.t, s.sim.SetFault(id, rule))
		}
	}
}

// collections counts those that the collector's runtime has told of.
func (s *stage) collections() int { return strings.Count(s.process.log.String(), "\ngc ") }

// faultsToEndure are all but those that a collector has to do without: a 429,
// which would say that it sent too much, and an integer beyond 64 bits, which is
// a sound answer, though not the incident's own.
func faultsToEndure(t *testing.T) []defendersim.Fault {
	t.Helper()
	arguments := map[string]string{"slow": "slow=2s", "huge": "huge=40MiB"}
	var faults []defendersim.Fault
	for _, kind := range defendersim.FaultKinds() {
		if strings.HasPrefix(kind.Name, "429") || kind.Name == "big-number" {
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
