// SPDX-License-Identifier: Apache-2.0

// Package feed says which page of List incidents to request next, and from which lastUpdateTime on. One call reads all pages.
//
// The list shows the newest change first. An incident that changes while pages are read moves to the front, and the next call shows it:
// nothing is missed if that call lists from the newest time on this call's first page (seen in captures, see docs/api.md).
// A Feed holds the current page; a cursor says where the next one begins. Neither waits or reads a clock.
package feed

import (
	"math"
	"time"
)

const (
	// Settling is how long after its lastUpdateTime a change may become visible in the list.
	Settling = 2 * time.Minute
	// overlap is how many rows a page shares with the one before. A row that leaves the list meanwhile moves all later ones up.
	overlap = 10
	// maxBarren bounds consecutive pages that link to another but show no row new to the call, and maxPages the pages of a call.
	maxBarren = 5
	maxPages  = 10_000
	// After this many calls and this much time, the feed stops waiting for a list that does not show all
	// changes.
	maxIncomplete   = 3
	incompleteLimit = 10 * time.Minute
)

// pageRequest is the page to request.
type pageRequest struct {
	Since time.Time // lastUpdateTime at or after it; zero: not filtered
	Top   int
	Skip  int
	Token string // of the page before, if that was empty; empty: Skip counts
}

// pageResult is the part of a response that the cursor needs.
type pageResult struct {
	Shown  []sighting // its rows, except those without an incident ID
	Rows   int        // how many rows, including those without an incident ID
	Size   int        // in bytes
	Newest time.Time  // lastUpdateTime of its rows; zero: it has none
	Next   int        // the $skip of the next page; 0: it is the last page, unless there is a Token
	Token  string     // continues after an empty page
	Guess  bool       // there is a link to the next page, but where that begins is a guess
	New    bool       // it has a row that the call has not shown yet
	Part   bool       // it may lack rows
	Date   time.Time  // by the service's clock
}

// oversize is what is known of a page that exceeds the size limit for
// responses.
type oversize struct {
	First int64     // the incident of its first row; 0: not known
	New   bool      // the call has not shown that one yet
	Date  time.Time // by the service's clock
}

// Progress is what a page, or the failure of one, means for its call.
type Progress uint8

// The kinds of progress.
const (
	Continues  Progress = iota // the call goes on, or begins again
	Complete                   // it has shown all changes, and the boundary has advanced
	Incomplete                 // it may lack changes, and the next one lists from the same boundary
	GivenUp                    // the same again and again: the boundary has advanced anyway
)

// place is where a page begins.
type place struct {
	skip  int
	token string
}

// cursor is how far the feed has come. newCursor makes one.
type cursor struct {
	interval time.Duration
	lookback time.Duration

	boundary time.Time // the current call lists from here on; zero: the service's clock is not known yet
	reached  time.Time // the newest change that a call had shown when it ended
	due      time.Time // of the next page

	width   width     // size of pages
	omitted omissions // rows that are too large to read

	skip   int       // of the current call
	lap    int       // rows of its next page that the page before has shown
	token  string    // of its next page
	pages  int       // of the current call so far
	barren int       // consecutive pages without a new row, up to the last
	part   bool      // one of them may have lacked rows
	newest time.Time // on its first page with rows; changes ahead of that page that were not shown are newer

	incomplete      int       // calls in a row
	incompleteSince time.Time // the end of the first of them
	refusedAt       place     // the page that was refused last
}

// newCursor returns a cursor that begins a call each interval, with pages of at most largest rows. It continues from the boundary of an
// earlier cursor; if that is zero, it begins lookback before the service's current time.
func newCursor(interval, lookback time.Duration, largest int, boundary, now time.Time) *cursor {
	return &cursor{interval: interval, lookback: lookback, width: newWidth(largest), boundary: boundary, due: now}
}

// Due is when to request the next page.
func (c *cursor) Due() time.Time { return c.due }

// Boundary is the time from which the current call lists; zero: not known yet. Once a call is complete, a later cursor can continue from
// it.
func (c *cursor) Boundary() time.Time { return c.boundary }

// Request is the page to request. While the boundary is not known, it is a single row, which brings the service's time.
func (c *cursor) Request() pageRequest {
	if c.boundary.IsZero() {
		return pageRequest{Top: 1}
	}
	r := pageRequest{Since: c.boundary, Top: c.width.top, Skip: c.skip, Token: c.token}
	if since, probes := c.omitted.probe(); probes {
		r.Since = since
	} else if next := c.omitted.next(); next != nil {
		r.Top = min(r.Top, c.lap+next.missing())
	}
	return r
}

// FinishPage advances the cursor after a page whose rows were all handled. A time in the service's own future does not count: listing from
// there would find nothing until then.
func (c *cursor) FinishPage(now time.Time, p pageResult) Progress {
	if c.boundary.IsZero() {
		c.begin(now, p.Date)
		return Continues
	}
	if !p.Date.IsZero() && c.boundary.After(p.Date) {
		c.boundary = p.Date.Add(-Settling) // one incident's time was in the future
	}
	if c.newest.IsZero() {
		c.newest = p.Newest
		if !p.Date.IsZero() && c.newest.After(p.Date) {
			c.newest = p.Date
		}
	}
	c.due = now
	c.pages++
	c.part = c.part || p.Part
	if c.barren++; p.New {
		c.barren = 0
	}
	r := c.Request()
	_, probing := c.omitted.probe()
	c.omitted.note(p.Shown)
	leadsOn := p.Next > 0 || p.Token != ""
	over := !leadsOn || c.barren > maxBarren && p.Guess // nothing follows what was shown
	switch {
	case over && !probing:
		return c.end(now, p.Size)
	case !over && c.barren > maxBarren, c.pages >= maxPages:
		return c.cut(now)
	case over, c.omitted.reached():
		c.skip, c.lap, c.token = c.skip+p.Rows+c.omitted.pass(), 0, ""
		return Continues
	}
	c.token = p.Token
	if p.Token != "" {
		return Continues
	}
	next := min(p.Next, c.skip+r.Top) // a link beyond that would skip rows
	end := c.skip + p.Rows
	c.skip = max(c.skip+1, next-min(overlap, r.Top/2))
	c.lap = max(0, end-c.skip)
	c.width.fits(next, p.Size)
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
func (c *cursor) end(now time.Time, size int) Progress {
	c.width.fits(math.MaxInt, size)
	c.omitted.keep()
	if c.part {
		return c.cut(now)
	}
	c.incomplete = 0
	c.advance(now)
	return Complete
}

// cut ends a call that may lack changes. The next one lists from the same boundary. But a change that a list never shows must not
// stop the boundary from advancing.
func (c *cursor) cut(now time.Time) Progress {
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
	c.width.top = min(2*c.width.top, c.width.largest) // after TooLarge the page size recovers
	c.due = now.Add(c.interval)
}

// ShownBefore reports whether an earlier call has shown a change with this time, or could
// have.
func (c *cursor) ShownBefore(changed time.Time) bool {
	return !changed.After(c.boundary.Add(Settling)) || !changed.After(c.reached)
}

// TooLarge notes that the page exceeds the size limit for responses. The next page has half the rows. If the page was a single row, whole
// is true: the caller must fetch that incident by ID, and the call continues after it with full pages. The next calls leave it out until
// it changes.
func (c *cursor) TooLarge(now time.Time, p oversize) (whole bool, progress Progress) {
	if p.Date.IsZero() {
		p.Date = now.Round(0)
	}
	if c.boundary.IsZero() {
		c.begin(now, p.Date)
		return false, Continues
	}
	c.due = now
	if !c.omitted.moved(p.First) {
		if !c.halve() {
			return false, Continues
		}
		if whole = p.First != 0; whole {
			c.omitted.add(p.First, c.boundary, p.Date)
		}
		c.part = c.part || !whole // nobody knows which incident to fetch
	}
	c.skip, c.lap, c.token = c.skip+1, 0, "" // a token leads to the same page
	if c.barren++; p.New {
		c.barren = 0
	}
	if c.barren > maxBarren {
		return whole, c.cut(now)
	}
	return whole, Continues
}

// halve halves a page that is too large. single: it was a single row, which is therefore too large
// itself.
func (c *cursor) halve() (single bool) {
	top := c.Request().Top
	assumed := c.omitted.misplaced()
	if c.skip -= assumed; assumed > 0 {
		c.lap = 0
	}
	return c.width.tooLarge(c.skip, top+assumed)
}

// Failed gives up the current call. The next one begins after wait, from the same boundary. refused: the API has responded to this page
// with an error. If the call has shown pages, and the API refuses the same page again and again, changes may be missing for good.
func (c *cursor) Failed(now time.Time, wait time.Duration, refused bool) (p Progress) {
	if refused && c.pages > 0 {
		if at := (place{c.skip, c.token}); at != c.refusedAt {
			c.refusedAt, c.incomplete = at, 0
		}
		p = c.cut(now)
	}
	c.restart()
	c.due = now.Add(wait)
	return p
}

func (c *cursor) restart() {
	c.skip, c.lap, c.token, c.newest = 0, 0, "", time.Time{}
	c.pages, c.barren, c.part = 0, 0, false
	c.width.restart()
	c.omitted.restart()
}
