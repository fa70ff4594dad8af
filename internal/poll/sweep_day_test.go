// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// workingDay is a population as a security team has it: 60 % active, 30 % in
// progress, 10 % resolved, and 5 % more that were merged.
func workingDay(t *testing.T, n int) defendersim.Config {
	t.Helper()
	c := harness.Quiet(n + n/20)
	c.MergedShare = 1.0 / 21
	c.Statuses = defendersim.StatusMix{Active: 60, InProgress: 30, Resolved: 10}
	c.LargeShare, c.AlertBytes = 0.005, 900
	c.ChangesPerHour, c.CloseHourly, c.BackToActive = float64(n)/5, 3*n/100, 0.5
	weights, err := defendersim.DefaultWeights().WithShares(map[defendersim.Kind]float64{defendersim.ChangeAlertAlone: 1.0 / 6})
	require.NoError(t, err)
	c.Weights = weights
	c.ListDelay, c.ListDiffers = time.Minute, true
	c.LatencyMin, c.LatencyMax = 100*time.Millisecond, 1500*time.Millisecond
	return c
}

// unmerged are the incidents that were not merged at the start.
func unmerged(sim *defendersim.Sim) (ids []int64) {
	for _, id := range sim.IDs() {
		if states, _ := sim.History(id); states[0].RedirectID == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// again counts versions that were delivered twice, or after a later version.
func (r *recorder) again() (twice, older int) {
	for _, all := range r.deliveries {
		for i := 1; i < len(all); i++ {
			switch order := all[i].version.Compare(all[i-1].version); {
			case all[i].version.IsZero() || all[i-1].version.IsZero(): // removed
			case order == 0:
				twice++
			case order < 0:
				older++
			}
		}
	}
	return twice, older
}

// misses reports whether one of the incidents was not delivered yet.
func (r *recorder) misses(ids []int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(ids, func(id int64) bool { return r.deliveries[element{incident: id}] == nil })
}

// openThroughout reports whether an incident was open from one moment to another.
func openThroughout(sim *defendersim.Sim, id int64, from, until time.Time) bool {
	states, _ := sim.History(id)
	for _, s := range states {
		closed := s.Removed || s.RedirectID != 0 || strings.EqualFold(s.Status, "resolved")
		if closed && s.From.Before(until) && (s.Until.IsZero() || s.Until.After(from)) {
			return false
		}
	}
	return true
}

// sweptDay says how a population was polled by sweeps for some hours.
type sweptDay struct {
	cold         time.Duration // until each incident was delivered
	day                        // of incidents that were open throughout
	beyond       delays        // of changes that move the incident, from when the list shows them
	others       day           // of all incidents
	twice, older int
	refused      int // requests beyond a limit
}

// TestADayOfSweeps prints the figures of docs/sizing.md for 10,000 incidents with sweeps.
func TestADayOfSweeps(t *testing.T) {
	if !*simulate {
		return
	}
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*defendersim.Config)
		hours  int
	}{
		"a working day": {func(*defendersim.Config) {}, 24},
		"all of them open": {func(p *defendersim.Config) {
			p.Statuses.Resolved, p.CloseHourly, p.BackToActive, p.LargeShare = 0, 0, 1, 0
		}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			population := workingDay(t, 10_000)
			c.change(&population)
			d := runSweptDay(t, population, time.Duration(c.hours)*time.Hour)
			t.Logf("cold start %v", d.cold)
			t.Logf("changes that move the incident: %s", d.others.listed.row())
			t.Logf("the same from when the list shows them: %s", d.beyond.row())
			t.Logf("changes of alerts alone, open throughout: %s", d.unlisted.row())
			t.Logf("changes of alerts alone: %s", d.others.unlisted.row())
			t.Logf("%d requests by ID, %d pages, %d beyond a limit; %d changes of what was gone before it was seen, %d lost, %d twice, %d older after newer",
				d.others.gets, d.others.lists, d.refused, d.others.gone, d.others.lost, d.twice, d.older)
			require.Less(t, d.cold, 3*time.Minute)
			require.Less(t, mean(d.beyond), 20*time.Second)
			require.Less(t, d.beyond[len(d.beyond)*95/100], 35*time.Second)
			require.Less(t, d.unlisted[len(d.unlisted)*95/100], 6*time.Minute)
			require.Zero(t, d.others.lost)
			require.Zero(t, d.twice)
			require.Zero(t, d.older)
			require.Zero(t, d.refused)
		})
	}
}

// runSweptDay polls the incidents of a population that were not merged at
// its start. It measures from an hour after the last of them was delivered.
func runSweptDay(t *testing.T, population defendersim.Config, lasting time.Duration) (d sweptDay) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := harness.New(t, population, harness.WithFeed())
		h.Config.IncidentIDs = unmerged(h.Sim)
		r := &recorder{deliveries: map[element][]delivery{}}
		began := time.Now()
		h.StartWith(r)
		for r.misses(h.Config.IncidentIDs) {
			require.Less(t, time.Since(began), 24*time.Hour)
			harness.Sleep(time.Second)
		}
		d.cold = time.Since(began)
		harness.Sleep(20 * time.Minute) // incidents are closed each full hour
		fault := harness.Rule(t, "429-retry-after=90s")
		fault.Every = time.Hour
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, fault))
		harness.Sleep(40 * time.Minute)
		from := time.Now()
		harness.Sleep(lasting)
		until := time.Now()
		harness.Sleep(6 * time.Hour) // so that the last changes are delivered too: resolved incidents are polled by ID, in up to five hours
		h.Stop()

		for _, id := range h.Config.IncidentIDs {
			before := len(d.others.listed)
			d.others.add(h.Sim, r, id, from, until)
			for _, delay := range d.others.listed[before:] {
				d.beyond = append(d.beyond, max(0, delay-h.Sim.ListDelayOf(id)))
			}
			if openThroughout(h.Sim, id, from, until) {
				d.add(h.Sim, r, id, from, until)
			}
		}
		for _, all := range []delays{d.listed, d.unlisted, d.others.listed, d.others.unlisted, d.beyond} {
			slices.Sort(all)
		}
		d.twice, d.older = r.again()
		for _, request := range h.Sim.Journal() {
			switch {
			case request.Status == http.StatusTooManyRequests && request.Fault == "":
				d.refused++
			case request.Endpoint == defendersim.EndpointIncident:
				d.others.gets++
			default:
				d.others.lists++
			}
		}
	})
	return d
}
