// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// remembers is the minimum time for which a row is known; the maximum is twice that.
const remembers = 2 * time.Hour

// version identifies a row and one change. The incident is part of it: an alert with another incident has moved.
type version struct {
	row      rowKey
	incident int64
	second   int64
	nano     int
}

// seen are the rows that were returned, in two generations, so forgetting the older one costs nothing. A row that is shown again
// stays known. The value says whether the row came with its content.
type seen struct {
	young, old map[version]bool
	since      time.Time // when the young generation began
}

// returns reports whether to return a row, and notes it. A row is returned again if it now has the content that was missing before. Without
// a time, it is not known whether a row is new.
func (s *seen) returns(row defender.Row, now time.Time) bool {
	if row.LastUpdate.IsZero() {
		return true
	}
	if s.young == nil || now.Sub(s.since) >= remembers {
		s.old, s.young, s.since = s.young, map[version]bool{}, now
	}
	v := version{row: keyOf(row), incident: row.ID, second: row.LastUpdate.Unix(), nano: row.LastUpdate.Nanosecond()}
	whole, known := s.young[v]
	if !known {
		whole, known = s.old[v]
	}
	s.young[v] = whole || row.Snapshot != nil
	return !known || row.Snapshot != nil && !whole
}
