package quota

import (
	"slices"
	"sort"
	"time"
)

// ends is a ring of the moments at which the last requests ended, never decreasing.
// No limit looks further back than the requests it allows, so size is the largest of those.
type ends struct {
	times []time.Time // grows up to size, so that a generous limit costs memory only when it is used
	first int         // index of the oldest; stays 0 until the ring is full
	size  int
}

// add puts t behind all others. It must not lie before them, and size must not be 0.
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

// insert puts ends where they belong among the others. Of more than there is room for the oldest are dropped.
func (e *ends) insert(more []time.Time) {
	all := append(e.all(), more...)
	slices.SortFunc(all, time.Time.Compare)
	e.times, e.first = all[max(0, len(all)-e.size):], 0
}

// all returns the ends, oldest first.
func (e *ends) all() []time.Time {
	return append(slices.Clone(e.times[e.first:]), e.times[:e.first]...)
}

// fromLast returns the end that n others come after; found is false when there are not so many.
func (e *ends) fromLast(n int) (end time.Time, found bool) {
	if n >= len(e.times) {
		return time.Time{}, false
	}
	return e.times[(e.first+len(e.times)-1-n)%len(e.times)], true
}

// within counts the ends that lie less than window before now, those after now included.
func (e *ends) within(window time.Duration, now time.Time) int {
	return sort.Search(len(e.times), func(n int) bool {
		end, _ := e.fromLast(n)
		return now.Sub(end) >= window
	})
}
