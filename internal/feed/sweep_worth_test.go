// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestFirstPassEndsIfFewOfItsIncidentsArePolled(t *testing.T) {
	r := newRegister(5000, statusResolved)
	s := newSweeper(SweepProgress{})
	s.polled = func(*defender.Page) int { return 9 }
	s.BeginFirst(s.now)
	require.Equal(t, NotWorth, s.run(t, r.page, nothing))
	require.Len(t, s.requests, 5)
	at, _ := s.Due()
	require.Equal(t, s.now, at, "what is open may be worth it")
	require.Zero(t, s.rested)
}

func TestSweepContinuesWhileItPollsTenIncidentsAPage(t *testing.T) {
	for polled, want := range map[int]struct {
		pages int
		how   Ending
	}{10: {12, AllRead}, 9: {6, NotWorth}, 0: {6, NotWorth}} {
		s := newSweeper(SweepProgress{})
		s.polled = func(page *defender.Page) int { return min(polled, len(page.Rows)) }
		r := newRegister(1000, statusActive)
		require.Equal(t, want.how, s.run(t, r.page, nothing), polled)
		require.Len(t, s.requests, want.pages, "one of them of the other list")
		require.Equal(t, want.how == NotWorth, s.rested > 0)
		require.Equal(t, want.how == NotWorth, s.Progress().Completed.IsZero())
	}
}

func TestSweepsOfFewTrackedAmongManyIncidentsCostLittle(t *testing.T) {
	const tracked, listed, hourly = 40, 20_000, 1500
	r := newRegister(listed, statusActive, statusActive, statusActive, statusInProgress)
	s := newSweeper(SweepProgress{})
	s.SetPace(Pace{Interval: 5 * time.Minute, Gap: time.Hour / hourly, Tracked: tracked})
	s.polled = func(page *defender.Page) (n int) {
		for _, row := range page.Rows {
			if row.ID%(listed/tracked) == 0 {
				n++
			}
		}
		return n
	}
	s.BeginFirst(s.now)
	for s.now.Before(noon.Add(24 * time.Hour)) {
		require.Equal(t, NotWorth, s.run(t, r.page, nothing))
		at, _ := s.Due()
		s.now = at
	}
	for i, at := range s.times {
		within := slices.IndexFunc(s.times[i:], func(other time.Time) bool { return other.Sub(at) >= time.Hour })
		require.LessOrEqual(t, within, hourly*5/100)
	}
	require.LessOrEqual(t, len(s.times), 100, "in a day")
}

// The incidents that are tracked are in progress, so the active ones are not read to their end.
func TestSweepThatEndsAListEarlyIsNotComplete(t *testing.T) {
	r := newRegister(2000, statusActive, statusInProgress)
	s := newSweeper(SweepProgress{})
	s.polled = func(page *defender.Page) int {
		if last := s.requests[len(s.requests)-1]; last.Status == statusActive {
			return 0
		}
		return len(page.Rows)
	}
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Zero(t, s.rested, "the other list was worth it")
	require.Positive(t, s.Progress().Pages)
	require.Equal(t, noon, s.Completed(), "the start")
}
