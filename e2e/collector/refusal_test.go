// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestBackendThatRefusesStopsFetchingAndLosesNothing(t *testing.T) {
	t.Parallel()
	population := generous(defendersim.DefaultConfig())
	population.Incidents, population.AlertsPerIncident, population.ChangesPerHour = 12, 2, 4000
	s := newSetup(t, population)
	s.start()
	s.awaitCycle(1001, 1002)

	s.sink.SetMode(harness.Refuse)
	s.await("refusals", func() bool { return len(s.sink.Refused()) >= 24 })
	began, ended := s.sink.Refused()[0], time.Now()
	accepted := len(s.sink.Deliveries())
	s.sink.SetMode(harness.Accept)
	s.await("deliveries afterwards", func() bool { return len(s.sink.Deliveries()) >= accepted+15 })
	_, output := s.settle()

	fetched := 0
	for _, r := range s.requests() {
		if r.Time.After(began) && r.Time.Before(ended) {
			fetched++
		}
	}
	require.LessOrEqual(t, fetched, harness.MaxConcurrentRequests, "only requests in flight")
	require.Greater(t, ended.Sub(began), 4*time.Second, "two cycles would have been due")
	require.Equal(t, 1, strings.Count(output, "pipeline does not accept records"), "logged once")
	require.Equal(t, 1, strings.Count(output, "pipeline accepts records again"))
	s.requireProof(population)
}
