// Package feed says which page of List incidents to ask for next, and since when to list.
//
// List shows incidents newest change first, so whatever changes while its pages are read moves to the front and shows at the next
// call: nothing is missed when that one lists from the newest time on this call's first page (seen in captures, see docs/api.md).
// A Feed holds the page at hand; a cursor says where the next one begins. Neither waits or reads a clock.
package feed

import "time"

const (
	// Settling is how long after its lastUpdateTime a change may become visible in the list.
	Settling = 2 * time.Minute
	// overlap is how many rows a page shares with the one before: one that leaves the list meanwhile moves the rest up.
	overlap = 10
)

// Request is one page.
type pageRequest struct {
	Since time.Time // lastUpdateTime at or after it; zero: not filtered
	Top   int
	Skip  int
}

// Page is what matters of an answer.
type pageResult struct {
	Newest time.Time // lastUpdateTime of its rows; zero: it has none
	Next   int       // the $skip that the answer leads on to; 0: it is the last page
	Date   time.Time // by the service's clock
}

// Cursor is how far the feed has come. New makes one.
type cursor struct {
	interval time.Duration
	lookback time.Duration
	largest  int // the most rows of a page

	boundary time.Time // the present call lists from here on; zero: the service's clock is not known yet
	due      time.Time // of the next page

	top    int       // rows of a page
	skip   int       // of the present call
	newest time.Time // on its first page
}

// New returns a cursor whose calls follow at the interval, with pages of at most largest rows. It goes on from the boundary that an
// earlier one had, or, where that is zero, begins lookback before the service's present time.
func newCursor(interval, lookback time.Duration, largest int, boundary, now time.Time) *cursor {
	return &cursor{interval: interval, lookback: lookback, largest: largest, top: largest, boundary: boundary, due: now}
}

// Due is when the next page is to be asked for.
func (c *cursor) Due() time.Time { return c.due }

// Boundary is since when the present call lists; zero: that is not known yet. Once Answered has said that a call is complete, it is
// what a later cursor goes on from.
func (c *cursor) Boundary() time.Time { return c.boundary }

// Request is the page to ask for. While the boundary is not known it is a single row, which brings the service's time.
func (c *cursor) Request() pageRequest {
	if c.boundary.IsZero() {
		return pageRequest{Top: 1}
	}
	return pageRequest{Since: c.boundary, Top: c.top, Skip: c.skip}
}

// Answered takes an answer whose rows have all been dealt with, and says whether the call is complete. A time in the service's
// own future does not count: listing from there would find nothing until then.
func (c *cursor) Answered(now time.Time, p pageResult) (complete bool) {
	if c.boundary.IsZero() {
		c.begin(now, p.Date)
		return false
	}
	if !p.Date.IsZero() && c.boundary.After(p.Date) {
		c.boundary = p.Date.Add(-Settling) // one incident's time was in the future
	}
	if c.skip == 0 {
		c.newest = p.Newest
		if !p.Date.IsZero() && c.newest.After(p.Date) {
			c.newest = p.Date
		}
	}
	c.due = now
	if p.Next > 0 {
		next := min(p.Next, c.skip+c.top) // a link that leads further would leave rows out
		c.skip = max(c.skip+1, next-min(overlap, c.top/2))
		return false
	}
	c.end(now)
	return true
}

// begin sets the first boundary. Without the service's time the own has to do.
func (c *cursor) begin(now, date time.Time) {
	if date.IsZero() {
		date = now.Round(0)
	}
	c.restart()
	c.boundary = date.Add(-c.lookback)
	c.due = now
}

// end completes a call. An empty one keeps the boundary.
func (c *cursor) end(now time.Time) {
	if boundary := c.newest.Add(-Settling); !c.newest.IsZero() && boundary.After(c.boundary) {
		c.boundary = boundary
	}
	c.restart()
	c.top = min(2*c.top, c.largest) // what was too large once need not be again
	c.due = now.Add(c.interval)
}

// TooLarge says that the page was larger than may be read, in an answer of that date. The next is half of it; when it was a single
// row, whole is true: that row has to be had in another way, and the next page begins behind it.
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
	c.skip++
	return true
}

// Failed gives the present call up. It begins anew, from the same boundary, after wait.
func (c *cursor) Failed(now time.Time, wait time.Duration) {
	c.restart()
	c.due = now.Add(wait)
}

func (c *cursor) restart() { c.skip, c.newest = 0, time.Time{} }
