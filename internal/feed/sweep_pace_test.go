// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestSteadySweepSpreadsItsPagesEvenlyOverItsPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		pace   Pace
		period time.Duration
	}{
		"as long as the interval":    {Pace{Interval: 5 * time.Minute, Gap: 2 * time.Second, Tracked: 1000}, 5 * time.Minute},
		"as long as the quota takes": {Pace{Interval: 5 * time.Minute, Gap: time.Minute, Tracked: 1000}, 12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(1000, statusActive, statusInProgress)
			s := newSweeper(SweepProgress{})
			s.SetPace(c.pace)
			require.Equal(t, 2+1000/90, s.expectedPages(), "an estimate")
			require.Equal(t, AllRead, s.run(t, r.page, nothing))
			require.Equal(t, 12, s.expectedPages())
			require.Equal(t, c.period, s.Period(s.now))
			for range 3 {
				require.Equal(t, AllRead, s.run(t, r.page, nothing))
			}
			began := s.times[12]
			for i, at := range s.times[12:] {
				require.Equal(t, began.Add(c.period*time.Duration(i)/12), at, "page %d", i)
			}
			require.Equal(t, s.now.Add(c.period*5/4), s.DueByID(s.now), "a quarter later than the next sweep should show it")
		})
	}
}

func TestSweepWithMorePagesThanExpectedKeepsTheGap(t *testing.T) {
	r := newRegister(9000, statusActive)
	s := newSweeper(SweepProgress{})
	s.SetPace(Pace{Interval: 5 * time.Minute, Gap: 2 * time.Second, Tracked: 90})
	require.Equal(t, 3, s.expectedPages())
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Len(t, s.times, 101)
	for i := range s.times[1:] {
		require.GreaterOrEqual(t, s.times[i+1].Sub(s.times[i]), 2*time.Second)
	}
	require.Less(t, s.now.Sub(noon), 30*time.Minute)
}

func TestExpectedPagesGrowWithTheNumberOfPolledIncidents(t *testing.T) {
	track := func(s *sweeper, tracked int) {
		s.SetPace(Pace{Interval: 5 * time.Minute, Gap: time.Minute, Tracked: tracked})
	}
	r := newRegister(2000, statusActive, statusResolved, statusResolved, statusResolved)
	s := newSweeper(SweepProgress{Pages: 7})
	track(s, 2000)
	require.Equal(t, 2+2000/90, s.expectedPages(), "the number of incidents in the run before is not known")
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.expectedPages(), "most are closed")
	track(s, 2200)
	require.Equal(t, 7, s.expectedPages(), "hardly more")
	track(s, 2201)
	require.Equal(t, 2+2201/90, s.expectedPages())
	require.Equal(t, 26*time.Minute, s.Period(s.now))
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.expectedPages(), "counted again")
	track(s, 10)
	require.Equal(t, 7, s.expectedPages(), "a list does not get shorter because fewer are polled")
	s = newSweeper(SweepProgress{Pages: 7})
	track(s, 90)
	require.Equal(t, 7, s.expectedPages(), "the larger of the two")
}

func TestSweepDoesNotCatchUpOnLatePages(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{Pages: 12})
	s.answer(t, r.page(s.request(t)))
	s.now = s.now.Add(time.Hour)
	late := len(s.times)
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	for i := range s.times[late+2:] { // from the page after the late one on
		require.Equal(t, 25*time.Second, s.times[late+i+2].Sub(s.times[late+i+1]))
	}
}

func TestSecondRateLimitOrTimeoutHalvesThePaceForAnHour(t *testing.T) {
	for name, kind := range map[string]defender.Kind{"rate limit": defender.Throttled, "timeout": defender.Timeout} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(1000, statusActive)
			s := newSweeper(SweepProgress{Pages: 12})
			for range 3 { // one is waited out, however often
				s.answer(t, r.page(s.request(t)))
				require.Equal(t, Ongoing, s.answer(t, failing(kind)))
				require.Equal(t, 5*time.Minute, s.Period(s.now))
				s.now = s.now.Add(30 * time.Minute)
			}
			s.answer(t, r.page(s.request(t)))
			require.Equal(t, Ongoing, s.answer(t, failing(kind)))
			s.answer(t, r.page(s.request(t)))
			s.now = s.now.Add(29 * time.Minute)
			s.request(t)
			require.Equal(t, Ongoing, s.answer(t, failing(kind)))
			failed := s.now
			require.Equal(t, 10*time.Minute, s.Period(s.now))
			s.answer(t, r.page(s.request(t)))
			s.answer(t, r.page(s.request(t)))
			s.request(t)
			last := len(s.times) - 1
			require.Equal(t, 50*time.Second, s.times[last].Sub(s.times[last-1]))
			require.Equal(t, 10*time.Minute, s.Period(failed.Add(time.Hour-time.Second)))
			require.Equal(t, 5*time.Minute, s.Period(failed.Add(time.Hour)))
		})
	}
}

func TestMovingTheClockBackDoesNotDelayTheNextSweep(t *testing.T) {
	r := newRegister(10, statusActive)
	s := newSweeper(SweepProgress{})
	s.answer(t, r.page(s.request(t)))
	s.now = noon.Add(-24 * time.Hour)
	require.Equal(t, AllRead, s.answer(t, r.page(s.Request(s.now))))
	at, _ := s.Due()
	require.Equal(t, s.now.Add(5*time.Minute), at)
}
