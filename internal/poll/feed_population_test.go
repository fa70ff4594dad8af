// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// tooBusy is a population that changes more often than polling by ID can see.
func tooBusy() defendersim.Config {
	cfg := busy(900)
	cfg.AlertsPerIncident, cfg.AlertBytes = 1, 900
	cfg.Bursty, cfg.NewPerHour, cfg.ListDelay = true, 6, time.Minute
	return cfg
}

// failAtRandom gives each incident a fault of its own, and the list one fault after
// another for some time each. Every third fault of the list affects only pages
// after the first.
func failAtRandom(t *testing.T, h *harness.Harness, each time.Duration) {
	t.Helper()
	dice := rand.New(rand.NewPCG(1, 0))
	ofGet := slices.DeleteFunc(defendersim.FaultKinds(), func(k defendersim.FaultKind) bool {
		return k.Name == "big-number" || k.Name == "invalid-utf8" // a sound response, with other content
	})
	for i, id := range h.Sim.IDs() {
		fault := harness.Rule(t, ofGet[i%len(ofGet)].Name)
		fault.Probability = 0.1
		require.NoError(t, h.Sim.SetFault(id, fault))
	}
	ofList := slices.Concat(ofGet, defendersim.ListFaultKinds())
	dice.Shuffle(len(ofList), func(i, j int) { ofList[i], ofList[j] = ofList[j], ofList[i] })
	for i, kind := range ofList {
		fault := harness.Rule(t, kind.Name)
		fault.Probability, fault.OnSkip = 0.9, i%3 == 2
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, fault))
		harness.Sleep(each)
	}
}

func TestPopulationIsDeliveredByFeedExactlyOnce(t *testing.T) {
	harness.Long(t)
	for name, c := range map[string]struct {
		population func(*defendersim.Config)
		discover   bool
		killed     bool // else it is shut down
	}{
		"list renders differently, restart": {population: func(p *defendersim.Config) { p.ListDiffers = true }},
		"discovery, kill":                   {discover: true, killed: true},
	} {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				population := tooBusy()
				if c.population != nil {
					c.population(&population)
				}
				h := harness.NewUnder(t, api, population, harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Discover = c.discover }), func(cfg *receiver.Config) {
					cfg.MaxResponseBodySize = 1 << 20
				})
				tracked := h.Sim.IDs()
				h.Start()
				harness.Sleep(5*time.Minute + 7*time.Second)
				failAtRandom(t, h, time.Minute)
				if c.killed {
					h.Disk.Kill()
				}
				h.Stop()
				harness.Sleep(5 * time.Minute)
				h.Start()
				h.Sim.ClearFaults()
				harness.Sleep(20 * time.Minute) // enough for backoffs to end, and for a cycle
				if c.discover {
					tracked = h.Sim.IDs()
				}
				records := h.Sink.Records()
				require.Greater(t, len(records), 400)
				occurred := map[string]bool{}
				for _, r := range h.Lists() {
					occurred[r.Fault] = true
				}
				require.Greater(t, len(occurred), 20, "else the test shows little; which faults occur is chance, since backoffs jitter")
				require.Empty(t, proof.Behind(h.Sim, tracked, records, 10*time.Minute))
				once := slices.CompactFunc(slices.SortedFunc(slices.Values(records), byUID), sameUID)
				require.Empty(t, proof.Twice(once), "a repeat has the uid of the original")
				if !c.killed {
					require.Zero(t, proof.Repeats(records))
				}
				if api == receiver.APIGraph {
					require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), h.Config.RateLimit.RequestsPerMinute)
					return
				}
				for endpoint, limit := range map[string]receiver.RateLimitConfig{
					defendersim.EndpointIncident: h.Config.RateLimit, defendersim.EndpointList: h.Config.ChangeFeed.Get().RateLimit,
				} {
					require.LessOrEqual(t, h.Sim.MaxInWindowOf(endpoint, time.Minute), limit.RequestsPerMinute)
					require.LessOrEqual(t, h.Sim.MaxInWindowOf(endpoint, time.Hour), limit.RequestsPerHour)
				}
			})
		})
	}
}

func byUID(a, b proof.Record) int { return strings.Compare(a.UID, b.UID) }

func sameUID(a, b proof.Record) bool { return a.UID == b.UID }
