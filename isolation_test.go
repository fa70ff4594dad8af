package defenderincidentsreceiver

import (
	"flag"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

var simulate = flag.Bool("simulate", false, "also run the measurements in simulated time (make simulate)")

// pace is how the incidents that nothing is wrong with are served.
type pace struct {
	first time.Duration   // from the start to the first fetch of one, in the mean
	gaps  []time.Duration // between two fetches of one, ascending
}

func (p pace) mean() time.Duration { return mean(p.gaps) }

func (p pace) p95() time.Duration { return p.gaps[len(p.gaps)*95/100] }

func (p pace) longest() time.Duration { return p.gaps[len(p.gaps)-1] }

func mean(all []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return sum / time.Duration(len(all))
}

// paceBeside has 1,000 incidents followed for four hours. From a moment on the
// first ones answer with the given faults, one each.
func paceBeside(t *testing.T, faults []string, from time.Duration) (p pace) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(1000))
		w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
		bad := w.sim.IDs()[:10]
		strike := func() {
			for i, fault := range faults {
				require.NoError(t, w.sim.SetFault(bad[i], rule(t, fault)))
			}
		}
		if from == 0 {
			strike()
		}
		began := time.Now()
		w.start()
		time.Sleep(from)
		strike()
		time.Sleep(4*time.Hour - from)
		w.stop()
		p = paceOf(w.sim.Journal(), began, bad)
	})
	return p
}

// paceOf leaves out the incidents that something is wrong with.
func paceOf(requests []defendersim.Request, began time.Time, bad []int64) (p pace) {
	var firsts []time.Duration
	last := map[int64]time.Time{}
	for _, r := range requests {
		if r.Endpoint != defendersim.EndpointIncident || slices.Contains(bad, r.ID) {
			continue
		}
		if before, again := last[r.ID]; again {
			p.gaps = append(p.gaps, r.Time.Sub(before))
		} else {
			firsts = append(firsts, r.Time.Sub(began))
		}
		last[r.ID] = r.Time
	}
	p.first = mean(firsts)
	slices.Sort(p.gaps)
	return p
}

func TestIncidentsThatHangTakeHalfOfTheSlotsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(20))
		for _, id := range w.sim.IDs()[:10] {
			require.NoError(t, w.sim.SetFault(id, rule(t, "hang")))
		}
		w.start()
		time.Sleep(10 * time.Minute) // by then it is known which hang
		known := time.Now()
		time.Sleep(time.Hour)
		w.stop()
		hanging, most := map[int64]time.Time{}, 0 // until when each hangs
		for _, r := range w.sim.Journal() {
			if r.Time.Before(known) || r.Fault == "" {
				continue
			}
			maps.DeleteFunc(hanging, func(_ int64, until time.Time) bool { return !until.After(r.Time) })
			hanging[r.ID] = r.Ended
			most = max(most, len(hanging))
		}
		require.Equal(t, w.cfg.MaxConcurrentRequests/2, most)
	})
}

func TestTenIncidentsOfAThousandThatFailDoNotHoldUpTheOthers(t *testing.T) {
	if !*simulate {
		return
	}
	alone := paceBeside(t, nil, 0)
	t.Logf("without: first %v, gap mean %v, p95 %v, longest %v", alone.first, alone.mean(), alone.p95(), alone.longest())
	for _, fails := range []struct {
		how    string
		faults []string
	}{
		{"hanging", []string{"hang"}},
		{"answering 500", []string{"500"}},
		{"malformed", []string{"nested"}},
		{"refused", []string{"400"}},
		{"each in another way", []string{"huge=40MiB", "hang", "reset", "truncated", "504", "html", "slow=25s", "403", "redirect", "404-html"}},
	} {
		for len(fails.faults) < 10 {
			fails.faults = append(fails.faults, fails.faults[0])
		}
		for _, from := range []time.Duration{0, time.Hour} {
			p := paceBeside(t, fails.faults, from)
			later := func(what string, now, before time.Duration) float64 {
				ratio := float64(now) / float64(before)
				require.LessOrEqual(t, ratio, 1.05, "%s from %v on: %s", fails.how, from, what)
				return 100 * (ratio - 1)
			}
			t.Logf("| %s | %v | %+.1f %% | %+.1f %% | %+.1f %% | %+.1f %% |", fails.how, from,
				later("first", p.first, alone.first), later("mean", p.mean(), alone.mean()),
				later("p95", p.p95(), alone.p95()), later("longest", p.longest(), alone.longest()))
		}
	}
}
