package quota_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

var unnamed quota.Limit

func perMinute(requests int) quota.Limit { return quota.Limit{Window: time.Minute, Requests: requests} }

func perHour(requests int) quota.Limit { return quota.Limit{Window: time.Hour, Requests: requests} }

// sent has n requests answered at a moment.
func sent(q *quota.Quota, n int, at time.Time) {
	for range n {
		q.Send(at)
		q.Done(at, 1)
	}
}

// room is how many requests each window has room for.
func room(q *quota.Quota, now time.Time) []int {
	var rooms []int
	for _, r := range q.Remaining(now) {
		rooms = append(rooms, r.Requests)
	}
	return rooms
}

// next is when a new request may go, after the start of the test.
func next(t *testing.T, q *quota.Quota, now time.Time) time.Duration {
	t.Helper()
	at, ok := q.Next(now, quota.Fresh)
	require.True(t, ok)
	return at.Sub(after(0))
}

func TestALimitThatARefusalNamesHoldsFromNowOn(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 51, after(0))
	require.Equal(t, []int{49, 1449}, room(q, after(0)))

	require.Equal(t, quota.Correction{Limit: perMinute(50)}, q.Refused(after(0), perMinute(50), 8*time.Second))
	require.Equal(t, []int{0, 1449}, room(q, after(0)))
	require.Equal(t, time.Minute, next(t, q, after(0)))
	require.Equal(t, []int{50, 1449}, room(q, after(time.Minute)))
}

func TestALearnedLimitComesBackByATenthWithEachQuietHour(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 51, after(0))
	q.Refused(after(0), perMinute(50), time.Second)
	for hour, allowed := range []int{50, 60, 70, 80, 90, 100, 100} {
		begins := after(time.Duration(hour) * time.Hour)
		assert.Equal(t, []int{allowed}, room(q, begins.Add(time.Minute)), "hour %d", hour)
		assert.Equal(t, []int{allowed}, room(q, begins.Add(time.Hour-1)), "hour %d", hour)
		assert.Equal(t, allowed < 100, len(q.Learned(begins.Add(time.Minute))) == 1, "hour %d", hour)
	}
	require.Equal(t, time.Minute/95, q.Spacing(after(5*time.Hour), quota.Repeat))
	require.Equal(t, time.Minute/48, q.Spacing(after(time.Minute), quota.Repeat))
}

func TestNextNamesTheMomentAtWhichALimitRises(t *testing.T) {
	q := quota.New(quota.Limit{Window: 3 * time.Hour, Requests: 10})
	sent(q, 6, after(0))
	q.Refused(after(0), quota.Limit{Window: 3 * time.Hour, Requests: 5}, time.Second)
	require.Equal(t, 2*time.Hour, next(t, q, after(time.Minute)), "5, then 6, and with 7 there is room beside the 6")
	sent(q, 1, after(2*time.Hour))
	require.Equal(t, 3*time.Hour, next(t, q, after(2*time.Hour)), "the 6 leave as it rises to 8")
}

func TestNextNamesARiseAlsoWhileWhatIsInFlightFillsTheWindow(t *testing.T) {
	q := quota.New(perMinute(10))
	sent(q, 2, after(0))
	q.Refused(after(0), perMinute(1), time.Second)
	q.Send(after(2 * time.Minute))
	require.Equal(t, time.Hour, next(t, q, after(2*time.Minute)))
}

func TestWhatAnotherProgramTakesIsLearnedWithATenthToSpare(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 80, after(0))
	require.Equal(t, quota.Correction{Limit: perMinute(72)}, q.Refused(after(0), perMinute(100), time.Second),
		"the limit that is named does not explain it")
}

func TestATenthIsLeftHoweverMuchAnotherProgramTakes(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 1, after(0))
	require.Equal(t, quota.Correction{Limit: perMinute(10)}, q.Refused(after(0), perMinute(100), time.Second))
}

func TestRequestsInFlightWhenALimitWasLearnedDoNotLowerItAgain(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 80, after(0))
	q.Refused(after(0), unnamed, time.Second)
	require.Zero(t, q.Refused(after(time.Second), unnamed, time.Second))
	require.Equal(t, []int{72}, room(q, after(time.Minute)))

	require.Equal(t, []int{72}, room(q, after(time.Hour)), "but the hour is a quiet one only after that")
	require.Equal(t, []int{82}, room(q, after(time.Hour+time.Second)))
}

func TestARefusalThatNamesNoWindowIsAboutTheFullestThatTheWaitFitsInto(t *testing.T) {
	for name, c := range map[string]struct {
		wait time.Duration
		want quota.Limit
	}{
		"no wait":                    {0, perMinute(72)},
		"a wait of a minute":         {time.Minute, perMinute(72)},
		"a wait beyond the minute":   {time.Minute + 1, perHour(150)},
		"a wait beyond every window": {2 * time.Hour, unnamed},
	} {
		t.Run(name, func(t *testing.T) {
			q := quota.New(perMinute(100), perHour(1500))
			sent(q, 80, after(0))
			require.Equal(t, quota.Correction{Limit: c.want}, q.Refused(after(0), unnamed, c.wait))
		})
	}
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 1400, after(0))
	sent(q, 80, after(time.Minute))
	require.Equal(t, quota.Correction{Limit: perHour(1332)}, q.Refused(after(time.Minute), unnamed, time.Second))
}

func TestWithoutLimitsARefusalTeachesNothing(t *testing.T) {
	require.Zero(t, quota.New().Refused(after(0), unnamed, time.Second))
}

func TestWhatWasSentBeforeTheAccountBeganIsAssumedToHaveBeenSentEvenly(t *testing.T) {
	q := quota.New(perHour(1500))
	q.SetEpoch(after(0))
	sent(q, 300, after(0))
	require.Equal(t, quota.Correction{Assumed: 1200}, q.Refused(after(time.Minute), perHour(1500), 2*time.Second))

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
	require.Equal(t, quota.Correction{Assumed: 1200}, q.Refused(after(time.Minute), unnamed, 2*time.Second))
	require.Equal(t, quota.Correction{Limit: perHour(1350)}, q.Refused(after(time.Minute), unnamed, 2*time.Second), "then it is another program")
}

func TestALimitThatNobodyKnewIsTakenUpAsItIsNamed(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 31, after(0))
	tenSeconds := quota.Limit{Window: 10 * time.Second, Requests: 30}
	require.Equal(t, quota.Correction{Limit: tenSeconds}, q.Refused(after(time.Second), tenSeconds, 9*time.Second))
	require.Equal(t, []int{69, 0}, room(q, after(time.Second)))
	require.Equal(t, 10*time.Second, next(t, q, after(time.Second)))

	require.Equal(t, quota.Correction{Limit: perHour(500), Assumed: 469}, q.Refused(after(time.Second), perHour(500), time.Minute),
		"more than the account remembers")
	require.Equal(t, time.Minute+time.Second, next(t, q, after(time.Second)))
}

func TestAServerThatNamesEverNewLimitsIsNotFollowed(t *testing.T) {
	q := quota.New(perMinute(100))
	sent(q, 1, after(0))
	for seconds := range 100 {
		q.Refused(after(0), quota.Limit{Window: time.Duration(seconds+70) * time.Second, Requests: 10_000}, time.Second)
	}
	require.Len(t, q.Remaining(after(0)), 4)
	require.Zero(t, quota.New().Refused(after(0), perHour(10_001), time.Second))
}

func TestWhatWasLearnedIsTakenUpByALaterRun(t *testing.T) {
	q := quota.New(perMinute(100), perHour(1500))
	sent(q, 80, after(0))
	q.Refused(after(0), unnamed, time.Second)
	learned := q.Learned(after(time.Minute))
	require.Equal(t, []quota.Learned{{Limit: perMinute(72), Since: after(0)}}, learned)

	q = quota.New(perMinute(100), perHour(1500))
	q.RestoreLimit(learned[0])
	require.Equal(t, []int{82, 1500}, room(q, after(time.Hour)), "an hour has passed since")
	q.RestoreLimit(quota.Learned{Limit: perMinute(0), Since: after(0)})
	q.RestoreLimit(quota.Learned{Limit: quota.Limit{Window: time.Second, Requests: 1}, Since: after(0)})
	require.Equal(t, []int{82, 1500}, room(q, after(time.Hour)), "what does not limit, and a window that is not limited, are left alone")
}

func TestWhateverRefusalsTeachNextAgreesWithWhatRemains(t *testing.T) {
	inManyWorlds(t, func(t *testing.T, w *world) {
		w.run(t, 1, func(_ quota.Demand, _ time.Time, _ bool) {
			if w.rand.IntN(10) == 0 {
				named := quota.Limit{Window: w.upTo(25), Requests: w.rand.IntN(50)}
				w.quota.Refused(w.now, named, w.upTo(20))
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
