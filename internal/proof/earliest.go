// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"slices"
	"time"
)

// Room is for so many requests at once. Each takes its place from its sending
// until a while after its answer: that of a limit is its window, that of a
// connection 0.
type Room struct {
	Requests int
	After    time.Duration
}

// Earliest says when requests can be sent, from the first on, that need a place
// in each of the rooms and whose answers take so long: as early as can be, and
// none before the one ahead of it.
func Earliest(answers []time.Duration, rooms ...Room) []time.Duration {
	sent := make([]time.Duration, len(answers))
	var ends []time.Duration // of those before, ascending
	var at time.Duration
	for n, takes := range answers {
		for _, r := range rooms {
			if n >= r.Requests { // all places have been taken: one has to be left
				at = max(at, ends[n-r.Requests]+r.After)
			}
		}
		sent[n] = at
		place, _ := slices.BinarySearch(ends, at+takes)
		ends = slices.Insert(ends, place, at+takes)
	}
	return sent
}
