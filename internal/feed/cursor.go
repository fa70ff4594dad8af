// Package feed says which page of List incidents to request next, and from which lastUpdateTime on. One call reads all pages.
//
// The list shows the newest change first. An incident that changes while pages are read moves to the front, and the next call shows it:
// nothing is missed if that call lists from the newest time on this call's first page (seen in captures, see docs/api.md).
// A Feed holds the page at hand; a cursor says where the next one begins. Neither waits or reads a clock.
package feed

import "time"

const (
	// Settling is how long after its lastUpdateTime a change may become visible in the list.
	Settling = 2 * time.Minute
	// overlap is how many rows a page shares with the one before. A row that leaves the list meanwhile moves all later ones up.
	overlap = 10
	// maxBarren bounds the pages in a row that lead on and bring no row that the call has not shown, and maxPages those of a call.
	maxBarren = 5
	maxPages  = 10_000
	// A list that does not show all changes is not waited for any longer after so many calls and so much time.
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
	Newest time.Time // lastUpdateTime of its rows; zero: it has none
	Next   int       // the $skip of the next page; 0: it is the last page, unless there is a Token
	Token  string    // leads on from an empty page
	Guess  bool      // there is a link to the next page, but where that begins is a guess
	New    bool      // it has a row that the call has not shown yet
	Part   bool      // it may lack rows
	Date   time.Time // by the service's clock
}

// Progress is what a page, or the failure of one, means for its call.
type Progress uint8

// The kinds of progress.
const (
	Continues  Progress = iota // the call goes on, or begins again
	Complete                   // it has shown all changes, and the boundary has advanced
	Incomplete                 // it may lack changes, and the next one lists from the same boundary
	GivenUp                    // the same, again and again: the boundary has advanced all the same
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
	largest  int // the most rows of a page

	boundary time.Time // the current call lists from here on; zero: the service's clock is not known yet
	due      time.Time // of the next page

	top    int       // rows of a page
	skip   int       // of the current call
	token  string    // of its next page
	pages  int       // of the current call so far
	barren int       // pages in a row, up to the last, that brought no new row
	part   bool      // one of them may have lacked rows
	newest time.Time // on its first page that has rows
	blind  bool      // that page was too large, so that its newest time is not known

	incomplete      int       // calls in a row
	incompleteSince time.Time // the end of the first of them
	refusedAt       place     // the page that was refused last
}

// newCursor returns a cursor that begins a call each interval, with pages of at most largest rows. It continues from the boundary of an
// earlier cursor; if that is zero, it begins lookback before the service's current time.
func newCursor(interval, lookback time.Duration, largest int, boundary, now time.Time) *cursor {
	return &cursor{interval: interval, lookback: lookback, largest: largest, top: largest, boundary: boundary, due: now}
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
	return pageRequest{Since: c.boundary, Top: c.top, Skip: c.skip, Token: c.token}
}

// Answered advances the cursor after a page whose rows were all handled. A time in the service's own future does not count: listing from
// there would find nothing until then.
func (c *cursor) Answered(now time.Time, p pageResult) Progress {
	if c.boundary.IsZero() {
		c.begin(now, p.Date)
		return Continues
	}
	if !p.Date.IsZero() && c.boundary.After(p.Date) {
		c.boundary = p.Date.Add(-Settling) // one incident's time was in the future
	}
	if c.newest.IsZero() && !c.blind {
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
	leadsOn := p.Next > 0 || p.Token != ""
	switch {
	case !leadsOn, c.barren > maxBarren && p.Guess: // beyond what was shown there is nothing
		return c.end(now)
	case c.barren > maxBarren, c.pages >= maxPages:
		return c.cut(now)
	}
	c.token = p.Token
	if p.Token != "" {
		return Continues
	}
	next := min(p.Next, c.skip+c.top) // a link beyond that would skip rows
	c.skip = max(c.skip+1, next-min(overlap, c.top/2))
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

// end ends a call after its last page.
func (c *cursor) end(now time.Time) Progress {
	if c.part {
		return c.cut(now)
	}
	c.incomplete = 0
	c.advance(now)
	return Complete
}

// cut ends a call that may lack changes. The next one lists from the same boundary. But what a list never shows must not keep the
// boundary from advancing.
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
	if boundary := c.newest.Add(-Settling); !c.newest.IsZero() && boundary.After(c.boundary) {
		c.boundary = boundary
	}
	c.restart()
	c.top = min(2*c.top, c.largest) // after TooLarge the page size recovers
	c.due = now.Add(c.interval)
}

// TooLarge notes that the page exceeds the size limit for responses, in one of that date. The next page has half the rows. If the page
// was a single row, whole is true: the caller must fetch that incident by ID, and the next page begins after it.
func (c *cursor) TooLarge(now, date time.Time) (whole bool) {
	if c.boundary.IsZero() {
		c.begin(now, date)
		return false
	}
	c.due = now
	if c.top > 1 {
		c.top /= 2
		return false
	}
	c.skip, c.token = c.skip+1, "" // a token leads to the same page
	c.blind = c.blind || c.newest.IsZero()
	return true
}

// Failed gives up the current call. The next one begins after wait, from the same boundary. refused: the API has answered this page with an
// error. If it has shown pages before, and refuses the same page again and again, the call may lack changes for good.
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
	c.skip, c.token, c.newest = 0, "", time.Time{}
	c.pages, c.barren, c.part, c.blind = 0, 0, false, false
}
