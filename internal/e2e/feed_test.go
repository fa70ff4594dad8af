//go:build unix

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// feeding has changes found by listing each second. The round is too slow to
// find them.
func feeding(also string) func(*settings) {
	return func(c *settings) {
		c.Interval = 10 * time.Minute
		c.ChangeFeed = fmt.Sprintf("{interval: 1s, rate_limit: {requests_per_minute: 600, requests_per_hour: 6000}%s}", also)
	}
}

// listed is quiet with limits of List that no test reaches.
func listed(n int) defendersim.Config {
	cfg := quiet(n)
	cfg.ListPerMinute, cfg.ListPerHour = 6000, 60000
	return cfg
}

// awaitCalls waits for two calls of the feed that begin from now on: the rows
// of the first were dealt with before the second is made.
func (s *stage) awaitCalls() {
	s.t.Helper()
	before := s.calls()
	s.await("two calls of the feed", func() bool { return s.calls() >= before+2 })
}

// calls counts the calls of List that were answered.
func (s *stage) calls() int {
	n := 0
	for _, r := range s.sim.Journal() {
		if r.Endpoint == defendersim.EndpointList && !r.Ended.IsZero() {
			n++
		}
	}
	return n
}

// awaitTold waits for a record about an incident beyond the first so many.
func (s *stage) awaitTold(id int64, beyond int) {
	s.t.Helper()
	s.await(fmt.Sprintf("word of %d", id), func() bool {
		return slices.ContainsFunc(s.sink.records()[beyond:], func(r proof.Record) bool { return r.Incident == id })
	})
}

func TestAChangeIsToldFromTheListWithinSeconds(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		api, told string
		requests  int // for the incident that has changed
	}{
		{defendersim.APIDefenderXDR, "1002 updated [assignedTo lastUpdateTime]", 0}, // the row is the incident
		{defendersim.APIGraph, "1002 updated [assignedTo lastUpdateDateTime]", 1},   // the row names it
	} {
		t.Run(each.api, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, listed(5), feeding(""), func(c *settings) { c.IDs = c.IDs[:4] })
			s.use(each.api)
			s.start()
			s.awaitRecords(3 * 4)
			s.awaitCalls()
			first, asked, began := len(s.sink.deliveries()), len(s.requests()), time.Now()

			s.change(1002, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
			s.change(1005, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }) // not followed
			s.awaitTold(1002, 3*4)
			require.Less(t, time.Since(began), 10*time.Second)
			s.awaitCalls()
			requireNoComplaint(t, s.stop())
			require.Equal(t, []string{each.told}, told(s.sink.deliveries()[first:]))
			require.Len(t, s.requests(), asked+each.requests)
			require.LessOrEqual(t, s.sim.MaxInWindowOf(defendersim.EndpointList, time.Minute), 600)
			s.requireOnly(each.api, 0)
		})
	}
}

func TestWhatIsNewIsDiscoveredInTheList(t *testing.T) {
	t.Parallel()
	s := newStage(t, listed(0), feeding(", discover: true"))
	s.start()
	s.awaitCalls()
	require.Empty(t, s.sink.records())

	fresh := s.sim.Appear()
	s.awaitTold(fresh, 0)
	s.awaitCalls()
	s.stop()
	lines := told(s.sink.deliveries())
	require.Equal(t, fmt.Sprintf("%d first_seen", fresh), lines[0])
	require.Len(t, lines, 1+len(s.alerts(fresh)), "it and its alerts, once")
	require.Empty(t, s.requests(), "all from the page")
}

func TestWhatChangesWhileTheCollectorIsDownIsFoundInTheList(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(*stage){
		"restarted": func(s *stage) { s.stop() },
		"killed":    (*stage).kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, listed(3), feeding(", discover: true, lookback: 1s"), func(c *settings) { c.IDs = c.IDs[:2] })
			s.start()
			s.awaitRecords(3 * 2)
			s.awaitCalls()
			down(s)
			first, asked := len(s.sink.deliveries()), len(s.requests())
			s.change(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
			fresh := s.sim.Appear()

			s.start()
			s.awaitTold(1001, 3*2)
			s.awaitTold(fresh, 3*2)
			s.awaitCalls()
			s.stop()
			lines := told(s.sink.deliveries()[first:])
			require.Contains(t, lines, "1001 updated [assignedTo lastUpdateTime]")
			require.Contains(t, lines, fmt.Sprintf("%d first_seen", fresh))
			require.Len(t, lines, 1+1+len(s.alerts(fresh)), "nothing else, and nothing twice")
			require.Len(t, s.requests(), asked)
		})
	}
}
