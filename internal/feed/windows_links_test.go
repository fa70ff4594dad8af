// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestCallEndsDespiteRepeatedOrEndlessLinks(t *testing.T) {
	for name, test := range map[string]struct {
		edit  func(p *defender.Page, q defender.ListRequest)
		pages int
		ends  CallResult
	}{
		"counted, always on": {func(p *defender.Page, q defender.ListRequest) { p.Next, p.Counted = q.Skip+max(1, len(p.Rows)), true }, 12, Complete},
		"always on":          {func(p *defender.Page, q defender.ListRequest) { p.Next = q.Skip + q.Top }, 12, Incomplete},
		"by a row":           {func(p *defender.Page, q defender.ListRequest) { p.Next = q.Skip + 1 }, 140, Incomplete},
		"far ahead": {func(p *defender.Page, _ defender.ListRequest) {
			if p.Next > 0 {
				p.Next = math.MaxInt
			}
		}, 3, Complete},
		"to the same token": {func(p *defender.Page, _ defender.ListRequest) { p.Token = "50" }, 9, Incomplete},
		"to empty pages": {func(p *defender.Page, q defender.ListRequest) {
			if q.Token != "" {
				p.Rows = nil
			}
			p.Token = q.Token + "1"
		}, 9, Incomplete},
		"of nameless rows": {func(p *defender.Page, q defender.ListRequest) {
			p.Rows, p.Nameless = nil, 50
			p.Token = strconv.Itoa(q.Skip + 1)
		}, 9, Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.spread(130, noon.Add(-130*time.Minute), time.Minute)
			s.edit = test.edit
			l := listingFrom(s, noon.Add(-5*time.Hour))
			require.Equal(t, test.ends, l.call(t))
			require.LessOrEqual(t, len(l.requests), test.pages)
			for range 8 {
				l.call(t)
			}
			s.edit = nil
			for range 12 {
				l.call(t)
			}
			require.Equal(t, Complete, l.call(t))
		})
	}
}

// An endless list is taken for one that is too large.
func TestEndlessListIsGivenUp(t *testing.T) {
	for name, total := range map[string]int{"without a count": 0, "that says so": math.MaxInt / 8} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			id := int64(0)
			s.edit = func(p *defender.Page, q defender.ListRequest) {
				p.Rows = slices.Grow(p.Rows, q.Top)
				for range q.Top {
					id++
					p.Rows = append(p.Rows, defender.Row{ID: id, LastUpdate: q.Since})
				}
				p.Next, p.Total = q.Skip+q.Top, total
			}
			l := listingFrom(s, noon.Add(-20*time.Second))
			l.latency = time.Millisecond
			end := s.now.Add(7 * 24 * time.Hour)
			for steps := 0; ; steps++ {
				require.Less(t, steps, 200_000)
				l.returned, l.requests, l.times, l.progress = nil, nil, nil, nil
				clear(l.found)
				if l.step(t) == GivenUp && l.Boundary().After(noon.Add(-20*time.Second)) {
					break
				}
				require.True(t, s.now.Before(end))
			}
		})
	}
}

// Each page comes behind an empty one that links to it by a token.
func TestOneCallShowsRowsThatFollowEmptyPages(t *testing.T) {
	for name, tokens := range map[string]bool{"links that skip": false, "links with tokens": true} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.spread(230, noon.Add(-230*time.Minute), time.Minute)
			s.tokens = tokens
			s.edit = func(p *defender.Page, q defender.ListRequest) {
				if strings.HasPrefix(q.Token, "0") { // behind the empty page
					return
				}
				from := q.Skip
				if q.Token != "" {
					from, _ = strconv.Atoi(q.Token)
				}
				p.Rows, p.Next, p.Token = nil, 0, "0"+strconv.Itoa(from)
			}
			l := listingFrom(s, noon.Add(-5*time.Hour))
			require.Equal(t, Complete, l.call(t))
			require.Len(t, l.returned, 230)
			require.LessOrEqual(t, len(l.requests), 2*6)
		})
	}
}

func TestWindowIsIncompleteIfRowsAfterAnEmptyPageMayHaveMovedUp(t *testing.T) {
	for name, c := range map[string]struct {
		from int // the first row behind the empty page; 40 is the first that repeats
		ends windowResult
	}{"some rows repeat": {45, windowComplete}, "no row repeats": {50, windowIncomplete}} {
		t.Run(name, func(t *testing.T) {
			rows := func(from, to int) (rows []defender.Row) {
				for id := from; id < to; id++ {
					rows = append(rows, defender.Row{ID: int64(id + 1), LastUpdate: noon, Created: noon})
				}
				return rows
			}
			w := &window{}
			w.restart(50, 50, noon)
			last := windowContinues
			for _, page := range []*defender.Page{
				{Rows: rows(0, 50), Next: 50}, {Token: "behind"}, {Rows: rows(c.from, 80)},
			} {
				last = w.finishPage(page, w.request(), 500, noon)
			}
			require.Equal(t, c.ends, last)
		})
	}
}
