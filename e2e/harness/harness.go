// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// MaxConcurrentRequests is the receiver's default.
const MaxConcurrentRequests = 4

// Harness is a simulated API and the time limit of the test that uses it.
type Harness struct {
	T        *testing.T
	Ctx      context.Context // ends when the test has reached its time limit
	Notifier *Notifier
	Sim      *defendersim.Sim // nil: the test has simulators of its own

	population defendersim.Config
}

// New returns a harness with a simulator of that population.
func New(t *testing.T, limit time.Duration, population defendersim.Config) *Harness {
	t.Helper()
	h := NewWithoutSim(t, limit)
	population.Observe = func(defendersim.Request) { h.Notifier.Notify() }
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	h.Sim, h.population = sim, population
	return h
}

// NewWithoutSim returns a harness for a test that makes its own simulators.
func NewWithoutSim(t *testing.T, limit time.Duration) *Harness {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return &Harness{T: t, Ctx: ctx, Notifier: NewNotifier()}
}

// Settings returns the settings of a collector that polls all incidents of the
// population from the API at that URL, signs in there and delivers to the sink
// at the other URL.
func (h *Harness) Settings(endpoint, sink string) Settings {
	h.T.Helper()
	return Settings{
		API: defendersim.APIDefenderXDR, Scope: ScopeOf(defendersim.APIDefenderXDR),
		Endpoint: endpoint, SignIn: endpoint, Sink: sink,
		Tenant: h.population.TenantID, ClientID: h.population.ClientID, ClientSecret: h.population.ClientSecret,
		Storage: filepath.Join(h.T.TempDir(), "storage"), IDs: h.Sim.IDs(),
		Interval: 2 * time.Second, Timeout: 30 * time.Second, Concurrent: MaxConcurrentRequests,
		Exporter: "otlp_http", Compression: "none", LogLevel: "info",
	}
}

// Await waits until a condition holds. It checks the condition on every
// notification, and fails when the program ends or the time limit is reached.
// Without a program (nil) only the time limit counts.
func (h *Harness) Await(p *Program, what string, condition func() bool) {
	h.T.Helper()
	for {
		next := h.Notifier.Notified()
		if condition() {
			return
		}
		select {
		case <-next:
		case <-p.Done():
			require.FailNow(h.T, "the program ended", "while waiting for %s: %v", what, p.Err())
		case <-h.Ctx.Done():
			require.FailNow(h.T, "time limit reached", "while waiting for %s", what)
		}
	}
}

// Poll waits until a condition holds that nobody notifies about: it checks the
// condition at that interval.
func (h *Harness) Poll(p *Program, what string, interval time.Duration, condition func() bool) {
	h.T.Helper()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-p.Done():
			require.FailNow(h.T, "the program ended", "while waiting for %s: %v", what, p.Err())
		case <-h.Ctx.Done():
			require.FailNow(h.T, "time limit reached", "while waiting for %s", what)
		}
	}
}

// Wait lets a program run for some time. The program must not end meanwhile.
func (h *Harness) Wait(p *Program, d time.Duration) {
	h.T.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.Done():
		require.FailNow(h.T, "the program ended", "%v", p.Err())
	case <-h.Ctx.Done():
		require.FailNow(h.T, "time limit reached")
	}
}

// AwaitCycle waits until the collector has fetched each of the incidents from
// now on and processed the response: it does not fetch an incident again before
// that, so two fetches are enough. Incidents that do not exist or are merged are
// skipped, because the receiver rarely fetches them.
func (h *Harness) AwaitCycle(p *Program, ids ...int64) {
	h.T.Helper()
	before := len(h.Sim.Journal())
	h.Await(p, "a polling cycle", func() bool {
		fetched := map[int64]int{}
		for _, r := range h.Sim.Journal()[before:] {
			if r.Endpoint == defendersim.EndpointIncident && r.Status == http.StatusOK {
				fetched[r.ID]++
			}
		}
		for _, id := range ids {
			if incident, err := h.Sim.Incident(id); err != nil || incident.RedirectID != 0 {
				continue
			}
			if fetched[id] < 2 {
				return false
			}
		}
		return true
	})
}

// Object decodes a JSON object and keeps its numbers as they are written.
func Object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var object map[string]any
	require.NoError(t, d.Decode(&object))
	return object
}

// Seed returns the seed of a test's random choices, and logs how to repeat them. If
// none is chosen, each run has another one.
func Seed(t *testing.T, chosen uint64) uint64 {
	t.Helper()
	if chosen == 0 {
		chosen = uint64(time.Now().UnixNano())
	}
	t.Logf("-e2e.seed=%d", chosen)
	return chosen
}
