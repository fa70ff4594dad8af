// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestRestartedSweepContinuesOnePageEarlier(t *testing.T) {
	r := newRegister(1000, statusActive, statusInProgress)
	before := newSweeper(SweepProgress{})
	for range 9 {
		before.answer(t, r.page(before.request(t)))
	}
	p := before.Progress()
	require.Equal(t, SweepProgress{Began: noon, List: 1, Skip: 270, Done: 9}, p)

	s := newSweeper(p)
	s.now = noon.Add(10 * time.Minute)
	underway, _ := s.Underway()
	require.True(t, underway)
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, []defender.ListRequest{
		{Status: statusInProgress, Top: 100, Skip: 180},
		{Status: statusInProgress, Top: 100, Skip: 270},
		{Status: statusInProgress, Top: 100, Skip: 360},
		{Status: statusInProgress, Top: 100, Skip: 450},
	}, s.requests)
	require.Equal(t, 13, s.Progress().Pages, "those of both runs")
	require.Equal(t, noon, s.Progress().Began)
	at, _ := s.Due()
	require.False(t, at.After(s.now), "the next one is late already")
}

func TestWorthOfARestartedSweepDependsOnThePagesOfThisRun(t *testing.T) {
	r := newRegister(2000, statusInProgress)
	for polled, want := range map[int]Ending{10: AllRead, 1: NotWorth} {
		s := newSweeper(SweepProgress{Began: noon, List: 1, Skip: 180, Done: 5})
		s.polled = func(page *defender.Page) int { return min(polled, len(page.Rows)) }
		require.Equal(t, want, s.run(t, r.page, nothing))
		require.Equal(t, want == NotWorth, len(s.requests) == 5)
	}
}

func TestRestartedSweepReadsAShrunkenListFromItsBeginning(t *testing.T) {
	r := newRegister(200, statusActive)
	s := newSweeper(SweepProgress{Began: noon, Skip: 5000, Done: 60})
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, 4910, s.requests[0].Skip)
	require.Len(t, s.shown, 200)
	require.Len(t, s.requests, 5)
}

func TestImplausibleStoredProgressBeginsANewSweep(t *testing.T) {
	for name, p := range map[string]SweepProgress{
		"list below":     {Began: noon, List: -1, Done: 3},
		"list beyond":    {Began: noon, List: 7, Done: 3},
		"done below":     {Began: noon, Skip: 90, Done: -3},
		"done beyond":    {Began: noon, Skip: 90, Done: math.MaxInt},
		"not begun yet":  {Began: noon.Add(time.Hour), Skip: 90, Done: 3},
		"pages below":    {Pages: math.MinInt},
		"pages beyond":   {Pages: math.MaxInt},
		"not ended yet":  {Completed: noon.Add(1)},
		"never begun":    {},
		"skip alone":     {Skip: math.MaxInt},
		"everything odd": {Began: noon.Add(1 << 62), Completed: noon.Add(1 << 62), Pages: -1, List: -1, Skip: -1, Done: -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweeper(p)
			underway, _ := s.Underway()
			require.False(t, underway)
			require.Equal(t, defender.ListRequest{Status: statusActive, Top: 100}, s.request(t))
			require.Equal(t, noon, s.now, "at once")
			require.Equal(t, 5*time.Minute, s.Period(noon))
			require.True(t, s.Progress().Completed.IsZero())
		})
	}
	s := newSweeper(SweepProgress{Began: noon, Skip: -90, Done: 3})
	require.Equal(t, defender.ListRequest{Status: statusActive, Top: 100}, s.request(t), "from the beginning")
}
