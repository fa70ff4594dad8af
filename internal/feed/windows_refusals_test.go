// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestWindowsOmitOptionsThatTheAPIRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		refuses  option
		degraded []string
		most     int // requests of the first call
	}{
		"order":           {ordering, []string{"$orderby with $filter"}, 65},
		"lt":              {bounding, []string{"lt"}, 75},
		"count":           {counting, []string{"$count"}, 100},
		"order and count": {ordering | counting, []string{"$orderby with $filter", "$count"}, 105},
		"lt and creation": {creation, nil, 65},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.spread(2000, noon.Add(-2000*time.Second), time.Second)
			s.refuses = test.refuses
			l := listingFrom(s, noon.Add(-2000*time.Second))
			require.Equal(t, Complete, l.call(t))
			require.Equal(t, test.degraded, l.Degraded())
			require.Len(t, l.returned, 2000)
			require.LessOrEqual(t, len(l.requests), test.most)
			require.Equal(t, Complete, l.call(t), "without asking for it again")
			require.Zero(t, optionsOf(l.requests[len(l.requests)-1])&test.refuses)
			l.until(t, noon.Add(40*time.Minute))
			require.Equal(t, test.degraded, l.Degraded())
			require.Positive(t, l.rereads)
		})
	}
}

func TestOptionsAreTriedOneByOneUntilOneIsProvedToBeRefused(t *testing.T) {
	s := newService()
	s.refuses = counting
	s.add(noon.Add(-time.Minute), noon.Add(-time.Minute))
	l := listingFrom(s, noon.Add(-time.Hour))
	for _, want := range []struct{ order, count bool }{{true, true}, {false, true}, {true, false}, {true, true}, {true, false}} {
		require.Equal(t, want.order, l.Request().ByCreation)
		require.Equal(t, want.count, l.Request().Count)
		require.Empty(t, l.Degraded(), "until it is proved")
		l.step(t)
	}
	require.Equal(t, []string{"$count"}, l.Degraded())
	require.Len(t, l.returned, 1)
	require.True(t, l.Request().ByCreation)
}

func TestNoOptionIsBlamedIfTheAPIRejectsEverything(t *testing.T) {
	s := newService()
	s.refuses = allOptions
	s.edit = func(p *defender.Page, _ defender.ListRequest) { *p = *failing(defender.Rejected) }
	l := listingFrom(s, noon.Add(-time.Hour))
	for range 3 {
		for range 4 {
			at, _ := l.Due()
			require.Equal(t, s.now, at, "at once")
			l.step(t)
		}
		at, _ := l.Due()
		require.Equal(t, s.now.Add(5*time.Second), at, "as the failure asks for")
		s.now = at
	}
	s.refuses, s.edit = 0, nil
	require.True(t, l.Request().ByCreation)
	require.Equal(t, Complete, l.call(t))
	require.Empty(t, l.Degraded())
}

func TestOrderingIsDroppedIfTheAPIIgnoresIt(t *testing.T) {
	s := newService()
	s.ignores = ordering
	burst(s, 3000, time.Second)
	l := listingFrom(s, noon.Add(-2*time.Hour))
	for l.call(t) == Incomplete {
	}
	require.Equal(t, Complete, l.progress[len(l.progress)-1])
	require.NotContains(t, l.progress, GivenUp)
	require.Equal(t, []string{"$orderby with $filter"}, l.Degraded())
	require.Len(t, l.returned, 3000)
}

func TestRejectedSkipMakesWindowsSmaller(t *testing.T) {
	s := newService()
	s.maxSkip = 100
	s.spread(1000, noon.Add(-1000*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-1000*time.Second))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 1000)
	require.NotContains(t, l.progress, Incomplete)
	rejected := 0
	for _, q := range l.requests {
		if q.Skip > s.maxSkip {
			rejected++
		}
	}
	require.Equal(t, 1, rejected)
}

func TestOutageDoesNotMakeWindowsSmaller(t *testing.T) {
	s := newService()
	s.spread(400, noon.Add(-400*time.Second), time.Second)
	l := listingFrom(s, noon.Add(-400*time.Second))
	for range 3 {
		l.step(t)
	}
	s.edit = func(p *defender.Page, _ defender.ListRequest) { *p = *failing(defender.Rejected) }
	for range 10 {
		l.step(t)
	}
	s.edit = nil
	require.Equal(t, Complete, l.call(t))
	s.spread(400, s.now, 0)
	s.now = s.now.Add(time.Second)
	require.Equal(t, Complete, l.call(t))
	require.True(t, slices.ContainsFunc(l.requests, func(q defender.ListRequest) bool { return q.Skip > 300 }))
	require.Empty(t, l.Degraded())
}
