// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// timeLimit applies to each test.
const timeLimit = 8 * time.Minute

// setup is a running collector between a simulated API and a sink.
type setup struct {
	*harness.Harness
	sink    *harness.Sink
	process *harness.Program
	metrics string // host and port at which Prometheus scrapes the collector
}

// newSetup starts a collector that polls the whole population. The faults apply
// from the start.
func newSetup(t *testing.T, population defendersim.Config, change func(*harness.Settings), faults map[int64]string) *setup {
	t.Helper()
	h := harness.New(t, timeLimit, population)
	s := &setup{Harness: h, sink: harness.NewSink(h.Notifier), metrics: harness.FreeAddress(t)}
	for id, fault := range faults {
		s.setFault(id, fault)
	}
	settings := h.Settings(harness.Serve(t, h.Sim), harness.Serve(t, s.sink))
	settings.RateLimit, settings.LogLevel = "{requests_per_minute: 6000, requests_per_hour: 60000}", "warn"
	var err error
	settings.MetricsHost, settings.MetricsPort, err = net.SplitHostPort(s.metrics)
	require.NoError(t, err)
	change(&settings)
	s.process = harness.Launch(h.Ctx, t, h.Notifier, nil, collector, settings.Arguments(t)...)
	return s
}

// setFault makes a fault apply from now on.
func (s *setup) setFault(id int64, fault string) {
	s.T.Helper()
	f, err := defendersim.ParseFault(fault)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Sim.SetFault(id, defendersim.Rule{Fault: f}))
}

// failOnce makes a fault apply to one request.
func (s *setup) failOnce(id int64, fault string) {
	s.T.Helper()
	f, err := defendersim.ParseFault(fault)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Sim.SetFault(id, defendersim.Rule{Fault: f, Times: 1}))
}

// refuse makes the backend refuse all records.
func (s *setup) refuse() { s.sink.SetMode(harness.Refuse) }

// reject makes the backend reject all records permanently.
func (s *setup) reject() { s.sink.SetMode(harness.Reject) }

// fillDisk makes the collector's writes to files fail as on a full disk. It returns what ends that.
func (s *setup) fillDisk() (end func()) {
	before := s.process.LimitFileSize(s.T, nil)
	s.process.LimitFileSize(s.T, &syscall.Rlimit{Cur: 0, Max: before.Max})
	return func() { s.process.LimitFileSize(s.T, &before) }
}

// fillDiskForAMoment makes some writes fail and then no more.
func (s *setup) fillDiskForAMoment() {
	end := s.fillDisk()
	defer end()
	s.Poll(s.process, "a write that fails", 100*time.Millisecond, func() bool {
		return strings.Contains(s.process.Log(), "checkpoint write failed")
	})
}
