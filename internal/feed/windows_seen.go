// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// remembers is how long a row is known at least; at most twice as long.
const remembers = 2 * time.Hour

// version is a row as of one change. The incident is part of it: an alert that shows another one has moved.
type version struct {
	name   rowName
	id     int64
	second int64
	nano   int
}

// seen are the rows that were returned, in two generations, so that forgetting the older one costs nothing. A row that is shown again
// stays known. The value says whether the row came with its content.
type seen struct {
	young, old map[version]bool
	since      time.Time // when the young generation began
}

// returns says whether a row is to be returned, and notes it. A row is returned again if it brings the content that it came without before.
// Without a time, nobody can say whether a row is known.
func (s *seen) returns(row defender.Row, now time.Time) bool {
	if row.LastUpdate.IsZero() {
		return true
	}
	if s.young == nil || now.Sub(s.since) >= remembers {
		s.old, s.young, s.since = s.young, map[version]bool{}, now
	}
	v := version{name: nameOf(row), id: row.ID, second: row.LastUpdate.Unix(), nano: row.LastUpdate.Nanosecond()}
	whole, known := s.young[v]
	if !known {
		whole, known = s.old[v]
	}
	s.young[v] = whole || row.Snapshot != nil
	return !known || row.Snapshot != nil && !whole
}
