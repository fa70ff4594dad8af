package tracker_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// withManySeeds runs a test over and over, each time with other random numbers.
func withManySeeds(t *testing.T, test func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range uint64(200) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

// crowd is a handful of incidents that fail at random, and how long each has been waiting.
type crowd struct {
	rand    *rand.Rand
	tracker *tracker.Tracker
	now     int // seconds
	waiting []wait
	flying  []int64
}

// wait is how many others were chosen, and how often the feed named one, since an incident came due.
type wait struct {
	due    int
	chosen int
	named  int
}

func newCrowd(r *rand.Rand) *crowd {
	c := &crowd{rand: r, tracker: tracker.New()}
	for id := range 1 + r.IntN(12) {
		due := r.IntN(11)
		c.tracker.Add(int64(id), sec(due), r.IntN(2) == 0)
		c.waiting = append(c.waiting, wait{due: due})
	}
	return c
}

// step lets some time pass, ends some flights, lets the feed name one now and then, and starts what is chosen.
func (c *crowd) step() {
	c.now += c.rand.IntN(4)
	for len(c.flying) > 3 || len(c.flying) > 0 && c.rand.IntN(2) == 0 {
		c.end()
	}
	if c.rand.IntN(10) == 0 {
		c.name(c.rand.IntN(len(c.waiting)))
	}
	fresh, repeat := c.tracker.Next(sec(c.now), many)
	id, ok := choose(fresh, repeat, sec(c.now))
	if !ok {
		return
	}
	for other := range c.waiting {
		w := &c.waiting[other]
		if int64(other) != id && w.due <= c.now && !slices.Contains(c.flying, int64(other)) {
			w.chosen++
		}
	}
	c.tracker.Start(id)
	c.flying = append(c.flying, id)
}

// end ends the oldest flight; most fail and are due again soon.
func (c *crowd) end() {
	id := c.flying[0]
	c.flying = c.flying[1:]
	due := c.now + 1 + c.rand.IntN(4)
	o := tracker.Outcome{Due: sec(due), Answered: c.rand.IntN(4) == 0}
	c.waiting[id] = wait{due: due}
	c.tracker.Done(id, o)
}

// name shows id in the feed, which may put it ahead of those that are waiting once more.
func (c *crowd) name(id int) {
	if slices.Contains(c.flying, int64(id)) {
		return
	}
	for other := range c.waiting {
		if w := &c.waiting[other]; w.due <= c.now {
			w.named++
		}
	}
	c.tracker.Name(int64(id), sec(c.now))
	c.waiting[id].due = min(c.waiting[id].due, c.now)
}

func TestNobodyStarvesHoweverManyFail(t *testing.T) {
	withManySeeds(t, func(t *testing.T, r *rand.Rand) {
		c := newCrowd(r)
		for range 300 {
			c.step()
			for id, w := range c.waiting {
				require.Less(t, w.chosen, len(c.waiting)+w.named, "incident %d is due since second %d", id, w.due)
			}
		}
	})
}

func TestEveryDueIncidentIsFetchedOnceARound(t *testing.T) {
	withManySeeds(t, func(t *testing.T, r *rand.Rand) {
		tr := tracker.New()
		n := 1 + r.IntN(30)
		for id := range n {
			tr.Add(int64(id), sec(r.IntN(6)), r.IntN(2) == 0)
		}
		order := drain(tr, sec(5))
		require.Len(t, order, n)
		slices.Sort(order)
		require.Len(t, slices.Compact(order), n)
	})
}

// TestTheHeadsAreWhatSortingFinds compares each candidate with the head of a plainly sorted list.
func TestTheHeadsAreWhatSortingFinds(t *testing.T) {
	type plain struct {
		id           int64
		due          time.Time
		named, fetch bool
	}
	withManySeeds(t, func(t *testing.T, r *rand.Rand) {
		now := sec(5)
		tr := tracker.New()
		var fresh, repeat []plain
		for id := range int64(r.IntN(21)) {
			p := plain{id: id, due: sec(r.IntN(10)), fetch: r.IntN(2) == 0}
			tr.Add(p.id, p.due, p.fetch)
			if r.IntN(4) == 0 {
				p.named = true
				tr.Name(p.id, now)
				p.due = slices.MinFunc([]time.Time{p.due, now}, time.Time.Compare)
			}
			if p.named || !p.fetch {
				fresh = append(fresh, p)
			} else {
				repeat = append(repeat, p)
			}
		}
		first := func(list []plain) tracker.Candidate {
			if len(list) == 0 {
				return tracker.Candidate{}
			}
			slices.SortStableFunc(list, func(a, b plain) int { return a.due.Compare(b.due) })
			best := list[0]
			if i := slices.IndexFunc(list, func(p plain) bool { return p.named }); i >= 0 && !best.due.After(now) {
				best = list[i]
			}
			return tracker.Candidate{ID: best.id, Due: best.due, Ahead: best.named || !best.fetch, OK: true}
		}
		same := func(list []plain, got tracker.Candidate) {
			want := first(list)
			if want.OK { // among equals any goes first
				require.True(t, slices.ContainsFunc(list, func(p plain) bool { return p.id == got.ID && p.due.Equal(want.Due) }))
				want.ID = got.ID
			}
			require.Equal(t, want, got)
		}
		gotFresh, gotRepeat := tr.Next(now, many)
		same(fresh, gotFresh)
		same(repeat, gotRepeat)
	})
}
