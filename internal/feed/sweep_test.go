package feed

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const statusActive, statusInProgress, statusResolved = "Active", "InProgress", "Resolved"

func TestSteadySweepListsWhatIsOpenByStatus(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress, statusResolved)
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, func() {
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

func TestPagesOfSteadySweepAreSpreadEvenlyOverItsPeriod(t *testing.T) {
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
			require.Equal(t, 2+1000/90, s.Pages(), "an estimate")
			require.Equal(t, Swept, s.run(t, r.page, nothing))
			require.Equal(t, 12, s.Pages())
			require.Equal(t, c.period, s.Period(s.now))
			for range 3 {
				require.Equal(t, Swept, s.run(t, r.page, nothing))
			}
			began := s.times[12]
			for i, at := range s.times[12:] {
				require.Equal(t, began.Add(c.period*time.Duration(i)/12), at, "page %d", i)
			}
			require.Equal(t, s.now.Add(c.period*5/4), s.Shown(s.now), "a quarter later than the next sweep should show it")
		})
	}
}

func TestSweepOfMoreThanWasExpectedNeverGoesFasterThanTheGap(t *testing.T) {
	r := newRegister(9000, statusActive)
	s := newSweeper(SweepProgress{})
	s.SetPace(Pace{Interval: 5 * time.Minute, Gap: 2 * time.Second, Tracked: 90})
	require.Equal(t, 3, s.Pages())
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Len(t, s.times, 101)
	for i := range s.times[1:] {
		require.GreaterOrEqual(t, s.times[i+1].Sub(s.times[i]), 2*time.Second)
	}
	require.Less(t, s.now.Sub(noon), 30*time.Minute)
}

func TestEstimateOfPagesGrowsWithTheIncidentsThatArePolled(t *testing.T) {
	track := func(s *sweeper, tracked int) {
		s.SetPace(Pace{Interval: 5 * time.Minute, Gap: time.Minute, Tracked: tracked})
	}
	r := newRegister(2000, statusActive, statusResolved, statusResolved, statusResolved)
	s := newSweeper(SweepProgress{Pages: 7})
	track(s, 2000)
	require.Equal(t, 2+2000/90, s.Pages(), "nobody knows how many incidents there were in the run before")
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.Pages(), "most are closed")
	track(s, 2200)
	require.Equal(t, 7, s.Pages(), "hardly more")
	track(s, 2201)
	require.Equal(t, 2+2201/90, s.Pages())
	require.Equal(t, 26*time.Minute, s.Period(s.now))
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.Pages(), "counted again")
	track(s, 10)
	require.Equal(t, 7, s.Pages(), "a list does not get shorter because fewer are polled")
	s = newSweeper(SweepProgress{Pages: 7})
	track(s, 90)
	require.Equal(t, 7, s.Pages(), "the larger of the two")
}

func TestPagesThatAreLateAreNotMadeUpFor(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{Pages: 12})
	s.answer(t, r.page(s.request(t)))
	s.now = s.now.Add(time.Hour)
	late := len(s.times)
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	for i := range s.times[late+2:] { // from the page after the late one on
		require.Equal(t, 25*time.Second, s.times[late+i+2].Sub(s.times[late+i+1]))
	}
}

func TestTheSecondRateLimitOrTimeoutHalvesThePaceForAnHour(t *testing.T) {
	for name, kind := range map[string]defender.Kind{"rate limit": defender.Throttled, "timeout": defender.Timeout} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(1000, statusActive)
			s := newSweeper(SweepProgress{Pages: 12})
			for range 3 { // one is waited out, however often
				s.answer(t, r.page(s.request(t)))
				require.Equal(t, Goes, s.answer(t, failing(kind)))
				require.Equal(t, 5*time.Minute, s.Period(s.now))
				s.now = s.now.Add(30 * time.Minute)
			}
			s.answer(t, r.page(s.request(t)))
			require.Equal(t, Goes, s.answer(t, failing(kind)))
			s.answer(t, r.page(s.request(t)))
			s.now = s.now.Add(29 * time.Minute)
			s.request(t)
			require.Equal(t, Goes, s.answer(t, failing(kind)))
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

func TestRequestsWithoutATokenDoNotEndASweep(t *testing.T) {
	r := newRegister(10, statusActive)
	s := newSweeper(SweepProgress{})
	for range 10 {
		s.request(t)
		require.Equal(t, Goes, s.answer(t, failing(defender.NoToken)))
	}
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.False(t, s.Rests())
}

func TestThirdRateLimitInARowEndsTheSweepAndTheNextOneRests(t *testing.T) {
	r := newRegister(1000, statusActive)
	for name, begin := range map[string]func(s *sweeper){"a steady sweep": func(*sweeper) {}, "a first pass": func(s *sweeper) { s.BeginFirst(s.now) }} {
		t.Run(name, func(t *testing.T) {
			s := newSweeper(SweepProgress{})
			begin(s)
			s.answer(t, r.page(s.request(t)))
			refused := s.request(t)
			require.Equal(t, Goes, s.answer(t, failing(defender.Throttled)))
			at, _ := s.Due()
			require.False(t, at.After(s.now), "its account waits")
			require.Equal(t, refused, s.request(t), "the same page")
			s.answer(t, failing(defender.NoToken)) // says nothing about the list
			s.request(t)
			require.Equal(t, Goes, s.answer(t, failing(defender.Throttled)))
			for i, minutes := range []int{10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440} {
				asked := s.request(t)
				require.Equal(t, i > 0, asked.Skip == 0, "from the beginning")
				require.Equal(t, PageFailed, s.answer(t, failing(defender.Throttled)), "one is enough until a page is answered")
				require.True(t, s.Rests())
				at, _ = s.Due()
				require.Equal(t, s.now.Add(time.Duration(minutes)*time.Minute), at)
			}
			require.Equal(t, Swept, s.run(t, r.page, nothing))
			require.False(t, s.Rests(), "a complete sweep makes amends")
		})
	}
}

func TestAnsweredPagesLetASweepWaitOutRateLimitsAgain(t *testing.T) {
	r := newRegister(1000, statusActive)
	r.fat[r.entries[250].id] = true
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, func(q defender.ListRequest) *defender.Page {
		if n := len(s.requests); n%3 > 0 {
			return failing(defender.Throttled)
		}
		return r.page(q)
	}, nothing), "pages that are too large were answered")
	require.Equal(t, 7, s.tooLarge)
	require.False(t, s.Rests())
}

func TestFirstPassGoesAsFastAsItMayAndTheFirstSteadySweepFollows(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress, statusResolved)
	s := newSweeper(SweepProgress{})
	s.answer(t, r.page(s.request(t)))
	s.BeginFirst(s.now)
	_, first := s.Underway()
	require.True(t, first)
	s.requests = nil
	require.Equal(t, Swept, s.run(t, r.page, func() { require.Zero(t, s.Progress().Done, "it is not continued, but repeated") }))
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

func TestFirstPassEndsWhereItsPagesAreNotWorthTheirRequests(t *testing.T) {
	r := newRegister(5000, statusResolved)
	s := newSweeper(SweepProgress{})
	s.polled = func(*defender.Page) int { return 9 }
	s.BeginFirst(s.now)
	require.Equal(t, NotWorth, s.run(t, r.page, nothing))
	require.Len(t, s.requests, 5)
	at, _ := s.Due()
	require.Equal(t, s.now, at, "what is open may be worth it")
	require.False(t, s.Rests())
}

func TestPageOfASweepThatHasEndedIsIgnored(t *testing.T) {
	for name, answer := range map[string]func(*register, defender.ListRequest) *defender.Page{
		"a page":            (*register).page,
		"a failure":         func(*register, defender.ListRequest) *defender.Page { return failing(defender.Rejected) },
		"a page, too large": func(*register, defender.ListRequest) *defender.Page { return failing(defender.Oversize) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(300, statusActive)
			s := newSweeper(SweepProgress{})
			asked := s.request(t)
			s.BeginFirst(s.now)
			require.Equal(t, Goes, s.answer(t, answer(r, asked)))
			require.Equal(t, defender.ListRequest{Since: noon.AddDate(0, 0, -180), Top: 100}, s.request(t), "the first page is still to be read")
			s.Stop()
			require.Equal(t, Goes, s.answer(t, answer(r, asked)))
			at, _ := s.Due()
			require.Equal(t, noon.Add(s.Period(noon)), at, "the next one begins in its turn")
			require.Equal(t, Swept, s.run(t, r.page, nothing))
		})
	}
}

func TestFailedPageIsTriedThreeTimes(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{Pages: 12})
	for range 2 { // a page that works makes amends
		for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second} {
			failed := s.request(t)
			require.Equal(t, Goes, s.answer(t, failing(defender.ServerError)))
			at, _ := s.Due()
			require.Equal(t, s.now.Add(wait), at)
			require.Equal(t, failed, s.Request(at), "the same page")
		}
		require.Equal(t, Goes, s.answer(t, r.page(s.request(t))))
	}
	for range 2 {
		s.request(t)
		require.Equal(t, Goes, s.answer(t, failing(defender.Network)))
	}
	s.request(t)
	require.Equal(t, PageFailed, s.answer(t, failing(defender.Malformed)))
	require.Zero(t, s.Progress().Done)
	require.False(t, s.Rests())
	at, _ := s.Due()
	require.Equal(t, noon.Add(5*time.Minute), at, "the next sweep begins in its turn")
	require.Equal(t, defender.ListRequest{Status: statusActive, Top: 100}, s.request(t), "from its beginning")
}

func TestSweepsThatTheAPIRefusesRestLongerAndLonger(t *testing.T) {
	r := newRegister(300, statusActive)
	s := newSweeper(SweepProgress{})
	for _, minutes := range []int{10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440} {
		s.request(t)
		require.Equal(t, Refused, s.answer(t, failing(defender.Rejected)))
		require.True(t, s.Rests())
		at, _ := s.Due()
		require.Equal(t, s.now.Add(time.Duration(minutes)*time.Minute), at)
	}
	began := s.now.Add(24 * time.Hour)
	s.answer(t, r.page(s.request(t)))
	s.request(t)
	require.Equal(t, Goes, s.answer(t, failing(defender.Rejected)), "a later page")
	require.Equal(t, Refused, s.answer(t, r.page(s.request(t))), "after the other list")
	at, _ := s.Due()
	require.Equal(t, began.Add(5*time.Minute), at, "its first pages are worth a sweep")
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.False(t, s.Rests())
	s.request(t)
	s.answer(t, failing(defender.Rejected))
	at, _ = s.Due()
	require.Equal(t, s.now.Add(10*time.Minute), at, "a complete sweep makes amends")
}

func TestListGoesOnWhileTenIncidentsAPageArePolled(t *testing.T) {
	for polled, want := range map[int]struct {
		pages int
		how   Ending
	}{10: {12, Swept}, 9: {6, NotWorth}, 0: {6, NotWorth}} {
		s := newSweeper(SweepProgress{})
		s.polled = func(page *defender.Page) int { return min(polled, len(page.Rows)) }
		r := newRegister(1000, statusActive)
		require.Equal(t, want.how, s.run(t, r.page, nothing), polled)
		require.Len(t, s.requests, want.pages, "one of them of the other list")
		require.Equal(t, want.how == NotWorth, s.Rests())
		require.Equal(t, want.how == NotWorth, s.Progress().Completed.IsZero())
	}
}

func TestFewTrackedAmongManyCostNextToNothing(t *testing.T) {
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

func TestRowsThatLeaveTheListMakeTheSweepStepBack(t *testing.T) {
	r := newRegister(2000, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, func() {
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
		require.Contains(t, s.shown, id)
	}
}

func TestListThatShrinksToItsReadPartIsReadToItsEnd(t *testing.T) {
	r := newRegister(400, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, func() {
		if len(s.requests) == 3 { // it has read the incidents from 400 down to 121
			for id := int64(121); id <= 350; id++ {
				r.set(id, statusResolved)
			}
		}
	}))
	for id := int64(1); id <= 120; id++ {
		require.Contains(t, s.shown, id)
	}
}

func TestRowsThatMoveDownAreReadAgainAndTheSweepGoesOn(t *testing.T) {
	r := newRegister(3000, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, func() {
		if len(s.requests) == 10 {
			for id := int64(1); id <= 800; id++ { // not read yet
				r.set(id, statusActive)
			}
		}
	}))
	for id := int64(801); id <= 3000; id++ {
		require.Contains(t, s.shown, id)
	}
	require.LessOrEqual(t, len(s.requests), 3000/90+800/90+3)
}

func TestListWithoutOrderEndsTheSweep(t *testing.T) {
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
	require.False(t, s.Rests())
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

func TestLinksThatRepeatOrNeverEndDoNotKeepASweepGoing(t *testing.T) {
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
			require.Equal(t, Swept, s.run(t, c.page, nothing))
			require.LessOrEqual(t, len(s.requests), c.pages)
			if name != "to tokens and empty pages" {
				require.Len(t, s.shown, 130)
			}
		})
	}
}

func TestSameRowsBehindEachLinkEndTheList(t *testing.T) {
	r := newRegister(500, statusActive)
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, func(q defender.ListRequest) *defender.Page {
		page := r.page(defender.ListRequest{Status: q.Status, Top: q.Top})
		page.Next = q.Skip + q.Top // it does not know $skip
		if q.Status != statusActive {
			page.Next = 0
		}
		return page
	}, nothing))
	require.Less(t, len(s.requests), 12)
}

func TestListHasABoundedNumberOfPages(t *testing.T) {
	s := newSweeper(SweepProgress{})
	s.BeginFirst(s.now)
	var id int64
	how := s.run(t, func(q defender.ListRequest) *defender.Page {
		page := &defender.Page{Rows: []defender.Row{{ID: max(1, id)}, {ID: id + 1}}, Next: q.Skip + q.Top}
		id++
		return page
	}, nothing)
	require.NotEqual(t, Goes, how)
	require.LessOrEqual(t, len(s.requests), maxPages)
}

func TestRowThatIsTooLargeIsIsolatedAndFullPagesGoOn(t *testing.T) {
	for _, down := range []int{0, 1, 50, 89, 90, 98, 99, 100, 250, 399} {
		t.Run(fmt.Sprintf("%d rows down", down), func(t *testing.T) {
			r := newRegister(400, statusActive)
			fat := r.entries[down].id
			r.fat[fat] = true
			s := newSweeper(SweepProgress{})
			require.Equal(t, Swept, s.run(t, r.page, nothing))
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

func TestRowThatLeavesWhileItIsIsolatedDoesNotLeaveSmallPagesBehind(t *testing.T) {
	r := newRegister(2000, statusActive)
	fat := r.entries[100].id
	r.fat[fat] = true
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, func() {
		if s.tooLarge == 6 {
			r.set(fat, statusResolved)
		}
	}))
	require.Equal(t, 6, s.tooLarge)
	require.LessOrEqual(t, len(s.requests), 2000/40+20)
}

func TestSweepsThatAreAllTooLargeRestLongerAndLonger(t *testing.T) {
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

func TestManyRowsThatAreTooLargeAreWorthASweepIfTenTimesAsManyArePolled(t *testing.T) {
	for every, want := range map[int64]Ending{10: NotWorth, 20: Swept} {
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

func TestListOfRowsThatAreTooLargeIsLeftToItsOtherList(t *testing.T) {
	r := newRegister(1000, statusActive, statusInProgress)
	for _, e := range r.entries {
		r.fat[e.id] = e.status == statusActive
	}
	s := newSweeper(SweepProgress{})
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Len(t, s.shown, 500)
	require.Equal(t, 6*7, s.tooLarge)
}

func TestUnknownRowsThatAreTooLargeAndNeverEndDoNotKeepASweepGoing(t *testing.T) {
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
	require.False(t, s.Rests(), "what it has shown is worth it")
}

func TestRowThatIsTooLargeCountsAsOneThatIsNotPolled(t *testing.T) {
	r := newRegister(1000, statusActive)
	s := newSweeper(SweepProgress{})
	s.polled = func(page *defender.Page) int { return len(page.Rows) / 10 }
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	r.fat[1000] = true
	require.Equal(t, NotWorth, s.run(t, r.page, nothing), "below a tenth")
}

func TestPagesThatAreTooLargeArePacedInSteadySweeps(t *testing.T) {
	r := newRegister(1000, statusActive)
	r.fat[r.entries[50].id] = true
	s := newSweeper(SweepProgress{Pages: 30})
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Equal(t, 7, s.tooLarge)
	for i := range s.times[1:] {
		require.Equal(t, 10*time.Second, s.times[i+1].Sub(s.times[i]))
	}
	require.Equal(t, len(s.requests), s.Progress().Pages)

	s = newSweeper(SweepProgress{})
	s.BeginFirst(s.now)
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Equal(t, noon, s.now, "a first pass has no pauses")
}

func TestSweepContinuesAPageEarlierAfterARestart(t *testing.T) {
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
	require.Equal(t, Swept, s.run(t, r.page, nothing))
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

func TestSweepThatContinuesIsJudgedByItsOwnPages(t *testing.T) {
	r := newRegister(2000, statusInProgress)
	for polled, want := range map[int]Ending{10: Swept, 1: NotWorth} {
		s := newSweeper(SweepProgress{Began: noon, List: 1, Skip: 180, Done: 5})
		s.polled = func(page *defender.Page) int { return min(polled, len(page.Rows)) }
		require.Equal(t, want, s.run(t, r.page, nothing))
		require.Equal(t, want == NotWorth, len(s.requests) == 5)
	}
}

func TestListThatHasShrunkSinceTheLastRunIsReadFromItsBeginning(t *testing.T) {
	r := newRegister(200, statusActive)
	s := newSweeper(SweepProgress{Began: noon, Skip: 5000, Done: 60})
	require.Equal(t, Swept, s.run(t, r.page, nothing))
	require.Equal(t, 4910, s.requests[0].Skip)
	require.Len(t, s.shown, 200)
	require.Len(t, s.requests, 5)
}

func TestStoredProgressThatMakesNoSenseBeginsASweep(t *testing.T) {
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

func TestClockThatIsMovedBackDoesNotDelayTheNextSweep(t *testing.T) {
	r := newRegister(10, statusActive)
	s := newSweeper(SweepProgress{})
	s.answer(t, r.page(s.request(t)))
	s.now = noon.Add(-24 * time.Hour)
	require.Equal(t, Swept, s.answer(t, r.page(s.Request(s.now))))
	at, _ := s.Due()
	require.Equal(t, s.now.Add(5*time.Minute), at)
}

// A skip that is too large for the first list does not keep the second from being read.
func TestSkipThatIsRefusedEndsOneListOnly(t *testing.T) {
	r := newRegister(600, statusActive, statusInProgress)
	s := newSweeper(SweepProgress{})
	read := map[string]int{}
	how := Goes
	for how == Goes {
		request := s.request(t)
		if request.Skip > 90 {
			if how = s.answer(t, failing(defender.Rejected)); request.Status == statusActive {
				require.Equal(t, Goes, how)
			}
			continue
		}
		read[request.Status]++
		how = s.answer(t, r.page(request))
	}
	require.Equal(t, Refused, how)
	require.Equal(t, map[string]int{"Active": 2, "InProgress": 2}, read)
}
