// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// The ways in which a receiver sees incidents.
const (
	byGets   = "Gets"
	byFeed   = "feed"   // and Gets
	bySweeps = "sweeps" // and feed and Gets
)

// combination is a way to configure a receiver.
type combination struct {
	api    receiver.API
	alerts receiver.AlertsMode
	emit   receiver.EmitMode
	shown  string
}

func (c combination) String() string {
	return fmt.Sprintf("%s, alerts %s, emit %s, %s", c.api, c.alerts, c.emit, c.shown)
}

func everyCombination() (all []combination) {
	for _, api := range []receiver.API{receiver.APIDefenderXDR, receiver.APIGraph} {
		for _, alerts := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded, receiver.AlertsNone} {
			for _, emit := range []receiver.EmitMode{receiver.EmitChanges, receiver.EmitSnapshots} {
				for _, shown := range []string{byGets, byFeed, bySweeps} {
					if api == receiver.APIDefenderXDR || shown != bySweeps { // Graph's list shows no alerts
						all = append(all, combination{api, alerts, emit, shown})
					}
				}
			}
		}
	}
	return all
}

func (c combination) configure(cfg *receiver.Config) {
	cfg.Alerts, cfg.Emit = c.alerts, c.emit
	if c.api == receiver.APIGraph {
		harness.WithLimits(100, 6000)(cfg)
	}
	if c.shown != byGets {
		harness.WithFeed()(cfg)
	}
	if c.shown == bySweeps {
		cfg.CollectionInterval = 2 * time.Minute // which polling by ID cannot keep to
	}
}

// population returns a random population.
func (c combination) population(dice *rand.Rand) defendersim.Config {
	either := func() bool { return dice.IntN(2) == 0 }
	p := busy(400)
	p.Seed = dice.Uint64()
	p.AlertsPerIncident, p.AlertsPage = 1+dice.IntN(3), 2*dice.IntN(2)
	p.Weights = defendersim.DefaultWeights()
	p.Weights[defendersim.ChangeAlertLeaves], p.Weights[defendersim.ChangeMerge] = 15, 1
	p.Bursty, p.ListDiffers = either(), either()
	p.ListDelay = time.Duration(dice.IntN(60)) * time.Second
	if either() {
		p.ListLag = time.Duration(dice.IntN(60)) * time.Second
	}
	if either() {
		p.LatencyMin, p.LatencyMax = 100*time.Millisecond, 3*time.Second
	}
	// With lists, such runs take long, so only make populations and make simulate have them.
	p.QuietAlertMoves = either() && (c.shown == byGets || *simulate || *seed != defendersim.DefaultConfig().Seed)
	if c.api == receiver.APIGraph {
		p.PerMinute, p.PerHour = 150, 0 // for all requests together
	}
	if c.shown == bySweeps {
		p.Incidents = 105 // enough for a first pass
	}
	return p
}

// mortal is a receiver's sink and its connection to the API. Once it is killed, the
// receiver stores, sends and delivers nothing more.
type mortal struct {
	*harness.Sink
	disk *harness.Disk
	also harness.Middleware // nil: none
	next atomic.Bool        // the next delivery that is accepted is the last
	dead atomic.Bool
}

func (m *mortal) kill() {
	m.disk.Kill()
	m.dead.Store(true)
}

func (m *mortal) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	if m.dead.Load() {
		return errUnavailable
	}
	err := m.Sink.ConsumeLogs(ctx, logs)
	if m.next.Load() {
		m.kill()
	}
	return err
}

func (m *mortal) send(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if m.dead.Load() {
		return nil, errUnavailable
	}
	if m.also != nil {
		return m.also(next, r)
	}
	return next.RoundTrip(r)
}

// runAndKill starts a receiver, with this middleware before the API, and kills it
// after that time or right after the next delivery. It returns when that was.
func runAndKill(h *harness.Harness, also harness.Middleware, after time.Duration, atOnce bool) time.Time {
	m := &mortal{Sink: h.Sink, disk: h.Disk, also: also}
	h.Auth.Use(m.send)
	h.StartWith(m)
	harness.Sleep(after)
	if atOnce {
		m.kill()
	}
	for m.next.Store(true); !m.dead.Load(); {
		harness.Sleep(time.Second)
	}
	killed := time.Now() // or up to a second before
	h.Stop()
	h.Auth.Use(nil)
	return killed
}

// run kills a receiver twice and shuts it down once before its last start. It
// returns what is wrong with the records.
func (c combination) run(t *testing.T, dice *rand.Rand) []string {
	t.Helper()
	population := c.population(dice)
	h := harness.NewUnder(t, c.api, population, c.configure)
	began := time.Now()
	var kills []time.Time
	for range 2 {
		kills = append(kills, runAndKill(h, nil, time.Duration(300+dice.IntN(300))*time.Second, dice.IntN(2) == 0))
		harness.Sleep(time.Duration(1+dice.IntN(180)) * time.Second)
	}
	h.Start()
	harness.Sleep(time.Duration(dice.IntN(300)) * time.Second)
	h.Stop()
	within, byTime := 12*time.Minute, population.QuietAlertMoves && c.shown != byGets
	if byTime {
		within = 80 * time.Minute // only a Get can decide about a row, and there is one an hour
	}
	h.Start()
	harness.Sleep(5*time.Minute + within)
	h.Stop()

	if c.shown == bySweeps {
		require.Greater(t, sweepPages(h), 10, "else the test shows little")
	}
	run := h.Run()
	run.Kills, run.Renderings, run.ByTime = kills, population.ListDiffers && c.shown != byGets, byTime
	problems := slices.Concat(run.Problems(), run.Late(h.Sim.IDs(), began, within), tooMany(h))
	if c.emit == receiver.EmitSnapshots {
		problems = append(problems, run.Silent(h.Sim.IDs(), began, within)...)
	}
	return problems
}

func TestPopulationIsDeliveredInEveryCombination(t *testing.T) {
	for i, c := range everyCombination() {
		t.Run(c.String(), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				problems := c.run(t, rand.New(rand.NewPCG(*seed, uint64(i))))
				require.Empty(t, problems, strings.Join(problems, "\n"))
			})
		})
	}
}

// If only Gets show incidents, each response determines the records.
func TestPopulationIsDeliveredExactlyInEveryMode(t *testing.T) {
	harness.Long(t)
	for i, c := range everyCombination() {
		if c.shown != byGets {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := c.population(rand.New(rand.NewPCG(*seed, uint64(i))))
				population.AlertsPage = 0 // else a response may show parts of several states
				h := harness.NewUnder(t, c.api, population, c.configure)
				h.Start()
				harness.Sleep(16 * time.Minute)
				h.Stop()
				h.Start()
				harness.Sleep(16 * time.Minute)
				h.Stop()
				h.RequireProof()
			})
		})
	}
}
