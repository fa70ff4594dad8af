// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// windowOverlap is how far before the boundary a call begins: rows were seen up to 18 s after their time (measured by others).
	windowOverlap = time.Minute
	// quietAfter is how long there must have been no new row before calls stop overlapping: otherwise each call of a quiet tenant would
	// show the same rows again.
	quietAfter = 10 * time.Minute
)

// WindowSettings are the settings of Windows.
type WindowSettings struct {
	Alerts   bool          // list alerts; else incidents
	Interval time.Duration // from the end of one call to the next
	Lookback time.Duration // how far back the very first call looks
	MaxTop   int           // the largest page, in rows
	MaxSkip  int           // the most rows that a request may skip; 0: not known
	Boundary time.Time     // of an earlier run; zero: there was none
}

// Windows lists what has changed, from a list that is not ordered by change, such as those of Microsoft Graph, and returns the current page row
// by row. It belongs to one goroutine. NewWindows makes one.
//
// A call lists what has changed since shortly before the newest change that was shown. This window has no end. If it has more rows than skipping
// can reach, it is divided by time. The remaining window is the newest part, which is read first and again at each interval, so that a backlog
// does not delay current changes. The others are read in between, the oldest first. The boundary follows them: everything that changed before it
// was shown, however often the receiver restarts.
//
// A window is complete if no further link exists and it has shown as many different rows as the API counts in it. An incomplete one is read
// again, first as it is, then in halves, and then accepted as it is. Every 30 minutes a re-read lists the last hour again, without content, to
// find what appeared late.
type Windows struct {
	settings WindowSettings
	currentPage
	query        defender.ListRequest // the page in flight or the current one
	wanted       option               // the options that it would have without a trial
	seen         seen
	refusals     refusals
	maxSkip      int
	priorMaxSkip int // maxSkip before a page was rejected because of its $skip, until another one succeeds; 0: none was
	top          int // rows of a window's first page

	boundary     time.Time // changes before it were shown
	reached      time.Time // the newest change in windows that are complete; zero: the service's time is not known yet
	date         time.Time // of the last page, by the service's clock
	lastResponse time.Time // when a page or a failure last arrived
	lastNewRow   time.Time // when it arrived

	tail    *window   // the window without an end
	from    time.Time // where it begins, without the overlap, while there is a backlog
	backlog []*window // the other incomplete windows, from the oldest on
	current *window   // the window of the page in flight or the current one; nil: it is requested for the service's time
	reread  reread

	completed  time.Time
	meanPages  float64 // of a call, favoring recent calls
	pagesSoFar int     // since the last call began
}

// NewWindows returns one whose first page is due now.
func NewWindows(s WindowSettings, now time.Time) *Windows {
	f := &Windows{settings: s, maxSkip: s.MaxSkip, top: s.MaxTop, lastNewRow: now, completed: now, lastResponse: now, meanPages: 1}
	if f.maxSkip == 0 {
		f.maxSkip = math.MaxInt / 2
	}
	f.reread.due = now.Add(rereadInterval)
	f.tail = &window{}
	f.begin(s.Boundary, now)
	return f
}

// begin sets the first boundary.
func (f *Windows) begin(boundary, now time.Time) {
	f.boundary, f.reached, f.from, f.reread.floor = boundary, boundary, boundary, boundary
	f.restart(f.tail, now)
	f.aim(now)
}

// restart schedules a window to be read from its beginning.
func (f *Windows) restart(w *window, due time.Time) {
	top := f.top
	if w.reread { // its rows are small
		top = f.settings.MaxTop
	}
	w.restart(top, f.settings.MaxTop, due)
}

// aim sets where the next call begins.
func (f *Windows) aim(now time.Time) {
	if f.tail.begun || f.reached.IsZero() {
		return
	}
	since := f.from
	if len(f.backlog) == 0 {
		since = f.reached
	}
	if now.Sub(f.lastNewRow) < quietAfter {
		since = since.Add(-windowOverlap)
	}
	f.tail.since = since
}

// Due is when to request the next page of a call. Not ok: there is a page in flight or a current one.
func (f *Windows) Due() (at time.Time, ok bool) {
	_, at = f.next()
	return at, !f.requested && f.page == nil
}

// next is the window to read now: the newest changes first, then the window of the backlog that has been begun, then the oldest that is due.
func (f *Windows) next() (w *window, due time.Time) {
	w, due = f.tail, f.tail.due
	if w.begun {
		return w, due
	}
	for _, each := range f.backlog {
		at := each.due
		if at.Before(f.lastResponse) {
			at = f.lastResponse // however long it has waited, what has become due since goes first
		}
		if each.begun && at.Before(f.tail.due) {
			return each, at
		}
		if at.Before(due) {
			w, due = each, at
		}
	}
	return w, due
}

// Request is the page of a call to request next. While the boundary is not known, it is a single row, which brings the service's time.
func (f *Windows) Request() defender.ListRequest {
	if f.reached.IsZero() {
		return defender.ListRequest{Alerts: f.settings.Alerts, Top: 1}
	}
	w, _ := f.next()
	return f.requestOf(w)
}

func (f *Windows) requestOf(w *window) defender.ListRequest {
	q := f.refusals.strip(w.request())
	q.Alerts = f.settings.Alerts
	return q
}

// Requested notes that Request was requested.
func (f *Windows) Requested(now time.Time) {
	q := f.Request()
	if f.current = nil; !f.reached.IsZero() {
		f.current, _ = f.next()
	}
	if f.current == f.tail && !f.tail.begun {
		f.meanPages += recent * (float64(max(1, f.pagesSoFar)) - f.meanPages)
		f.pagesSoFar = 0
	}
	f.pagesSoFar++
	f.send(q, now)
}

// send notes that a page of the current window was requested.
func (f *Windows) send(q defender.ListRequest, now time.Time) {
	f.query, f.wanted = q, 0
	if f.current != nil {
		f.current.begun = true
		all := refusals{refused: f.refusals.refused}
		f.wanted = optionsOf(all.strip(f.current.request()))
	}
	f.currentPage.Requested(now)
}

// Arrived makes a response the current page. The rows of the very first one are ignored: it is requested only for the service's time.
func (f *Windows) Arrived(page *defender.Page, at time.Time) {
	f.currentPage.Arrived(page, at)
	if f.current == nil {
		f.rows = nil
	}
}

// NextRow returns the next row of the current page, and when the page arrived. It leaves out changes that were returned before. Not ok: there
// are no more; call TakePage.
func (f *Windows) NextRow() (row defender.Row, arrived time.Time, ok bool) {
	for {
		row, arrived, ok = f.currentPage.NextRow()
		if !ok {
			return row, arrived, false
		}
		if f.Rereading() && (row.LastUpdate.IsZero() || row.LastUpdate.After(f.boundary)) {
			continue // calls show it, with its content
		}
		if !f.seen.returns(row, arrived) {
			continue
		}
		if !f.Rereading() && !row.LastUpdate.IsZero() {
			f.lastNewRow = arrived
		}
		return row, arrived, true
	}
}

// FinishPage continues after the page, whose rows were all handled. The caller stores Boundary if it has advanced. A re-read always Continues.
func (f *Windows) FinishPage(page *defender.Page, at time.Time) CallResult {
	w := f.current
	f.noteDate(page, at)
	if w == nil {
		f.begin(dateOf(page, at).Add(-f.settings.Lookback), at)
		return Continues
	}
	if f.accepted(at) {
		return Continues
	}
	if f.query.ByCreation && disordered(page) {
		f.refusals.refused |= ordering
		w.mayLackRows = w.mayLackRows || !w.resume.IsZero() // it may not have continued from the last creation
	}
	w.due = at
	return f.proceed(w, w.finishPage(page, f.query, f.maxSkip, at), at)
}

// noteDate notes the service's time.
func (f *Windows) noteDate(page *defender.Page, at time.Time) {
	f.date, f.lastResponse = dateOf(page, at), at
}

// disordered reports whether a page is not in the order of creation.
func disordered(page *defender.Page) bool {
	var last time.Time
	for _, row := range page.Rows {
		if row.Created.IsZero() {
			continue
		}
		if row.Created.Before(last) {
			return true
		}
		last = row.Created
	}
	return false
}

// accepted notes which options the API refuses, now that it has accepted a request without them. begins: the window starts again, or has been
// replaced, and the page does not count for it.
func (f *Windows) accepted(at time.Time) (begins bool) {
	f.priorMaxSkip = 0
	refused, again := f.refusals.accepted(f.wanted)
	if again {
		f.restart(f.current, at)
		f.current.begun = true
		return true
	}
	if refused&creation != 0 {
		f.current.mayLackRows = true // it has shown other rows than it should
	}
	if refused&bounding == 0 {
		return false
	}
	for _, w := range f.backlog { // no window has an end any more
		if w.since.Before(f.reached) {
			f.reached = w.since
		}
	}
	if f.tail.since.Before(f.reached) {
		f.reached = f.tail.since
	}
	f.backlog, f.reread.windows = nil, nil
	f.tail = &window{tries: f.tail.tries, lastTry: f.tail.lastTry}
	f.restart(f.tail, at)
	f.aim(at)
	return true
}

// proceed decides what follows from a page of a window: the next page, other windows in its place, or its end.
func (f *Windows) proceed(w *window, how windowResult, at time.Time) CallResult {
	if how == windowTooLong {
		how = f.divide(w, at)
	}
	switch {
	case how == windowContinues:
		return Continues
	case w.reread:
		f.reread.ended(w, how, f, at)
		return Continues
	case how == windowComplete:
		return f.finished(w, Complete, at)
	default:
		return f.handleIncomplete(w, at)
	}
}

// divide divides a window that has more rows than skipping can reach. If it cannot be divided by time, it is read as far as possible, and then
// continued by creation. Otherwise it is short.
func (f *Windows) divide(w *window, at time.Time) windowResult {
	tail := f.tail
	if !w.undivided && f.refusals.allows(bounding) && f.replace(w, w.byTime(f.maxSkip+w.width.top), at) {
		f.tail.begun = f.tail.begun || w == tail
		return windowContinues
	}
	w.undivided = true
	switch {
	case !w.exhausted(f.maxSkip):
		return windowContinues
	case !f.refusals.allows(creation):
	case f.refusals.allows(ordering):
		if w.goOnByCreation() {
			return windowContinues
		}
	case f.refusals.allows(bounding) && !w.before.IsZero():
		if f.replace(w, w.byCreation(), at) {
			return windowContinues
		}
	}
	return windowIncomplete
}

// replace replaces a window with parts that are due at a time. Not ok: there are none, or there would be too many windows.
func (f *Windows) replace(w *window, parts []*window, due time.Time) (ok bool) {
	lane := &f.backlog
	if w.reread {
		lane = &f.reread.windows
	}
	if len(parts) == 0 || len(*lane)+len(parts) > maxWindows {
		return false
	}
	for _, part := range parts {
		f.restart(part, due)
	}
	if w == f.tail {
		newest := len(parts) - 1
		f.tail, parts = parts[newest], parts[:newest]
		f.from = f.tail.since
	}
	*lane = append(slices.DeleteFunc(*lane, func(other *window) bool { return other == w }), parts...)
	slices.SortStableFunc(*lane, func(a, b *window) int { return a.since.Compare(b.since) })
	return true
}

// Boundary is the time before which every change was shown. It is stored, and a later run continues from it. Zero: not known yet.
func (f *Windows) Boundary() time.Time { return f.boundary }

// Completed is the end of the last complete call; before the first, the start.
func (f *Windows) Completed() time.Time { return f.completed }

// Spacing is the mean time between two requests of calls, without re-reads.
func (f *Windows) Spacing() time.Duration {
	return time.Duration(float64(f.settings.Interval) / max(1, f.meanPages))
}

// ShownBefore reports whether an earlier call has shown a row with the same change, or could have.
func (f *Windows) ShownBefore(row defender.Row) bool { return !row.LastUpdate.After(f.boundary) }

// Degraded are the options that the API refuses and that requests do without.
func (f *Windows) Degraded() []string { return f.refusals.names() }
