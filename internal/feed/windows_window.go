// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// window is a part of the list, by the time of the last update: from since until before, which is excluded. It is read page by page.
//
// In the order of creation, rows of a window keep their places while they are in it. A row that changes leaves a window that has an end,
// and those after it move up: so pages overlap, and a page without any of the rows before it may have skipped some. In a window without an
// end, rows are only added, and move others down.
type window struct {
	since, before               time.Time // zero before: no end
	createdSince, createdBefore time.Time // of a window of one second that is too large; zero: not bounded
	reread                      bool      // of earlier rows, without content

	due     time.Time // of its next page
	tries   int       // incomplete reads of it or of the window that it is a part of
	lastTry bool      // if this read is incomplete, too, the window is given up
	reading
}

// reading is how far a window has been read.
type reading struct {
	begun bool
	width width
	skip  int // of the next page
	end   int // of what was read
	token string
	// A window that cannot be divided by time is read as far as $skip reaches, and then from the creation of the last row.
	undivided bool
	resume    time.Time

	date        time.Time // of its first page, by the service's clock
	total       int       // of its rows, according to its first page; 0: missing
	shown       map[rowKey]bool
	nameless    int
	created     []time.Time // of its rows
	newest      time.Time   // of its rows' changes, except those in the service's future
	pages       int
	large       int  // rows that were too large
	leftOut     int  // rows that were left out because of that
	barren      int  // consecutive pages without a new row, up to the last
	failures    int  // of the next page
	mayLackRows bool // it may have rows that no page has shown
}

// restart schedules the window to be read from its beginning.
func (w *window) restart(top, largest int, due time.Time) {
	w.due = due
	w.reading = reading{width: width{largest: largest, top: top}, shown: map[rowKey]bool{}}
}

// request is the request for its next page.
func (w *window) request() defender.ListRequest {
	q := defender.ListRequest{
		Since: w.since, Before: w.before, CreatedSince: w.createdSince, CreatedBefore: w.createdBefore,
		ByCreation: true, Count: true, Narrow: w.reread, Top: w.width.top, Skip: w.skip, Token: w.token,
	}
	if w.resume.After(q.CreatedSince) {
		q.CreatedSince = w.resume
	}
	return q
}

// finishPage continues after a page, whose rows begin at most at maxSkip.
func (w *window) finishPage(page *defender.Page, q defender.ListRequest, maxSkip int, at time.Time) windowResult {
	first := w.pages == w.large
	if first {
		w.total = page.Total
	}
	w.began(page, at)
	w.pages++
	w.failures = 0
	w.mayLackRows = w.mayLackRows || page.Partial
	w.note(page, q.ByCreation)
	switch {
	case !leadsOn(page), w.barren > maxBarren && page.Counted: // nothing follows what was shown
		w.width.fits(math.MaxInt, page.Size)
		return w.ended()
	case w.barren > maxBarren, w.pages >= maxPages:
		return windowIncomplete
	case page.Token != "":
		w.token = page.Token
		if rowsOf(page) > 0 {
			w.skip = w.end
		}
		return windowContinues
	}
	w.token = ""
	next := min(page.Next, q.Skip+q.Top) // a link beyond that would skip rows
	w.width.fits(next, page.Size)
	return w.advance(next, q.Skip, maxSkip, first)
}

// began notes when the window was read, by the service's clock.
func (w *window) began(page *defender.Page, at time.Time) {
	if w.date.IsZero() {
		w.date = dateOf(page, at)
	}
}

// advance moves to the page that the link calls next, after one that began at from.
func (w *window) advance(next, from, maxSkip int, first bool) windowResult {
	stride := max(1, next-from)
	w.skip = max(from+1, next-min(overlap, stride/2))
	if w.skip > maxSkip {
		if maxSkip <= from {
			return windowTooLong
		}
		w.skip = maxSkip
	}
	if first && !w.undivided && w.total-maxSkip > stride {
		return windowTooLong
	}
	return windowContinues
}

// exhausted reports whether skipping cannot reach the remaining rows.
func (w *window) exhausted(maxSkip int) bool { return w.skip > maxSkip }

// note notes the rows of a page.
func (w *window) note(page *defender.Page, ordered bool) {
	lap := 0
	if w.pages > 1 {
		lap = max(0, w.end-w.skip)
	}
	repeated, known := 0, len(w.shown)
	limit := dateOf(page, w.date).Add(time.Second) // a Date has whole seconds
	for _, row := range page.Rows {
		if key := keyOf(row); w.shown[key] {
			repeated++
		} else {
			w.shown[key] = true
			w.created = append(w.created, row.Created)
		}
		inside := w.before.IsZero() || row.LastUpdate.Before(w.before)
		if inside && row.LastUpdate.After(w.newest) && !row.LastUpdate.After(limit) {
			w.newest = row.LastUpdate
		}
	}
	w.nameless += max(0, page.Nameless-max(0, lap-repeated)) // the others were there before
	if behind := rowsOf(page) == 0 && page.Token != ""; ordered && lap > 0 && repeated == 0 && !behind {
		w.mayLackRows = true // rows may have moved up unseen
	}
	if w.barren++; len(w.shown) > known {
		w.barren = 0
	}
	w.end = max(w.end, w.skip+rowsOf(page))
}

// ended returns how a window ends without a further link.
func (w *window) ended() windowResult {
	if w.mayLackRows || len(w.shown)+w.nameless < w.total {
		return windowIncomplete
	}
	return windowComplete
}

// tooLarge notes that the page exceeds the size limit for responses. single: its only row is too large and is left out, but counts as a row.
func (w *window) tooLarge(page *defender.Page, maxSkip int, at time.Time) (single bool, how windowResult) {
	w.began(page, at)
	w.failures = 0
	w.large++
	if w.pages++; w.pages >= maxPages {
		return false, windowIncomplete
	}
	if single = w.width.tooLarge(w.skip, w.width.top); !single {
		return false, windowContinues
	}
	w.leftOut++
	w.skip, w.token = w.skip+1, ""
	w.end = w.skip
	w.mayLackRows = w.mayLackRows || page.First == 0 // nobody knows which incident to fetch
	key := keyOf(defender.Row{ID: page.First, Alert: page.FirstAlert})
	if w.barren++; key != (rowKey{}) && !w.shown[key] {
		w.shown[key], w.barren = true, 0
	}
	switch {
	case w.barren > maxBarren:
		return true, windowIncomplete
	case w.skip > maxSkip:
		return true, windowTooLong
	}
	return true, windowContinues
}

// goOnByCreation continues a window, in the order of creation, from the creation of the last row that it has shown. Not ok: there was no
// progress since the last time.
func (w *window) goOnByCreation() (ok bool) {
	last := slices.MaxFunc(append(w.created, time.Time{}), time.Time.Compare)
	if !last.After(w.resume) || !last.After(w.createdSince) {
		return false
	}
	w.resume, w.skip, w.end, w.token = last, 0, 0, ""
	return true
}
