package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// Settings of a Feed.
type Settings struct {
	Interval time.Duration // from one call to the next
	Lookback time.Duration // how far back the first call of all looks
	MaxTop   int           // the most rows of a page
	Boundary time.Time     // that an earlier run has reached; zero: there was none
}

// Feed lists what changed: one page after another, and of the page at hand one row after another. It belongs to one goroutine.
type Feed struct {
	cursor    *cursor
	requested bool           // a page is on its way
	page      *defender.Page // the page at hand; nil: none
	arrived   time.Time      // when that was
	rows      []defender.Row // of it, still to be looked at
	completed time.Time      // the end of the last complete call; before the first, the start
}

// New returns a feed that begins at once.
func New(s Settings, now time.Time) *Feed {
	return &Feed{cursor: newCursor(s.Interval, s.Lookback, s.MaxTop, s.Boundary, now), completed: now}
}

// Due is when the next page is to be requested. Not ok: one is on its way, or its rows are still to be looked at.
func (f *Feed) Due() (at time.Time, ok bool) { return f.cursor.Due(), !f.requested && f.page == nil }

// Request is the page to request next.
func (f *Feed) Request() defender.ListRequest { return defender.ListRequest(f.cursor.Request()) }

// Requested notes that the page was requested.
func (f *Feed) Requested() { f.requested = true }

// Arrived takes the response. The first of all is requested only for the service's time: its rows do not count.
func (f *Feed) Arrived(page *defender.Page, at time.Time) {
	f.requested = false
	f.page, f.arrived, f.rows = page, at, page.Rows
	if f.cursor.Boundary().IsZero() {
		f.rows = nil
	}
}

// AtHand says whether there is a page to look at.
func (f *Feed) AtHand() bool { return f.page != nil }

// NextRow returns the next row of the page at hand, and when the page arrived. Not ok: there are no more, and TakePage is to follow.
func (f *Feed) NextRow() (row defender.Row, arrived time.Time, ok bool) {
	if len(f.rows) == 0 {
		return defender.Row{}, f.arrived, false
	}
	row, f.rows = f.rows[0], f.rows[1:]
	return row, f.arrived, true
}

// ShownBefore says that an earlier call has shown a row already, or had the time to: a call begins Settling before the newest row of
// the one before, whose last rows therefore come up again until others have changed later.
func (f *Feed) ShownBefore(row defender.Row) bool {
	return !row.LastUpdate.After(f.cursor.Boundary().Add(Settling))
}

// TakePage returns the page at hand, whose rows have all been looked at, and puts it away. Answered, Failed or TooLarge is to follow.
func (f *Feed) TakePage() (page *defender.Page, arrived time.Time) {
	page, f.page, f.rows = f.page, nil, nil
	return page, f.arrived
}

// Answered goes on to the next page, or ends the call: then complete is true, and Boundary is to be stored.
func (f *Feed) Answered(page *defender.Page, at time.Time) (complete bool) {
	var newest time.Time
	for _, row := range page.Rows {
		if row.LastUpdate.After(newest) {
			newest = row.LastUpdate
		}
	}
	if complete = f.cursor.Answered(at, pageResult{Newest: newest, Next: page.Next, Date: page.Date}); complete {
		f.completed = at
	}
	return complete
}

// Failed gives the call up. It begins anew after wait.
func (f *Feed) Failed(at time.Time, wait time.Duration) { f.cursor.Failed(at, wait) }

// TooLarge says that the page was larger than may be read. With single, it was a single row, which has to be polled by ID.
func (f *Feed) TooLarge(page *defender.Page, at time.Time) (single bool) {
	return f.cursor.TooLarge(at, page.Date)
}

// Boundary is since when the present call lists, to be stored and gone on from; zero: not known yet.
func (f *Feed) Boundary() time.Time { return f.cursor.Boundary() }

// Completed is the end of the last complete call, or the start while there was none.
func (f *Feed) Completed() time.Time { return f.completed }
