// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// entry is an incident as the list shows it.
type entry struct {
	id      int64
	changed time.Time
	status  string
}

// register plays the list: the newest change first.
type register struct {
	now     time.Time
	entries []entry
	fat     map[int64]bool // incidents whose rows are too large
	moves   int            // how often an incident has been added or has changed
}

// newRegister returns a list of n incidents with the statuses in turn. The IDs count from 1 at the end of the list.
func newRegister(n int, statuses ...string) *register {
	r := &register{now: noon, fat: map[int64]bool{}}
	for i := range n {
		r.add(statuses[i%len(statuses)])
	}
	r.moves = 0
	return r
}

func (r *register) add(status string) {
	r.front(entry{id: int64(len(r.entries) + 1), status: status})
}

// set changes an incident, which moves it to the front.
func (r *register) set(id int64, status string) {
	r.entries = slices.DeleteFunc(r.entries, func(e entry) bool { return e.id == id })
	r.front(entry{id: id, status: status})
}

func (r *register) front(e entry) {
	r.now = r.now.Add(time.Millisecond)
	e.changed = r.now
	r.entries = slices.Insert(r.entries, 0, e)
	r.moves++
}

// matching are the entries of a list, in its order.
func (r *register) matching(q defender.ListRequest) (list []entry) {
	for _, e := range r.entries {
		if (q.Status == "" || e.status == q.Status) && !e.changed.Before(q.Since) {
			list = append(list, e)
		}
	}
	return list
}

// page responds to a request, with a link as the API writes it.
func (r *register) page(q defender.ListRequest) *defender.Page {
	list := r.matching(q)
	p := &defender.Page{Date: r.now.Truncate(time.Second)}
	for _, e := range list[min(q.Skip, len(list)):min(q.Skip+q.Top, len(list))] {
		p.Rows = append(p.Rows, defender.Row{ID: e.id, LastUpdate: e.changed})
		p.Size += 1000
	}
	if slices.ContainsFunc(p.Rows, func(row defender.Row) bool { return r.fat[row.ID] }) {
		return &defender.Page{First: p.Rows[0].ID, Date: p.Date, Err: &defender.Error{Kind: defender.Oversize}}
	}
	if len(list) > q.Skip+q.Top {
		p.Next = q.Skip + q.Top
	}
	return p
}

// sweeper runs sweeps through a list.
type sweeper struct {
	*Sweep
	now      time.Time
	requests []defender.ListRequest
	times    []time.Time // of the requests
	shown    map[int64]time.Time
	tooLarge int
	polled   func(page *defender.Page) int // how many incidents of a page are tracked
}

// newSweeper returns a sweeper whose incidents are all tracked.
func newSweeper(p SweepProgress) *sweeper {
	s := &sweeper{Sweep: NewSweep(100, p, noon), now: noon, shown: map[int64]time.Time{}}
	s.polled = func(page *defender.Page) int { return len(page.Rows) }
	s.SetPace(Pace{Interval: 5 * time.Minute, Gap: 2500 * time.Millisecond})
	return s
}

// request is the next request, once that is due.
func (s *sweeper) request(t require.TestingT) defender.ListRequest {
	at, ok := s.Due()
	require.True(t, ok)
	if at.After(s.now) {
		s.now = at
	}
	r := s.Request(s.now)
	require.GreaterOrEqual(t, r.Skip, 0)
	require.GreaterOrEqual(t, r.Top, 1)
	require.LessOrEqual(t, r.Top, 100)
	s.requests, s.times = append(s.requests, r), append(s.times, s.now)
	s.Requested(s.now)
	_, ok = s.Due()
	require.False(t, ok, "a page is on its way")
	return r
}

// answer delivers a page and handles its rows.
func (s *sweeper) answer(t require.TestingT, page *defender.Page) Ending {
	s.Arrived(page, s.now)
	for row, _, ok := s.NextRow(); ok; row, _, ok = s.NextRow() {
		s.shown[row.ID] = row.LastUpdate
	}
	taken, _ := s.TakePage()
	require.Same(t, page, taken)
	failure, failed := errors.AsType[*defender.Error](page.Err)
	switch {
	case !failed:
		return s.FinishPage(page, s.polled(page), s.now)
	case failure.Kind == defender.Oversize:
		s.tooLarge++
		return s.TooLarge(page, s.now)
	default:
		return s.Failed(failure.Kind, s.now)
	}
}

// run runs a sweep to its end; between is called after each page.
func (s *sweeper) run(t require.TestingT, page func(defender.ListRequest) *defender.Page, between func()) Ending {
	for {
		if how := s.answer(t, page(s.request(t))); how != Ongoing {
			return how
		}
		between()
	}
}

func nothing() {}

func failing(kind defender.Kind) *defender.Page {
	return &defender.Page{Err: &defender.Error{Kind: kind}}
}

// A sweep shows each incident that matches from its beginning to its end and does not change, whatever the others do. It takes as many pages
// as the list has, and a bounded number more for those that come, change and go.
func TestSweepShowsEveryIncidentThatMatchesThroughout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lowest, highest int, label string) int { return rapid.IntRange(lowest, highest).Draw(t, label) }
		r := newRegister(draw(0, 1500, "incidents"), "Active", "Active", "InProgress", "Resolved")
		first := rapid.Bool().Draw(t, "first pass")
		s := newSweeper(SweepProgress{})
		if first {
			s.BeginFirst(s.now)
		}
		before := slices.Clone(r.entries)
		bursts, most := 0, draw(0, 12, "bursts")
		how := s.run(t, r.page, func() {
			if bursts == most || draw(0, 2, "quiet") > 0 {
				return
			}
			bursts++
			count := draw(1, 400, "rows")
			at := draw(0, max(0, len(r.entries)-1), "at")
			if rapid.Bool().Draw(t, "read just now") && len(s.shown) > 0 { // a playbook works on the same part of the list
				last := s.requests[len(s.requests)-1]
				at = min(at, max(0, last.Skip-draw(0, 300, "before")))
			}
			ids := []int64{}
			for _, e := range r.entries[min(at, len(r.entries)):min(at+count, len(r.entries))] {
				ids = append(ids, e.id)
			}
			status := rapid.SampledFrom([]string{"Resolved", "Active", "InProgress", "new"}).Draw(t, "become")
			if status == "new" {
				for range count {
					r.add("Active")
				}
				return
			}
			for _, id := range ids {
				r.set(id, status)
			}
		})
		require.Equal(t, AllRead, how)
		for _, e := range before {
			if (first || e.status != "Resolved") && slices.Contains(r.entries, e) {
				require.Equal(t, e.changed, s.shown[e.id], "incident %d", e.id)
			}
		}
		// A burst moves the list by as many rows as it moves incidents. At most one step back is needed for each 90 of them and one more, and
		// each costs a page and another one for the way back; and rows that move down are read again.
		require.LessOrEqual(t, len(s.requests), 4+len(r.entries)/90+2*bursts+r.moves/30)
	})
}

// Whatever was stored, a later run requests only what the API accepts, and comes to an end.
func TestSweepContinuesFromAnyStoredProgress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.IntRange(-2, 200), rapid.Int())
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return noon.Add(time.Duration(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "ns")))
		})
		p := SweepProgress{
			Began: moment.Draw(t, "began"), Completed: moment.Draw(t, "completed"), Pages: number.Draw(t, "pages"),
			List: number.Draw(t, "list"), Skip: number.Draw(t, "skip"), Done: number.Draw(t, "done"),
		}
		r := newRegister(500, "Active", "InProgress")
		s := newSweeper(p)
		require.False(t, s.Progress().Completed.After(noon))
		require.Equal(t, AllRead, s.run(t, r.page, nothing))
		require.LessOrEqual(t, len(s.requests), 9)
		at, _ := s.Due()
		require.LessOrEqual(t, at.Sub(s.now), s.Period(s.now))
		require.Positive(t, s.expectedPages())
		require.Equal(t, AllRead, s.run(t, r.page, nothing))
		require.Len(t, s.shown, 500)
	})
}

// Isolating rows that are too large skips no other row as long as the list rests, and takes a bounded number of requests for each.
func TestSweepSkipsOnlyRowsThatAreTooLarge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "incidents")
		r := newRegister(n, "Active")
		for _, id := range rapid.SliceOfN(rapid.Int64Range(1, int64(n)), 0, 5).Draw(t, "too large") {
			r.fat[id] = true
		}
		s := newSweeper(SweepProgress{})
		require.Equal(t, AllRead, s.run(t, r.page, nothing))
		for _, e := range r.entries {
			require.Equal(t, r.fat[e.id], s.shown[e.id].IsZero(), "incident %d", e.id)
		}
		require.LessOrEqual(t, s.tooLarge, 7*len(r.fat), "100, 50, 25, 12, 6, 3 rows and 1")
		require.LessOrEqual(t, len(s.requests), 5+22*len(r.fat))
	})
}
