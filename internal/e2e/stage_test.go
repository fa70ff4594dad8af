//go:build unix

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// patience bounds a whole test, but for one that is asked to last.
	patience = 4 * time.Minute
	// stopGrace is how long a collector may take to end: the receiver's own
	// grace of 5 s for a delivery, a second for the pipeline to notice, and some
	// for a busy machine.
	stopGrace = 10 * time.Second
)

// stage is a collector between a simulated API and a sink.
type stage struct {
	t           *testing.T
	ctx         context.Context // the deadline of the test, whose steps are methods
	bell        *bell
	connections *connections
	sim         *defendersim.Sim
	gate        *gate
	sink        *sink
	settings    settings
	endpoints   map[string]string // of the APIs

	process *process // the one that runs; nil: none
}

// quiet is a population of n incidents with two alerts each that only the test
// changes.
func quiet(n int) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour = n, 2, 0, 0
	return generous(cfg)
}

// generous has limits that no test reaches.
func generous(cfg defendersim.Config) defendersim.Config {
	cfg.PerMinute, cfg.PerHour = 6000, 60000
	return cfg
}

// limited gives simulator and receiver the same limits.
func limited(cfg defendersim.Config) string {
	return fmt.Sprintf("{requests_per_minute: %d, requests_per_hour: %d}", cfg.PerMinute, cfg.PerHour)
}

// newStage follows all incidents of the population. No collector runs yet.
func newStage(t *testing.T, population defendersim.Config, change ...func(*settings)) *stage {
	t.Helper()
	return newLongStage(t, patience, population, change...)
}

// newLongStage is newStage for a test with a patience of its own. Both APIs
// have the same limits, and Defender XDR is the one that is asked.
func newLongStage(t *testing.T, patience time.Duration, population defendersim.Config, change ...func(*settings)) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	b := newBell()
	c := &connections{bell: b}
	population.GraphPerMinute, population.GraphPerHour = population.PerMinute, population.PerHour
	population.Observe = func(defendersim.Request) { b.ring() }
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	s := &stage{
		t: t, ctx: ctx, bell: b, connections: c, sim: sim,
		gate: &gate{bell: b, behind: sim, tokens: map[string]struct{}{}},
		sink: &sink{bell: b},
	}
	s.endpoints = map[string]string{ // as in life, each API is elsewhere, and neither is where one signs in
		defendersim.APIDefenderXDR: serve(t, c, s.gate), defendersim.APIGraph: serve(t, c, s.gate),
	}
	s.settings = settings{
		SignIn: serve(t, c, sim), Sink: serve(t, c, s.sink),
		Tenant: population.TenantID, ClientID: population.ClientID, ClientSecret: population.ClientSecret,
		Storage: filepath.Join(t.TempDir(), "storage"), IDs: sim.IDs(),
		Interval: 2 * time.Second, Timeout: 30 * time.Second,
		RateLimit: limited(population), Concurrent: maxConcurrentRequests, Exporter: "otlp_http", Compression: "none", LogLevel: "info",
	}
	s.use(defendersim.APIDefenderXDR)
	for _, f := range change {
		f(&s.settings)
	}
	return s
}

// use has the next start ask an API, by what docs/migrate-to-graph.md has one
// change for that.
func (s *stage) use(api string) {
	s.settings.API, s.settings.Scope, s.settings.Endpoint = api, scopeOf(api), s.endpoints[api]
}

// serve lets a handler listen on this machine and returns its address.
func serve(t *testing.T, c *connections, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = c.changed
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// start starts a collector on the storage of the one before.
func (s *stage) start() {
	s.t.Helper()
	require.Nil(s.t, s.process, "one collector at a time")
	s.process = launch(s.ctx, s.t, s.bell, s.settings)
}

// stop asks the collector to end and returns all that it has said.
func (s *stage) stop() string {
	s.t.Helper()
	p := s.end(syscall.SIGTERM)
	require.NoError(s.t, p.err, "it ends in good order")
	return p.log.String()
}

// kill leaves the collector no time for anything. What it had sent has arrived
// when kill returns.
func (s *stage) kill() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
	s.await("the end of its connections", func() bool { return s.connections.open.Load() == 0 })
}

// end sends a signal and waits for what it is to bring about.
func (s *stage) end(signal syscall.Signal) *process {
	s.t.Helper()
	p := s.process
	s.process = nil
	require.NoError(s.t, p.cmd.Process.Signal(signal))
	ctx, cancel := context.WithTimeout(s.ctx, stopGrace)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		require.FailNow(s.t, "the collector did not end within its grace")
	}
	return p
}

// settle stops the collector at a moment when all that was served was also
// dealt with: every request that is in flight has not reached the simulator. It
// returns the moment from which on nothing was served.
func (s *stage) settle() (closed time.Time, output string) {
	s.t.Helper()
	s.gate.close()
	closed = time.Now()
	s.await("all requests at the gate", func() bool { return s.gate.waiting() == maxConcurrentRequests })
	return closed, s.stop()
}

// ended is closed once the collector has ended. Nil, which is never: none runs.
func (s *stage) ended() <-chan struct{} {
	if s.process == nil {
		return nil
	}
	return s.process.ended
}

// await waits until a condition holds. It is looked at whenever a request or a
// delivery has ended.
func (s *stage) await(what string, holds func() bool) {
	s.t.Helper()
	ended := s.ended()
	for {
		rung := s.bell.rung()
		if holds() {
			return
		}
		select {
		case <-rung:
		case <-ended:
			require.FailNow(s.t, "the collector ended", "while waiting for %s: %v", what, s.process.err)
		case <-s.ctx.Done():
			require.FailNow(s.t, "the time is up", "while waiting for %s", what)
		}
	}
}

// let gives the collector time, in which it must not end.
func (s *stage) let(d time.Duration) {
	s.t.Helper()
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-s.ended():
		require.FailNow(s.t, "the collector ended", "%v", s.process.err)
	case <-s.ctx.Done():
		require.FailNow(s.t, "the time is up")
	}
}

// awaitRecords waits for that many records in all.
func (s *stage) awaitRecords(n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d records", n), func() bool { return len(s.sink.records()) >= n })
}

// awaitRound waits until each of the incidents was fetched from now on and what
// that brought was dealt with. An incident is fetched again only then.
func (s *stage) awaitRound(ids ...int64) {
	s.t.Helper()
	before := len(s.sim.Journal())
	s.await("a round", func() bool {
		answered := map[int64]int{}
		for _, r := range s.sim.Journal()[before:] {
			if r.Endpoint == defendersim.EndpointIncident && r.Status == http.StatusOK {
				answered[r.ID]++
			}
		}
		for _, id := range ids {
			if answered[id] < 2 {
				return false
			}
		}
		return true
	})
}

// requests are the calls for incidents, and for the rest of their alerts, that
// reached the simulator.
func (s *stage) requests() []defendersim.Request {
	var requests []defendersim.Request
	for _, r := range s.sim.Journal() {
		if r.Endpoint == defendersim.EndpointIncident || r.Endpoint == defendersim.EndpointAlerts {
			requests = append(requests, r)
		}
	}
	return requests
}

// requireProof holds all that arrived against all that was served, and the
// requests against the simulator's limits.
func (s *stage) requireProof(population defendersim.Config) {
	s.t.Helper()
	require.Empty(s.t, proof.Exactly(s.sim, s.sink.records()))
	require.LessOrEqual(s.t, s.sim.MaxInWindow(time.Minute), population.PerMinute)
	require.LessOrEqual(s.t, s.sim.MaxInWindow(time.Hour), population.PerHour)
	for _, r := range s.requests() {
		require.NotEqual(s.t, http.StatusTooManyRequests, r.Status, "request %d was one too many", r.Number)
	}
}
