// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"container/heap"
	"time"
)

// queue holds the waiting entries of one class as a heap. The entry to poll first is its head.
type queue []slot

// slot is the place of one entry. It has copies of what is compared, so comparisons do not need to read the entries.
type slot struct {
	due   time.Duration // since the roster's epoch
	place uint64
	entry *Entry
}

// sooner is the order within a queue.
func (s slot) sooner(other slot) bool {
	return s.due < other.due || s.due == other.due && s.place < other.place
}

var _ heap.Interface = (*queue)(nil)

// Len, Less, Swap, Push and Pop are for container/heap only.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].sooner(q[j]) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].entry.at, q[j].entry.at = i, j
}

func (q *queue) Push(x any) {
	s := x.(slot)
	s.entry.at = len(*q)
	*q = append(*q, s)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	(*q)[last] = slot{} // frees the entry
	*q = (*q)[:last]
	return nil // unused
}

func (q *queue) add(s slot) {
	s.entry.at = len(*q)
	*q = append(*q, s)
	heap.Fix(q, s.entry.at)
}

func (q *queue) remove(e *Entry) { heap.Remove(q, e.at) }

// head returns the first slot; zero if the queue is empty.
func (q queue) head() slot {
	if len(q) == 0 {
		return slot{}
	}
	return q[0]
}

// overdue counts the overdue entries in the part of the heap at and below from. If an entry is not overdue, none below it is.
func (q queue) overdue(now time.Duration, from int) int {
	if from >= len(q) || q[from].due >= now {
		return 0
	}
	return 1 + q.overdue(now, 2*from+1) + q.overdue(now, 2*from+2)
}
