package poll_test

import (
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

// again counts versions that were delivered twice, or after a later one.
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

// misses says whether one of the incidents was not delivered yet.
func (r *recorder) misses(ids []int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(ids, func(id int64) bool { return r.deliveries[element{incident: id}] == nil })
}

// openThroughout says whether an incident was open from one moment to another.
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

// TestADayOfSweeps prints the figures of docs/sizing.md for 10,000 incidents with sweeps.
func TestADayOfSweeps(t *testing.T) {
	n, hours := 1000, 3
	if *simulate {
		n, hours = 10_000, 24
	}
	synctest.Test(t, func(t *testing.T) {
		h := harness.New(t, workingDay(t, n), harness.WithFeed())
		h.Config.IncidentIDs = unmerged(h.Sim)
		fault := harness.Rule(t, "429-retry-after=90s")
		fault.Every = time.Hour
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, fault))
		r := &recorder{deliveries: map[element][]delivery{}}
		began := time.Now()
		h.StartWith(r)
		for r.misses(h.Config.IncidentIDs) {
			require.Less(t, time.Since(began), 24*time.Hour)
			time.Sleep(time.Second)
		}
		cold := time.Since(began)
		time.Sleep(time.Hour)
		from := time.Now()
		time.Sleep(time.Duration(hours) * time.Hour)
		until := time.Now()
		time.Sleep(2 * time.Hour) // so that the last changes are delivered, too
		h.Stop()

		var all, open day
		for _, id := range h.Config.IncidentIDs {
			all.add(h.Sim, r, id, from, until)
			if openThroughout(h.Sim, id, from, until) {
				open.add(h.Sim, r, id, from, until)
			}
		}
		for _, d := range []*day{&all, &open} {
			slices.Sort(d.listed)
			slices.Sort(d.unlisted)
		}
		twice, older := r.again()
		t.Logf("cold start %v; moved: %s of alerts alone, open throughout: %s of alerts alone, all: %s never delivered %d, twice %d, older %d",
			cold, all.listed.row(), open.unlisted.row(), all.unlisted.row(), all.lost, twice, older)
		gets, lists, refused := 0, 0, 0
		for _, request := range h.Sim.Journal() {
			switch {
			case request.Status == 429 && request.Fault == "":
				refused++
			case request.Endpoint == defendersim.EndpointIncident:
				gets++
			default:
				lists++
			}
		}
		t.Logf("%d requests by ID, %d pages, %d beyond a limit", gets, lists, refused)
		require.Zero(t, twice)
		require.Zero(t, older)
		require.Zero(t, refused)
	})
}
