// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestSweepIsolatesATooLargeRowAndContinuesWithFullPages(t *testing.T) {
	for _, down := range []int{0, 1, 50, 89, 90, 98, 99, 100, 250, 399} {
		t.Run(fmt.Sprintf("%d rows down", down), func(t *testing.T) {
			r := newRegister(400, statusActive)
			fat := r.entries[down].id
			r.fat[fat] = true
			s := newSweeper(SweepProgress{})
			require.Equal(t, AllRead, s.run(t, r.page, nothing))
			require.NotContains(t, s.shown, fat)
			require.Len(t, s.shown, 399)
			require.Equal(t, 7, s.tooLarge, "100, 50, 25, 12, 6, 3 rows and 1")
			require.LessOrEqual(t, len(s.requests), 27)
			alone := slices.Index(s.requests, defender.ListRequest{Status: statusActive, Top: 1, Skip: down})
			require.Equal(t, defender.ListRequest{Status: statusActive, Top: 100, Skip: down + 1}, s.requests[alone+1])
			require.Equal(t, 0, s.current.backs)
		})
	}
}

func TestPagesGrowAgainIfATooLargeRowLeavesTheListDuringIsolation(t *testing.T) {
	r := newRegister(2000, statusActive)
	fat := r.entries[100].id
	r.fat[fat] = true
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, func() {
		if s.tooLarge == 6 {
			r.set(fat, statusResolved)
		}
	}))
	require.Equal(t, 6, s.tooLarge)
	require.LessOrEqual(t, len(s.requests), 2000/40+20)
}

func TestDelayDoublesWhileAllRowsOfSweepsAreTooLarge(t *testing.T) {
	r := newRegister(300, statusActive, statusInProgress)
	for _, e := range r.entries {
		r.fat[e.id] = true
	}
	for name, page := range map[string]func(defender.ListRequest) *defender.Page{
		"rows of known incidents": r.page,
		"rows of unknown ones":    func(defender.ListRequest) *defender.Page { return failing(defender.Oversize) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweeper(SweepProgress{})
			for _, minutes := range []int{10, 20, 40} {
				s.requests = nil
				require.Equal(t, NotWorth, s.run(t, page, nothing))
				require.Len(t, s.requests, 2*6*7, "six rows of each list")
				pages, _ := s.Cost()
				require.Equal(t, len(s.requests), pages)
				at, _ := s.Due()
				require.Equal(t, s.now.Add(time.Duration(minutes)*time.Minute), at)
			}
		})
	}
}

func TestSweepIsWorthItIfItPollsTenIncidentsPerTooLargeRow(t *testing.T) {
	for every, want := range map[int64]Ending{10: NotWorth, 20: AllRead} {
		r := newRegister(1000, statusActive)
		for id := every; id <= 1000; id += every {
			r.fat[id] = true
		}
		s := newSweeper(SweepProgress{})
		polled := map[int64]bool{}
		s.polled = func(page *defender.Page) (n int) {
			for _, row := range page.Rows {
				if !polled[row.ID] {
					n++
				}
				polled[row.ID] = true
			}
			return n
		}
		require.Equal(t, want, s.run(t, r.page, nothing), "one of %d", every)
	}
}

func TestSweepLeavesAListOfTooLargeRowsForItsOtherList(t *testing.T) {
	r := newRegister(1000, statusActive, statusInProgress)
	for _, e := range r.entries {
		r.fat[e.id] = e.status == statusActive
	}
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Len(t, s.shown, 500)
	require.Equal(t, 6*7, s.tooLarge)
}

func TestSweepEndsDespiteEndlessTooLargeRowsOfUnknownIncidents(t *testing.T) {
	r := newRegister(200, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, PageFailed, s.run(t, func(q defender.ListRequest) *defender.Page {
		if q.Skip+q.Top > 100 {
			return failing(defender.Oversize)
		}
		return r.page(q)
	}, nothing))
	require.Len(t, s.shown, 100)
	require.LessOrEqual(t, s.tooLarge, 7*(maxBarren+10))
	require.Zero(t, s.rested, "what it has shown is worth it")
}

func TestTooLargeRowDoesNotCountAsPolled(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{})
	s.polled = func(page *defender.Page) int { return len(page.Rows) / 10 }
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	r.fat[1000] = true
	require.Equal(t, NotWorth, s.run(t, r.page, nothing), "below a tenth")
}

func TestSteadySweepsPaceTooLargePagesToo(t *testing.T) {
	r := newRegister(1000, statusActive)
	r.fat[r.entries[50].id] = true
	s := newSweeper(SweepProgress{Pages: 30})
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.tooLarge)
	for i := range s.times[1:] {
		require.Equal(t, 10*time.Second, s.times[i+1].Sub(s.times[i]))
	}
	require.Equal(t, len(s.requests), s.Progress().Pages)

	s = newSweeper(SweepProgress{})
	s.BeginFirst(s.now)
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, noon, s.now, "a first pass has no pauses")
}
