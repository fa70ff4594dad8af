// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// steady changes an item of a service every few seconds until a time.
func (l *lister) steady(t require.TestingT, every time.Duration, end time.Time) (changes int) {
	for next := l.s.now; ; {
		at, _ := l.turn(t)
		if at.After(end) {
			return changes
		}
		for ; next.Before(at); next = next.Add(every) {
			i := l.s.items[changes%len(l.s.items)]
			i.states = append(i.states, state{next, next.Add(time.Duration(changes%20) * time.Second)})
			changes++
		}
		l.step(t)
	}
}

func TestRereadFindsRowsThatAppearLate(t *testing.T) {
	s := newService()
	s.spread(3000, noon.Add(-50*time.Hour), time.Second)
	l := listingFrom(s, noon)
	l.until(t, noon.Add(time.Second))
	late := s.add(noon.Add(-time.Hour), noon.Add(10*time.Minute))
	late.states[0].visible = noon.Add(20 * time.Minute)
	l.steady(t, 2*time.Second, noon.Add(29*time.Minute))
	require.Zero(t, l.rereads)
	require.NotContains(t, l.found, late.id)
	l.steady(t, 2*time.Second, noon.Add(35*time.Minute))
	require.Contains(t, l.found, late.id)
	require.Equal(t, 1, l.late)
	for _, row := range l.returned {
		require.Equal(t, row.LastUpdate.Equal(noon.Add(10*time.Minute)) && row.ID == late.id, row.Snapshot == nil)
	}
	l.steady(t, 2*time.Second, noon.Add(5*time.Hour))
	require.Equal(t, 1, l.late, "once")
}

func TestRereadListsTheLastHourUpToTheNextCall(t *testing.T) {
	s := newService()
	s.spread(3000, noon.Add(-50*time.Hour), time.Second)
	l := newLister(s, WindowSettings{Alerts: true, MaxTop: 200, Boundary: noon.Add(-time.Hour)})
	l.steady(t, 3*time.Second, noon.Add(29*time.Minute))
	for !l.turnsToReread(t) {
		l.step(t)
	}
	q := l.RereadRequest()
	require.Equal(t, l.date.Add(-time.Hour), q.Since)
	require.Equal(t, l.Boundary().Add(-time.Minute), q.Before)
	require.True(t, q.Narrow && q.ByCreation && q.Count && q.Alerts)
	require.Equal(t, 200, q.Top)
}

func (l *lister) turnsToReread(t require.TestingT) bool {
	_, reread := l.turn(t)
	return reread
}

func TestRereadDoesNotReturnRowsOfAnEarlierRun(t *testing.T) {
	s := newService()
	s.spread(1000, noon.Add(-1000*time.Second), time.Second)
	l := listingFrom(s, noon)
	l.steady(t, time.Minute, noon.Add(2*time.Hour))
	require.Positive(t, l.rereads)
	require.Zero(t, l.late)
}

func TestCallInterruptsAReread(t *testing.T) {
	s := newService()
	s.spread(3000, noon.Add(-50*time.Hour), time.Second)
	l := listingFrom(s, noon)
	l.latency = 5 * time.Second
	l.steady(t, 2*time.Second, noon.Add(2*time.Hour))
	last, pauses := noon, 0
	for i, q := range l.requests {
		if q.Narrow {
			continue
		}
		require.LessOrEqual(t, l.times[i].Sub(last), interval+2*l.latency)
		last = l.times[i]
		if i > 0 && i+1 < len(l.requests) && l.requests[i-1].Narrow && l.requests[i+1].Narrow {
			pauses++
		}
	}
	require.Positive(t, pauses, "a re-read goes on after a call")
}

func TestFailedOrIncompleteRereadEnds(t *testing.T) {
	for name, edit := range map[string]func(p *defender.Page, q defender.ListRequest){
		"fails":         func(p *defender.Page, _ defender.ListRequest) { *p = *failing(defender.ServerError) },
		"is refused":    func(p *defender.Page, _ defender.ListRequest) { *p = *failing(defender.Rejected) },
		"is incomplete": func(p *defender.Page, _ defender.ListRequest) { p.Total++ },
		"is too large":  func(p *defender.Page, _ defender.ListRequest) { *p = *failing(defender.Oversize) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.spread(10, noon.Add(-50*time.Hour), time.Second)
			s.edit = func(p *defender.Page, q defender.ListRequest) {
				if q.Narrow || name == "is refused" && q.Since.Before(s.now.Add(-20*time.Minute)) {
					edit(p, q)
				}
			}
			l := listingFrom(s, noon)
			l.steady(t, time.Minute, noon.Add(59*time.Minute))
			require.Positive(t, l.rereads)
			before := l.rereads
			l.steady(t, time.Minute, noon.Add(89*time.Minute))
			require.Greater(t, l.rereads, before, "the next one follows")
			require.LessOrEqual(t, l.rereads, 2*520)
			require.NotContains(t, l.progress, Incomplete)
			require.Zero(t, l.late)
		})
	}
}

func TestWindowsTakeFewRequestsPerChange(t *testing.T) {
	for name, settings := range map[string]WindowSettings{"incidents": {}, "alerts": {Alerts: true, MaxTop: 200}} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.spread(10_000, noon.Add(-50*time.Hour), time.Second)
			settings.Boundary = noon
			l := newLister(s, settings)
			changes := l.steady(t, time.Hour/2000, noon.Add(4*time.Hour))
			require.InDelta(t, 8000, changes, 50)
			require.Less(t, float64(len(l.requests))/float64(changes), 0.2)
			require.NotContains(t, l.progress, Incomplete)
			require.Zero(t, l.late)
			require.GreaterOrEqual(t, len(l.returned), changes-60)
			require.LessOrEqual(t, len(l.returned), changes)
		})
	}
}
