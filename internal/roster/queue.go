package roster

import (
	"container/heap"
	"time"
)

// queue holds the entries of one class that wait for their poll, as a heap: the one that goes first is its head.
type queue []*Entry

var _ heap.Interface = (*queue)(nil)

// Len, Less, Swap, Push and Pop are for container/heap alone.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].sooner(q[j]) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	e := x.(*Entry)
	e.at = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil // or else it would be kept for as long as the queue
	*q = (*q)[:last]
	return e
}

func (q *queue) add(e *Entry)    { heap.Push(q, e) }
func (q *queue) remove(e *Entry) { heap.Remove(q, e.at) }

// head is nil where there is none.
func (q queue) head() *Entry {
	if len(q) == 0 {
		return nil
	}
	return q[0]
}

// overdue counts those whose due time has passed, from one of them on. None that comes behind one that is not due is.
func (q queue) overdue(now time.Time, from int) int {
	if from >= len(q) || !q[from].due.Before(now) {
		return 0
	}
	return 1 + q.overdue(now, 2*from+1) + q.overdue(now, 2*from+2)
}
