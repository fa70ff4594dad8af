// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestFailedSignInDoesNotEndASweep(t *testing.T) {
	r := newRegister(10, statusActive)
	s := newSweeper(SweepProgress{})
	for range 10 {
		s.request(t)
		require.Equal(t, Ongoing, s.answer(t, failing(defender.NoToken)))
	}
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Zero(t, s.rested)
}

func TestThirdRateLimitInARowEndsTheSweepAndDelaysTheNext(t *testing.T) {
	r := newRegister(1000, statusActive)
	for name, begin := range map[string]func(s *sweeper){"a steady sweep": func(*sweeper) {}, "a first pass": func(s *sweeper) { s.BeginFirst(s.now) }} {
		t.Run(name, func(t *testing.T) {
			s := newSweeper(SweepProgress{})
			begin(s)
			s.answer(t, r.page(s.request(t)))
			refused := s.request(t)
			require.Equal(t, Ongoing, s.answer(t, failing(defender.Throttled)))
			at, _ := s.Due()
			require.False(t, at.After(s.now), "its account waits")
			require.Equal(t, refused, s.request(t), "the same page")
			s.answer(t, failing(defender.NoToken)) // says nothing about the list
			s.request(t)
			require.Equal(t, Ongoing, s.answer(t, failing(defender.Throttled)))
			for i, minutes := range []int{10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440} {
				q := s.request(t)
				require.Equal(t, i > 0, q.Skip == 0, "from the beginning")
				require.Equal(t, PageFailed, s.answer(t, failing(defender.Throttled)), "one is enough until a page succeeds")
				require.Positive(t, s.rested)
				at, _ = s.Due()
				require.Equal(t, s.now.Add(time.Duration(minutes)*time.Minute), at)
			}
			require.Equal(t, AllRead, s.run(t, r.page, nothing))
			require.Zero(t, s.rested, "a complete sweep resets the delay")
		})
	}
}

func TestPageWithoutARateLimitResetsTheSweepsCountOfThem(t *testing.T) {
	r := newRegister(1000, statusActive)
	r.fat[r.entries[250].id] = true
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, func(q defender.ListRequest) *defender.Page {
		if n := len(s.requests); n%3 > 0 {
			return failing(defender.Throttled)
		}
		return r.page(q)
	}, nothing), "a page that is too large resets the count, too")
	require.Equal(t, 7, s.tooLarge)
	require.Zero(t, s.rested)
}

func TestSweepEndsAfterAPageFailsThreeTimes(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{Pages: 12})
	for range 2 { // a page that succeeds resets the count
		for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second} {
			failed := s.request(t)
			require.Equal(t, Ongoing, s.answer(t, failing(defender.ServerError)))
			at, _ := s.Due()
			require.Equal(t, s.now.Add(wait), at)
			require.Equal(t, failed, s.Request(at), "the same page")
		}
		require.Equal(t, Ongoing, s.answer(t, r.page(s.request(t))))
	}
	for range 2 {
		s.request(t)
		require.Equal(t, Ongoing, s.answer(t, failing(defender.Network)))
	}
	s.request(t)
	require.Equal(t, PageFailed, s.answer(t, failing(defender.Malformed)))
	require.Zero(t, s.Progress().Done)
	require.Zero(t, s.rested)
	at, _ := s.Due()
	require.Equal(t, noon.Add(5*time.Minute), at, "the next sweep begins in its turn")
	require.Equal(t, defender.ListRequest{Status: statusActive, Top: 100}, s.request(t), "from its beginning")
}

func TestDelayDoublesWhileTheAPIRefusesSweeps(t *testing.T) {
	r := newRegister(300, statusActive)
	s := newSweeper(SweepProgress{})
	for _, minutes := range []int{10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440} {
		s.request(t)
		require.Equal(t, Refused, s.answer(t, failing(defender.Rejected)))
		require.Positive(t, s.rested)
		at, _ := s.Due()
		require.Equal(t, s.now.Add(time.Duration(minutes)*time.Minute), at)
	}
	began := s.now.Add(24 * time.Hour)
	s.answer(t, r.page(s.request(t)))
	s.request(t)
	require.Equal(t, Ongoing, s.answer(t, failing(defender.Rejected)), "a later page")
	require.Equal(t, Refused, s.answer(t, r.page(s.request(t))), "after the other list")
	at, _ := s.Due()
	require.Equal(t, began.Add(5*time.Minute), at, "its first pages are worth a sweep")
	require.Equal(t, AllRead, s.run(t, r.page, nothing))
	require.Zero(t, s.rested)
	s.request(t)
	s.answer(t, failing(defender.Rejected))
	at, _ = s.Due()
	require.Equal(t, s.now.Add(10*time.Minute), at, "a complete sweep resets the delay")
}

// A skip that is too large for the first list does not keep the second from being read.
func TestRefusedSkipEndsOnlyTheCurrentList(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress)
	s := newSweeper(SweepProgress{})
	read := map[string]int{}
	how := Ongoing
	for how == Ongoing {
		request := s.request(t)
		if request.Skip > 90 {
			if how = s.answer(t, failing(defender.Rejected)); request.Status == statusActive {
				require.Equal(t, Ongoing, how)
			}
			continue
		}
		read[request.Status]++
		how = s.answer(t, r.page(request))
	}
	require.Equal(t, Refused, how)
	require.Equal(t, map[string]int{"Active": 2, "InProgress": 2}, read)
}
