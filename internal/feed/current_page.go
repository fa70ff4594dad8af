// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// currentPage is the page of a reader that is in flight or, once it has arrived, the one whose rows are being handled.
type currentPage struct {
	requested bool           // a page is in flight
	sent      time.Time      // when the last page was requested
	page      *defender.Page // the current page; nil: none
	arrived   time.Time      // when that page arrived
	rows      []defender.Row // of that page, not returned yet
}

// Requested notes that the page was requested.
func (c *currentPage) Requested(now time.Time) { c.requested, c.sent = true, now }

// Sent is when the last page was requested.
func (c *currentPage) Sent() time.Time { return c.sent }

// Arrived makes a response the current page.
func (c *currentPage) Arrived(page *defender.Page, at time.Time) {
	c.requested = false
	c.page, c.arrived, c.rows = page, at, page.Rows
}

// HasPage reports whether there is a current page.
func (c *currentPage) HasPage() bool { return c.page != nil }

// NextRow returns the next row of the current page, and when the page arrived. Not ok: there are no more; call TakePage.
func (c *currentPage) NextRow() (row defender.Row, arrived time.Time, ok bool) {
	if len(c.rows) == 0 {
		return defender.Row{}, c.arrived, false
	}
	row, c.rows = c.rows[0], c.rows[1:]
	return row, c.arrived, true
}

// TakePage removes and returns the current page, once all its rows were handled.
func (c *currentPage) TakePage() (page *defender.Page, arrived time.Time) {
	page, c.page, c.rows = c.page, nil, nil
	return page, c.arrived
}

// Ahead is how far the service's clock was ahead of ours when the current page arrived, to the second; negative: behind. It is also zero
// if the page has no date.
func (c *currentPage) Ahead() time.Duration {
	if c.page == nil || c.page.Date.IsZero() {
		return 0
	}
	return c.page.Date.Sub(c.arrived.Round(0))
}
