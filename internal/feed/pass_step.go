// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// step is a part of a list: what was created at or after a moment, as far as $skip reaches.
type step struct {
	since time.Time // the moment; zero: the list's beginning
	last  time.Time // the creation time of the last row that was read

	total          int  // rows from the moment to the list's end; 0: not known
	totalKnown     bool // according to a page of this step; else it is an estimate
	totalRequested bool // a page that requested the total has succeeded

	planned int // rows covered by planned pages
	read    int // different rows that were read, or were too large
	barren  int // consecutive pages, up to the last, with rows that the step has shown already
	width   width

	shown map[rowKey]shownRow // its rows, and those of the moment that the previous step has shown
}

// shownRow is what a step knows of a row that was shown.
type shownRow struct {
	created time.Time
	before  bool // only the previous step has shown it
}

func newStep(since time.Time, total int, w width) step {
	return step{since: since, last: since, total: total, width: w, shown: map[rowKey]shownRow{}}
}

// isNew reports whether neither this step nor the previous one has shown a row.
func (s *step) isNew(row defender.Row) bool {
	_, known := s.shown[keyOf(row)]
	return !known
}

// note notes the rows of a page as read. Not ordered: they are not in the order of their creation. A known row may appear again on a later
// page, if another one has appeared before it.
func (s *step) note(page *defender.Page) (ordered bool) {
	var last time.Time
	read := s.read
	s.read += page.Nameless
	for _, row := range page.Rows {
		if !row.Created.IsZero() {
			if row.Created.Before(last) || row.Created.Before(s.last) && s.isNew(row) {
				return false
			}
			last = row.Created
		}
		if seen, known := s.shown[keyOf(row)]; !known || seen.before {
			s.read++
		}
		s.shown[keyOf(row)] = shownRow{created: row.Created}
	}
	if last.After(s.last) {
		s.last = last
	}
	if s.barren++; s.read > read || rowsOf(page) == 0 {
		s.barren = 0
	}
	return true
}

// count notes the number of rows, if a page has it. A number smaller than the page's own rows is ignored.
func (s *step) count(page *defender.Page) {
	s.totalRequested = true
	if page.Total > 0 && page.Total >= rowsOf(page) {
		s.total, s.totalKnown = page.Total, true
	}
}

// complete reports whether the step has read all rows to the list's end.
func (s *step) complete() bool { return s.totalKnown && s.read >= s.total }

// next returns the step that begins with the last row of this one. Not ok: it would be the same step.
func (s *step) next() (next step, ok bool) {
	if !s.last.After(s.since) {
		return step{}, false
	}
	next = newStep(s.last, 0, s.width)
	next.width.restart()
	for key, seen := range s.shown {
		if seen.created.Equal(s.last) {
			next.shown[key] = shownRow{created: seen.created, before: true}
		}
	}
	if s.totalKnown {
		next.total = s.total - s.read + len(next.shown)
	}
	return next, true
}
