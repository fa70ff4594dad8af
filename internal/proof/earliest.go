// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"slices"
	"time"
)

// Room is for so many requests at once. Each occupies a place from when it is
// sent until a while after its response: for a rate limit that is its window,
// for a connection 0.
type Room struct {
	Requests int
	After    time.Duration
}

// Earliest returns when requests can be sent that need a place in each of the
// rooms, given the durations of their responses: as early as possible, but in
// order.
func Earliest(responses []time.Duration, rooms ...Room) []time.Duration {
	sent := make([]time.Duration, len(responses))
	var ends []time.Duration // of those before, ascending
	var at time.Duration
	for n, takes := range responses {
		for _, r := range rooms {
			if n >= r.Requests { // all places are taken: one must become free
				at = max(at, ends[n-r.Requests]+r.After)
			}
		}
		sent[n] = at
		place, _ := slices.BinarySearch(ends, at+takes)
		ends = slices.Insert(ends, place, at+takes)
	}
	return sent
}
