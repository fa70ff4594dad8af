// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// Settings of a Feed.
type Settings struct {
	Interval time.Duration // from one call to the next
	Lookback time.Duration // how far back the very first call looks
	MaxTop   int           // the largest page, in rows
	Boundary time.Time     // of an earlier run; zero: there was none
}

// Feed lists changes page by page, and returns the current page row by row. It belongs to one goroutine. New makes one.
type Feed struct {
	cursor *cursor
	currentPage
	shown      map[int64]bool // the incidents on the pages of the current call; empty while it may have one page only
	completed  time.Time      // the end of the last complete call; before the first, the start
	meanPages  float64        // of a call, favoring recent calls
	pagesSoFar int            // pages of the current call
}

// recent is the weight of the last call in the average number of pages.
const recent = 0.2

// New returns a feed whose first page is due now.
func New(s Settings, now time.Time) *Feed {
	return &Feed{cursor: newCursor(s.Interval, s.Lookback, s.MaxTop, s.Boundary, now), completed: now, meanPages: 1}
}

// Due is when to request the next page. Not ok: there is a page in flight or a current one.
func (f *Feed) Due() (at time.Time, ok bool) { return f.cursor.due, !f.requested && f.page == nil }

// Request is the page to request next.
func (f *Feed) Request() defender.ListRequest { return f.cursor.request() }

// Arrived makes a response the current page. The very first one is requested only for the service's time, and its rows are ignored.
func (f *Feed) Arrived(page *defender.Page, at time.Time) {
	f.currentPage.Arrived(page, at)
	f.pagesSoFar++
	if f.cursor.boundary.IsZero() {
		f.rows = nil
	}
}

// ShownBefore reports whether an earlier call has shown a row, or could have. Each call begins Settling before the newest row of the
// previous call, so its last rows appear again until others have changed.
func (f *Feed) ShownBefore(row defender.Row) bool {
	return f.cursor.shownBefore(row.LastUpdate)
}

// FinishPage continues with the next page, or ends the call. The caller stores Boundary if it has advanced.
func (f *Feed) FinishPage(page *defender.Page, at time.Time) CallResult {
	p := pageResult{
		rows: rowsOf(page), size: page.Size,
		next: page.Next, token: page.Token, guess: page.Counted, hasNew: f.shows(page), mayLackRows: page.Partial, date: page.Date,
	}
	for _, row := range page.Rows {
		p.shown = append(p.shown, sighting{row.ID, row.LastUpdate})
		if row.LastUpdate.After(p.newest) {
			p.newest = row.LastUpdate
		}
	}
	return f.ended(at, f.cursor.finishPage(at, p))
}

// shows notes the incidents on a page of a call that has more pages, and reports whether one of them is new to the call.
func (f *Feed) shows(page *defender.Page) (isNew bool) {
	if len(f.shown) == 0 && page.Next == 0 {
		return len(page.Rows) > 0
	}
	for _, row := range page.Rows {
		isNew = f.note(row.ID) || isNew
	}
	return isNew
}

// note notes an incident that the call has shown, and reports whether it is new to the call.
func (f *Feed) note(id int64) (isNew bool) {
	if f.shown == nil {
		f.shown = map[int64]bool{}
	}
	isNew = !f.shown[id]
	f.shown[id] = true
	return isNew
}

// ended notes that a call has ended, if it has.
func (f *Feed) ended(at time.Time, p CallResult) CallResult {
	switch p {
	case Continues:
		return p
	case Complete:
		f.completed = at
	case Incomplete, GivenUp:
	}
	f.shown = nil
	f.meanPages += recent * (float64(f.pagesSoFar) - f.meanPages)
	f.pagesSoFar = 0
	return p
}

// Spacing is the mean time between two requests of the feed.
func (f *Feed) Spacing() time.Duration {
	return time.Duration(float64(f.cursor.interval) / max(1, f.meanPages))
}

// Failed gives up the current call. The next one begins after wait. refused: the API has responded with an error.
func (f *Feed) Failed(at time.Time, wait time.Duration, refused bool) CallResult {
	f.shown = nil
	return f.ended(at, f.cursor.failed(at, wait, refused))
}

// TooLarge notes that the page exceeds the size limit for responses. single: it was a single row, whose incident must be polled by ID. The
// next calls leave that row out until the incident changes.
func (f *Feed) TooLarge(page *defender.Page, at time.Time) (single bool, p CallResult) {
	isNew := page.First != 0 && !f.shown[page.First]
	if single, p = f.cursor.tooLarge(at, oversize{first: page.First, hasNew: isNew, date: page.Date}); single {
		f.note(page.First)
	}
	return single, f.ended(at, p)
}

// Boundary is the time from which the current call lists. It is stored, and a later run continues from it. Zero: not known yet.
func (f *Feed) Boundary() time.Time { return f.cursor.boundary }

// Completed is the end of the last complete call; before the first, the start.
func (f *Feed) Completed() time.Time { return f.completed }
