// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// feeding lists changes every second. Polling by ID is too slow to find them.
func feeding(also string) func(*harness.Settings) {
	return func(c *harness.Settings) {
		c.Interval = 10 * time.Minute
		c.ChangeFeed = fmt.Sprintf("{interval: 1s, rate_limit: {requests_per_minute: 600, requests_per_hour: 6000}%s}", also)
	}
}

// listed is quiet with list limits that no test reaches.
func listed(n int) defendersim.Config {
	cfg := quiet(n)
	cfg.ListPerMinute, cfg.ListPerHour = 6000, 60000
	return cfg
}

// awaitListCalls waits for two calls of the feed that begin from now on. The
// rows of the first are processed before the second is sent.
func (s *setup) awaitListCalls() {
	s.T.Helper()
	before := s.calls()
	s.await("two calls of the feed", func() bool { return s.calls() >= before+2 })
}

// calls returns how many list calls got a response.
func (s *setup) calls() int {
	n := 0
	for _, r := range s.Sim.Journal() {
		if r.Endpoint == defendersim.EndpointList && !r.Ended.IsZero() {
			n++
		}
	}
	return n
}

// awaitRecordOf waits for a record of an incident after the first beyond
// records.
func (s *setup) awaitRecordOf(id int64, beyond int) {
	s.T.Helper()
	s.await(fmt.Sprintf("a record of %d", id), func() bool {
		return slices.ContainsFunc(s.sink.Records()[beyond:], func(r proof.Record) bool { return r.Incident == id })
	})
}

func TestChangeInTheListIsEmittedWithinSeconds(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		api, line string // of the first row of the incident
	}{
		{defendersim.APIDefenderXDR, "1002 updated [lastUpdateTime]"},
		{defendersim.APIGraph, "1002 updated [lastUpdateDateTime]"},
	} {
		t.Run(each.api, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, listed(5), feeding(""), func(c *harness.Settings) { c.IDs = c.IDs[:4] })
			s.use(each.api)
			s.start()
			s.awaitRecords(3 * 4)
			s.awaitListCalls()
			first, asked, began := len(s.sink.Deliveries()), len(s.requests()), time.Now()

			s.change(1002, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
			s.change(1005, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }) // not tracked
			s.awaitRecordOf(1002, 3*4)
			require.Less(t, time.Since(began), 10*time.Second)
			s.awaitListCalls()
			requireNoComplaint(t, s.stop())
			require.Equal(t, []string{each.line}, changeLines(s.sink.Deliveries()[first:]))
			require.Len(t, s.requests(), asked, "the row has shown it")
			require.LessOrEqual(t, s.Sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 600)
			s.requireOnly(each.api, 0)
		})
	}
}

func TestNewIncidentsAreDiscoveredInTheList(t *testing.T) {
	t.Parallel()
	s := newSetup(t, listed(0), feeding(", discover: true"))
	s.start()
	s.awaitListCalls()
	require.Empty(t, s.sink.Records())

	fresh := s.Sim.Appear()
	s.awaitRecordOf(fresh, 0)
	s.awaitListCalls()
	s.stop()
	lines := changeLines(s.sink.Deliveries())
	require.Equal(t, fmt.Sprintf("%d first_seen", fresh), lines[0])
	require.Len(t, lines, 1+len(s.alerts(fresh)), "the incident and its alerts, once each")
	require.Empty(t, s.requests(), "everything is from the page")
}

func TestChangesDuringDowntimeAreFoundInTheList(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(*setup){
		"restarted": func(s *setup) { s.stop() },
		"killed":    (*setup).kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, listed(3), feeding(", discover: true, lookback: 1s"), func(c *harness.Settings) { c.IDs = c.IDs[:2] })
			s.start()
			s.awaitRecords(3 * 2)
			s.awaitListCalls()
			down(s)
			first, asked := len(s.sink.Deliveries()), len(s.requests())
			s.change(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
			fresh := s.Sim.Appear()

			s.start()
			s.awaitRecordOf(1001, 3*2)
			s.awaitRecordOf(fresh, 3*2)
			s.awaitListCalls()
			s.stop()
			lines := changeLines(s.sink.Deliveries()[first:])
			require.Contains(t, lines, "1001 updated [lastUpdateTime]", "by its first row, whose rendering was not known")
			require.Contains(t, lines, fmt.Sprintf("%d first_seen", fresh))
			require.Len(t, lines, 1+1+len(s.alerts(fresh)), "nothing else and no repeats")
			require.Len(t, s.requests(), asked)
		})
	}
}
