// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const statusActive, statusInProgress, statusResolved = "Active", "InProgress", "Resolved"

func TestSteadySweepListsOpenIncidentsByStatus(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress, statusResolved)
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, func() {
		underway, first := s.Underway()
		require.True(t, underway)
		require.False(t, first)
	}))
	require.Equal(t, []defender.ListRequest{
		{Status: statusActive, Top: 100},
		{Status: statusActive, Top: 100, Skip: 90},
		{Status: statusActive, Top: 100, Skip: 180},
		{Status: statusInProgress, Top: 100},
		{Status: statusInProgress, Top: 100, Skip: 90},
		{Status: statusInProgress, Top: 100, Skip: 180},
	}, s.requests)
	require.Len(t, s.shown, 400)
	pages, bytes := s.Cost()
	require.Equal(t, 6, pages)
	require.Equal(t, (100+100+20)*2*1000, bytes)
	require.Equal(t, SweepProgress{Began: noon, Completed: s.now, Pages: 6, List: 1, Skip: 180}, s.Progress())
	underway, _ := s.Underway()
	require.False(t, underway)
}

func TestFirstPassHasNoPausesAndASteadySweepFollowsAtOnce(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress, statusResolved)
	s := newSweeper(SweepProgress{})
	s.answer(t, r.page(s.request(t)))
	s.BeginFirst(s.now)
	_, first := s.Underway()
	require.True(t, first)
	s.requests = nil
	require.Equal(t, AllRead, s.run(t, r.page, func() { require.Zero(t, s.Progress().Done, "it is not continued, but repeated") }))
	for i, request := range s.requests {
		require.Equal(t, defender.ListRequest{Since: noon.AddDate(0, 0, -180), Top: 100, Skip: 90 * i}, request)
	}
	require.Equal(t, noon, s.now, "no pause")
	require.Len(t, s.shown, 600, "whatever its status")
	require.Zero(t, s.Progress().Completed, "it does not show which open incidents there are")
	at, _ := s.Due()
	require.Equal(t, s.now, at)
	require.Equal(t, statusActive, s.request(t).Status)
}

func TestPageOfAnEndedSweepIsIgnored(t *testing.T) {
	for name, answer := range map[string]func(*register, defender.ListRequest) *defender.Page{
		"a page":            (*register).page,
		"a failure":         func(*register, defender.ListRequest) *defender.Page { return failing(defender.Rejected) },
		"a page, too large": func(*register, defender.ListRequest) *defender.Page { return failing(defender.Oversize) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(300, statusActive)
			s := newSweeper(SweepProgress{})
			q := s.request(t)
			s.BeginFirst(s.now)
			require.Equal(t, Ongoing, s.answer(t, answer(r, q)))
			require.Equal(t, defender.ListRequest{Since: noon.AddDate(0, 0, -180), Top: 100}, s.request(t), "the first page is still to be read")
			s.Stop()
			require.Equal(t, Ongoing, s.answer(t, answer(r, q)))
			at, _ := s.Due()
			require.Equal(t, noon.Add(s.Period(noon)), at, "the next one begins in its turn")
			require.Equal(t, AllRead, s.run(t, r.page, nothing))
		})
	}
}

func TestSweepStepsBackIfRowsLeaveTheList(t *testing.T) {
	r := newRegister(2000, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, func() {
		if len(s.requests) == 10 { // it has read the incidents from 2000 down to 1091
			for id := int64(1200); id < 1500; id++ {
				r.set(id, statusResolved)
			}
		}
	}))
	var skips []int
	for _, request := range s.requests[9:17] {
		skips = append(skips, request.Skip)
	}
	require.Equal(t, []int{810, 900, 810, 720, 630, 540, 630, 720}, skips, "back until a page joins what was read")
	for id := int64(1); id <= 1090; id++ {
		require.NotZero(t, s.shown[id], id)
	}
}

func TestSweepReadsAShrinkingListToItsEnd(t *testing.T) {
	r := newRegister(400, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, func() {
		if len(s.requests) == 3 { // it has read the incidents from 400 down to 121
			for id := int64(121); id <= 350; id++ {
				r.set(id, statusResolved)
			}
		}
	}))
	for id := int64(1); id <= 120; id++ {
		require.NotZero(t, s.shown[id], id)
	}
}

func TestSweepReadsRowsThatMoveDownAgainAndContinues(t *testing.T) {
	r := newRegister(3000, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, r.page, func() {
		if len(s.requests) == 10 {
			for id := int64(1); id <= 800; id++ { // not read yet
				r.set(id, statusActive)
			}
		}
	}))
	for id := int64(801); id <= 3000; id++ {
		require.NotZero(t, s.shown[id], id)
	}
	require.LessOrEqual(t, len(s.requests), 3000/90+800/90+3)
}

func TestSweepEndsIfTheListHasNoOrder(t *testing.T) {
	s := newSweeper(SweepProgress{})
	var id int64
	require.Equal(t, Disordered, s.run(t, func(q defender.ListRequest) *defender.Page {
		page := &defender.Page{Next: q.Skip + q.Top}
		for range q.Top {
			id++
			page.Rows = append(page.Rows, defender.Row{ID: id})
		}
		return page
	}, nothing))
	require.LessOrEqual(t, len(s.requests), 2*maxBacks+2)
	require.Zero(t, s.rested)
}

// links are pages of a list of 130 rows that lead on in odd ways.
func links(link func(p *defender.Page, q defender.ListRequest)) func(defender.ListRequest) *defender.Page {
	r := newRegister(130, statusActive)
	return func(q defender.ListRequest) *defender.Page {
		p := r.page(q)
		link(p, q)
		return p
	}
}

func TestSweepEndsDespiteRepeatedOrEndlessLinks(t *testing.T) {
	empty := func(p *defender.Page) { p.Rows, p.Size = nil, 0 }
	for name, c := range map[string]struct {
		page  func(defender.ListRequest) *defender.Page
		pages int
	}{
		"always on": {links(func(p *defender.Page, q defender.ListRequest) { p.Next = q.Skip + q.Top }), 20},
		"always on, counted": {links(func(p *defender.Page, q defender.ListRequest) {
			if len(p.Rows) > 0 {
				p.Next, p.Counted = q.Skip+len(p.Rows), true
			}
		}), 25},
		"by a row": {links(func(p *defender.Page, q defender.ListRequest) { p.Next = q.Skip + 1 }), 140},
		"far ahead": {links(func(p *defender.Page, _ defender.ListRequest) {
			if p.Next > 0 {
				p.Next = math.MaxInt
			}
		}), 3},
		"to tokens and empty pages": {links(func(p *defender.Page, q defender.ListRequest) {
			if q.Skip > 0 || q.Token != "" {
				empty(p)
				p.Next, p.Token = q.Skip, q.Token+"x"
			}
		}), 20},
		"to an empty page, and on": {links(func(p *defender.Page, q defender.ListRequest) {
			if p.Next > 0 && q.Token == "" {
				empty(p)
				p.Next, p.Token = q.Skip, "behind"
			}
		}), 5},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweeper(SweepProgress{})
			require.Equal(t, AllRead, s.run(t, c.page, nothing))
			require.LessOrEqual(t, len(s.requests), c.pages)
			if name != "to tokens and empty pages" {
				require.Len(t, s.shown, 130)
			}
		})
	}
}

func TestListEndsIfEachLinkLeadsToTheSameRows(t *testing.T) {
	r := newRegister(500, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, AllRead, s.run(t, func(q defender.ListRequest) *defender.Page {
		page := r.page(defender.ListRequest{Status: q.Status, Top: q.Top})
		page.Next = q.Skip + q.Top // it does not know $skip
		if q.Status != statusActive {
			page.Next = 0
		}
		return page
	}, nothing))
	require.Less(t, len(s.requests), 12)
}

func TestSweepReadsABoundedNumberOfPages(t *testing.T) {
	s := newSweeper(SweepProgress{})
	s.BeginFirst(s.now)
	var id int64
	how := s.run(t, func(q defender.ListRequest) *defender.Page {
		page := &defender.Page{Rows: []defender.Row{{ID: max(1, id)}, {ID: id + 1}}, Next: q.Skip + q.Top}
		id++
		return page
	}, nothing)
	require.NotEqual(t, Ongoing, how)
	require.LessOrEqual(t, len(s.requests), maxPages)
}
