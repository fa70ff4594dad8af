// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// tally is what the pages of a sweep brought.
type tally struct {
	pages    int // including those that were too large
	rows     int // capacity of the pages that had any, and those that were too large
	large    int // rows that were too large
	fruitful int // pages with an incident that is new to the list
	barren   int // consecutive pages without, up to the last
	backs    int // steps back
	polled   int // incidents that are tracked
	bytes    int
}

// worth reports whether full pages with this many rows poll enough incidents, also considering the rows that are too large.
func (t tally) worth(full int) bool {
	if t.large > judgedAfter && t.polled < worthwhile*t.large {
		return false
	}
	return t.rows < judgedAfter*full || t.polled*full >= worthwhile*t.rows
}

// FinishPage continues after a page whose rows were all handled; polled is how many of their incidents are tracked.
func (s *Sweep) FinishPage(page *defender.Page, polled int, now time.Time) Ending {
	if s.ignores() {
		return Ongoing
	}
	s.tries, s.throttled = 0, 0
	for _, t := range []*tally{&s.current, &s.total} {
		t.pages++
		t.polled += polled
		t.bytes += page.Size
		if len(page.Rows) > 0 {
			t.rows += s.width.top
		}
	}
	if !s.joins(page) {
		return s.stepBack(now)
	}
	s.note(page)
	if !leadsOn(page) || s.stuck() {
		return s.endList(now)
	}
	if !s.current.worth(s.maxTop) || s.current.pages >= maxPages {
		s.cutShort = true
		return s.endList(now)
	}
	s.advance(page)
	s.proceed(now)
	return Ongoing
}

// ignores reports whether the page is no longer needed: its sweep has ended.
func (s *Sweep) ignores() bool {
	stale := s.stale
	s.stale = false
	return stale || s.lists == nil
}

// joins reports whether a page connects to what was read of the list. It does if it has a row that was read: the rows before that one were
// read too, or have changed. An empty page at the end does not: the list was longer.
func (s *Sweep) joins(page *defender.Page) bool {
	empty := rowsOf(page) == 0
	if s.skip == 0 || s.token != "" || s.blind || empty && leadsOn(page) || !empty && len(s.read) == 0 {
		return true
	}
	for _, row := range page.Rows {
		if _, read := s.read[row.ID]; read {
			return true
		}
	}
	return false
}

// stepBack requests the rows before a page that does not join. The rows of that page do not count as read.
func (s *Sweep) stepBack(now time.Time) Ending {
	if s.current.backs++; s.current.backs > maxBacks {
		return s.end(Disordered, now)
	}
	s.skip, s.token, s.blind = max(0, s.skip-s.stride()), "", false
	if len(s.read) == 0 { // an earlier run has read the list before here
		s.skip = 0
	}
	s.proceed(now)
	return Ongoing
}

// note notes the incidents on a page as read.
func (s *Sweep) note(page *defender.Page) {
	known := len(s.read)
	for _, row := range page.Rows {
		s.read[row.ID] = struct{}{}
	}
	if s.current.barren++; len(s.read) > known {
		s.current.barren = 0
		s.current.fruitful++
	}
}

// stuck reports whether the last pages have shown nothing new, and are too many to consist of rows that were read before and have moved down.
func (s *Sweep) stuck() bool { return s.current.barren > maxBarren+s.current.fruitful }

// advance moves to the page after one that links to another.
func (s *Sweep) advance(page *defender.Page) {
	if s.token = page.Token; s.token != "" {
		return
	}
	top := s.width.top
	next := min(page.Next, s.skip+top) // a link beyond that would skip rows
	s.width.fits(next, page.Size)
	end := s.skip + rowsOf(page)
	s.skip = max(s.skip+1, next-min(overlap, top/2))
	s.blind = s.skip >= end
}

// proceed sets when the next page is due: the pages of a steady sweep are spread evenly over its period.
func (s *Sweep) proceed(now time.Time) {
	s.progress.List, s.progress.Skip = s.list, s.skip
	if s.first {
		s.due = now
		return
	}
	s.progress.Done = s.total.pages
	s.due = s.due.Add(s.Period(now) / time.Duration(s.expectedPages()))
	if s.due.Before(now) { // late pages are not made up for
		s.due = now
	}
}

// endList moves to the next list, or ends the sweep.
func (s *Sweep) endList(now time.Time) Ending {
	if s.list+1 < len(s.lists) {
		s.enter(s.list + 1)
		s.proceed(now)
		return Ongoing
	}
	if s.cutShort && !s.total.worth(s.maxTop) {
		return s.end(NotWorth, now)
	}
	if s.refused {
		return s.end(Refused, now)
	}
	return s.end(AllRead, now)
}

// TooLarge notes that the page exceeds the size limit for responses: it is requested again with half the rows. A single row is left out,
// since its incident is polled by ID, and full pages follow. A list with too many such rows is not worth its requests.
func (s *Sweep) TooLarge(page *defender.Page, now time.Time) Ending {
	if s.ignores() {
		return Ongoing
	}
	s.tries, s.throttled = 0, 0
	single := s.width.tooLarge(s.skip, s.width.top)
	for _, t := range []*tally{&s.current, &s.total} {
		t.pages++
		t.bytes += page.Size
		if single {
			t.rows++
			t.large++
		}
	}
	if single {
		s.note(&defender.Page{Rows: []defender.Row{{ID: page.First}}})
		s.skip, s.token, s.blind = s.skip+1, "", true
	}
	if !s.current.worth(s.maxTop) {
		s.cutShort = true
		return s.endList(now)
	}
	if s.stuck() {
		return s.end(PageFailed, now)
	}
	s.proceed(now)
	return Ongoing
}
