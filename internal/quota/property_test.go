// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// request is one that was sent, as somebody who sees everything would write it down.
type request struct {
	ends    time.Time // when it will have ended; in flight before
	reached int
}

// model sends random requests through a quota and keeps every one of them.
type model struct {
	rand     *rand.Rand
	limits   []quota.Limit
	quota    *quota.Quota
	now      time.Time
	paused   time.Time
	inFlight []request
	ended    []request
	arrivals []time.Time
}

// withManyModels runs a test with models that differ in their limits and in everything that happens.
func withManyModels(t *testing.T, test func(t *testing.T, w *model)) {
	t.Helper()
	for seed := range uint64(200) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			test(t, newModel(rand.New(rand.NewPCG(seed, 0))))
		})
	}
}

// newModel has limits on a grid of seconds, so that moments often fall exactly on the edge
// of a window.
func newModel(r *rand.Rand) *model {
	w := &model{rand: r, now: after(0)}
	for range 1 + r.IntN(3) {
		w.limits = append(w.limits, quota.Limit{Window: w.upTo(20) + time.Second, Requests: r.IntN(46)})
	}
	w.quota = quota.New(w.limits...)
	return w
}

// upTo is a random number of whole seconds from 0 to limit.
func (w *model) upTo(limit int) time.Duration {
	return time.Duration(w.rand.IntN(limit+1)) * time.Second
}

// send sends one request that ends within 0 to 8 seconds and arrives, as often as it does, in between.
func (w *model) send(maxReached int) {
	seconds := w.rand.IntN(9)
	reached := w.rand.IntN(maxReached + 1)
	for range reached {
		w.arrivals = append(w.arrivals, w.now.Add(w.upTo(seconds)))
	}
	w.inFlight = append(w.inFlight, request{ends: w.now.Add(time.Duration(seconds) * time.Second), reached: reached})
	w.quota.Send(w.now)
}

// endOne moves to the end of the request in flight that ends soonest.
func (w *model) endOne() {
	slices.SortStableFunc(w.inFlight, func(a, b request) int { return a.ends.Compare(b.ends) })
	r := w.inFlight[0]
	w.inFlight = w.inFlight[1:]
	w.ended = append(w.ended, r)
	w.now = r.ends
	w.quota.Done(w.now, r.reached)
}

// moveTo advances the clock and ends the requests that end on the way.
func (w *model) moveTo(then time.Time) {
	for slices.ContainsFunc(w.inFlight, func(r request) bool { return !r.ends.After(then) }) {
		w.endOne()
	}
	w.now = then
}

// leaves is how many requests of a limit a demand leaves to others.
func leaves(d quota.Demand, requests int) int {
	part := func(times, of, atLeast int) int { return max(requests*times/of, min(atLeast, requests/2)) }
	switch d {
	case quota.Repeat:
		return requests / 20
	case quota.Sweep:
		return part(4, 100, 4)
	case quota.AfterFeed:
		return part(8, 150, 8)
	case quota.RepeatAfterFeed:
		return part(8, 150, 8) + requests/20
	case quota.Half:
		return requests - max(1, requests/2)
	}
	return 0
}

// demands are all, each after those that leave less.
func demands() []quota.Demand {
	return []quota.Demand{quota.Fresh, quota.Sweep, quota.Repeat, quota.AfterFeed, quota.RepeatAfterFeed, quota.Half}
}

// room reports, by plain counting, whether a request may be sent at that moment if those in flight
// now still are.
func (w *model) room(at time.Time, d quota.Demand) bool {
	if at.Before(w.paused) {
		return false
	}
	for _, l := range w.limits {
		usable := l.Requests - leaves(d, l.Requests)
		occupied := len(w.inFlight)
		for _, r := range w.ended {
			if at.Before(r.ends.Add(l.Window)) {
				occupied += r.reached
			}
		}
		if l.Requests > 0 && occupied >= usable {
			return false
		}
	}
	return true
}

// run makes random moves; each response of Next goes to check before it is acted upon.
func (w *model) run(t *testing.T, maxReached int, check func(d quota.Demand, at time.Time, ok bool)) {
	for range 300 {
		d := demands()[w.rand.IntN(len(demands()))]
		at, ok := w.quota.Next(w.now, d)
		check(d, at, ok)
		switch w.rand.IntN(40) {
		case 0:
			until := w.now.Add(w.upTo(5))
			w.quota.Pause(until)
			if until.After(w.paused) {
				w.paused = until
			}
		case 1, 2:
			w.moveTo(w.now.Add(w.upTo(5)))
		default:
			w.act(t, at, ok, maxReached)
		}
	}
}

// act sends if it may, and otherwise waits for what comes first: at or the end
// of a request.
func (w *model) act(t *testing.T, at time.Time, ok bool, maxReached int) {
	soonerEnd := slices.ContainsFunc(w.inFlight, func(r request) bool { return r.ends.Before(at) })
	switch {
	case ok && at.Equal(w.now):
		w.send(maxReached)
	case ok && !soonerEnd:
		w.moveTo(at)
	default:
		require.NotEmpty(t, w.inFlight, "waiting for an end although nothing is in flight")
		w.endOne()
	}
}

func TestNoWindowAtAnyAlignmentHoldsMoreArrivalsThanItsLimit(t *testing.T) {
	withManyModels(t, func(t *testing.T, w *model) {
		w.run(t, 1, func(quota.Demand, time.Time, bool) {})

		slices.SortFunc(w.arrivals, time.Time.Compare)
		for _, l := range w.limits {
			for i := 0; l.Requests > 0 && i+l.Requests < len(w.arrivals); i++ {
				span := w.arrivals[i+l.Requests].Sub(w.arrivals[i])
				require.GreaterOrEqual(t, span, l.Window, "%d arrivals within %s", l.Requests+1, span)
			}
		}
	})
}

func TestNothingWaitsThatCouldGo(t *testing.T) {
	withManyModels(t, func(t *testing.T, w *model) {
		w.run(t, 2, func(d quota.Demand, at time.Time, ok bool) {
			if !ok {
				require.False(t, w.room(w.now.Add(time.Hour), d), "the requests in flight leave room")
				return
			}
			require.False(t, at.Before(w.now))
			require.True(t, w.room(at, d), "no room at the named moment")
			// Occupancy only falls while nothing is sent, so the moment just before speaks for all since now.
			if at.After(w.now) {
				require.False(t, w.room(at.Add(-1), d), "could have gone before %s", at)
			}
		})
	})
}

func TestEachDemandLeavesRoomToThoseBeforeItAndGetsSomeItself(t *testing.T) {
	for _, requests := range append(upTo(60), 100, 149, 150, 151, 300, 1500) {
		usable := func(d quota.Demand) int {
			q := quota.New(perMinute(requests))
			for n := 0; ; n++ {
				if at, ok := q.Next(after(0), d); !ok || !at.Equal(after(0)) {
					return n
				}
				q.Send(after(0))
			}
		}
		fresh, afterFeed, repeat, half := usable(quota.Fresh), usable(quota.AfterFeed), usable(quota.RepeatAfterFeed), usable(quota.Half)
		require.Equal(t, requests, fresh)
		require.Positive(t, min(afterFeed, repeat, half), requests)
		require.LessOrEqual(t, repeat, afterFeed, requests)
		require.LessOrEqual(t, half, max(1, requests/2), requests)
		require.LessOrEqual(t, fresh-afterFeed, max(requests/2, requests*8/150), "of a small limit at most half is left")
		if requests >= 16 {
			require.GreaterOrEqual(t, fresh-afterFeed, 8)
		}
		if requests >= 20 {
			require.Less(t, repeat, afterFeed, "changes go on where routine polls have used up their part")
		}
	}
}

func upTo(limit int) (numbers []int) {
	for n := range limit {
		numbers = append(numbers, n+1)
	}
	return numbers
}

func TestDemandsAtTheLimitThatIsDocumented(t *testing.T) {
	for d, want := range map[quota.Demand]time.Duration{
		quota.Fresh: time.Minute / 150, quota.AfterFeed: time.Minute / 142, quota.RepeatAfterFeed: time.Minute / 135, quota.Half: time.Minute / 75,
	} {
		require.Equal(t, want, quota.NewAccount(perMinute(150)).Spacing(after(0), d))
	}
}
