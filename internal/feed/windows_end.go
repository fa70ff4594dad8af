// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// finished ends a window with a result: Complete or GivenUp.
func (f *Windows) finished(w *window, how CallResult, at time.Time) CallResult {
	newest, end := w.newest, w.date
	if !w.before.IsZero() {
		end = earliest(end, w.before)
	}
	if newest.After(end) || w.leftOut > 0 || how == GivenUp && len(w.shown) == 0 { // it is not known when the rows that were not shown changed
		newest = end
	}
	if newest.After(f.reached) {
		f.reached, f.lastNewRow = newest, at
	}
	f.top = min(2*w.width.top, f.settings.MaxTop) // after TooLarge the page size recovers
	if w == f.tail {
		if newest.After(f.from) {
			f.from = newest
		}
		f.heedFuture(w.date)
		f.tail = &window{}
		f.restart(f.tail, at.Add(f.settings.Interval))
	} else {
		f.backlog = slices.DeleteFunc(f.backlog, func(other *window) bool { return other == w })
	}
	f.aim(at)
	f.advance()
	switch {
	case how == GivenUp:
		return GivenUp
	case len(f.backlog) > 0 || f.tail.tries > 0 || f.tail.begun:
		return Continues
	}
	f.completed = at
	return Complete
}

// heedFuture moves the boundary back if it lies in the service's future: listing from there would find nothing until then.
func (f *Windows) heedFuture(date time.Time) {
	if f.reached.After(date) {
		f.reached = date.Add(-windowOverlap)
		f.boundary, f.from = f.reached, f.reached
		if f.reread.floor.After(f.reached) {
			f.reread.floor = f.reached
		}
	}
}

// advance moves the boundary to where the complete windows end.
func (f *Windows) advance() {
	boundary := f.reached
	if len(f.backlog) > 0 && f.backlog[0].since.Before(boundary) {
		boundary = f.backlog[0].since
	}
	if boundary.After(f.boundary) {
		f.boundary = boundary
	}
}

// handleIncomplete schedules another read of a window that may have more rows than it has shown: at the next interval, after maxIncomplete times in
// halves, and then no more.
func (f *Windows) handleIncomplete(w *window, at time.Time) CallResult {
	due := at.Add(f.settings.Interval)
	w.tries++
	if w.tries >= maxIncomplete && !w.lastTry {
		w.lastTry = true
		if f.refusals.allows(bounding) && f.replace(w, w.evenly(2), due) {
			f.aim(at)
			return Incomplete
		}
	}
	if w.lastTry {
		f.reread.cover(w)
		return f.finished(w, GivenUp, at)
	}
	f.restart(w, due)
	f.aim(at)
	return Incomplete
}

// Failed notes that the page failed. It is requested again after wait, and nothing else before; after maxTries times, its window is read from its
// beginning. refused: the API has responded with an error. If that prevents reading a window to its end, the window is incomplete.
func (f *Windows) Failed(at time.Time, wait time.Duration, refused bool) (p CallResult) {
	f.lastResponse = at
	if f.priorMaxSkip > 0 { // everything fails
		f.maxSkip, f.priorMaxSkip = f.priorMaxSkip, 0
	}
	if w := f.current; w != nil {
		if w.failures++; w.failures >= maxTries {
			p = f.failed(w, refused && w.pages > 0, at)
		}
	}
	f.hold(at.Add(wait))
	return p
}

// failed schedules another read of a window with a page that keeps failing.
func (f *Windows) failed(w *window, incomplete bool, at time.Time) CallResult {
	switch {
	case w.reread:
		f.reread.ended(w, windowIncomplete, f, at)
	case incomplete:
		return f.handleIncomplete(w, at)
	default:
		f.restart(w, at)
		f.aim(at)
	}
	return Continues
}

// hold requests nothing before due.
func (f *Windows) hold(due time.Time) {
	for _, w := range slices.Concat([]*window{f.tail}, f.backlog, f.reread.windows) {
		if w.due.Before(due) {
			w.due = due
		}
	}
}

// TooLarge notes that the page exceeds the size limit for responses. The next page has half the rows. single: it was a single row, whose incident
// must be polled by ID; full pages follow.
func (f *Windows) TooLarge(page *defender.Page, at time.Time) (single bool, p CallResult) {
	w := f.current
	f.noteDate(page, at)
	if w == nil {
		f.begin(f.date.Add(-f.settings.Lookback), at)
		return false, Continues
	}
	if f.accepted(at) {
		return false, Continues
	}
	w.due = at
	single, how := w.tooLarge(page, f.maxSkip, at)
	return single && page.First != 0, f.proceed(w, how, at)
}

// Rejected notes that the API rejected the request (HTTP 400 and the like). handled: the next request leaves out the possible reason, so it
// is not a failure yet. Otherwise call Failed.
func (f *Windows) Rejected(at time.Time) (handled bool, p CallResult) {
	w := f.current
	switch {
	case w == nil || w.token != "":
		return false, Continues
	case w.skip > 0: // the first page was accepted: this many rows cannot be skipped
		f.lastResponse, w.due = at, at
		f.priorMaxSkip, f.maxSkip = max(f.priorMaxSkip, f.maxSkip), w.skip-1
		return true, f.proceed(w, windowTooLong, at)
	}
	f.lastResponse, w.due = at, at
	return f.refusals.rejected(f.wanted), Continues
}
