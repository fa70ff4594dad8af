// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

var unnamed quota.Limit

func perMinute(requests int) quota.Limit { return quota.Limit{Window: time.Minute, Requests: requests} }

func perHour(requests int) quota.Limit { return quota.Limit{Window: time.Hour, Requests: requests} }

// sent sends n requests that end at a moment.
func sent(q counter, n int, at time.Time) {
	for range n {
		q.Send(at)
		q.Done(at, 1)
	}
}

// room is how many requests each window has room for.
func room(q counter, now time.Time) []int {
	var rooms []int
	for _, r := range q.Remaining(now) {
		rooms = append(rooms, r.Requests)
	}
	return rooms
}

// next is when a new request may go, after the start of the test.
func next(t *testing.T, q counter, now time.Time) time.Duration {
	t.Helper()
	at, ok := q.Next(now, quota.Fresh)
	require.True(t, ok)
	return at.Sub(after(0))
}

// refuse refuses a request that was sent after another had succeeded.
func refuse(q counter, now time.Time, named quota.Limit, wait time.Duration) quota.Correction {
	q.Succeeded(now.Add(-1))
	return q.Refused(now, now, named, wait)
}

// refuseTwice refuses a request, lets another succeed, and refuses a third
// a moment later.
func refuseTwice(q counter, now time.Time, named quota.Limit, wait time.Duration) quota.Correction {
	refuse(q, now.Add(-2), named, wait)
	return refuse(q, now, named, wait)
}

func TestOneRefusalTeachesNothing(t *testing.T) {
	for name, named := range map[string]quota.Limit{
		"unnamed": unnamed, "named": perMinute(50), "an unknown window": {Window: 10 * time.Second, Requests: 3},
	} {
		t.Run(name, func(t *testing.T) {
			q := quota.New(perMinute(100), perHour(1500))
			q.SetEpoch(after(0))
			sent(q, 80, after(0))
			require.Zero(t, refuse(q, after(time.Second), named, 10*time.Second))
			require.Equal(t, []int{20, 1420}, room(q, after(time.Second)))
			require.Empty(t, q.Learned(after(time.Second)))
		})
	}
}

func TestRefusalsOfRequestsInFlightAtTheSameMomentAreOne(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 80, after(0))
	for seconds := range 4 { // sent before the first of them was refused, whatever succeeded in between
		q.Succeeded(after(time.Duration(seconds) * time.Second))
		require.Zero(t, q.Refused(after(0), after(time.Duration(seconds)*time.Second), unnamed, time.Second))
	}
	require.Equal(t, quota.Correction{Limit: perMinute(72), New: true}, q.Refused(after(5*time.Second), after(5*time.Second), unnamed, time.Second))
	require.Zero(t, q.Refused(after(5*time.Second), after(6*time.Second), unnamed, time.Second), "nor do they lower it again")
}

func TestRefusalsWithoutASuccessInBetweenAreOne(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 80, after(0))
	q.Succeeded(after(0))
	for minute := range 60 {
		at := after(time.Duration(minute) * time.Minute)
		require.Zero(t, q.Refused(at, at, unnamed, time.Second))
	}
	require.Empty(t, q.Learned(after(time.Hour)))
}

func TestARefusalIsForgottenAfterTwentyWindows(t *testing.T) {
	for d, repeated := range map[time.Duration]bool{20*time.Minute - 1: true, 20 * time.Minute: false} {
		q := quota.New(perMinute(100))
		refuse(q, after(0), unnamed, time.Second)
		require.Equal(t, repeated, refuse(q, after(d), unnamed, time.Second) != quota.Correction{}, d)
	}
}

func TestARefusalOfOneWindowIsNoRepetitionOfAnothers(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	require.Zero(t, refuse(q, after(0), perMinute(100), time.Second))
	require.Zero(t, refuse(q, after(time.Minute), perHour(1500), time.Second))
	require.NotZero(t, refuse(q, after(2*time.Minute), perMinute(100), time.Second))
}

func TestALimitThatRefusalsNameHoldsFromNowOn(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 31, after(0))
	require.Equal(t, []int{69, 1469}, room(q, after(0)))

	require.Equal(t, quota.Correction{Limit: perMinute(30), New: true}, refuseTwice(q, after(0), perMinute(30), 8*time.Second), "less than half")
	require.Equal(t, []int{0, 1469}, room(q, after(0)))
	require.Equal(t, time.Minute, next(t, q, after(0)))
	require.Equal(t, []int{29, 1469}, room(q, after(time.Minute)), "but for a twentieth")
}

func TestALimitThatRefusalsNameDoesNotRise(t *testing.T) {
	q := quota.New(perMinute(500))
	sent(q, 51, after(0))
	refuseTwice(q, after(0), perMinute(50), time.Second)
	sent(q, 40, after(2*time.Minute))
	require.Equal(t, quota.Correction{Limit: perMinute(36), New: true}, refuse(q, after(2*time.Minute), perMinute(50), time.Second), "somebody else uses it, too")
	require.Equal(t, quota.Correction{Limit: perMinute(36)}, refuse(q, after(4*time.Minute), unnamed, time.Second))
}

func TestALearnedLimitIsWholeAgainAfterTenQuietWindows(t *testing.T) {
	for _, l := range []quota.Limit{perMinute(100), perHour(100)} {
		q := quota.New(l)
		sent(q, 51, after(0))
		refuseTwice(q, after(0), quota.Limit{Window: l.Window, Requests: 50}, time.Second)
		require.Equal(t, []int{48}, room(q, after(l.Window)))
		require.Equal(t, l.Window/46, q.Spacing(after(l.Window), quota.Repeat))
		require.Equal(t, []int{48}, room(q, after(10*l.Window-1)))
		require.Len(t, q.Learned(after(10*l.Window-1)), 1)
		require.Equal(t, []int{100}, room(q, after(10*l.Window)))
		require.Equal(t, l.Window/95, q.Spacing(after(10*l.Window), quota.Repeat))
		require.Empty(t, q.Learned(after(10*l.Window)))
	}
}

func TestALimitThatIsTooHighAsSoonAsItIsWholeAgainIsLearnedAtOnce(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 51, after(0))
	refuseTwice(q, after(0), unnamed, time.Second)
	again := after(11 * time.Minute)
	sent(q, 90, again)
	require.Equal(t, quota.Correction{Limit: perMinute(81)}, refuse(q, again, unnamed, time.Second), "as others use it now")
}

func TestNextNamesTheMomentAtWhichALimitIsWholeAgain(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Hour, Requests: 10})
	sent(q, 6, after(0))
	refuseTwice(q, after(0), perHour(1), time.Second)
	q.Send(after(9*time.Hour + 30*time.Minute))
	require.Equal(t, 10*time.Hour, next(t, q, after(9*time.Hour+30*time.Minute)), "although what is in flight fills the window")
}

func TestWhatAnotherProgramTakesIsLearnedWithATenthToSpare(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 80, after(0))
	require.Equal(t, quota.Correction{Limit: perMinute(72), New: true}, refuseTwice(q, after(0), perMinute(100), time.Second),
		"the limit that is named does not explain it")
	require.Equal(t, quota.Correction{Limit: perMinute(72)}, refuse(q, after(time.Second), perMinute(100), time.Second), "nor lower than that of what was sent")
	sent(q, 60, after(2*time.Minute))
	require.Equal(t, quota.Correction{Limit: perMinute(54), New: true}, refuse(q, after(2*time.Minute), perMinute(100), time.Second))
}

func TestHalfIsLeftHoweverMuchAnotherProgramTakes(t *testing.T) {
	q := quota.New(perMinute(101))
	sent(q, 1, after(0))
	require.Equal(t, quota.Correction{Limit: perMinute(51), New: true}, refuseTwice(q, after(0), perMinute(200), time.Second))
}

func TestAbsurdLimitsAreNotBelieved(t *testing.T) {
	for name, named := range map[string]quota.Limit{
		"none":               perMinute(0),
		"negative":           perMinute(-1),
		"far too many":       perMinute(1_000_000_000),
		"no window":          {Requests: 5},
		"an unknown, huge":   {Window: time.Second, Requests: 10_001},
		"an unknown, of nil": {Window: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			q := quota.New(perMinute(100))
			sent(q, 80, after(0))
			refuseTwice(q, after(0), named, time.Second)
			require.GreaterOrEqual(t, room(q, after(time.Minute))[0], 69)
			require.Len(t, q.Remaining(after(0)), 1)
		})
	}
}

func TestARefusalThatNamesNoWindowIsAboutTheFullestThatTheWaitFitsInto(t *testing.T) {
	for name, c := range map[string]struct {
		wait time.Duration
		want quota.Limit
	}{
		"no wait":                    {0, perMinute(72)},
		"a wait of a minute":         {time.Minute, perMinute(72)},
		"a wait beyond the minute":   {time.Minute + 1, perHour(750)},
		"a wait beyond every window": {2 * time.Hour, unnamed},
	} {
		t.Run(name, func(t *testing.T) {
			q := quota.New(perMinute(100), perHour(1500))
			sent(q, 80, after(0))
			require.Equal(t, quota.Correction{Limit: c.want, New: c.want != unnamed}, refuseTwice(q, after(0), unnamed, c.wait))
		})
	}
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 1400, after(0))
	sent(q, 80, after(2*time.Minute))
	require.Equal(t, quota.Correction{Limit: perHour(1332), New: true}, refuseTwice(q, after(2*time.Minute), unnamed, time.Second))
}

func TestWithoutLimitsRefusalsTeachNothing(t *testing.T) {
	require.Zero(t, refuseTwice(quota.New(), after(0), unnamed, time.Second))
}

func TestWhatWasSentBeforeTheAccountBeganIsAssumedToHaveBeenSentEvenly(t *testing.T) {
	q := quota.New(perHour(1500))
	q.SetEpoch(after(0))
	sent(q, 300, after(0))
	require.Equal(t, quota.Correction{Assumed: 1200}, refuseTwice(q, after(time.Minute), perHour(1500), 2*time.Second))

	require.Equal(t, time.Minute+2*time.Second, next(t, q, after(time.Minute)), "the wait is when the first leaves")
	require.Equal(t, []int{0}, room(q, after(time.Minute)))
	require.InDelta(t, 600, room(q, after(30*time.Minute+31*time.Second))[0], 1, "half of the rest has left")
	require.Equal(t, []int{1200}, room(q, after(time.Hour-1)))
	require.Empty(t, q.Learned(after(time.Minute)), "the limit stays what it is")
}

func TestWhatWasSentBeforeTheAccountBeganIsAssumedOnce(t *testing.T) {
	q := quota.New(perHour(1500))
	q.SetEpoch(after(0))
	sent(q, 300, after(0))
	require.Equal(t, quota.Correction{Assumed: 1200}, refuseTwice(q, after(time.Minute), unnamed, 2*time.Second))
	require.Equal(t, quota.Correction{Limit: perHour(1350), New: true}, refuse(q, after(time.Minute+2), unnamed, 2*time.Second), "then it is another program")
}

func TestALimitThatNobodyKnewIsTakenUpAsItIsNamed(t *testing.T) {
	tenSeconds := quota.Limit{Window: 10 * time.Second, Requests: 30}
	q := quota.New(perMinute(100))
	sent(q, 31, after(0))
	require.Equal(t, quota.Correction{Limit: tenSeconds, New: true}, refuseTwice(q, after(time.Second), tenSeconds, 9*time.Second))
	require.Equal(t, []int{69, 0}, room(q, after(time.Second)))
	require.Equal(t, 10*time.Second, next(t, q, after(time.Second)))

	require.Equal(t, []int{100, 29}, room(q, after(100*time.Second)))
	require.Equal(t, []int{100}, room(q, after(101*time.Second)), "after ten of its windows it is gone")
	require.Empty(t, q.Learned(after(time.Second)), "a later run learns it itself")
}

func TestLearnedLimitsAreThoseThatApplyNow(t *testing.T) {
	tenSeconds := quota.Limit{Window: 10 * time.Second, Requests: 30}
	q := quota.New(perMinute(100), perHour(1500))
	require.Equal(t, []quota.Limit{perMinute(0), perHour(0)}, q.LearnedLimits(after(0)), "nothing is learned")
	sent(q, 80, after(0))
	require.Equal(t, perMinute(72), refuseTwice(q, after(0), unnamed, time.Second).Limit)
	require.Equal(t, []quota.Limit{perMinute(72), perHour(0)}, q.LearnedLimits(after(quota.LearnedFor(time.Minute)-1)))
	require.Equal(t, []quota.Limit{perMinute(0), perHour(0)}, q.LearnedLimits(after(quota.LearnedFor(time.Minute))), "it has ended")

	q = quota.New(perMinute(100))
	sent(q, 31, after(0))
	refuseTwice(q, after(time.Second), tenSeconds, 9*time.Second)
	require.Equal(t, []quota.Limit{perMinute(0), tenSeconds}, q.LearnedLimits(after(101*time.Second-1)), "nobody configured it")
	require.Equal(t, []quota.Limit{perMinute(0)}, q.LearnedLimits(after(101*time.Second)))
}

func TestALimitThatNobodyKnewIsLoweredLikeAnyOther(t *testing.T) {
	tenSeconds := quota.Limit{Window: 10 * time.Second, Requests: 30}
	q := quota.New(perMinute(100))
	refuseTwice(q, after(0), tenSeconds, time.Second)
	sent(q, 20, after(10*time.Second))
	require.Equal(t, quota.Correction{Limit: quota.Limit{Window: 10 * time.Second, Requests: 18}, New: true}, refuse(q, after(10*time.Second), tenSeconds, time.Second))
	require.Equal(t, quota.Correction{Limit: quota.Limit{Window: 10 * time.Second, Requests: 15}}, refuse(q, after(25*time.Second), tenSeconds, time.Second))
}

func TestAServerThatNamesEverNewLimitsIsNotFollowed(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 1, after(0))
	for n := range 100 {
		refuseTwice(q, after(time.Duration(n)*time.Millisecond), quota.Limit{Window: time.Duration(n+70) * time.Second, Requests: 10_000}, time.Second)
	}
	require.Len(t, q.Remaining(after(0)), 4)
	require.Equal(t, quota.Correction{Limit: perHour(50), New: true}, refuseTwice(q, after(time.Hour), perHour(50), time.Second), "the others are forgotten")
	require.Len(t, q.Remaining(after(time.Hour)), 2)
}

func TestWhatWasLearnedIsTakenUpByALaterRun(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 80, after(0))
	refuseTwice(q, after(0), unnamed, time.Second)
	learned := q.Learned(after(time.Minute))
	require.Equal(t, []quota.Learned{{Limit: perMinute(72), Since: after(0)}}, learned)

	q = quota.New(perMinute(100), perHour(1500))
	q.RestoreLimit(learned[0])
	require.Equal(t, []int{69, 1500}, room(q, after(10*time.Minute-1)))
	q.RestoreLimit(quota.Learned{Limit: perMinute(0), Since: after(0)})
	q.RestoreLimit(quota.Learned{Limit: quota.Limit{Window: time.Second, Requests: 1}, Since: after(0)})
	require.Equal(t, []int{69, 1500}, room(q, after(10*time.Minute-1)), "what does not limit, and a window that is not limited, are left alone")
	sent(q, 70, after(5*time.Minute))
	require.Equal(t, quota.Correction{Limit: perMinute(63)}, refuse(q, after(5*time.Minute), unnamed, time.Second), "a repetition")

	q = quota.New(perMinute(100), perHour(1500))
	q.RestoreLimit(learned[0])
	require.Equal(t, []int{100, 1500}, room(q, after(10*time.Minute)), "ten windows have passed since")
}

func TestWhateverRefusalsTeachNextAgreesWithWhatRemains(t *testing.T) {
	withManyModels(t, func(t *testing.T, w *model) {
		w.run(t, 1, func(_ quota.Demand, _ time.Time, _ bool) {
			if w.rand.IntN(10) == 0 {
				named := quota.Limit{Window: w.upTo(25), Requests: w.rand.IntN(50)}
				w.quota.Succeeded(w.now.Add(-w.upTo(5)))
				w.quota.Refused(w.now.Add(-w.upTo(3)), w.now, named, w.upTo(20))
			}
			at, ok := w.quota.Next(w.now, quota.Fresh)
			if !ok {
				return
			}
			for _, r := range w.quota.Remaining(at) {
				require.Positive(t, r.Requests, "no room at the named moment")
			}
			if !at.After(w.now) || at.Equal(w.paused) {
				return
			}
			full := false
			for _, r := range w.quota.Remaining(at.Add(-1)) {
				full = full || r.Requests == 0
			}
			require.True(t, full, "could have gone before %s", at)
		})
	})
}
