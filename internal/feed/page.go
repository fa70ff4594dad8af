// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// rowKey identifies a row of a list: an alert by its own ID only, since it can move to another incident, an incident by its ID.
type rowKey struct {
	incident int64
	alert    string
}

func keyOf(row defender.Row) rowKey {
	if row.Alert != "" {
		return rowKey{alert: row.Alert}
	}
	return rowKey{incident: row.ID}
}

// rowsOf is how many rows a page has, including those without an incident ID.
func rowsOf(page *defender.Page) int { return len(page.Rows) + page.Nameless }

// leadsOn reports whether a page links to a next one.
func leadsOn(page *defender.Page) bool { return page.Next > 0 || page.Token != "" }

// dateOf is the Date of a page; otherwise is used for a page without one.
func dateOf(page *defender.Page, otherwise time.Time) time.Time {
	if page.Date.IsZero() {
		return otherwise.Round(0)
	}
	return page.Date
}
