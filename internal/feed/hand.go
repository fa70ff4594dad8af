// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// hand holds the page that is on its way, or the current one.
type hand struct {
	requested bool           // a page is on its way
	sent      time.Time      // when the last page was requested
	page      *defender.Page // the current page; nil: none
	arrived   time.Time      // when that page arrived
	rows      []defender.Row // of that page, not returned yet
}

// Requested notes that the page was requested.
func (h *hand) Requested(now time.Time) { h.requested, h.sent = true, now }

// Sent is when the last page was requested.
func (h *hand) Sent() time.Time { return h.sent }

// Arrived makes a response the current page.
func (h *hand) Arrived(page *defender.Page, at time.Time) {
	h.requested = false
	h.page, h.arrived, h.rows = page, at, page.Rows
}

// HasPage reports whether there is a current page.
func (h *hand) HasPage() bool { return h.page != nil }

// NextRow returns the next row of the current page, and when the page arrived. Not ok: there are no more; call TakePage.
func (h *hand) NextRow() (row defender.Row, arrived time.Time, ok bool) {
	if len(h.rows) == 0 {
		return defender.Row{}, h.arrived, false
	}
	row, h.rows = h.rows[0], h.rows[1:]
	return row, h.arrived, true
}

// TakePage removes and returns the current page, once all its rows were handled.
func (h *hand) TakePage() (page *defender.Page, arrived time.Time) {
	page, h.page, h.rows = h.page, nil, nil
	return page, h.arrived
}

// Ahead is how far the service's clock was ahead of ours when the current page arrived, to the second; negative: behind. It is also zero
// if the page has no date.
func (h *hand) Ahead() time.Duration {
	if h.page == nil || h.page.Date.IsZero() {
		return 0
	}
	return h.page.Date.Sub(h.arrived.Round(0))
}
