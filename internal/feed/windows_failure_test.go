// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestWindowRestartsAfterAPageFailsThreeTimes(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-5*time.Minute), time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	l.step(t)
	failed := l.Request()
	require.Equal(t, 40, failed.Skip)
	for range 2 {
		require.Equal(t, failed, l.Request())
		l.Requested(s.now)
		require.Equal(t, Continues, l.handle(t, failing(defender.Timeout)))
		at, _ := l.Due()
		require.Equal(t, s.now.Add(5*time.Second), at)
		s.now = at
	}
	l.Requested(s.now)
	require.Equal(t, Continues, l.handle(t, failing(defender.Timeout)))
	at, _ := l.Due()
	require.Equal(t, s.now.Add(5*time.Second), at)
	require.Zero(t, l.Request().Skip, "the list has moved on")
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 120)
}

func TestWindowsRetryTheSamePageAfterARateLimit(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-5*time.Minute), time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	l.step(t)
	for range 10 {
		require.Equal(t, 40, l.Request().Skip)
		l.Requested(s.now)
		require.Equal(t, Continues, l.handle(t, failing(defender.Throttled)))
	}
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 120)
	require.Equal(t, noon, l.Boundary().Truncate(time.Hour).Add(time.Hour))
}

func TestFailureDelaysTheBacklogToo(t *testing.T) {
	s := newService()
	s.spread(2000, noon.Add(-2000*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-2000*time.Second))
	for range 20 {
		l.step(t)
	}
	l.Requested(s.now)
	l.Arrived(failing(defender.Network), s.now)
	l.TakePage()
	l.Failed(s.now, 10*time.Minute, false)
	at, _ := l.Due()
	require.Equal(t, s.now.Add(10*time.Minute), at)
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 2000)
}

func TestWindowWithAPageThatAlwaysFailsIsGivenUp(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-20*time.Minute), time.Second)
	s.edit = func(p *defender.Page, _ defender.ListRequest) {
		for _, row := range p.Rows {
			if row.ID == 100 {
				*p = *failing(defender.ServerError)
			}
		}
	}
	l := listingFrom(s, noon.Add(-21*time.Minute))
	var p CallResult
	for range 40 {
		if p = l.call(t); p == GivenUp {
			break
		}
		require.Equal(t, Incomplete, p)
		require.Less(t, s.now.Sub(noon), 10*time.Minute)
	}
	require.Equal(t, GivenUp, p)
	require.Less(t, len(l.requests), 60)
}

func TestWindowsHalvePagesThatAreTooLargeAndSkipASingleRow(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-20*time.Minute), time.Second)
	s.fat[60] = true
	l := listingFrom(s, noon.Add(-time.Hour))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 119)
	require.Equal(t, []int64{60}, l.toFetch)
	require.Less(t, len(l.requests), 20)
	require.Equal(t, 50, l.requests[len(l.requests)-1].Top, "full pages follow")
	require.Equal(t, noon, l.Boundary(), "since nobody knows when that row has changed")
}

func TestWindowIsIncompleteIfTheIncidentOfATooLargeRowIsUnknown(t *testing.T) {
	s := newService()
	l := newLister(s, WindowSettings{MaxTop: 1, Boundary: noon.Add(-time.Hour)})
	l.Requested(noon)
	require.Equal(t, Continues, l.handle(t, failing(defender.Oversize)))
	require.Empty(t, l.toFetch)
	require.Equal(t, 1, l.Request().Skip)
	l.Requested(noon)
	require.Equal(t, Incomplete, l.handle(t, &defender.Page{Date: noon}))
}

func TestEachTooLargeAlertOfAnIncidentIsSkipped(t *testing.T) {
	s := newService()
	s.holder = 7
	s.spread(100, noon.Add(-100*time.Minute), time.Minute)
	s.fat[20], s.fat[21], s.fat[80] = true, true, true
	l := newLister(s, WindowSettings{Alerts: true, Boundary: noon.Add(-2 * time.Hour)})
	require.Equal(t, Complete, l.call(t), "each of them is a row of the list")
	require.Equal(t, []int64{7, 7, 7}, l.toFetch)
	require.Len(t, l.found, 97)
}

func TestCallEndsThoughAllRowsAreTooLarge(t *testing.T) {
	s := newService()
	s.spread(700, noon.Add(-700*time.Second), time.Second)
	for _, i := range s.items {
		s.fat[i.id] = true
	}
	l := newLister(s, WindowSettings{MaxTop: 1, Boundary: noon.Add(-time.Hour)})
	require.Equal(t, Complete, l.call(t))
	fetched := map[int64]bool{}
	for _, id := range l.toFetch {
		fetched[id] = true
	}
	require.Len(t, fetched, 700)
	require.Equal(t, noon, l.Boundary().Truncate(time.Hour), "the next calls do not list them again")
}

func TestReturnedRowsAreRememberedForTwoHours(t *testing.T) {
	var s seen
	row := defender.Row{ID: 1, LastUpdate: noon}
	require.True(t, s.returns(row, noon))
	require.False(t, s.returns(row, noon.Add(time.Hour)))
	require.True(t, s.returns(defender.Row{ID: 1, LastUpdate: noon.Add(1)}, noon), "it has changed")
	require.True(t, s.returns(defender.Row{ID: 1, Alert: "a", LastUpdate: noon}, noon))
	require.False(t, s.returns(defender.Row{ID: 1, Alert: "a", LastUpdate: noon}, noon))
	require.True(t, s.returns(defender.Row{ID: 2, Alert: "a", LastUpdate: noon}, noon), "it has moved")
	for range 2 {
		require.True(t, s.returns(defender.Row{ID: 3}, noon), "nobody knows whether it has changed")
	}
	require.False(t, s.returns(row, noon.Add(2*time.Hour)), "shown again")
	require.False(t, s.returns(row, noon.Add(4*time.Hour)))
	for i := range 50 {
		s.returns(defender.Row{ID: 4, LastUpdate: noon.Add(time.Duration(i))}, noon.Add(time.Duration(4+i)*time.Hour))
	}
	require.LessOrEqual(t, len(s.young)+len(s.old), 5)
	require.True(t, s.returns(row, noon.Add(54*time.Hour)), "forgotten")
}

func TestRowReturnedWithoutContentIsReturnedAgainWithIt(t *testing.T) {
	var s seen
	without := defender.Row{ID: 1, LastUpdate: noon}
	with := without
	with.Snapshot = &incident.Snapshot{}
	require.True(t, s.returns(without, noon))
	require.False(t, s.returns(without, noon))
	require.True(t, s.returns(with, noon))
	require.False(t, s.returns(with, noon))
	require.False(t, s.returns(without, noon))
	require.False(t, s.returns(with, noon))
}

func TestWindowsSpacingIsTheMeanTimeBetweenPages(t *testing.T) {
	s := newService()
	s.spread(3000, noon.Add(-50*time.Hour), time.Second)
	l := listingFrom(s, noon)
	require.Equal(t, interval, l.Spacing())
	l.steady(t, time.Second, noon.Add(time.Hour))
	pages, calls := 0, 0
	for i, q := range l.requests {
		if !q.Narrow {
			pages++
		}
		if l.progress[i] == Complete {
			calls++
		}
	}
	require.Greater(t, pages, 2*calls)
	require.InEpsilon(t, interval.Seconds()*float64(calls)/float64(pages), l.Spacing().Seconds(), 0.1)
}
