// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// after is the moment d after the start of a test.
func after(d time.Duration) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(d)
}

// counter is a Quota or an Account.
type counter interface {
	Next(now time.Time, d quota.Demand) (at time.Time, ok bool)
	Send(now time.Time)
	Done(now time.Time, reached int)
	Succeeded(sent time.Time)
	Refused(sent, now time.Time, named quota.Limit, wait time.Duration) quota.Correction
	Remaining(now time.Time) []quota.Remaining
}

// spend sends n requests that end at the same moment.
func spend(q counter, now time.Time, n int) {
	for range n {
		q.Send(now)
		q.Done(now, 1)
	}
}

// requireNext requires that the next request of that demand may be sent at want
// and no sooner.
func requireNext(t *testing.T, q counter, now time.Time, d quota.Demand, want time.Time) {
	t.Helper()
	got, ok := q.Next(now, d)
	require.True(t, ok, "no moment named")
	require.Equal(t, want, got)
}

func requireNoMoment(t *testing.T, q counter, now time.Time, d quota.Demand) {
	t.Helper()
	_, ok := q.Next(now, d)
	require.False(t, ok, "a moment was named")
}

func TestARequestOccupiesItsWindowUntilOneWindowAfterItsAnswer(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 1})
	q.Send(after(0))
	requireNoMoment(t, q, after(59*time.Second), quota.Fresh)
	requireNoMoment(t, q, after(time.Hour), quota.Fresh)

	q.Done(after(time.Hour), 1)
	free := after(time.Hour + time.Minute)
	requireNext(t, q, after(time.Hour), quota.Fresh, free)
	requireNext(t, q, free.Add(-1), quota.Fresh, free)
	requireNext(t, q, free, quota.Fresh, free)
	requireNext(t, q, free.Add(1), quota.Fresh, free.Add(1))
}

func TestFifteenHundredIncidentsFromAColdStartTakeFourteenMinutes(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 100}, quota.Limit{Window: time.Hour, Requests: 1500})
	now := after(0)
	sent := map[time.Time]int{}
	for range 1500 {
		at, ok := q.Next(now, quota.Fresh)
		require.True(t, ok)
		now = at
		spend(q, now, 1)
		sent[now]++
	}

	want := map[time.Time]int{}
	for minute := range 15 {
		want[after(time.Duration(minute)*time.Minute)] = 100
	}
	assert.Equal(t, want, sent)
	requireNext(t, q, now, quota.Fresh, after(time.Hour))
}

func TestTheLatestOfAllLimitsDecides(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Hour, Requests: 3}, quota.Limit{Window: time.Minute, Requests: 2})
	spend(q, after(0), 2)
	requireNext(t, q, after(0), quota.Fresh, after(time.Minute))
	spend(q, after(time.Minute), 1)
	requireNext(t, q, after(time.Minute), quota.Fresh, after(time.Hour))
}

func TestRepeatsLeaveTheLastFivePercentToFresh(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 59}) // 2.95 would be 5 %: two whole requests
	spend(q, after(0), 56)
	requireNext(t, q, after(0), quota.Repeat, after(0))

	spend(q, after(0), 1)
	requireNext(t, q, after(0), quota.Repeat, after(time.Minute))
	requireNext(t, q, after(0), quota.Fresh, after(0))

	spend(q, after(0), 2)
	requireNext(t, q, after(0), quota.Fresh, after(time.Minute))
}

// By the documented limits of the list, sweeps leave 4 requests of a minute and 60 of an hour.
func TestSweepsLeaveRequestsToFresh(t *testing.T) {
	for _, c := range []struct {
		limit quota.Limit
		left  int
	}{
		{quota.Limit{Window: time.Minute, Requests: 50}, 4},
		{quota.Limit{Window: time.Hour, Requests: 1500}, 60},
		{quota.Limit{Window: time.Minute, Requests: 5}, 2},
		{quota.Limit{Window: time.Minute, Requests: 1}, 0},
	} {
		q := quota.New(c.limit)
		spend(q, after(0), c.limit.Requests-c.left-1)
		requireNext(t, q, after(0), quota.Sweep, after(0))
		spend(q, after(0), 1)
		requireNext(t, q, after(0), quota.Sweep, after(c.limit.Window))
		if c.left > 0 {
			requireNext(t, q, after(0), quota.Fresh, after(0))
		}
	}
}

func TestWhatFreshUsedOfTheReserveRepeatsWaitFor(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 20})
	spend(q, after(0), 1)
	spend(q, after(time.Second), 19)
	requireNext(t, q, after(time.Second), quota.Fresh, after(time.Minute))
	requireNext(t, q, after(time.Second), quota.Repeat, after(time.Minute+time.Second))
}

func TestALimitBelowTwentyReservesNothing(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 19})
	spend(q, after(0), 18)
	requireNext(t, q, after(0), quota.Repeat, after(0))
	spend(q, after(0), 1)
	requireNext(t, q, after(0), quota.Repeat, after(time.Minute))
}

func TestRequestsInFlightFillTheReserveToo(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 20})
	for range 19 {
		q.Send(after(0))
	}
	requireNoMoment(t, q, after(0), quota.Repeat)
	requireNext(t, q, after(0), quota.Fresh, after(0))
	q.Send(after(0))
	requireNoMoment(t, q, after(0), quota.Fresh)
}

func TestRequestsInFlightAndAnsweredOnesShareTheWindow(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 4})
	q.Send(after(0))
	q.Send(after(0))
	spend(q, after(1*time.Second), 1)
	spend(q, after(2*time.Second), 1)
	require.Equal(t, 2, q.InFlight())
	requireNext(t, q, after(2*time.Second), quota.Fresh, after(61*time.Second))

	q.Send(after(61 * time.Second))
	requireNext(t, q, after(61*time.Second), quota.Fresh, after(62*time.Second))
	q.Done(after(61*time.Second), 1)
	q.Done(after(61*time.Second), 1)
	require.Equal(t, 1, q.InFlight())
	requireNext(t, q, after(61*time.Second), quota.Fresh, after(62*time.Second))
	requireNext(t, q, after(62*time.Second), quota.Fresh, after(62*time.Second))
}

func TestARequestThatNeverReachedTheWireOccupiesNothing(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 1})
	q.Send(after(0))
	q.Done(after(time.Second), 0)
	require.Zero(t, q.InFlight())
	requireNext(t, q, after(time.Second), quota.Fresh, after(time.Second))
}

func TestARequestTheTransportRepeatedCountsTwice(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 3})
	q.Send(after(0))
	q.Done(after(0), 2)
	spend(q, after(time.Second), 1)
	requireNext(t, q, after(time.Second), quota.Fresh, after(time.Minute))
}

func TestRepeatedRequestsBeyondTheLimitAreWaitedFor(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 2})
	spend(q, after(0), 1)
	q.Send(after(time.Second))
	q.Done(after(time.Second), 2)
	assert.Equal(t, []quota.Remaining{{Window: time.Minute, Requests: 0}}, q.Remaining(after(time.Second)))
	// The one of second 0 frees nothing: two of second 1 remain.
	requireNext(t, q, after(time.Second), quota.Fresh, after(61*time.Second))

	q.Send(after(61 * time.Second))
	q.Done(after(61*time.Second), 1000)
	q.Send(after(61 * time.Second))
	assert.Equal(t, []quota.Remaining{{Window: time.Minute, Requests: 0}}, q.Remaining(after(61*time.Second)))
	q.Done(after(61*time.Second), 0)
	requireNext(t, q, after(61*time.Second), quota.Fresh, after(121*time.Second))
}

func TestNothingGoesBeforeThePauseEnds(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 1})
	q.Pause(after(30 * time.Second))
	requireNext(t, q, after(0), quota.Fresh, after(30*time.Second))
	requireNext(t, q, after(30*time.Second), quota.Fresh, after(30*time.Second))
	spend(q, after(30*time.Second), 1)
	requireNext(t, q, after(30*time.Second), quota.Fresh, after(90*time.Second))
}

func TestAnEarlierPauseDoesNotShortenTheStandingOne(t *testing.T) {
	q := quota.New()
	q.Pause(after(time.Minute))
	q.Pause(after(time.Second))
	requireNext(t, q, after(0), quota.Fresh, after(time.Minute))
	q.Pause(after(time.Hour))
	requireNext(t, q, after(0), quota.Fresh, after(time.Hour))
}

func TestLimitsOfZeroDoNotLimit(t *testing.T) {
	for name, q := range map[string]*quota.Quota{
		"none":     quota.New(),
		"requests": quota.New(quota.Limit{Window: time.Minute}, quota.Limit{Window: time.Minute, Requests: -1}),
		"window":   quota.New(quota.Limit{Requests: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			spend(q, after(0), 10_000)
			for range 100 {
				q.Send(after(0))
			}
			requireNext(t, q, after(0), quota.Repeat, after(0))
			assert.Empty(t, q.Remaining(after(0)))
			assert.Zero(t, q.Spacing(after(0), quota.Repeat))
		})
	}
}

func TestAnEndReportedBeforeALaterSendingCountsAsThatSending(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 2})
	q.Send(after(0))
	q.Send(after(10 * time.Second))
	q.Done(after(5*time.Second), 1)
	q.Done(after(20*time.Second), 1)
	requireNext(t, q, after(20*time.Second), quota.Fresh, after(70*time.Second))
}

func TestRequestsOfAnEarlierRunAreRemembered(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 2})
	q.Done(after(-50*time.Second), 1)
	q.Done(after(-40*time.Second), 1)
	require.Zero(t, q.InFlight())
	requireNext(t, q, after(0), quota.Fresh, after(10*time.Second))
}

func TestSpacingIsWhatTheTightestLimitAllowsInTheLongRun(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 100}, quota.Limit{Window: time.Hour, Requests: 1500})
	assert.Equal(t, time.Hour/1500, q.Spacing(after(0), quota.Fresh))
	assert.Equal(t, time.Hour/1425, q.Spacing(after(0), quota.Repeat))

	q = quota.New(quota.Limit{Window: time.Minute, Requests: 10}, quota.Limit{Window: time.Hour, Requests: 1500})
	assert.Equal(t, 6*time.Second, q.Spacing(after(0), quota.Repeat))
}

func TestRemainingTellsWhatFreshRequestsMaySendRightNow(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 20}, quota.Limit{}, quota.Limit{Window: time.Hour, Requests: 30})
	remaining := func(minute, hour int) []quota.Remaining {
		return []quota.Remaining{{Window: time.Minute, Requests: minute}, {Window: time.Hour, Requests: hour}}
	}
	assert.Equal(t, remaining(20, 30), q.Remaining(after(0)))
	spend(q, after(0), 3)
	q.Send(after(time.Second))
	assert.Equal(t, remaining(16, 26), q.Remaining(after(time.Second)))
	assert.Equal(t, remaining(16, 26), q.Remaining(after(time.Minute-1)))
	assert.Equal(t, remaining(19, 26), q.Remaining(after(time.Minute)))
	q.Pause(after(time.Hour))
	assert.Equal(t, remaining(19, 29), q.Remaining(after(time.Hour)))
}

func TestASteadyScheduleAllocatesNothing(t *testing.T) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 100}, quota.Limit{Window: time.Hour, Requests: 1500})
	now := after(0)
	step := func() {
		now, _ = q.Next(now, quota.Fresh)
		spend(q, now, 1)
	}
	for range 2000 {
		step()
	}
	assert.Zero(t, testing.AllocsPerRun(5000, step))
}

// BenchmarkNextSendDone is one request of the default limits once their windows are full.
func BenchmarkNextSendDone(b *testing.B) {
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 100}, quota.Limit{Window: time.Hour, Requests: 1500})
	now := after(0)
	spend(q, now, 1500)
	b.ReportAllocs()
	for b.Loop() {
		now, _ = q.Next(now, quota.Fresh)
		q.Send(now)
		q.Done(now, 1)
	}
}

func TestEndedIsWhatALaterRunHasToKnow(t *testing.T) {
	at := func(minutes int) time.Time { return after(time.Duration(minutes) * time.Minute) }
	q := quota.New(quota.Limit{Window: time.Minute, Requests: 2}, quota.Limit{Window: time.Hour, Requests: 3})
	require.Empty(t, q.Ended(at(0)))
	for _, minute := range []int{0, 10, 20, 30} {
		q.Send(at(minute))
		q.Done(at(minute), 1)
	}
	require.Equal(t, []time.Time{at(10), at(20), at(30)}, q.Ended(at(30)))
	require.Equal(t, []time.Time{at(20), at(30)}, q.Ended(at(70)), "a window after its end a request counts no more")
	require.Empty(t, q.Ended(at(90)))
}
