// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestPhaseEndsIfTheAPIRefusesARequest(t *testing.T) {
	for name, c := range map[string]struct {
		refused func(q defender.ListRequest) bool
		kind    defender.Kind
		endings []Ending
		shown   int
		alerts  bool
	}{
		"a skip":               {func(q defender.ListRequest) bool { return !q.Alerts && q.Skip == 500 }, defender.Rejected, []Ending{Refused, AllRead}, 500, true},
		"the order":            {func(q defender.ListRequest) bool { return q.ByCreation }, defender.Rejected, []Ending{Refused, Refused}, 0, false},
		"the order of alerts":  {func(q defender.ListRequest) bool { return q.ByCreation && q.Alerts }, defender.Rejected, []Ending{AllRead, Refused}, 700, false},
		"the list of alerts":   {func(q defender.ListRequest) bool { return q.Alerts }, defender.Rejected, []Ending{Refused, AllRead}, 700, false},
		"access to the alerts": {func(q defender.ListRequest) bool { return q.Alerts }, defender.Forbidden, []Ending{Refused, AllRead}, 700, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLists(700, 30)
			p := newPasser(graphLimits())
			require.Equal(t, c.endings, p.run(t, func(q defender.ListRequest) *defender.Page {
				if c.refused(q) {
					return failing(c.kind)
				}
				return l.page(q)
			}))
			p.requireShown(t, l.incidents[:c.shown]...)
			p.requireDone(t, c.shown == 700, c.alerts)
			if name == "access to the alerts" || name == "the list of alerts" {
				require.Len(t, p.requests, 1+11+4, "alerts are requested once")
				expected, known := p.Expected()
				require.True(t, known)
				require.InDelta(t, 15, expected, 1, "without alerts")
			}
		})
	}
}

func TestPhaseEndsIfTheListHasNoOrder(t *testing.T) {
	swap := func(page *defender.Page, a, b int) *defender.Page {
		page.Rows[a], page.Rows[b] = page.Rows[b], page.Rows[a]
		return page
	}
	for name, page := range map[string]func(l *lists, q defender.ListRequest) *defender.Page{
		"within a page": func(l *lists, q defender.ListRequest) *defender.Page {
			if page := l.page(q); q.Skip == 50 {
				return swap(page, 3, 7)
			}
			return l.page(q)
		},
		"between pages": func(l *lists, q defender.ListRequest) *defender.Page {
			switch q.Skip {
			case 50:
				q.Skip = 100
			case 100:
				q.Skip = 50
			}
			return l.page(q)
		},
		"newest first": func(l *lists, q defender.ListRequest) *defender.Page {
			page := l.page(q)
			for i := range len(page.Rows) / 2 {
				swap(page, i, len(page.Rows)-1-i)
			}
			return page
		},
		"its filter ignored": func(l *lists, q defender.ListRequest) *defender.Page {
			q.CreatedSince = time.Time{}
			if q.Skip += 100; len(l.page(q).Rows) == 0 {
				q.Skip = 0
			}
			return l.page(q)
		},
		"its skip ignored": func(l *lists, q defender.ListRequest) *defender.Page {
			q.Skip = 0
			return l.page(q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLists(700, 0)
			p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
			require.Equal(t, []Ending{Disordered}, p.run(t, func(q defender.ListRequest) *defender.Page { return page(l, q) }))
			require.Equal(t, PassProgress{Phase: PhaseDone}, p.Progress())
			require.Less(t, len(p.requests), 22)
		})
	}
}

func TestPassReadsRowsWithoutACreationTime(t *testing.T) {
	l := newLists(700, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		page.Rows = append([]defender.Row(nil), page.Rows...)
		page.Rows[len(page.Rows)-1].Created = time.Time{}
		return page
	}))
	for _, row := range l.incidents {
		require.NotZero(t, p.shown[keyOf(row)], row.ID)
	}

	p = newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{NotShown}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		for i := range page.Rows {
			page.Rows[i].Created = time.Time{}
		}
		return page
	}), "nobody knows where the next step begins")
}

func TestPassRetriesAFailedPageAndKeepsTheOther(t *testing.T) {
	l := newLists(500, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	p.request(t)
	p.arrive(0, l.page(p.inFlight[0]))
	p.handle(t)
	p.request(t)
	failed := p.inFlight[0]
	p.arrive(1, l.page(p.inFlight[1]))
	for _, wait := range []time.Duration{firstRetry, 2 * firstRetry} {
		p.arrive(0, failing(defender.Timeout))
		require.True(t, p.HasPage())
		p.handle(t)
		at, ok := p.Due()
		require.True(t, ok)
		require.Equal(t, p.now.Add(wait), at)
		require.Equal(t, failed, p.Request())
		p.now = at
		p.Requested(at)
		p.inFlight = []defender.ListRequest{failed}
	}
	p.arrive(0, l.page(failed))
	p.handle(t)
	require.Len(t, p.shown, 150, "with the other one")
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)

	p = newPasser(graphLimits())
	require.Equal(t, []Ending{PageFailed}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if q.Skip == 100 {
			return failing(defender.ServerError)
		}
		return l.page(q)
	}), "the alerts are left out, too")
	require.Equal(t, PassProgress{Phase: PhaseDone}, p.Progress())
}

func TestFailedPageIsReturnedBeforeThePagesAheadOfIt(t *testing.T) {
	l := newLists(500, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	p.request(t)
	p.arrive(0, l.page(p.inFlight[0]))
	p.handle(t)
	p.request(t)
	p.arrive(1, failing(defender.Throttled))
	require.True(t, p.HasPage(), "its account has to wait")
	p.handle(t)
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)
}

func TestThirdRateLimitInARowEndsThePass(t *testing.T) {
	l := newLists(500, 500)
	p := newPasser(graphLimits())
	p.request(t)
	both := []defender.ListRequest{p.inFlight[0], p.inFlight[1]}
	for range 2 { // requests that were sent together count once
		p.now = p.now.Add(time.Second)
		p.arrive(1, failing(defender.Throttled))
		p.handle(t)
		p.now = p.now.Add(time.Second)
		p.arrive(0, failing(defender.Throttled))
		p.handle(t)
		require.True(t, p.Underway())
		p.now = p.now.Add(time.Second)
		at, ok := p.Due()
		require.True(t, ok && !at.After(p.now), "at once: the account waits")
		p.request(t)
		require.Equal(t, both, p.inFlight)
	}
	p.arrive(0, failing(defender.NoToken))
	p.handle(t)
	require.True(t, p.Underway())
	p.arrive(0, failing(defender.Throttled))
	p.handle(t)
	require.Equal(t, []Ending{PageFailed}, p.endings)
	require.Equal(t, PassProgress{Phase: PhaseDone}, p.Progress())

	p = newPasser(graphLimits())
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if len(p.requests)%3 > 0 {
			return failing(defender.Throttled)
		}
		return l.page(q)
	}), "a page that succeeds resets the count")
}

func TestFailedSignInDoesNotEndAPass(t *testing.T) {
	l := newLists(500, 500)
	p := newPasser(graphLimits())
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if len(p.requests) < 20 {
			return failing(defender.NoToken)
		}
		return l.page(q)
	}))
}

func TestPassRetriesAPageThatMayLackRows(t *testing.T) {
	l := newLists(300, 0)
	for times, want := range map[int]Ending{2: AllRead, 3: NotShown} {
		p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
		partial := 0
		require.Equal(t, []Ending{want}, p.run(t, func(q defender.ListRequest) *defender.Page {
			page := l.page(q)
			if q.Skip == 100 && partial < times {
				partial++
				page.Partial = true
			}
			return page
		}))
		if want == AllRead {
			p.requireShown(t, l.incidents...)
		}
	}
}

func TestPassHalvesTooLargePagesAndSkipsSingleRows(t *testing.T) {
	for _, at := range []int{0, 1, 49, 50, 333, 499, 500, 520, 549, 550, 699} {
		l := newLists(700, 0)
		l.fat[keyOf(l.incidents[at])] = true
		p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
		require.Equal(t, []Ending{AllRead}, p.run(t, l.page), "row %d", at)
		for i, row := range l.incidents {
			require.Equal(t, i != at, p.shown[keyOf(row)] == 1, "row %d", i)
		}
		require.LessOrEqual(t, len(p.requests), 11+4+2*12, "50, 25, 12 or 13, 6 or 7, 3 or 4, 2 rows and 1, and the other halves")
	}
}

func TestNextStepHasFullPagesAfterATooLargeOne(t *testing.T) {
	l := newLists(900, 0)
	l.fat[keyOf(l.incidents[540])] = true // on the half that $skip does not reach
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if !q.CreatedSince.IsZero() {
			clear(l.fat)
		}
		return l.page(q)
	}))
	p.requireShown(t, l.incidents...)
	require.Len(t, p.requests, 12+8)
}

func TestPhaseEndsIfMostRowsAreTooLarge(t *testing.T) {
	l := newLists(700, 700)
	for _, row := range l.incidents[100:] {
		l.fat[keyOf(row)] = true
	}
	p := newPasser(graphLimits())
	require.Equal(t, []Ending{NotWorth, AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents[:100]...)
	p.requireShown(t, l.alerts...)
}

func TestPassContinuesBySkipInsteadOfTokens(t *testing.T) {
	l := newLists(700, 0)
	token := func(rows int, silent bool) func(q defender.ListRequest) *defender.Page {
		return func(q defender.ListRequest) *defender.Page {
			page := l.page(q)
			if page.Next > 0 {
				page.Token, page.Next = "x", 0
			}
			if silent {
				page.Total = 0
			}
			if rows > 0 && q.Skip+q.Top > rows {
				page.Rows, page.Token = page.Rows[:max(0, min(len(page.Rows), rows-q.Skip))], "y"
			}
			return page
		}
	}
	for _, silent := range []bool{false, true} {
		p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
		require.Equal(t, []Ending{AllRead}, p.run(t, token(0, silent)))
		p.requireShown(t, l.incidents...)

		p = newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
		require.Equal(t, []Ending{NotShown}, p.run(t, token(130, silent)), "behind the token only")
		p.requireShown(t, l.incidents[:130]...)
		require.LessOrEqual(t, len(p.requests), 3+2+11)
	}
}

func TestPassRequestsTheMissingRowsOfShortPages(t *testing.T) {
	l := newLists(0, 900)
	for _, silent := range []bool{false, true} {
		l.silent = silent
		p := newPasser(graphLimits())
		require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
			if q.Top > 90 && q.Alerts {
				page := l.page(q)
				q.Top = 90
				short := l.page(q)
				short.Total = page.Total
				return short
			}
			return l.page(q)
		}))
		p.requireShown(t, l.alerts...)
		require.LessOrEqual(t, len(p.requests), 2+3*5, "a page of 200 rows takes three requests")
	}
}

func TestPassIgnoresACountThatIsTooLow(t *testing.T) {
	l := newLists(700, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		page.Total = min(page.Total, 1)
		return page
	}))
	p.requireShown(t, l.incidents...)
}

func TestPassContinuesIfRowsAppearAheadOfThoseItHasRead(t *testing.T) {
	l := newLists(300, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if q.Skip == 150 {
			for i := range 3 { // created at the beginning, visible late
				l.add(defender.Row{ID: int64(1000 + i), Created: noon.Add(time.Millisecond)})
			}
		}
		return l.page(q)
	}))
	p.requireShown(t, newLists(300, 0).incidents...)
}

func TestPassEndsDespiteAnEndlessList(t *testing.T) {
	p := newPasser(PassSettings{MaxTop: 1, MaxSkip: 500})
	var id int64
	require.Equal(t, []Ending{NotShown}, p.run(t, func(q defender.ListRequest) *defender.Page {
		id++
		return &defender.Page{Rows: []defender.Row{{ID: id, Created: noon.Add(time.Duration(id))}}, Next: q.Skip + 1}
	}))
	require.LessOrEqual(t, len(p.requests), maxPages+2)
}

func TestRestartedPassContinuesAfterTheLastReadRow(t *testing.T) {
	l := newLists(1000, 900)
	before := newPasser(graphLimits())
	stop := func(phase Phase, pages int) PassProgress {
		for ; pages > 0 || before.Phase() != phase; before.request(t) {
			before.request(t)
			if before.Phase() == phase {
				pages--
			}
			before.arrive(0, l.page(before.inFlight[0]))
			before.handle(t)
		}
		return before.Progress()
	}
	progress := stop(PhaseIncidents, 3)
	require.Equal(t, PassProgress{Phase: PhaseIncidents, Since: noon.Add(199 * time.Second)}, progress)
	p := &passer{Pass: NewPass(graphLimits(), progress), settings: graphLimits(), now: before.now, shown: map[rowKey]int{}}
	require.True(t, p.Underway())
	_, known := p.Expected()
	require.False(t, known)
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, l.page))
	require.Equal(t, defender.ListRequest{ByCreation: true, Count: true, CreatedSince: noon.Add(199 * time.Second), Top: 50}, p.requests[0])
	require.Equal(t, 50, p.requests[1].Skip)
	p.requireShown(t, l.incidents[199:]...)
	require.Len(t, p.shown, 801+900)

	progress = stop(PhaseAlerts, 1)
	require.Equal(t, PassProgress{Phase: PhaseAlerts, Since: noon.Add(199 * time.Second), IncidentsRead: true, AlertsFrom: before.now}, progress)
	p = &passer{Pass: NewPass(graphLimits(), progress), settings: graphLimits(), now: before.now, shown: map[rowKey]int{}}
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	require.Len(t, p.shown, 701)
	require.Equal(t, PassProgress{Phase: PhaseDone, IncidentsRead: true, AlertsShown: progress.AlertsFrom}, p.Progress(), "since the earlier run began to read them")
}

func TestStoredProgressThatDoesNotContinueAPass(t *testing.T) {
	none := graphLimits()
	none.Alerts = false
	for name, c := range map[string]struct {
		settings     PassSettings
		stored, want PassProgress
	}{
		"none":           {graphLimits(), PassProgress{}, PassProgress{}},
		"unknown phase":  {graphLimits(), PassProgress{Phase: "comments", Since: noon, AlertsShown: noon}, PassProgress{AlertsShown: noon}},
		"done":           {graphLimits(), PassProgress{Phase: PhaseDone, Since: noon, AlertsShown: noon}, PassProgress{Phase: PhaseDone, AlertsShown: noon}},
		"alerts, no use": {none, PassProgress{Phase: PhaseAlerts, Since: noon, IncidentsRead: true, AlertsFrom: noon}, PassProgress{Phase: PhaseDone, IncidentsRead: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPass(c.settings, c.stored)
			require.Equal(t, c.want, p.Progress())
			require.False(t, p.Underway())
			_, ok := p.Due()
			require.False(t, ok)
			require.Zero(t, p.Request())
		})
	}
	p := NewPass(graphLimits(), PassProgress{Phase: PhaseCount, Since: noon, IncidentsRead: true})
	require.Equal(t, PassProgress{Phase: PhaseCount}, p.Progress(), "from its beginning")
	require.True(t, p.Request().Count)
}

func TestPassIgnoresResultsOfUnknownPages(t *testing.T) {
	p := NewPass(graphLimits(), PassProgress{Phase: PhaseIncidents, Since: noon})
	p.Arrived(defender.ListRequest{Top: 7}, &defender.Page{}, noon)
	require.False(t, p.HasPage())
	require.Equal(t, Ongoing, p.FinishPage(&defender.Page{}, noon))
	require.Equal(t, Ongoing, p.Failed(defender.Rejected, noon))
	require.Equal(t, Ongoing, p.TooLarge(&defender.Page{}, noon))
	require.Equal(t, PassProgress{Phase: PhaseIncidents, Since: noon}, p.Progress())
	require.True(t, p.Underway())
}

func TestPassShowsAllOtherRowsIfACountedOneIsHidden(t *testing.T) {
	l := newLists(300, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{NotShown}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		page.Rows = slices.DeleteFunc(slices.Clone(page.Rows), func(row defender.Row) bool { return row.ID == 100 })
		return page
	}))
	p.requireShown(t, l.incidents[:99]...)
	p.requireShown(t, l.incidents[100:]...)
}

func TestPhaseEndsAfterThreeTriesIfTheCountIsTooHigh(t *testing.T) {
	l := newLists(100, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{NotShown}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		if page.Total > 0 {
			page.Total += 5
		}
		return page
	}))
	p.requireShown(t, l.incidents...)
	require.Len(t, p.requests, 2+maxTries)
	require.False(t, p.Progress().IncidentsRead)
}

func TestPassIsWorthItWithFewTooLargeRows(t *testing.T) {
	l := newLists(1000, 0)
	for i := 95; i < 1000; i += 100 {
		l.fat[keyOf(l.incidents[i])] = true
	}
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	require.Len(t, p.shown, 990)
}

func TestPagesGrowAgainAfterLargeRows(t *testing.T) {
	l := newLists(1000, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 2000})
	require.Equal(t, []Ending{AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		page := l.page(q)
		for _, row := range page.Rows {
			if row.ID <= 100 {
				page.Size += 9000
			}
		}
		if page.Size > 300_000 {
			return failing(defender.Oversize)
		}
		return page
	}))
	p.requireShown(t, l.incidents...)
	require.LessOrEqual(t, len(p.requests), 30, "with pages of 25 rows it would be 40")
}

func TestPassEndsAfterThreeTriesIfIncidentsAreForbidden(t *testing.T) {
	p := newPasser(graphLimits())
	l := newLists(100, 10)
	require.Equal(t, []Ending{PageFailed}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if !q.Alerts {
			return failing(defender.Forbidden)
		}
		return l.page(q)
	}), "the permission may be granted meanwhile")
	require.Len(t, p.requests, 1+maxTries)
}
