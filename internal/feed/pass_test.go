// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// graphLimits are those of Graph.
func graphLimits() PassSettings {
	return PassSettings{MaxTop: 50, MaxAlertTop: 200, MaxSkip: 500, Alerts: true}
}

// lists plays Graph's lists of incidents and of alerts.
type lists struct {
	incidents, alerts []defender.Row
	fat               map[rowKey]bool // rows that are too large
	silent            bool            // it does not count
}

// newLists returns lists of so many incidents, created one second apart, and of so many alerts.
func newLists(incidents, alerts int) *lists {
	l := &lists{fat: map[rowKey]bool{}}
	for i := range incidents {
		l.add(defender.Row{ID: int64(i + 1), Created: noon.Add(time.Duration(i) * time.Second)})
	}
	for i := range alerts {
		l.add(defender.Row{ID: int64(i%max(1, incidents) + 1), Alert: "a" + strconv.Itoa(i+1), Created: noon.Add(time.Duration(i) * time.Second)})
	}
	return l
}

func (l *lists) add(row defender.Row) {
	if row.Alert != "" {
		l.alerts = append(l.alerts, row)
		return
	}
	l.incidents = append(l.incidents, row)
}

// all are the rows of the list in a request.
func (l *lists) all(alerts bool) []defender.Row {
	if alerts {
		return l.alerts
	}
	return l.incidents
}

// page responds to a request.
func (l *lists) page(q defender.ListRequest) *defender.Page {
	var rows []defender.Row
	for _, row := range l.all(q.Alerts) {
		if !row.Created.Before(q.CreatedSince) {
			rows = append(rows, row)
		}
	}
	byCreation := func(a, b defender.Row) int { return a.Created.Compare(b.Created) }
	if q.ByCreation && !slices.IsSortedFunc(rows, byCreation) {
		slices.SortStableFunc(rows, byCreation)
	}
	p := &defender.Page{Rows: rows[min(q.Skip, len(rows)):min(q.Skip+q.Top, len(rows))]}
	p.Size = 1000 * len(p.Rows)
	if slices.ContainsFunc(p.Rows, func(row defender.Row) bool { return l.fat[keyOf(row)] }) {
		return failing(defender.Oversize)
	}
	if q.Count && !l.silent {
		p.Total = len(rows)
	}
	if q.Skip+q.Top < len(rows) {
		p.Next = q.Skip + q.Top
	}
	return p
}

// passer runs a pass over lists.
type passer struct {
	*Pass
	settings PassSettings
	now      time.Time
	requests []defender.ListRequest
	inFlight []defender.ListRequest
	shown    map[rowKey]int // how often a row was returned
	endings  []Ending       // of the phases
}

func newPasser(settings PassSettings) *passer {
	p := &passer{Pass: NewPass(settings, PassProgress{}), settings: settings, now: noon.AddDate(0, 1, 0), shown: map[rowKey]int{}}
	p.Begin(p.now)
	return p
}

// requireDone requires that the pass has ended, and which lists it has read to their ends.
func (p *passer) requireDone(t *testing.T, incidents, alerts bool) {
	t.Helper()
	progress := p.Progress()
	require.Equal(t, alerts, !progress.AlertsShown.IsZero())
	progress.AlertsShown = time.Time{}
	require.Equal(t, PassProgress{Phase: PhaseDone, IncidentsRead: incidents}, progress)
}

func TestPassWithoutAlertsKeepsWhenAnEarlierPassReadThem(t *testing.T) {
	l := newLists(120, 500)
	p := newPasser(graphLimits())
	for p.request(t); p.Phase() != PhaseAlerts; p.request(t) {
		p.arrive(0, l.page(p.inFlight[0]))
		p.handle(t)
	}
	began := p.now
	require.Equal(t, began, p.Progress().AlertsFrom)
	p.now = p.now.Add(time.Hour)
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, l.page))
	done := PassProgress{Phase: PhaseDone, IncidentsRead: true, AlertsShown: began}
	require.Equal(t, done, p.Progress(), "what was delivered when it began to show alerts")

	p.Begin(p.now)
	require.Equal(t, PassProgress{Phase: PhaseCount, AlertsShown: began}, p.Progress())
	p.Stop()
	require.Equal(t, PassProgress{Phase: PhaseDone, AlertsShown: began}, p.Progress())
	p.Begin(p.now)
	p.SkipAlerts(p.now)
	require.Equal(t, []Ending{AllRead, AllRead, AllRead}, p.run(t, l.page))
	require.Equal(t, done, p.Progress())

	p.Begin(p.now)
	require.Equal(t, []Ending{AllRead, AllRead, AllRead, AllRead, AllRead}, p.run(t, l.page))
	require.True(t, p.Progress().AlertsShown.After(began))
}

// request requests whatever may be requested, now or, if nothing else is left to do, later, and reports whether it requested anything.
func (p *passer) request(t require.TestingT) (requested bool) {
	for {
		at, ok := p.Due()
		if !ok || at.After(p.now) && len(p.inFlight) > 0 {
			return requested
		}
		if at.After(p.now) {
			p.now = at
		}
		q := p.Request()
		most := p.settings.MaxTop
		if q.Alerts {
			most = p.settings.MaxAlertTop
		}
		require.True(t, q.Top >= 1 && q.Top <= most, "$top %d", q.Top)
		require.True(t, q.Skip >= 0 && q.Skip <= p.settings.MaxSkip, "$skip %d", q.Skip)
		require.Empty(t, q.Token)
		p.Requested(p.now)
		p.requests, p.inFlight = append(p.requests, q), append(p.inFlight, q)
		require.LessOrEqual(t, len(p.inFlight), 2)
		requested = true
	}
}

// arrive delivers the response to the n-th request in flight.
func (p *passer) arrive(n int, page *defender.Page) {
	q := p.inFlight[n]
	p.inFlight = slices.Delete(p.inFlight, n, n+1)
	p.Arrived(q, page, p.now)
}

// handle handles the current pages.
func (p *passer) handle(t require.TestingT) {
	for p.HasPage() {
		p.rows(t)
		if how := p.end(t); how != Ongoing {
			p.endings = append(p.endings, how)
		}
	}
}

// rows handles the rows of the current page.
func (p *passer) rows(t require.TestingT) {
	incidents := map[int64]bool{}
	for rows, _, ok := p.NextRows(); ok; rows, _, ok = p.NextRows() {
		require.NotEmpty(t, rows)
		require.False(t, incidents[rows[0].ID], "rows of one incident come together")
		incidents[rows[0].ID] = true
		for _, row := range rows {
			require.Equal(t, rows[0].ID, row.ID)
			require.NotZero(t, row.ID)
			p.shown[keyOf(row)]++
		}
	}
}

// end ends the current page.
func (p *passer) end(t require.TestingT) Ending {
	_, page, at := p.TakePage()
	require.NotNil(t, page)
	failure, failed := errors.AsType[*defender.Error](page.Err)
	switch {
	case !failed:
		return p.FinishPage(page, at)
	case failure.Kind == defender.Oversize:
		return p.TooLarge(page, at)
	default:
		return p.Failed(failure.Kind, at)
	}
}

// run runs the pass to its end.
func (p *passer) run(t require.TestingT, page func(defender.ListRequest) *defender.Page) []Ending {
	for p.request(t); len(p.inFlight) > 0; p.request(t) {
		p.now = p.now.Add(time.Second)
		p.arrive(0, page(p.inFlight[0]))
		p.handle(t)
	}
	require.False(t, p.Underway())
	return p.endings
}

// requireShown requires that each row was returned once.
func (p *passer) requireShown(t require.TestingT, rows ...defender.Row) {
	for _, row := range rows {
		require.Equal(t, 1, p.shown[keyOf(row)], "%v", row)
	}
}

func TestPassReadsBothListsInStepsFromTheOldestRow(t *testing.T) {
	l := newLists(1000, 1500)
	p := newPasser(graphLimits())
	require.Equal(t, PhaseCount, p.Phase())
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)
	p.requireShown(t, l.alerts...)
	want := []defender.ListRequest{{Alerts: true, Count: true, Top: 1}}
	for skip := 0; skip <= 500; skip += 50 {
		want = append(want, defender.ListRequest{ByCreation: true, Count: skip == 0, Top: 50, Skip: skip})
	}
	for skip := 0; skip <= 450; skip += 50 { // its first row is the 550th
		want = append(want, defender.ListRequest{ByCreation: true, Count: skip == 0, CreatedSince: noon.Add(549 * time.Second), Top: 50, Skip: skip})
	}
	for step, since := range []time.Time{{}, noon.Add(599 * time.Second), noon.Add(1198 * time.Second)} {
		for skip := 0; skip <= 400 && (step < 2 || skip < 302); skip += 200 {
			want = append(want, defender.ListRequest{Alerts: true, ByCreation: true, Count: skip == 0, CreatedSince: since, Top: 200, Skip: skip})
		}
	}
	require.Equal(t, want, p.requests)
	p.requireDone(t, true, true)
	pages, bytes := p.Cost()
	require.Equal(t, len(p.requests), pages)
	require.Equal(t, (1+1000+1+1500+2)*1000, bytes)
}

func TestPassDoesNotRequestAlertsIfTurnedOff(t *testing.T) {
	settings := graphLimits()
	settings.Alerts = false
	p := newPasser(settings)
	require.Equal(t, []Ending{AllRead}, p.run(t, newLists(120, 500).page))
	require.Equal(t, []defender.ListRequest{
		{ByCreation: true, Count: true, Top: 50}, {ByCreation: true, Top: 50, Skip: 50}, {ByCreation: true, Top: 50, Skip: 100},
	}, p.requests)
	require.Equal(t, PassProgress{Phase: PhaseDone, IncidentsRead: true}, p.Progress())
	expected, known := p.Expected()
	require.Equal(t, 3, expected)
	require.True(t, known)
}

func TestPassOfEmptyListsTakesThreeRequests(t *testing.T) {
	p := newPasser(graphLimits())
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, newLists(0, 0).page))
	require.Len(t, p.requests, 3)
	expected, known := p.Expected()
	require.Equal(t, 3, expected)
	require.True(t, known)
}

func TestExpectedRequestsAreKnownAfterTheFirstPage(t *testing.T) {
	for _, c := range []struct{ incidents, alerts int }{{0, 10}, {50, 0}, {1000, 1500}, {3000, 9000}} {
		l := newLists(c.incidents, c.alerts)
		p := newPasser(graphLimits())
		p.request(t)
		require.Len(t, p.requests, 2)
		for range 2 {
			require.Equal(t, PhaseCount, p.Phase())
			_, known := p.Expected()
			require.False(t, known)
			_, ok := p.Due()
			require.False(t, ok, "it may not be worth more")
			p.arrive(0, l.page(p.inFlight[0]))
			p.handle(t)
		}
		expected, known := p.Expected()
		require.True(t, known)
		require.Len(t, p.shown, min(50, c.incidents))
		p.run(t, l.page)
		require.InDelta(t, expected, len(p.requests), 0.02*float64(expected)+1, "%+v", c)
	}
}

func TestExpectedRequestsAreUnknownWithoutCounts(t *testing.T) {
	for name, page := range map[string]func(l *lists, q defender.ListRequest) *defender.Page{
		"no counts": func(l *lists, q defender.ListRequest) *defender.Page {
			l.silent = true
			return l.page(q)
		},
		"none of alerts": func(l *lists, q defender.ListRequest) *defender.Page {
			l.silent = q.Alerts
			return l.page(q)
		},
		"an alert that is too large": func(l *lists, q defender.ListRequest) *defender.Page {
			if q.Top == 1 {
				return failing(defender.Oversize)
			}
			return l.page(q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLists(700, 900)
			p := newPasser(graphLimits())
			require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page { return page(l, q) }))
			_, known := p.Expected()
			require.False(t, known)
			p.requireShown(t, l.incidents...)
			p.requireShown(t, l.alerts...)
			require.Len(t, p.requests, 1+11+4+3+2)
		})
	}
}

func TestStoppedPassRequestsNothingAndCanBeginAgain(t *testing.T) {
	l := newLists(600, 600)
	p := newPasser(graphLimits())
	p.request(t)
	first := p.inFlight[0]
	p.arrive(0, l.page(first))
	p.handle(t)
	p.Stop()
	require.False(t, p.Underway())
	require.Equal(t, PassProgress{Phase: PhaseDone}, p.Progress())
	require.False(t, p.request(t))
	p.arrive(0, l.page(p.inFlight[0]))
	require.True(t, p.HasPage(), "for its failure, if it is one")
	p.handle(t)
	require.Empty(t, p.shown, "the stopped pass does not need its rows")
	require.Equal(t, PassProgress{Phase: PhaseDone}, p.Progress())

	p.Begin(p.now)
	p.requests = nil
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)
	require.Equal(t, first, p.requests[0])
	pages, _ := p.Cost()
	require.Equal(t, len(p.requests), pages)

	idle := NewPass(graphLimits(), PassProgress{})
	idle.Stop()
	require.Equal(t, PassProgress{}, idle.Progress(), "none has begun")
}

func TestNewPassIgnoresPagesOfThePreviousOne(t *testing.T) {
	for name, page := range map[string]*defender.Page{
		"a page": newLists(1, 0).page(defender.ListRequest{Top: 50}), "a failure": failing(defender.Rejected), "too large": failing(defender.Oversize),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLists(120, 3)
			p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
			p.request(t)
			old := p.inFlight
			p.Begin(p.now.Add(time.Hour))
			p.now = p.now.Add(time.Hour)
			p.request(t)
			require.Len(t, p.inFlight, 2, "the old page keeps nothing waiting")
			p.inFlight = p.inFlight[1:]
			p.Arrived(old[0], page, p.now)
			p.handle(t)
			require.Empty(t, p.endings)
			require.Empty(t, p.shown)
			require.Equal(t, PhaseCount, p.Phase())
			require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
			p.requireShown(t, l.incidents...)
		})
	}
}

func TestPassReturnsPagesInTheOrderOfTheList(t *testing.T) {
	l := newLists(300, 0)
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	p.request(t)
	p.arrive(0, l.page(p.inFlight[0]))
	p.handle(t)
	p.request(t)
	require.Len(t, p.inFlight, 2)
	p.now = p.now.Add(time.Second)
	p.arrive(1, l.page(p.inFlight[1]))
	require.False(t, p.HasPage(), "the one before is on its way")
	p.request(t)
	require.Len(t, p.inFlight, 2)
	p.arrive(1, l.page(p.inFlight[1]))
	require.False(t, p.request(t), "no more than three pages are kept")
	first := p.inFlight[0]
	p.now = p.now.Add(time.Second)
	p.arrive(0, l.page(first))
	for _, skip := range []int{50, 100, 150} {
		require.True(t, p.HasPage())
		rows, arrived, ok := p.NextRows()
		require.True(t, ok)
		require.Equal(t, int64(skip+1), rows[0].ID)
		for range 49 {
			_, _, ok = p.NextRows()
			require.True(t, ok)
		}
		_, _, ok = p.NextRows()
		require.False(t, ok)
		q, page, at := p.TakePage()
		require.Equal(t, skip, q.Skip)
		require.Equal(t, arrived, at)
		require.False(t, p.HasPage())
		require.Equal(t, Ongoing, p.FinishPage(page, at))
	}
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
}

func TestAlertsOnAPageAreGroupedByIncident(t *testing.T) {
	l := &lists{}
	for i, id := range []int64{3, 1, 0, 3, 2, 1, 3} {
		l.add(defender.Row{ID: id, Alert: strconv.Itoa(i), Created: noon.Add(time.Duration(i))})
	}
	p := NewPass(graphLimits(), PassProgress{Phase: PhaseAlerts})
	q := p.Request()
	p.Requested(noon)
	page := l.page(q)
	page.Date = noon.Add(3 * time.Second)
	p.Arrived(q, page, noon.Add(time.Second))
	require.Equal(t, noon, p.Sent())
	require.Equal(t, 2*time.Second, p.Ahead())
	var groups [][]string
	for rows, _, ok := p.NextRows(); ok; rows, _, ok = p.NextRows() {
		var group []string
		for _, row := range rows {
			group = append(group, row.Alert)
		}
		groups = append(groups, group)
	}
	require.Equal(t, [][]string{{"0", "3", "6"}, {"1", "5"}, {"4"}}, groups, "those in no incident are left out")
	_, page, at := p.TakePage()
	require.Equal(t, AllRead, p.FinishPage(page, at), "but count")
}

func TestRowsCreatedAtTheSameTimeAreReturnedOnce(t *testing.T) {
	l := newLists(400, 0)
	for range 500 {
		l.add(defender.Row{ID: int64(len(l.incidents) + 1), Created: noon.Add(500 * time.Second)})
	}
	for range 200 {
		l.add(defender.Row{ID: int64(len(l.incidents) + 1), Created: noon.Add(600 * time.Second)})
	}
	p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)
	require.Len(t, p.requests, 11+11+4, "the second step ends after 550, the third has 200")
}

func TestPhaseEndsIfMoreRowsHaveOneCreationTimeThanSkipReaches(t *testing.T) {
	l := newLists(0, 10)
	for range 600 {
		l.add(defender.Row{ID: int64(len(l.incidents) + 1), Created: noon})
	}
	p := newPasser(graphLimits())
	require.Equal(t, []Ending{NotShown, AllRead}, p.run(t, l.page), "the alerts are read")
	p.requireShown(t, l.incidents[:550]...)
	require.Len(t, p.requests, 1+11+11+1)
	p.requireDone(t, false, true)
}

func TestStepHasOnePageIfTheServiceDoesNotSkip(t *testing.T) {
	l := newLists(200, 0)
	p := newPasser(PassSettings{MaxTop: 50})
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	p.requireShown(t, l.incidents...)
	require.Len(t, p.requests, 5)
}

func TestNextStepRequestsTwoPagesAtOnce(t *testing.T) {
	for incidents, want := range map[int]int{599: 1, 600: 2} { // the second step has 50 or 51
		l := newLists(incidents, 0)
		p := newPasser(PassSettings{MaxTop: 50, MaxSkip: 500})
		for p.request(t); len(p.shown) < 550; p.request(t) {
			p.arrive(0, l.page(p.inFlight[0]))
			p.handle(t)
		}
		require.Len(t, p.inFlight, want)
	}
}

func TestAlertsPhaseRequestsTwoPagesAtOnce(t *testing.T) {
	for alerts, want := range map[int]int{200: 1, 201: 2} {
		l := newLists(10, alerts)
		p := newPasser(graphLimits())
		for p.request(t); p.Phase() != PhaseAlerts; p.request(t) {
			p.arrive(0, l.page(p.inFlight[0]))
			p.handle(t)
		}
		require.Len(t, p.inFlight, want)
	}
}
