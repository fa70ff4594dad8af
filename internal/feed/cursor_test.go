// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	interval = 30 * time.Second
	lookback = 24 * time.Hour
	largest  = 100
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// listing returns a cursor that lists from an hour before noon.
func listing() *cursor { return newCursor(interval, lookback, largest, noon.Add(-time.Hour), noon) }

func TestFirstRequestOfAFeedBringsTheServiceTime(t *testing.T) {
	c := newCursor(interval, lookback, largest, time.Time{}, noon)
	require.Equal(t, noon, c.due)
	require.Equal(t, defender.ListRequest{Top: 1}, c.request())

	ahead := noon.Add(time.Hour)
	require.Equal(t, Continues, c.finishPage(noon, pageResult{newest: ahead.Add(-time.Minute), next: 1, date: ahead}))
	require.Equal(t, ahead.Add(-lookback), c.boundary, "by the service's clock")
	require.Equal(t, defender.ListRequest{Since: ahead.Add(-lookback), Top: largest}, c.request())
	require.Equal(t, noon, c.due, "at once")
}

func TestFeedUsesItsOwnClockIfTheServiceSendsNoTime(t *testing.T) {
	c := newCursor(interval, Settling, largest, time.Time{}, noon)
	require.Equal(t, Continues, c.finishPage(noon, pageResult{}))
	require.Equal(t, noon.Add(-Settling), c.boundary)
}

func TestFeedRequestsTheServiceTimeAgainAfterAFailure(t *testing.T) {
	c := newCursor(interval, lookback, largest, time.Time{}, noon)
	c.failed(noon, time.Minute, false)
	require.Equal(t, noon.Add(time.Minute), c.due)
	require.Equal(t, defender.ListRequest{Top: 1}, c.request())
}

func TestFeedContinuesFromTheStoredBoundary(t *testing.T) {
	c := newCursor(interval, lookback, largest, noon.Add(-72*time.Hour), noon)
	require.Equal(t, noon, c.due)
	require.Equal(t, defender.ListRequest{Since: noon.Add(-72 * time.Hour), Top: largest}, c.request(), "further back than the lookback")
}

func TestBoundaryIsSettlingBeforeTheNewestRowOfTheFirstPage(t *testing.T) {
	c := listing()
	require.Equal(t, Continues, c.finishPage(noon, pageResult{newest: noon.Add(-time.Minute), next: 100, date: noon}))
	require.Equal(t, noon.Add(-time.Hour), c.boundary, "not before the last page")
	require.Equal(t, Complete, c.finishPage(noon.Add(time.Second), pageResult{newest: noon, date: noon}), "where that one moved to the front meanwhile")
	require.Equal(t, noon.Add(-time.Minute-Settling), c.boundary)
	require.Equal(t, defender.ListRequest{Since: c.boundary, Top: largest}, c.request())
	require.Equal(t, noon.Add(time.Second+interval), c.due)
}

func TestBoundaryDoesNotMoveBack(t *testing.T) {
	for name, newest := range map[string]time.Time{
		"nothing is new":                  {},
		"within the settling":             noon.Add(-time.Hour + Settling - time.Second),
		"earlier than what was requested": noon.Add(-2 * time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			c := listing()
			require.Equal(t, Complete, c.finishPage(noon, pageResult{newest: newest, date: noon}))
			require.Equal(t, noon.Add(-time.Hour), c.boundary)
			require.Equal(t, noon.Add(interval), c.due)
		})
	}
}

func TestPagesOfACallOverlap(t *testing.T) {
	for _, test := range []struct{ top, next, skip int }{
		{top: 100, next: 100, skip: 90},
		{top: 50, next: 50, skip: 40},
		{top: 50, next: 30, skip: 20}, // a page shorter than was requested
		{top: 50, next: 5, skip: 1},
		{top: 12, next: 12, skip: 6},
		{top: 3, next: 3, skip: 2},
		{top: 2, next: 2, skip: 1},
		{top: 1, next: 1, skip: 1},
		{top: 50, next: 5000, skip: 40}, // a link that leads too far
	} {
		t.Run(fmt.Sprintf("%d rows, on to %d", test.top, test.next), func(t *testing.T) {
			c := newCursor(interval, lookback, test.top, noon.Add(-time.Hour), noon)
			require.Equal(t, Continues, c.finishPage(noon, pageResult{newest: noon, next: test.next}))
			require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: test.top, Skip: test.skip}, c.request())
			require.Equal(t, noon, c.due, "at once")
		})
	}
}

func TestCallRestartsFromTheSameBoundaryAfterAFailure(t *testing.T) {
	c := listing()
	c.finishPage(noon, pageResult{newest: noon, next: 100})
	c.failed(noon, time.Minute, false)
	require.Equal(t, noon.Add(time.Minute), c.due)
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: largest}, c.request())

	require.Equal(t, Complete, c.finishPage(noon, pageResult{}))
	require.Equal(t, noon.Add(-time.Hour), c.boundary, "what the call that failed had seen does not count")
}

func TestFeedHalvesATooLargePageAndSkipsASingleRow(t *testing.T) {
	c := newCursor(interval, lookback, 6, noon.Add(-time.Hour), noon)
	c.finishPage(noon, pageResult{shown: []sighting{{1, noon}, {2, noon.Add(-30 * time.Second)}}, newest: noon, next: 6})
	require.Equal(t, 3, c.request().Skip)
	for _, top := range []int{3, 1} {
		require.False(t, tooLarge(c, noon.Add(time.Second), 7))
		require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: top, Skip: 3}, c.request())
		require.Equal(t, noon.Add(time.Second), c.due, "at once")
	}
	require.True(t, tooLarge(c, noon, 7), "the caller fetches that row by ID")
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: 6, Skip: 4}, c.request(), "full pages at once")
	require.Equal(t, Continues, c.finishPage(noon, pageResult{shown: []sighting{{3, noon.Add(-time.Minute)}}, newest: noon.Add(-time.Minute), next: 10}))
	require.Equal(t, 7, c.request().Skip)
	require.Equal(t, Complete, c.finishPage(noon, pageResult{}))
	require.Equal(t, noon.Add(-Settling), c.boundary)
}

// It is not known which incident to fetch, so the next call lists from the same time again.
func TestCallIsIncompleteIfTheIncidentOfATooLargeRowIsUnknown(t *testing.T) {
	c := newCursor(interval, lookback, 1, noon.Add(-time.Hour), noon)
	require.False(t, tooLarge(c, noon, 0))
	require.Equal(t, 1, c.request().Skip)
	require.Equal(t, Incomplete, c.finishPage(noon, pageResult{shown: []sighting{{3, noon}}, newest: noon}))
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: 1}, c.request(), "that row is not left out either")
}

// tooLarge is the response to the next page if that is too large; first is the incident of its first row.
func tooLarge(c *cursor, now time.Time, first int64) (single bool) {
	single, _ = c.tooLarge(now, oversize{first: first, hasNew: true, date: now})
	return single
}

func TestBoundaryFollowsTheNextRowIfTheFirstIsTooLarge(t *testing.T) {
	c := newCursor(interval, lookback, 1, noon.Add(-time.Hour), noon)
	require.True(t, tooLarge(c, noon, 1))
	require.Equal(t, Complete, c.finishPage(noon, pageResult{shown: []sighting{{2, noon.Add(-time.Minute)}}, newest: noon.Add(-time.Minute)}))
	require.Equal(t, noon.Add(-time.Minute-Settling), c.boundary, "whatever is newer is listed again")
}

func TestPageSizeDoublesWithEachCallAfterATooLargePage(t *testing.T) {
	c := listing()
	for range 5 {
		require.False(t, tooLarge(c, noon, 0))
	}
	var tops []int
	for range 7 {
		tops = append(tops, c.request().Top)
		require.Equal(t, Complete, c.finishPage(noon, pageResult{}))
	}
	require.Equal(t, []int{3, 6, 12, 24, 48, 96, 100}, tops)
}

func TestCallEndsAfterTheLastRowDespiteFurtherLinks(t *testing.T) {
	since := noon.Add(-time.Hour)
	guess := pageResult{newest: noon, next: 100, guess: true, hasNew: true}
	for name, last := range map[string]pageResult{
		"the same rows again":            {newest: noon, next: 190, guess: true},
		"no rows, and a link to nowhere": {guess: true},
		"no link":                        {newest: noon, hasNew: true},
	} {
		c := listing()
		require.Equal(t, Continues, c.finishPage(noon, guess), name)
		require.Equal(t, defender.ListRequest{Since: since, Top: largest, Skip: 90}, c.request(), "the rows were counted")
		for range maxBarren {
			if last.next == 0 || last.hasNew {
				break
			}
			require.Equal(t, Continues, c.finishPage(noon, last), "others may have changed meanwhile, and moved the rest up")
		}
		require.Equal(t, Complete, c.finishPage(noon, last), name)
		require.Equal(t, noon.Add(-Settling), c.boundary, name)
	}
}

func TestBoundaryStaysIfADifferentPageIsRefusedEachTime(t *testing.T) {
	c := listing()
	before, now := c.boundary, noon
	page := pageResult{newest: noon, next: largest, hasNew: true}
	for pages := range 20 {
		for range pages%3 + 1 {
			require.Equal(t, Continues, c.finishPage(now, page))
			page.next += largest
		}
		require.Equal(t, Incomplete, c.failed(now, time.Minute, true), "each time another page")
		page.next = largest
		now = now.Add(5 * time.Minute)
	}
	require.Equal(t, before, c.boundary)
}

func TestTokenIsDroppedAfterATooLargeRow(t *testing.T) {
	c := listing()
	require.Equal(t, Continues, c.finishPage(noon, pageResult{token: "a"}))
	for !tooLarge(c, noon, 7) {
		require.Equal(t, "a", c.request().Token)
	}
	require.Empty(t, c.request().Token, "it would lead to the same page")
	require.Equal(t, 1, c.request().Skip)
}

func TestFeedFollowsTokensOfEmptyPages(t *testing.T) {
	c := listing()
	require.Equal(t, Continues, c.finishPage(noon, pageResult{token: "a"}))
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: largest, Token: "a"}, c.request())
	require.Equal(t, Continues, c.finishPage(noon, pageResult{newest: noon, next: 100, hasNew: true}))
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: largest, Skip: 90}, c.request())
	require.Equal(t, Continues, c.finishPage(noon, pageResult{next: 90, token: "b"}))
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: largest, Skip: 90, Token: "b"}, c.request())
	require.Equal(t, Complete, c.finishPage(noon, pageResult{newest: noon.Add(-time.Minute), hasNew: true}))
	require.Equal(t, noon.Add(-Settling), c.boundary, "the newest of the first page with rows")
	require.Empty(t, c.request().Token)
}

// calls makes calls of one page that always ends in the same way, one every five minutes.
func calls(n int, page func(now time.Time) CallResult) (all []CallResult) {
	for i := range n {
		p := Continues
		for p == Continues {
			p = page(noon.Add(time.Duration(i) * 5 * time.Minute))
		}
		all = append(all, p)
	}
	return all
}

func TestBoundaryAdvancesAfterTenMinutesOfIncompleteCalls(t *testing.T) {
	for name, page := range map[string]func(c *cursor) func(time.Time) CallResult{
		"pages that do not end": func(c *cursor) func(time.Time) CallResult {
			return func(now time.Time) CallResult {
				return c.finishPage(now, pageResult{newest: noon, next: c.request().Skip + 100})
			}
		},
		"empty pages that do not end": func(c *cursor) func(time.Time) CallResult {
			return func(now time.Time) CallResult {
				if c.pages == 0 {
					return c.finishPage(now, pageResult{newest: noon, next: 100, hasNew: true})
				}
				return c.finishPage(now, pageResult{token: "again"})
			}
		},
		"more new rows than there can be": func(c *cursor) func(time.Time) CallResult {
			return func(now time.Time) CallResult {
				return c.finishPage(now, pageResult{newest: noon, next: c.request().Skip + 100, hasNew: true})
			}
		},
		"a part of its rows": func(c *cursor) func(time.Time) CallResult {
			return func(now time.Time) CallResult {
				return c.finishPage(now, pageResult{newest: noon, hasNew: true, mayLackRows: true})
			}
		},
		"a page that is refused": func(c *cursor) func(time.Time) CallResult {
			return func(now time.Time) CallResult {
				if c.pages == 0 {
					return c.finishPage(now, pageResult{newest: noon, next: 100, hasNew: true})
				}
				return c.failed(now, time.Minute, true)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := listing()
			require.Equal(t, []CallResult{Incomplete, Incomplete}, calls(2, page(c)))
			require.Equal(t, noon.Add(-time.Hour), c.boundary)
			require.Equal(t, defender.ListRequest{Since: c.boundary, Top: largest}, c.request(), "from the beginning")
			require.Equal(t, []CallResult{Incomplete, Incomplete, GivenUp, GivenUp}, calls(4, page(c)),
				"the times begin again, so the third call has not waited long enough")
			require.Equal(t, noon.Add(-Settling), c.boundary)
			require.Equal(t, Complete, c.finishPage(noon, pageResult{newest: noon, hasNew: true}))
			require.Equal(t, []CallResult{Incomplete}, calls(1, page(c)), "a complete call resets the count")
		})
	}
}

func TestOutagesDoNotMoveTheBoundary(t *testing.T) {
	c := listing()
	for i := range 10 {
		now := noon.Add(time.Duration(i) * time.Hour)
		require.Equal(t, Continues, c.failed(now, time.Minute, true), "no page has worked")
		require.Equal(t, Continues, c.finishPage(now, pageResult{newest: now, next: 100, hasNew: true}))
		require.Equal(t, Continues, c.failed(now, time.Minute, false), "an outage")
		require.Equal(t, noon.Add(-time.Hour), c.boundary)
		require.Equal(t, now.Add(time.Minute), c.due)
	}
}

// row is an incident, or one of its changes.
type row struct {
	id      int
	changed time.Time
}

// list plays the service: rows by their time of change, latest first.
type list struct {
	dice *rand.Rand
	now  time.Time
	rows []row
}

// change makes incidents change and, up to that many, vanish.
func (l *list) change(changes, removals int) {
	for range changes {
		l.now = l.now.Add(time.Duration(l.dice.IntN(60)) * time.Second) // some at the same instant
		r := row{id: 1 + l.dice.IntN(400), changed: l.now}
		l.rows = slices.DeleteFunc(l.rows, func(other row) bool { return other.id == r.id })
		l.rows = slices.Insert(l.rows, 0, r)
	}
	for range min(removals, len(l.rows)) {
		at := l.dice.IntN(min(100, len(l.rows)))
		l.rows = slices.Delete(l.rows, at, at+1)
	}
}

// page responds to a request; the last page has no link.
func (l *list) page(r defender.ListRequest) (rows []row, p pageResult) {
	for _, each := range l.rows {
		if !each.changed.Before(r.Since) {
			rows = append(rows, each)
		}
	}
	p.date, p.hasNew = l.now, true
	if len(rows) > r.Skip+r.Top {
		p.next = r.Skip + r.Top
	}
	rows = rows[min(r.Skip, len(rows)):min(r.Skip+r.Top, len(rows))]
	if len(rows) > 0 {
		p.newest = rows[0].changed
	}
	return rows, p
}

func TestFeedShowsEveryLatestChangeHoweverTheListMoves(t *testing.T) {
	for seed := range uint64(150) {
		dice := rand.New(rand.NewPCG(seed, 0))
		l := &list{dice: dice, now: noon}
		l.change(200, 0)
		c := newCursor(interval, time.Minute, 5+dice.IntN(60), time.Time{}, l.now)
		_, page := l.page(c.request())
		c.finishPage(l.now, page)
		first, shown := c.boundary, map[row]bool{}
		for calls := 0; calls < 12; {
			rows, page := l.page(c.request())
			for _, r := range rows {
				shown[r] = true
			}
			if calls < 10 { // else it rests
				l.change(dice.IntN(5), dice.IntN(min(10, c.width.largest/2)+1)) // as many as pages overlap by
			}
			switch dice.IntN(50) {
			case 0:
				c.failed(l.now, 0, false)
			case 1: // a restart
				c = newCursor(interval, time.Minute, c.width.largest, c.boundary, l.now)
			default:
				if c.finishPage(l.now, page) == Complete {
					calls++
					l.now = l.now.Add(interval)
					if calls < 10 {
						l.change(dice.IntN(200), 0)
					}
				}
			}
		}
		for _, r := range l.rows {
			if !r.changed.Before(first) {
				require.True(t, shown[r], "seed %d: incident %d changed at %v, the first boundary is %v", seed, r.id, r.changed, first)
			}
		}
	}
}

func TestTooLargeFirstPageBringsTheServiceTime(t *testing.T) {
	c := newCursor(interval, lookback, largest, time.Time{}, noon)
	require.False(t, tooLarge(c, noon, 0))
	require.Equal(t, defender.ListRequest{Since: noon.Add(-lookback), Top: largest}, c.request())
}
