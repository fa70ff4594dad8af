package defenderincidentsreceiver

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// bustling is a population that changes more often than a round by id can see.
func bustling() defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.AlertsPerIncident, cfg.AlertBytes = 40, 1, 900
	cfg.ChangesPerHour, cfg.Bursty, cfg.NewPerHour = 900, true, 6
	cfg.ListDelay = time.Minute
	cfg.NoCompression = true // slow under the race detector, and tested elsewhere
	return cfg
}

// breakAtRandom gives incidents faults of their own, and has those of the list
// take turns: each is set for a while, every third one between the pages only.
func (w *world) breakAtRandom(each time.Duration) {
	w.t.Helper()
	dice := rand.New(rand.NewPCG(1, 0))
	ofGet := slices.DeleteFunc(defendersim.FaultKinds(), func(k defendersim.FaultKind) bool {
		return k.Name == "big-number" // a sound answer, though not the incident's own
	})
	for i, id := range w.sim.IDs() {
		fault := rule(w.t, ofGet[i%len(ofGet)].Name)
		fault.Probability = 0.1
		require.NoError(w.t, w.sim.SetFault(id, fault))
	}
	ofList := slices.Concat(ofGet, defendersim.ListFaultKinds())
	dice.Shuffle(len(ofList), func(i, j int) { ofList[i], ofList[j] = ofList[j], ofList[i] })
	for i, kind := range ofList {
		fault := rule(w.t, kind.Name)
		fault.Probability, fault.OnSkip = 0.9, i%3 == 2
		require.NoError(w.t, w.sim.SetFault(defendersim.ListRequests, fault))
		time.Sleep(each)
	}
}

func TestALivelyPopulationIsToldByTheFeedWithoutALossOrARepeat(t *testing.T) {
	for name, c := range map[string]struct {
		population func(*defendersim.Config)
		discover   bool
		killed     bool // else it ends in good order
	}{
		"rendered differently, and restarted": {population: func(p *defendersim.Config) { p.ListDiffers = true }},
		"discovering, and killed":             {discover: true, killed: true},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				population := bustling()
				if c.population != nil {
					c.population(&population)
				}
				w := newWorldUnder(t, api, population, feeding(func(f *ChangeFeedConfig) { f.Discover = c.discover }), func(cfg *Config) {
					cfg.MaxResponseBodySize = 1 << 20
				})
				followed := w.sim.IDs()
				kept := &disk{entries: map[string][]byte{}}
				w.host.extensions[*w.cfg.StorageID] = kept
				w.start()
				time.Sleep(5*time.Minute + 7*time.Second)
				w.breakAtRandom(time.Minute)
				if c.killed {
					kept.kill()
				}
				w.stop()
				time.Sleep(5 * time.Minute)
				w.start()
				w.sim.ClearFaults()
				time.Sleep(20 * time.Minute) // what had failed is due again, and a round of all
				if c.discover {
					followed = w.sim.IDs()
				}
				records := w.sink.records()
				require.Greater(t, len(records), 400)
				struck := map[string]bool{}
				for _, r := range w.lists() {
					struck[r.Fault] = true
				}
				require.Greater(t, len(struck), 20, "else this shows little: which are struck is chance, for backoffs jitter")
				require.Empty(t, proof.Behind(w.sim, followed, records, 10*time.Minute))
				once := slices.CompactFunc(slices.SortedFunc(slices.Values(records), byUID), sameUID)
				require.Empty(t, proof.Twice(once), "a repeat has the identity that it had")
				if !c.killed {
					require.Zero(t, proof.Repeats(records))
				}
				for endpoint, limit := range map[string]RateLimitConfig{
					defendersim.EndpointIncident: w.cfg.RateLimit, defendersim.EndpointList: w.cfg.ChangeFeed.Get().RateLimit,
				} {
					require.LessOrEqual(t, w.sim.MaxInWindowOf(endpoint, time.Minute), limit.RequestsPerMinute)
					require.LessOrEqual(t, w.sim.MaxInWindowOf(endpoint, time.Hour), limit.RequestsPerHour)
				}
			})
		})
	}
}

func byUID(a, b proof.Record) int { return strings.Compare(a.UID, b.UID) }

func sameUID(a, b proof.Record) bool { return a.UID == b.UID }
