// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// crowd is a few incidents that fail at random, and how long each has been waiting.
type crowd struct {
	t       *rapid.T
	roster  *Roster
	now     int // seconds
	marks   int
	waiting []wait
	flying  []int64
}

// wait counts how many others were chosen, and how often a list showed a change, since an incident became due.
type wait struct {
	due    int
	chosen int
	marked int
}

func newCrowd(t *rapid.T) *crowd {
	c := &crowd{t: t, roster: New(Rules{})}
	for id := range rapid.Int64Range(1, 12).Draw(t, "incidents") {
		due := c.draw(10)
		if e := unpolled(c.roster, id, sec(due)); c.draw(1) == 0 {
			c.roster.leave(e)
			c.roster.load(e, open(), true)
		}
		c.waiting = append(c.waiting, wait{due: due})
	}
	return c
}

// draw returns a number from 0 to highest.
func (c *crowd) draw(highest int) int { return rapid.IntRange(0, highest).Draw(c.t, "n") }

// step advances the time, ends some polls, sometimes makes a list show a change, and starts what is chosen.
func (c *crowd) step() {
	c.now += c.draw(3)
	for len(c.flying) > 3 || len(c.flying) > 0 && c.draw(1) == 0 {
		c.end()
	}
	if c.draw(9) == 0 {
		c.mark(c.draw(len(c.waiting) - 1))
	}
	id, ok := choose(c.roster.Next(anyHung), sec(c.now))
	if !ok {
		return
	}
	for other := range c.waiting {
		w := &c.waiting[other]
		if int64(other) != id && w.due <= c.now && !slices.Contains(c.flying, int64(other)) {
			w.chosen++
		}
	}
	c.roster.Start(id)
	c.flying = append(c.flying, id)
}

// end ends the oldest poll; most fail and are due again soon.
func (c *crowd) end() {
	id := c.flying[0]
	c.flying = c.flying[1:]
	due := c.now + 1 + c.draw(3)
	o := failed(sec(due))
	if c.draw(3) == 0 {
		o = succeeded(sec(due))
	}
	c.waiting[id] = wait{due: due}
	c.roster.Finish(id, o)
}

// mark shows another change of an incident, which may put it ahead of the waiting ones again.
func (c *crowd) mark(id int) {
	if slices.Contains(c.flying, int64(id)) {
		return
	}
	for other := range c.waiting {
		if w := &c.waiting[other]; w.due <= c.now {
			w.marked++
		}
	}
	c.marks++
	c.roster.Mark(int64(id), sec(c.marks), sec(c.now))
	c.waiting[id].due = min(c.waiting[id].due, c.now)
}

func TestNoIncidentStarvesHoweverManyFail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd(t)
		for range 100 {
			c.step()
			for id, w := range c.waiting {
				require.Less(t, w.chosen, len(c.waiting)+w.marked, "incident %d is due since second %d", id, w.due)
			}
		}
	})
}

func TestEveryDueIncidentIsPolledOnceACycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(Rules{})
		all := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1000), 1, 30, rapid.ID).Draw(t, "incidents")
		for _, id := range all {
			e := unpolled(r, id, sec(rapid.IntRange(0, 5).Draw(t, "due")))
			if rapid.Bool().Draw(t, "polled before") {
				r.leave(e)
				r.load(e, open(), true)
			}
			if rapid.Bool().Draw(t, "hung before") {
				poll(r, id, hung(e.due))
			}
		}
		require.ElementsMatch(t, all, drain(r, sec(5)))
	})
}

// TestTheHeadsAreWhatSortingFinds compares the order of each class with a sorted list.
func TestTheHeadsAreWhatSortingFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := sec(5)
		r := New(Rules{})
		var dues [Classes][]time.Time
		for id := range rapid.Int64Range(0, 40).Draw(t, "incidents") {
			due, class := sec(rapid.IntRange(0, 9).Draw(t, "due")), rapid.SampledFrom([]Class{Marked, Unpolled, Retry, Routine}).Draw(t, "class")
			switch class {
			case Marked:
				polled(r, id, due)
				r.Mark(id, now, now)
				due = slices.MinFunc([]time.Time{due, now}, time.Time.Compare)
			case Unpolled:
				unpolled(r, id, due)
			case Retry:
				unpolled(r, id, now)
				poll(r, id, failed(due))
			case Routine:
				polled(r, id, due)
			}
			if rapid.Bool().Draw(t, "hung before") {
				r.change(r.Find(id), func() { r.Find(id).hung = true })
			}
			dues[class] = append(dues[class], due)
		}
		for class, want := range dues {
			slices.SortFunc(want, time.Time.Compare)
			for _, due := range want {
				head := r.Next(anyHung)[class]
				require.True(t, head.OK)
				require.Equal(t, due, head.Due)
				require.Equal(t, Class(class), r.Find(head.ID).Class())
				r.Start(head.ID)
			}
			require.Zero(t, r.Next(anyHung)[class])
		}
	})
}
