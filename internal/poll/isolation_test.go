// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// pace is how often the incidents that do not fail are polled.
type pace struct {
	first time.Duration   // from the start to the first poll, on average
	gaps  []time.Duration // between two polls of an incident, ascending
}

func (p pace) mean() time.Duration { return mean(p.gaps) }

func (p pace) p95() time.Duration { return p.gaps[len(p.gaps)*95/100] }

func (p pace) longest() time.Duration { return p.gaps[len(p.gaps)-1] }

// paceBeside polls 1,000 incidents for four hours. After a while, the first ones
// fail with the given faults, one each.
func paceBeside(t *testing.T, faults []string, from time.Duration) (p pace) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1000))
		failing := h.Sim.IDs()[:10]
		fail := func() {
			for i, fault := range faults {
				h.Fail(failing[i], fault)
			}
		}
		if from == 0 {
			fail()
		}
		began := time.Now()
		h.Start()
		harness.Sleep(from)
		fail()
		harness.Sleep(4*time.Hour - from)
		h.Stop()
		p = paceOf(h.Sim.Journal(), began, failing)
	})
	return p
}

// paceOf returns the pace of the incidents that do not fail.
func paceOf(requests []defendersim.Request, began time.Time, failing []int64) (p pace) {
	var firsts []time.Duration
	last := map[int64]time.Time{}
	for _, r := range requests {
		if r.Endpoint != defendersim.EndpointIncident || slices.Contains(failing, r.ID) {
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

func TestHangingIncidentsUseAtMostHalfOfTheSlots(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20))
		for _, id := range h.Sim.IDs()[:10] {
			h.Fail(id, "hang")
		}
		h.Start()
		harness.Sleep(10 * time.Minute) // by then the receiver knows which hang
		known := time.Now()
		harness.Sleep(time.Hour)
		h.Stop()
		hanging, highest := map[int64]time.Time{}, 0 // the end of each request that hangs
		for _, r := range h.Sim.Journal() {
			if r.Time.Before(known) || r.Fault == "" {
				continue
			}
			maps.DeleteFunc(hanging, func(_ int64, until time.Time) bool { return !until.After(r.Time) })
			hanging[r.ID] = r.Ended
			highest = max(highest, len(hanging))
		}
		require.Equal(t, h.Config.MaxConcurrentRequests/2, highest)
	})
}

func TestTenFailingIncidentsOfAThousandDoNotDelayTheOthers(t *testing.T) {
	if !*simulate {
		return
	}
	t.Parallel()
	alone := paceBeside(t, nil, 0)
	t.Logf("without: first %v, gap mean %v, p95 %v, longest %v", alone.first, alone.mean(), alone.p95(), alone.longest())
	for _, c := range []struct {
		how    string
		faults []string
	}{
		{"hanging", []string{"hang"}},
		{"returning 500", []string{"500"}},
		{"malformed", []string{"nested"}},
		{"refused", []string{"400"}},
		{"each in its own way", []string{"huge=40MiB", "hang", "reset", "truncated", "504", "html", "slow=25s", "403", "redirect", "404-html"}},
	} {
		for len(c.faults) < 10 {
			c.faults = append(c.faults, c.faults[0])
		}
		for _, from := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("%s from %v on", c.how, from), func(t *testing.T) {
				t.Parallel()
				p := paceBeside(t, c.faults, from)
				later := func(what string, now, before time.Duration) float64 {
					ratio := float64(now) / float64(before)
					require.LessOrEqual(t, ratio, 1.05, what)
					return 100 * (ratio - 1)
				}
				t.Logf("| %s | %v | %+.1f %% | %+.1f %% | %+.1f %% | %+.1f %% |", c.how, from,
					later("first", p.first, alone.first), later("mean", p.mean(), alone.mean()),
					later("p95", p.p95(), alone.p95()), later("longest", p.longest(), alone.longest()))
			})
		}
	}
}
