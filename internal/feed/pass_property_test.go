// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// most is how many rows of a list have the same creation time at most.
func (l *lists) most(alerts bool) (most int) {
	count := map[time.Time]int{}
	for _, row := range l.all(alerts) {
		count[row.Created]++
		most = max(most, count[row.Created])
	}
	return most
}

// requireBounded requires that a run has requested each page of each step once, apart from so many requests, and that its steps advance.
func (p *passer) requireBounded(t require.TestingT, l *lists, extra int) {
	steps := map[bool]map[time.Time]int{false: {}, true: {}}
	var last [2]time.Time
	for _, q := range p.requests {
		if !q.ByCreation {
			continue
		}
		list := 0
		if q.Alerts {
			list = 1
		}
		require.False(t, q.CreatedSince.Before(last[list]), "a step back")
		last[list] = q.CreatedSince
		steps[q.Alerts][q.CreatedSince]++
	}
	allowed := 2 + extra // the number of alerts, and a list without rows
	for alerts, pages := range steps {
		top := p.settings.MaxTop
		if alerts {
			top = p.settings.MaxAlertTop
		}
		reach := (p.settings.MaxSkip/top + 1) * top
		if most := l.most(alerts); most < reach && extra == 0 {
			require.LessOrEqual(t, len(pages), 2+len(l.all(alerts))/(reach-most), "steps")
		}
		for since := range pages {
			rows := 0
			for _, row := range l.all(alerts) {
				if !row.Created.Before(since) {
					rows++
				}
			}
			allowed += 1 + min((rows+top-1)/top, reach/top)
		}
	}
	require.LessOrEqual(t, len(p.requests), allowed)
}

// Whatever appears, changes or fails while a pass reads the lists, and whenever another run continues it, it shows each row that was there
// from its beginning, or reports that it does not.
func TestPassShowsEveryRowOrReportsThatItDoesNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lowest, highest int, label string) int { return rapid.IntRange(lowest, highest).Draw(t, label) }
		settings := PassSettings{
			MaxTop: draw(1, 20, "top"), MaxAlertTop: draw(1, 40, "top of alerts"), MaxSkip: draw(0, 60, "skip"), Alerts: rapid.Bool().Draw(t, "alerts"),
		}
		l := newLists(0, 0)
		l.silent = rapid.Bool().Draw(t, "silent")
		created := noon
		appear := func(alerts bool) {
			created = created.Add(time.Duration(max(0, draw(-8, 2, "later"))) * 100)
			row := defender.Row{ID: int64(len(l.incidents) + 1), Created: created}
			if alerts {
				row.Alert, row.ID = "a"+strconv.Itoa(len(l.alerts)), int64(draw(0, 9, "incident"))
			}
			l.add(row)
			if draw(0, 60, "too large") == 0 {
				l.fat[keyOf(row)] = true
			}
		}
		for range draw(0, 200, "incidents") {
			appear(false)
		}
		for range draw(0, 200, "rows of alerts") {
			appear(true)
		}
		before := map[bool][]defender.Row{false: l.incidents, true: l.alerts}

		p := newPasser(settings)
		failures, tooLarge, single := 0, 0, 0 // of all runs; single: of pages that were too large, those with one row
		ended := map[bool]Ending{}
		handle := func() {
			p.rows(t)
			alerts := p.Phase() == PhaseAlerts
			if how := p.end(t); how != Ongoing {
				require.NotContains(t, ended, alerts)
				ended[alerts] = how
			}
		}
		quiet := draw(2, 30, "quiet")
		extra, runs, appeared := 0, 0, 0
		for p.request(t); p.Underway(); p.request(t) {
			p.now = p.now.Add(time.Second)
			switch what := draw(0, quiet, "what"); {
			case what == 0 && appeared < 100:
				appeared++
				appear(rapid.Bool().Draw(t, "an alert"))
				continue
			case what == 1 && runs < 50: // another run
				p.requireBounded(t, l, extra+failures+16*tooLarge)
				next := &passer{Pass: NewPass(settings, p.Progress()), settings: settings, now: p.now, shown: p.shown}
				require.Equal(t, p.Phase(), next.Phase())
				p = next
				extra, runs = extra+1, runs+1
				continue
			case p.HasPage() && (what%2 == 0 || len(p.inFlight) == 0):
				handle()
				continue
			case len(p.inFlight) == 0:
				require.True(t, p.HasPage(), "it goes on")
				continue
			}
			n := draw(0, len(p.inFlight)-1, "arrives")
			page := l.page(p.inFlight[n])
			if draw(0, quiet, "fails") == 0 && failures < 20 {
				page = failing(rapid.SampledFrom([]defender.Kind{defender.ServerError, defender.Throttled, defender.NoToken}).Draw(t, "kind"))
				failures++
			}
			if failure, ok := page.Err.(*defender.Error); ok && failure.Kind == defender.Oversize { //nolint:errorlint // its own
				tooLarge++
				if p.inFlight[n].Top == 1 {
					single++
				}
			} else if rowsOf(page) == 0 { // it may be requested again
				extra++
			}
			p.arrive(n, page)
		}
		for p.HasPage() { // a page that was on its way
			handle()
		}
		p.requireBounded(t, l, extra+failures+16*tooLarge)
		_, ok := p.Due()
		require.False(t, ok)
		require.Equal(t, PhaseDone, p.Phase())
		require.Equal(t, ended[false] == AllRead, p.Progress().IncidentsRead)
		for alerts, rows := range before {
			how, has := ended[alerts]
			switch {
			case !has:
				require.True(t, alerts && !settings.Alerts || ended[false] == PageFailed || ended[true] == PageFailed)
				continue
			case how == PageFailed:
				require.GreaterOrEqual(t, failures, 3)
				continue
			case how == NotWorth:
				require.Greater(t, single, 5, "a row may be requested again, in the next step")
				continue
			case how == NotShown:
				require.Greater(t, l.most(alerts)+len(l.fat), settings.MaxSkip, "those that are too large have no time")
				continue
			}
			require.Equal(t, AllRead, how)
			for _, row := range rows {
				require.Equal(t, row.ID > 0 && !l.fat[keyOf(row)], p.shown[keyOf(row)] > 0, "%v", row)
			}
		}
	})
}
