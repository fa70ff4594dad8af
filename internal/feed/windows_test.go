// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestFirstRequestOfWindowsBringsTheServiceTime(t *testing.T) {
	s := newService()
	s.add(noon, noon)
	l := newLister(s, WindowSettings{Alerts: true, MaxTop: 200})
	require.Equal(t, defender.ListRequest{Alerts: true, Top: 1}, l.Request())
	require.Zero(t, l.Boundary())
	require.Equal(t, Continues, l.step(t))
	require.Empty(t, l.returned, "its row does not count")
	require.Equal(t, noon.Add(-lookback), l.Boundary())
	require.Equal(t, defender.ListRequest{
		Alerts: true, Since: noon.Add(-lookback - time.Minute), ByCreation: true, Count: true, Top: 200,
	}, l.Request(), "at once")
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 1)
}

func TestWindowsUseTheirOwnClockIfTheServiceSendsNoTime(t *testing.T) {
	for name, page := range map[string]*defender.Page{"without a date": {}, "too large": failing(defender.Oversize)} {
		t.Run(name, func(t *testing.T) {
			l := newLister(newService(), WindowSettings{})
			l.Requested(noon)
			l.handle(t, page)
			require.Equal(t, noon.Add(-lookback), l.Boundary())
		})
	}
}

func TestWindowsRequestTheServiceTimeAgainAfterAFailure(t *testing.T) {
	l := newLister(newService(), WindowSettings{})
	for _, kind := range []defender.Kind{defender.Rejected, defender.Timeout} {
		l.Requested(l.s.now)
		require.Equal(t, Continues, l.handle(t, failing(kind)))
		at, _ := l.Due()
		require.Equal(t, l.s.now.Add(5*time.Second), at)
		require.Equal(t, defender.ListRequest{Top: 1}, l.Request())
	}
	require.Empty(t, l.Degraded())
}

func TestCompleteCallMovesTheBoundaryToTheNewestChange(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-5*time.Minute), time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.requests, 3, "pages of 50 that share 10 rows")
	newest := noon.Add(-5*time.Minute + 119*time.Second)
	require.Equal(t, newest, l.Boundary())
	require.Equal(t, s.now, l.Completed())
	require.Len(t, l.returned, 120)
	at, _ := l.Due()
	require.Equal(t, s.now.Add(interval), at)
	require.Equal(t, newest.Add(-time.Minute), l.Request().Since, "what appears late is shown")
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 120, "rows are returned once")
	require.True(t, l.ShownBefore(defender.Row{LastUpdate: newest}))
	require.False(t, l.ShownBefore(defender.Row{LastUpdate: newest.Add(1)}))
}

func TestBoundaryDoesNotPassTheStartOfTheCall(t *testing.T) {
	s := newService()
	s.spread(90, noon.Add(-2*time.Hour), time.Second)
	l := listingFrom(s, noon.Add(-3*time.Hour))
	s.now = noon.Add(time.Second / 2)
	l.step(t)
	s.now = noon.Add(20 * time.Second) // the rate limit
	s.change(s.items[80], 0)
	require.Equal(t, Complete, l.call(t))
	require.Equal(t, noon, l.Boundary(), "the Date of the first page")
}

func TestFutureChangeTimesDoNotMoveTheBoundary(t *testing.T) {
	s := newService()
	s.add(noon.Add(-time.Hour), noon.Add(-time.Minute))
	s.add(noon.Add(-time.Hour), noon.Add(time.Hour)).states[0].visible = noon
	l := listingFrom(s, noon.Add(-2*time.Hour))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 2)
	require.Equal(t, noon.Add(-time.Minute), l.Boundary())
}

func TestBoundaryInTheFutureIsMovedBack(t *testing.T) {
	s := newService()
	l := listingFrom(s, noon.Add(time.Hour))
	l.Requested(noon)
	require.Equal(t, Complete, l.handle(t, s.page(l.Request())))
	require.Equal(t, noon.Add(-time.Minute), l.Boundary())
	s.add(noon, noon)
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 1)
}

func TestCallsOfAQuietTenantDoNotOverlap(t *testing.T) {
	s := newService()
	s.spread(40, noon.Add(-40*time.Second), time.Second)
	newest := noon.Add(-time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	l.until(t, noon.Add(9*time.Minute))
	require.Equal(t, newest.Add(-time.Minute), l.Request().Since)
	l.until(t, noon.Add(10*time.Hour))
	require.Equal(t, newest, l.Request().Since, "calls do not overlap any more")
	require.Len(t, l.returned, 40, "the newest row stays known")
	require.Equal(t, 1, l.rereads, "afterwards there was nothing to read again")

	s.change(s.items[3], 0)
	changed := s.now
	l.call(t)
	require.Len(t, l.returned, 41)
	require.Equal(t, changed.Add(-time.Minute), l.Request().Since, "what changes together with it may appear late")
}

func TestBoundaryStaysInATenantWithoutChanges(t *testing.T) {
	s := newService()
	l := listingFrom(s, noon.Add(-time.Hour))
	for range 30 {
		require.Equal(t, Complete, l.call(t))
	}
	require.Equal(t, noon.Add(-time.Hour), l.Boundary())
	require.Len(t, l.requests, 30)
}

func TestWindowIsCompleteOnceItHasShownAsManyRowsAsTheAPICounts(t *testing.T) {
	changed := func(id int64) defender.Row { return defender.Row{ID: id, LastUpdate: noon.Add(-time.Minute)} }
	alert := func(alert string) defender.Row {
		return defender.Row{Alert: alert, ID: 1, LastUpdate: noon.Add(-time.Minute)}
	}
	for name, test := range map[string]struct {
		pages []defender.Page
		want  CallResult
	}{
		"as many":             {[]defender.Page{{Rows: []defender.Row{changed(1), changed(2)}, Total: 2}}, Complete},
		"fewer":               {[]defender.Page{{Rows: []defender.Row{changed(1)}, Total: 2}}, Incomplete},
		"one twice":           {[]defender.Page{{Rows: []defender.Row{changed(1), changed(1)}, Total: 2}}, Incomplete},
		"more":                {[]defender.Page{{Rows: []defender.Row{changed(1), changed(2)}, Total: 1}}, Complete},
		"not said":            {[]defender.Page{{Rows: []defender.Row{changed(1)}}}, Complete},
		"nameless":            {[]defender.Page{{Rows: []defender.Row{changed(1)}, Nameless: 1, Total: 2}}, Complete},
		"alerts of one":       {[]defender.Page{{Rows: []defender.Row{alert("a"), alert("b")}, Total: 2}}, Complete},
		"not sound":           {[]defender.Page{{Rows: []defender.Row{{ID: 1, Err: &defender.Error{}}}, Total: 1}}, Complete},
		"partial":             {[]defender.Page{{Rows: []defender.Row{changed(1)}, Total: 1, Partial: true}}, Incomplete},
		"on an empty page":    {[]defender.Page{{Token: "a", Total: 1}, {Rows: []defender.Row{changed(1)}}}, Complete},
		"grows":               {[]defender.Page{{Rows: []defender.Row{changed(1), changed(2)}, Next: 2, Total: 3}, {Rows: []defender.Row{changed(2), changed(3)}, Total: 4}}, Complete},
		"nameless ones again": {[]defender.Page{{Rows: []defender.Row{changed(1), changed(2)}, Nameless: 2, Next: 4, Total: 6}, {Rows: []defender.Row{changed(2), changed(3)}, Nameless: 1, Total: 6}}, Incomplete},
		"nothing again":       {[]defender.Page{{Rows: []defender.Row{changed(1), changed(2)}, Next: 2, Total: 3}, {Rows: []defender.Row{changed(3)}, Total: 4}}, Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			l := listingFrom(newService(), noon.Add(-time.Hour))
			var p CallResult
			for i := range test.pages {
				require.Equal(t, Continues, p)
				l.Requested(noon)
				p = l.handle(t, &test.pages[i])
			}
			require.Equal(t, test.want, p)
			require.Equal(t, test.want == Complete && test.pages[0].Rows != nil && test.pages[0].Rows[0].Err == nil || name == "on an empty page",
				l.Boundary().Equal(noon.Add(-time.Minute)))
		})
	}
}

// The last row leaves the window without an end, so the count never matches.
func TestIncompleteWindowIsHalvedAndThenGivenUp(t *testing.T) {
	s := newService()
	s.spread(40, noon.Add(-40*time.Minute), time.Minute)
	s.hidden[35] = true
	boundary := noon.Add(-time.Hour)
	l := listingFrom(s, boundary)
	for range 3 {
		require.Equal(t, Incomplete, l.call(t))
		require.Equal(t, boundary, l.Boundary())
		require.Equal(t, noon, l.Completed(), "the start")
	}
	require.Len(t, l.requests, 3)
	require.Equal(t, GivenUp, l.step(t), "the younger half is accepted as it is")
	require.True(t, l.requests[3].Before.IsZero())
	half := l.requests[3].Since.Add(time.Minute)
	require.WithinDuration(t, noon.Add(-30*time.Minute), half, time.Minute)
	require.Equal(t, boundary.Add(-time.Minute), l.Boundary().Add(-time.Minute), "not before the older one is complete")
	require.Equal(t, Complete, l.step(t))
	require.Equal(t, half, l.requests[4].Before)
	require.Equal(t, noon.Add(-time.Minute), l.Boundary())
	require.Len(t, l.returned, 39)
	s.hidden = nil
	l.until(t, noon.Add(31*time.Minute))
	require.Len(t, l.returned, 40, "the next re-read covers it")
	require.Equal(t, 1, l.late)
}

func TestCompleteCallResetsTheCountOfIncompleteOnes(t *testing.T) {
	s := newService()
	s.spread(40, noon.Add(-40*time.Minute), time.Minute)
	l := listingFrom(s, noon.Add(-time.Hour))
	for range 5 {
		for _, want := range []CallResult{Incomplete, Incomplete, Complete} {
			s.hidden = map[int64]bool{40: want == Incomplete}
			require.Equal(t, want, l.call(t))
		}
	}
	require.Len(t, l.requests, 15)
}

func TestBacklogIsReadFromTheOldestWindowAfterTheNewestChanges(t *testing.T) {
	s := newService()
	s.spread(2000, noon.Add(-2000*time.Second), time.Second)
	boundary := noon.Add(-2000 * time.Second)
	l := listingFrom(s, boundary)
	require.Equal(t, Continues, l.step(t))
	var bounds []defender.ListRequest
	for l.step(t) == Continues {
		if q := l.requests[len(l.requests)-1]; q.Skip == 0 {
			bounds = append(bounds, q)
		}
		require.Less(t, len(l.requests), 100)
		require.Empty(t, l.missing(boundary, l.Boundary(), 0))
	}
	require.Len(t, bounds, 5)
	require.True(t, bounds[0].Before.IsZero(), "the newest changes first")
	for i := 1; i < len(bounds)-1; i++ {
		require.Equal(t, bounds[i].Before, bounds[i+1].Since, "without a gap, from the oldest on")
	}
	require.Equal(t, bounds[4].Before, bounds[0].Since)
	require.Len(t, l.returned, 2000)
	require.Equal(t, noon.Add(-time.Second), l.Boundary())
	require.LessOrEqual(t, len(l.requests), 1+2000/40+5)
}

func TestRestartContinuesWithinABacklog(t *testing.T) {
	s := newService()
	s.spread(5000, noon.Add(-5000*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-5000*time.Second))
	for range 80 {
		require.Equal(t, Continues, l.step(t))
	}
	middle := l.Boundary()
	require.True(t, middle.After(noon.Add(-4000*time.Second)))
	again := listingFrom(s, middle)
	require.Equal(t, Complete, again.call(t))
	for _, i := range s.items {
		if _, shown := l.found[i.id]; !shown {
			require.NotEmpty(t, again.found[i.id], i.id)
		}
	}
	require.Less(t, len(again.returned), 4000)
}

func TestBacklogDoesNotDelayCurrentChanges(t *testing.T) {
	s := newService()
	s.spread(20_000, noon.Add(-20_000*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-24*time.Hour))
	l.latency = 2 * time.Second
	changes := map[int64]time.Time{}
	end := false
	for i := 0; !end; i++ {
		if i%5 == 0 {
			item := s.items[i]
			s.change(item, 0)
			changes[item.id] = s.now
		}
		end = l.step(t) == Complete
		for id, at := range changes {
			if row := l.found[id]; len(row) > 0 && row[len(row)-1].Equal(at) {
				delete(changes, id)
				continue
			}
			require.Less(t, s.now.Sub(at), interval+20*time.Second)
		}
	}
	require.Greater(t, s.now.Sub(noon), 10*time.Minute)
	require.Len(t, l.found, 20_000)
}

func TestListWithTokensIsNotDivided(t *testing.T) {
	s := newService()
	s.tokens = true
	s.spread(2000, noon.Add(-2000*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.requests, 40)
	require.Len(t, l.returned, 2000)
}

// at the same time, one thing was done to many.
func burst(s *service, n int, created time.Duration) {
	at := noon.Add(-10 * time.Minute)
	for i := range n {
		s.add(at.Add(-time.Hour+created*time.Duration(i)), at)
	}
}

func TestChangesOfOneSecondAreDividedByCreation(t *testing.T) {
	for name, refuses := range map[string]option{"": 0, "without order": ordering, "without lt": bounding} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.refuses = refuses
			burst(s, 3000, time.Second)
			l := listingFrom(s, noon.Add(-2*time.Hour))
			require.Equal(t, Complete, l.call(t))
			require.Len(t, l.returned, 3000)
			require.Equal(t, noon.Add(-10*time.Minute), l.Boundary())
			require.LessOrEqual(t, len(l.requests), 250)
		})
	}
}

func TestIndivisibleWindowIsReadAsFarAsSkipReaches(t *testing.T) {
	for name, refuses := range map[string]option{"created at once": 0, "without order": ordering, "without lt": bounding, "without either": ordering | bounding} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.refuses = refuses
			created := time.Duration(0)
			if name == "without either" {
				created = time.Second
			}
			burst(s, 600, created)
			s.add(noon.Add(-5*time.Minute), noon.Add(-5*time.Minute))
			l := listingFrom(s, noon.Add(-2*time.Hour))
			p := Continues
			for range 10 {
				if p = l.call(t); p == GivenUp {
					break
				}
				require.Equal(t, Incomplete, p)
				require.False(t, l.Boundary().After(noon.Add(-10*time.Minute)))
			}
			require.Equal(t, GivenUp, p)
			require.GreaterOrEqual(t, len(l.returned), 550)
			for range 3 {
				l.call(t)
			}
			require.False(t, l.Boundary().Before(noon.Add(-10*time.Minute)))
		})
	}
}

func TestLastSecondIsDividedIntoPastAndFuture(t *testing.T) {
	w := window{since: noon.Add(-time.Second / 2), reading: reading{date: noon}}
	parts := w.byTime(550)
	require.Len(t, parts, 2)
	require.Equal(t, noon, parts[0].before)
	require.Equal(t, noon, parts[1].since)
	require.Zero(t, parts[1].before)
	require.Empty(t, parts[0].byTime(550))
}
