// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// Settling is how long after its lastUpdateTime a change may become visible in the list.
	Settling = 2 * time.Minute
	// overlap is how many rows a page shares with the one before. A row that leaves the list meanwhile moves all later ones up.
	overlap = 10
	// maxBarren bounds consecutive pages that link to another but show no row new to the call, and maxPages the pages of a call.
	maxBarren = 5
	maxPages  = 10_000
	// After this many calls and this much time, the feed stops waiting for a list that does not show all changes.
	maxIncomplete   = 3
	incompleteLimit = 10 * time.Minute
)

// pageResult is the part of a response that the cursor needs.
type pageResult struct {
	shown       []sighting // its rows, except those without an incident ID
	rows        int        // how many rows, including those without an incident ID
	size        int        // in bytes
	newest      time.Time  // lastUpdateTime of its rows; zero: it has none
	next        int        // the $skip of the next page; 0: it is the last page, unless there is a token
	token       string     // continues after an empty page
	guess       bool       // there is a link to the next page, but where that begins is a guess
	hasNew      bool       // it has a row that the call has not shown yet
	mayLackRows bool
	date        time.Time // by the service's clock
}

// oversize is what is known of a page that exceeds the size limit for responses.
type oversize struct {
	first  int64     // the incident of its first row; 0: not known
	hasNew bool      // the call has not shown that one yet
	date   time.Time // by the service's clock
}

// place is where a page begins.
type place struct {
	skip  int
	token string
}

// cursor says which page a Feed requests next, and from which lastUpdateTime on. One call reads all pages. newCursor makes one.
//
// The list shows the newest change first. An incident that changes while pages are read moves to the front, and the next call shows it:
// nothing is missed if that call lists from the newest time on this call's first page (seen in captures, see docs/api.md).
type cursor struct {
	interval time.Duration
	lookback time.Duration

	boundary time.Time // the current call lists from here on; zero: the service's clock is not known yet
	reached  time.Time // the newest change that a call had shown when it ended
	due      time.Time // of the next page

	width   width     // size of pages
	omitted omissions // rows that are too large to read

	skip        int       // of the current call
	lap         int       // rows of its next page that the page before has shown
	token       string    // of its next page
	pages       int       // of the current call so far
	barren      int       // consecutive pages without a new row, up to the last
	mayLackRows bool      // one of its pages may
	newest      time.Time // on its first page with rows; changes ahead of that page that were not shown are newer

	incomplete      int       // calls in a row
	incompleteSince time.Time // the end of the first of them
	refusedAt       place     // the page that was refused last
}

// newCursor returns a cursor that begins a call each interval, with pages of at most largest rows. It continues from the boundary of an
// earlier cursor; if that is zero, it begins lookback before the service's current time.
func newCursor(interval, lookback time.Duration, largest int, boundary, now time.Time) *cursor {
	return &cursor{interval: interval, lookback: lookback, width: newWidth(largest), boundary: boundary, due: now}
}

// request is the page to request. While the boundary is not known, it is a single row, which brings the service's time.
func (c *cursor) request() defender.ListRequest {
	if c.boundary.IsZero() {
		return defender.ListRequest{Top: 1}
	}
	r := defender.ListRequest{Since: c.boundary, Top: c.width.top, Skip: c.skip, Token: c.token}
	if since, probes := c.omitted.probe(); probes {
		r.Since = since
	} else if next := c.omitted.next(); next != nil {
		r.Top = min(r.Top, c.lap+next.missing())
	}
	return r
}

// finishPage advances the cursor after a page whose rows were all handled. A time in the service's own future does not count: listing from
// there would find nothing until then.
func (c *cursor) finishPage(now time.Time, p pageResult) CallResult {
	if c.boundary.IsZero() {
		c.begin(now, p.date)
		return Continues
	}
	if !p.date.IsZero() && c.boundary.After(p.date) {
		c.boundary = p.date.Add(-Settling) // one incident's time was in the future
	}
	if c.newest.IsZero() {
		c.newest = p.newest
		if !p.date.IsZero() && c.newest.After(p.date) {
			c.newest = p.date
		}
	}
	c.due = now
	c.pages++
	c.mayLackRows = c.mayLackRows || p.mayLackRows
	if c.barren++; p.hasNew {
		c.barren = 0
	}
	r := c.request()
	_, probing := c.omitted.probe()
	c.omitted.note(p.shown)
	leadsOn := p.next > 0 || p.token != ""
	over := !leadsOn || c.barren > maxBarren && p.guess // nothing follows what was shown
	switch {
	case over && !probing:
		return c.end(now, p.size)
	case !over && c.barren > maxBarren, c.pages >= maxPages:
		return c.endIncomplete(now)
	case over, c.omitted.reached():
		c.skip, c.lap, c.token = c.skip+p.rows+c.omitted.skipReached(), 0, ""
		return Continues
	}
	c.token = p.token
	if p.token != "" {
		return Continues
	}
	next := min(p.next, c.skip+r.Top) // a link beyond that would skip rows
	end := c.skip + p.rows
	c.skip = max(c.skip+1, next-min(overlap, r.Top/2))
	c.lap = max(0, end-c.skip)
	c.width.fits(next, p.size)
	return Continues
}

// begin sets the first boundary. Without the service's time it uses our own clock.
func (c *cursor) begin(now, date time.Time) {
	if date.IsZero() {
		date = now.Round(0)
	}
	c.restart()
	c.boundary = date.Add(-c.lookback)
	c.due = now
}

// end ends a call after its last page, of that size.
func (c *cursor) end(now time.Time, size int) CallResult {
	c.width.fits(math.MaxInt, size)
	c.omitted.forgetUnreached()
	if c.mayLackRows {
		return c.endIncomplete(now)
	}
	c.incomplete = 0
	c.advance(now)
	return Complete
}

// endIncomplete ends a call that may lack changes. The next one lists from the same boundary. But a change that a list never shows must not
// stop the boundary from advancing.
func (c *cursor) endIncomplete(now time.Time) CallResult {
	if c.incomplete++; c.incomplete == 1 {
		c.incompleteSince = now
	}
	if c.incomplete >= maxIncomplete && now.Sub(c.incompleteSince) >= incompleteLimit {
		c.advance(now)
		return GivenUp
	}
	c.restart()
	c.due = now.Add(c.interval)
	return Incomplete
}

// advance moves the boundary for the next call. An empty one keeps it.
func (c *cursor) advance(now time.Time) {
	if !c.newest.IsZero() {
		if c.newest.After(c.reached) {
			c.reached = c.newest
		}
		if boundary := c.omitted.advance(c.newest.Add(-Settling)); boundary.After(c.boundary) {
			c.boundary = boundary
		}
	}
	c.restart()
	c.width.top = min(2*c.width.top, c.width.largest) // after tooLarge the page size recovers
	c.due = now.Add(c.interval)
}

// shownBefore reports whether an earlier call has shown a change with this time, or could have.
func (c *cursor) shownBefore(changed time.Time) bool {
	return !changed.After(c.boundary.Add(Settling)) || !changed.After(c.reached)
}

// tooLarge notes that the page exceeds the size limit for responses. The next page has half the rows. single: it was a single row. The
// caller must fetch that incident by ID, and the call continues after it with full pages. The next calls leave it out until it changes.
func (c *cursor) tooLarge(now time.Time, p oversize) (single bool, progress CallResult) {
	if p.date.IsZero() {
		p.date = now.Round(0)
	}
	if c.boundary.IsZero() {
		c.begin(now, p.date)
		return false, Continues
	}
	c.due = now
	if !c.omitted.moved(p.first) {
		if !c.halve() {
			return false, Continues
		}
		if single = p.first != 0; single {
			c.omitted.add(p.first, c.boundary, p.date)
		}
		c.mayLackRows = c.mayLackRows || !single // nobody knows which incident to fetch
	}
	c.skip, c.lap, c.token = c.skip+1, 0, "" // a token leads to the same page
	if c.barren++; p.hasNew {
		c.barren = 0
	}
	if c.barren > maxBarren {
		return single, c.endIncomplete(now)
	}
	return single, Continues
}

// halve halves a page that is too large. single: it was a single row, which is therefore too large itself.
func (c *cursor) halve() (single bool) {
	top := c.request().Top
	assumed := c.omitted.misplaced()
	if c.skip -= assumed; assumed > 0 {
		c.lap = 0
	}
	return c.width.tooLarge(c.skip, top+assumed)
}

// failed gives up the current call. The next one begins after wait, from the same boundary. refused: the API has responded to this page
// with an error. If the call has shown pages, and the API refuses the same page again and again, changes may be missing for good.
func (c *cursor) failed(now time.Time, wait time.Duration, refused bool) (p CallResult) {
	if refused && c.pages > 0 {
		if at := (place{c.skip, c.token}); at != c.refusedAt {
			c.refusedAt, c.incomplete = at, 0
		}
		p = c.endIncomplete(now)
	}
	c.restart()
	c.due = now.Add(wait)
	return p
}

func (c *cursor) restart() {
	c.skip, c.lap, c.token, c.newest = 0, 0, "", time.Time{}
	c.pages, c.barren, c.mayLackRows = 0, 0, false
	c.width.restart()
	c.omitted.restart()
}
