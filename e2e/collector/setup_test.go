// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// timeLimit applies to each test, except those that run longer on request.
const timeLimit = 4 * time.Minute

// setup is a collector between a simulated API and a sink.
type setup struct {
	*harness.Harness
	connections *harness.Connections
	gate        *gate
	sink        *harness.Sink
	settings    harness.Settings
	endpoints   map[string]string // of the APIs

	process *harness.Program // the running collector; nil: none
}

// quiet returns a population of n incidents with two alerts each that only the
// test changes.
func quiet(n int) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour = n, 2, 0, 0
	return generous(cfg)
}

// generous sets limits that no test reaches.
func generous(cfg defendersim.Config) defendersim.Config {
	cfg.PerMinute, cfg.PerHour = 6000, 60000
	return cfg
}

// limited returns the simulator's limits as the receiver's rate_limit.
func limited(cfg defendersim.Config) string {
	return fmt.Sprintf("{requests_per_minute: %d, requests_per_hour: %d}", cfg.PerMinute, cfg.PerHour)
}

// newSetup tracks all incidents of the population. No collector runs yet.
func newSetup(t *testing.T, population defendersim.Config, change ...func(*harness.Settings)) *setup {
	t.Helper()
	return newLongSetup(t, timeLimit, population, change...)
}

// newLongSetup is newSetup for a test with a time limit of its own. Both APIs
// have the same rate limits, and the collector polls Defender XDR.
func newLongSetup(t *testing.T, limit time.Duration, population defendersim.Config, change ...func(*harness.Settings)) *setup {
	t.Helper()
	population.GraphPerMinute, population.GraphPerHour = population.PerMinute, population.PerHour
	h := harness.New(t, limit, population)
	c := harness.NewConnections(h.Notifier)
	s := &setup{
		Harness: h, connections: c, sink: harness.NewSink(h.Notifier),
		gate: &gate{notifier: h.Notifier, api: h.Sim, tokens: map[string]struct{}{}},
	}
	s.endpoints = map[string]string{ // as in production, each API and the sign-in have a host of their own
		defendersim.APIDefenderXDR: c.Serve(t, s.gate), defendersim.APIGraph: c.Serve(t, s.gate),
	}
	s.settings = h.Settings(s.endpoints[defendersim.APIDefenderXDR], c.Serve(t, s.sink))
	s.settings.SignIn, s.settings.RateLimit = c.Serve(t, h.Sim), limited(population)
	for _, f := range change {
		f(&s.settings)
	}
	return s
}

// use makes the next collector poll another API. It changes what
// docs/migrate-to-graph.md tells users to change.
func (s *setup) use(api string) {
	s.settings.API, s.settings.Scope, s.settings.Endpoint = api, harness.ScopeOf(api), s.endpoints[api]
}

// launch starts a collector with command-line arguments.
func (s *setup) launch(env []string, args ...string) {
	s.T.Helper()
	require.Nil(s.T, s.process, "one collector at a time")
	s.process = harness.Launch(s.Ctx, s.T, s.Notifier, env, collector, args...)
}

// start starts a collector with the storage of the previous one.
func (s *setup) start() {
	s.T.Helper()
	s.launch(s.settings.Env, s.settings.Arguments(s.T)...)
}

// stop stops the collector and returns its log.
func (s *setup) stop() (log string) {
	s.T.Helper()
	p := s.end(syscall.SIGTERM)
	require.NoError(s.T, p.Err(), "exit code 0")
	return p.Log()
}

// kill kills the collector. When it returns, everything the collector has sent
// has arrived.
func (s *setup) kill() {
	s.T.Helper()
	s.end(syscall.SIGKILL)
	s.await("the end of its connections", func() bool { return s.connections.Open() == 0 })
}

// end sends a signal to the collector and waits for its end.
func (s *setup) end(signal syscall.Signal) *harness.Program {
	s.T.Helper()
	p := s.process
	s.process = nil
	p.End(s.T, signal)
	return p
}

// settle stops the collector after it has processed everything that was served:
// all requests in flight wait at the gate. It returns when the gate was closed,
// after which nothing was served, and the collector's log.
func (s *setup) settle() (closed time.Time, log string) {
	s.T.Helper()
	s.gate.close()
	closed = time.Now()
	s.await("all requests at the gate", func() bool { return s.gate.waiting() == harness.MaxConcurrentRequests })
	return closed, s.stop()
}

// await waits until a condition holds, while the collector runs, if there is one.
func (s *setup) await(what string, condition func() bool) {
	s.T.Helper()
	s.Await(s.process, what, condition)
}

// wait lets the collector run for some time.
func (s *setup) wait(d time.Duration) {
	s.T.Helper()
	s.Wait(s.process, d)
}

// awaitRecords waits until the sink has n records.
func (s *setup) awaitRecords(n int) {
	s.T.Helper()
	s.await(fmt.Sprintf("%d records", n), func() bool { return len(s.sink.Records()) >= n })
}

// awaitCycle waits until each of the incidents was fetched and processed.
func (s *setup) awaitCycle(ids ...int64) {
	s.T.Helper()
	s.AwaitCycle(s.process, ids...)
}

// requests returns the requests for incidents, and for further pages of their
// alerts, that reached the simulator.
func (s *setup) requests() []defendersim.Request {
	var requests []defendersim.Request
	for _, r := range s.Sim.Journal() {
		if r.Endpoint == defendersim.EndpointIncident || r.Endpoint == defendersim.EndpointAlerts {
			requests = append(requests, r)
		}
	}
	return requests
}

// requireProof compares everything that arrived with everything that was served,
// and the requests with the simulator's limits.
func (s *setup) requireProof(population defendersim.Config) {
	s.T.Helper()
	require.Empty(s.T, proof.Exactly(s.Sim, s.sink.Records()))
	require.LessOrEqual(s.T, s.Sim.MaxInWindow(time.Minute), population.PerMinute)
	require.LessOrEqual(s.T, s.Sim.MaxInWindow(time.Hour), population.PerHour)
	for _, r := range s.requests() {
		require.NotEqual(s.T, http.StatusTooManyRequests, r.Status, "request %d exceeded the rate limit", r.Number)
	}
}
