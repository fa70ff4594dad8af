// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"slices"
	"sort"
	"time"
)

// ends is a ring buffer of the times at which the last requests ended, oldest first. No
// limit needs more of them than it allows requests, so size is the largest limit.
type ends struct {
	times []time.Time // grows up to size: a generous limit costs memory only once it is used
	first int         // index of the oldest; 0 until the ring is full
	size  int
}

// add appends t, which must not be before the others. The size must not be 0.
func (e *ends) add(t time.Time) {
	if len(e.times) < e.size {
		e.times = append(e.times, t)
		return
	}
	e.times[e.first] = t
	e.first = (e.first + 1) % e.size
}

// grow makes room for at least size ends.
func (e *ends) grow(size int) {
	if size > e.size {
		e.times, e.first, e.size = e.all(), 0, size
	}
}

// insert adds ends in their order. If there are more than size, the oldest are dropped.
func (e *ends) insert(more []time.Time) {
	all := append(e.all(), more...)
	slices.SortFunc(all, time.Time.Compare)
	e.times, e.first = all[max(0, len(all)-e.size):], 0
}

// all returns the ends, oldest first.
func (e *ends) all() []time.Time {
	return append(slices.Clone(e.times[e.first:]), e.times[:e.first]...)
}

// fromLast returns the end that is followed by n others; found is false if there are not that many.
func (e *ends) fromLast(n int) (end time.Time, found bool) {
	if n >= len(e.times) {
		return time.Time{}, false
	}
	return e.times[(e.first+len(e.times)-1-n)%len(e.times)], true
}

// within counts the ends less than window before now, and those after now.
func (e *ends) within(window time.Duration, now time.Time) int {
	return sort.Search(len(e.times), func(n int) bool {
		end, _ := e.fromLast(n)
		return now.Sub(end) >= window
	})
}
