// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// maxWait is how long a restored pause lasts at most.
const maxWait = time.Hour

func ago(d time.Duration) time.Time { return after(-d) }

func TestStoredTimesInTheFutureCountAsNow(t *testing.T) {
	a := quota.NewAccount(perHour(4))
	a.Restore(quota.Stored{
		Since:    after(time.Hour),
		Ended:    []time.Time{after(time.Hour), ago(2 * time.Hour), ago(30 * time.Minute)},
		InFlight: 1,
		Learned:  []quota.Learned{{Limit: perHour(3), Since: after(time.Hour)}},
	}, maxWait, after(0))
	require.Equal(t, []time.Time{ago(30 * time.Minute), after(0), after(0)}, a.Stored(after(0)).Ended)
	require.Zero(t, a.Stored(after(0)).InFlight)
	require.Equal(t, []quota.Learned{{Limit: perHour(3), Since: after(0)}}, a.Stored(after(0)).Learned)
	require.Equal(t, after(0), a.Stored(after(0)).Since)
}

func TestRestoredAccountGoesOnWhereItWas(t *testing.T) {
	a := quota.NewAccount(perMinute(100), perHour(1500))
	a.Restore(quota.Stored{
		Since:   ago(3 * time.Hour),
		Ended:   []time.Time{ago(20 * time.Minute), ago(10 * time.Minute)},
		Learned: []quota.Learned{{Limit: perMinute(40), Since: ago(5 * time.Minute)}},
	}, maxWait, after(0))
	require.Equal(t, []int{38, 1498}, room(a, after(0)))
	require.Equal(t, 750, refuseTwice(a, after(0), quota.Limit{}, 10*time.Minute).Limit.Requests,
		"the account is complete: it is another program's doing")
}

func TestNewAccountKnowsNothingOfWhatWasSentBefore(t *testing.T) {
	a := quota.NewAccount(perHour(1500))
	require.Zero(t, a.Stored(after(0)))
	a.Restore(quota.Stored{}, maxWait, after(0))
	require.Equal(t, quota.Stored{Since: after(0)}, a.Stored(after(0)))
	require.Equal(t, quota.Correction{Assumed: 1500}, refuseTwice(a, after(time.Minute), perHour(1500), 2*time.Second))
}

func TestRequestInFlightWhenTheProcessEndedCountsAsEndedAtTheRestart(t *testing.T) {
	a := quota.NewAccount(perMinute(2))
	a.Send(after(0))
	a.Send(after(0))
	a.Done(after(time.Second), 1)
	stored := a.Stored(after(time.Second))
	require.Equal(t, 1, stored.InFlight)

	a = quota.NewAccount(perMinute(2))
	a.Restore(stored, maxWait, after(30*time.Second))
	require.Equal(t, []time.Time{after(time.Second), after(30 * time.Second)}, a.Stored(after(30*time.Second)).Ended)
}

func TestPauseThatTheAPIAskedForSurvivesARestart(t *testing.T) {
	a := quota.NewAccount(perMinute(100))
	require.Zero(t, a.ThrottledUntil())
	a.Throttle(after(10 * time.Minute))
	a.Throttle(after(5 * time.Minute))
	require.Equal(t, after(10*time.Minute), a.ThrottledUntil())
	require.Equal(t, 10*time.Minute, next(t, a, after(0)))
	stored := a.Stored(after(time.Minute))
	require.Equal(t, quota.Stored{PausedUntil: after(10 * time.Minute)}, stored)
	require.Zero(t, a.Stored(after(10*time.Minute)).PausedUntil, "it is over")

	a = quota.NewAccount(perMinute(100))
	a.Restore(stored, maxWait, after(2*time.Minute))
	require.Equal(t, 10*time.Minute, next(t, a, after(2*time.Minute)))
	require.Equal(t, after(10*time.Minute), a.ThrottledUntil())

	a = quota.NewAccount(perMinute(100))
	a.Restore(stored, maxWait, after(10*time.Minute))
	require.Zero(t, a.ThrottledUntil())
}

func TestRequestsKeepApartForAWhileAfterAPauseThatTheAPIAskedFor(t *testing.T) {
	a := quota.NewAccount(perMinute(100))
	a.Throttle(after(10 * time.Second))
	requireNext(t, a, after(0), quota.Fresh, after(10*time.Second))
	a.Send(after(10 * time.Second))
	requireNext(t, a, after(10*time.Second), quota.Fresh, after(11200*time.Millisecond)) // a slow response holds up nothing
	a.Done(after(11*time.Second), 1)
	requireNext(t, a, after(11*time.Second), quota.Fresh, after(11*time.Second))
	a.Send(after(12 * time.Second))
	requireNext(t, a, after(70*time.Second), quota.Fresh, after(70*time.Second))

	refuse(a, after(99*time.Second), perMinute(100), time.Second)
	a.Succeeded(after(99*time.Second + 1))
	a.Refused(after(100*time.Second), after(100*time.Second), perMinute(100), 20*time.Second)
	a.Send(after(120 * time.Second))
	requireNext(t, a, after(120*time.Second), quota.Fresh, after(122400*time.Millisecond))

	a = quota.NewAccount(perMinute(100))
	a.Send(after(10 * time.Second))
	requireNext(t, a, after(10*time.Second), quota.Fresh, after(10*time.Second)) // there was no pause
}

func TestTheGapFollowsTheShortestLimitThatIsInForce(t *testing.T) {
	named := quota.Limit{Window: 10 * time.Second, Requests: 20}
	for name, c := range map[string]struct {
		limits   []quota.Limit
		refusals int // that name a limit nobody configured: the first teaches nothing
		want     time.Duration
	}{
		"of a minute":                    {[]quota.Limit{perMinute(100), perHour(1500)}, 0, 1200 * time.Millisecond},
		"of an hour":                     {[]quota.Limit{perHour(1500)}, 0, 4800 * time.Millisecond},
		"none":                           {nil, 0, time.Second},
		"one that is named, once":        {[]quota.Limit{perMinute(100)}, 1, 1200 * time.Millisecond},
		"one that is named, twice":       {[]quota.Limit{perMinute(100)}, 2, time.Second},
		"one that is named, twice, only": {nil, 2, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a := quota.NewAccount(c.limits...)
			for i := range c.refusals {
				at := after(time.Duration(i) * time.Second)
				a.Succeeded(at)
				a.Refused(at, at, named, time.Second)
			}
			a.KeepApart(after(time.Hour))
			a.Send(after(time.Minute))
			requireNext(t, a, after(time.Minute), quota.Fresh, after(time.Minute+c.want))
		})
	}
}

func TestRestoredPauseLastsAtMostMaxWait(t *testing.T) {
	a := quota.NewAccount(perMinute(100))
	a.Restore(quota.Stored{PausedUntil: after(1000 * time.Hour)}, maxWait, after(0))
	require.Equal(t, maxWait, next(t, a, after(0)))
}

func TestStoredTimesAreWallClockTimesInUTC(t *testing.T) {
	now := time.Now() // with a monotonic clock reading
	a := quota.NewAccount(perMinute(100))
	a.Restore(quota.Stored{Learned: []quota.Learned{{Limit: perMinute(40), Since: now}}}, maxWait, now)
	a.Send(now)
	a.Done(now, 1)
	a.Throttle(now.Add(time.Minute))
	want := now.Round(0).UTC()
	require.Equal(t, quota.Stored{
		Since: want, Ended: []time.Time{want}, PausedUntil: want.Add(time.Minute),
		Learned: []quota.Learned{{Limit: perMinute(40), Since: want}},
	}, a.Stored(now))
}

func TestRestartChangesNothingOfWhatMayBeSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := []quota.Limit{perMinute(rapid.IntRange(1, 20).Draw(t, "a minute")), perHour(rapid.IntRange(1, 50).Draw(t, "an hour"))}
		offsets := rapid.SliceOf(rapid.Int64Range(0, int64(2*time.Hour))).Draw(t, "offsets")
		slices.Sort(offsets)
		a, now := quota.NewAccount(limits...), after(2*time.Hour)
		a.Restore(quota.Stored{}, maxWait, after(0))
		for _, offset := range offsets {
			a.Send(after(time.Duration(offset)))
			a.Done(after(time.Duration(offset)), 1)
		}
		if rapid.Bool().Draw(t, "refused") {
			refuseTwice(a, now, perMinute(rapid.IntRange(1, 20).Draw(t, "named")), time.Second)
		}
		a.Throttle(now.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "pause"))))

		again := quota.NewAccount(limits...)
		again.Restore(a.Stored(now), maxWait, now)
		require.Equal(t, a.Stored(now), again.Stored(now))
		require.Equal(t, a.Remaining(now), again.Remaining(now))
		for _, d := range []quota.Demand{quota.Fresh, quota.Repeat} {
			want, wantOK := a.Next(now, d)
			got, ok := again.Next(now, d)
			require.Equal(t, wantOK, ok)
			require.True(t, want.Equal(got), "%v, not %v", got, want)
		}
	})
}
