// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// delivered is a population with everything delivered before.
func delivered(t *testing.T, n int) *hand {
	h := byHand(t, n)
	h.population.Delivered = n
	return h
}

func TestFiveDeliveredIncidentsThatAreNotFoundAreAWrongTarget(t *testing.T) {
	h := delivered(t, 20)
	for _, s := range all(4, defender.NotFound) {
		v := h.do(s)
		require.False(t, v.Missing)
		require.Equal(t, doubtRetry, v.Retry)
		require.Equal(t, defender.NotFound, v.Streak.kind)
	}
	h.do(all(4, defender.NotFound)...)
	require.Nil(t, h.status, "the same ones")
	v := h.do(step{5, defender.NotFound})
	require.False(t, v.Missing)
	require.Positive(t, v.Hold)
	require.Equal(t, []string{msgWrongTarget}, h.messages())
	require.ErrorContains(t, v.Status.Err, msgWrongTarget)
	h.population.Delivered = 1
	require.False(t, h.do(step{6, defender.NotFound}).Missing, "nothing is emitted in this state")
}

func TestA404IsBelievedOnceAnotherIncidentIsFound(t *testing.T) {
	h := delivered(t, 20)
	h.do(all(3, defender.NotFound)...)
	require.Equal(t, []int64{1, 2}, h.do(step{3, 0}).Release)
	v := h.do(step{1, defender.NotFound})
	require.True(t, v.Missing)
	require.GreaterOrEqual(t, v.Retry, interval/2)
	require.False(t, h.do(step{4, defender.NotFound}).Missing, "found before, not since")
	require.True(t, h.do(step{1, defender.NotFound}).Missing)
	require.Equal(t, []int64{4}, h.do(step{9, unreadable}).Release)
	require.Equal(t, []string{msgIncidentNotFound, msgIncidentUnreadable}, h.messages())
}

func TestAWrongTargetEndsWhenIncidentsAreFound(t *testing.T) {
	h := delivered(t, 20)
	h.do(all(6, defender.NotFound)...)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6}, h.do(step{7, 0}).Release)
	require.True(t, h.get.isDown())
	h.do(step{8, 0})
	require.False(t, h.get.isDown())
	h.wait(calm)
	require.False(t, h.down())
	require.Equal(t, []string{msgWrongTarget, msgWrongTargetCleared}, h.messages())
}

func TestA404IsBelievedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		incident   Incident
		population Population
	}{
		"never delivered":   {Incident{ID: 1}, Population{Tracked: 20, Delivered: 20}},
		"few are delivered": {Incident{ID: 1, Delivered: true}, Population{Tracked: 20, Delivered: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			v := New().IncidentFailed(c.incident, failure(defender.NotFound), c.population, start())
			require.True(t, v.Missing)
			require.Equal(t, msgIncidentNotFound, v.Notices[0].Message)
		})
	}
}

func TestABelieved404IsASuccessOnlyWhileNoneIsHeldBack(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.Forbidden)...)
	h.population.Delivered = 20
	h.do(step{3, defender.NotFound}) // held back
	h.population.Delivered = 0
	require.Empty(t, h.do(step{4, defender.NotFound}, step{5, defender.NotFound}).Release)
	require.True(t, h.get.isDown())
	h.Forget(h.streaks[3])
	require.NotEmpty(t, h.do(step{6, defender.NotFound}, step{7, defender.NotFound}).Release)
}

func TestAnIncidentThatIsNotFoundDoesNotFail(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.Timeout}, step{1, defender.NotFound})
	require.Equal(t, defender.NotFound, h.streaks[1].kind)
	require.False(t, h.streaks[1].Failing())
	require.Empty(t, h.get.failing)
}

func TestAnIncidentThatFailsAloneIsNamedOnce(t *testing.T) {
	for _, c := range []struct {
		kind    defender.Kind
		message string
		level   zapcore.Level
		after   int // failures
	}{
		{defender.NotFound, msgIncidentNotFound, zapcore.WarnLevel, 1},
		{defender.Oversize, msgIncidentFailed, zapcore.WarnLevel, 1},
		{unreadable, msgIncidentUnreadable, zapcore.ErrorLevel, 1},
		{defender.Forbidden, msgIncidentDenied, zapcore.ErrorLevel, 1},
		{defender.Rejected, msgIncidentFailed, zapcore.ErrorLevel, 1},
		{defender.Malformed, msgIncidentFailed, zapcore.WarnLevel, 1},
		{defender.ServerError, msgIncidentFailed, zapcore.WarnLevel, 2},
		{defender.Throttled, msgIncidentFailed, zapcore.WarnLevel, 3},
	} {
		t.Run(kindName(c.kind), func(t *testing.T) {
			h := byHand(t, 20)
			for range c.after - 1 {
				h.do(step{1, c.kind}, step{2, 0})
				require.Empty(t, h.lines)
			}
			h.do(step{1, c.kind}, step{2, 0})
			for range 50 {
				h.do(step{1, c.kind}, step{2, 0})
			}
			require.Equal(t, []string{c.message}, h.messages())
			require.Equal(t, []zapcore.Level{c.level}, h.levels(c.message))
			h.do(step{1, 0}, step{1, 0})
			require.Equal(t, []string{c.message, msgIncidentRecovered}, h.messages())
			require.Contains(t, h.lines[1].Fields, zap.Int("failures", 50+c.after))
			require.Nil(t, h.status)
		})
	}
}

func TestTheFirstFailuresOfAnOutageAreNotNamed(t *testing.T) {
	for _, kind := range []defender.Kind{defender.Rejected, defender.ServerError, defender.Forbidden} {
		h := byHand(t, 20)
		h.do(join(all(20, kind), all(20, kind))...)
		require.Len(t, h.lines, 1)
	}
}

func TestTheOnlyIncidentIsNamedAtOnce(t *testing.T) {
	h := byHand(t, 1)
	h.do(step{1, defender.Malformed})
	require.Equal(t, []string{msgIncidentFailed}, h.messages())
}

func TestTenIncidentsAreNamedWithAKindOfFailure(t *testing.T) {
	h := byHand(t, 100)
	h.do(all(30, defender.NotFound)...)
	require.Len(t, h.levels(msgIncidentNotFound), maxNamed)
	require.Len(t, h.levels(msgMoreIncidents), 1)
	h.do(all(3, defender.Oversize)...)
	require.Len(t, h.levels(msgIncidentFailed), 3, "another kind")
	h.Forget(h.streaks[1])
	h.Forget(nil)
	h.do(step{40, defender.NotFound}, step{41, defender.NotFound})
	require.Len(t, h.levels(msgIncidentNotFound), maxNamed+1, "one place was free")
}

func TestAnIncidentThatComesAndGoesIsNamedOnceADay(t *testing.T) {
	h := byHand(t, 100)
	for range 23 * 60 {
		h.do(step{1, defender.NotFound}, step{1, 0})
		h.now = h.now.Add(time.Minute)
	}
	require.Equal(t, []string{msgIncidentNotFound, msgIncidentRecovered}, h.messages())
	h.now = h.now.Add(time.Hour)
	h.do(step{1, defender.NotFound})
	require.Len(t, h.lines, 3)
}

func TestAnIncidentsOwnBackoff(t *testing.T) {
	for _, c := range []struct {
		kind                     defender.Kind
		interval, first, longest time.Duration
	}{
		{defender.ServerError, 5 * time.Minute, 30 * time.Second, 5 * time.Minute},
		{defender.ServerError, 10 * time.Second, 10 * time.Second, 5 * time.Minute},
		{defender.Forbidden, time.Hour, 6 * time.Minute, time.Hour},
		{defender.Oversize, 5 * time.Minute, 30 * time.Second, 5 * time.Minute},
		{unreadable, 5 * time.Minute, 30 * time.Second, 5 * time.Minute},
		{defender.NotFound, 5 * time.Minute, 5 * time.Minute, time.Hour},
		{defender.Rejected, 5 * time.Minute, 5 * time.Minute, time.Hour},
		{defender.Rejected, 7 * time.Hour, 7 * time.Hour * 2 / 3, 7 * time.Hour},
	} {
		t.Run(fmt.Sprint(kindName(c.kind), c.interval), func(t *testing.T) {
			h := byHand(t, 20)
			h.population.Interval = c.interval
			v := h.do(step{1, c.kind}, step{2, 0})
			require.Zero(t, v.Retry)
			first := h.do(step{3, c.kind}).Retry
			require.GreaterOrEqual(t, first, c.first/2)
			require.LessOrEqual(t, first, c.first*3/2)
			longest := first
			for range 30 {
				h.do(step{2, 0})
				longest = max(longest, h.do(step{3, c.kind}).Retry)
			}
			require.LessOrEqual(t, longest, c.longest)
			require.Greater(t, longest, c.longest/2)
		})
	}
}

func TestTheListsOwnBackoff(t *testing.T) {
	h := byHand(t, 20)
	v := h.do(step{0, defender.ServerError})
	require.GreaterOrEqual(t, v.Retry, 5*time.Second)
	require.LessOrEqual(t, v.Retry, 15*time.Second)
	require.Greater(t, h.do(step{0, defender.ServerError}).Retry, v.Retry/3)
	v = h.do(step{0, defender.ServerError})
	require.Equal(t, v.Hold, v.Retry, "in a state the hold counts")
	h = byHand(t, 20)
	for range 20 {
		require.LessOrEqual(t, h.do(step{0, 0}, step{0, defender.Rejected}).Retry, 15*time.Second)
	}
}

func TestA429PausesAndIsLoggedOnceAnEpisode(t *testing.T) {
	h := byHand(t, 20)
	v := h.do(step{1, defender.Throttled})
	require.True(t, v.Pause)
	require.True(t, v.LogPause)
	require.Zero(t, v.Retry)
	require.False(t, v.Streak.Failing())
	for range 100 {
		v = h.do(step{2, 0}, step{0, 0}, step{0, defender.Throttled})
		require.True(t, v.Pause)
		require.False(t, v.LogPause)
		h.now = h.now.Add(9 * time.Minute)
	}
	h.now = h.now.Add(2 * time.Minute)
	require.True(t, h.do(step{3, defender.Throttled}).LogPause)
	require.Empty(t, h.lines)
}

func TestTheThird429OfOneIncidentIsItsOwn(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.Throttled}, step{2, 0}, step{1, defender.Throttled})
	require.True(t, h.do(step{1, defender.Throttled}).Pause, "nothing succeeded in between")
	h.do(step{2, 0}, step{1, defender.Throttled}, step{2, 0})
	v := h.do(step{1, defender.Throttled})
	require.False(t, v.Pause)
	require.GreaterOrEqual(t, v.Retry, failure(defender.Throttled).RetryAfter)
	require.True(t, v.Streak.Failing())
	require.False(t, h.do(step{1, defender.Throttled}).Pause, "until it answers otherwise")
	h.do(step{1, 0})
	require.True(t, h.do(step{1, defender.Throttled}).Pause)
}

// aloneThrottled has incident 1 throttled by itself.
func aloneThrottled(t *testing.T, tracked int) *hand {
	h := byHand(t, tracked)
	for range 3 {
		h.do(step{1, defender.Throttled}, step{2, 0})
	}
	return h
}

func TestAnIncidentThatIsThrottledAloneIsNoEvidence(t *testing.T) {
	h := aloneThrottled(t, 20)
	h.do(all(5, defender.Timeout)...)
	require.Nil(t, h.status)
	h.do(step{6, defender.Timeout})
	require.True(t, h.down())
	h = aloneThrottled(t, 4)
	h.do(step{2, defender.Timeout}, step{3, defender.Timeout}, step{2, defender.Timeout}, step{3, defender.Timeout}, step{4, defender.Timeout})
	require.True(t, h.down(), "nor is it waited for")
}

func TestAThrottledIncidentWaitsAsLongAsTheAPIAsks(t *testing.T) {
	h := aloneThrottled(t, 20)
	long := &defender.Error{Kind: defender.Throttled, RetryAfter: 2 * time.Hour}
	v := h.IncidentFailed(Incident{ID: 1, Streak: h.streaks[1]}, long, h.population, h.now)
	require.Equal(t, 2*time.Hour, v.Retry)
}

func TestAnotherCauseIsLoggedOnce(t *testing.T) {
	h := byHand(t, 20)
	fail := func(f *defender.Error) {
		f.Kind = defender.NoToken
		h.now = h.now.Add(time.Second)
		h.note(h.IncidentFailed(Incident{ID: 1}, f, h.population, h.now))
	}
	cause := func(text string) *defender.Error { return &defender.Error{Err: errors.New(text)} }
	fail(cause("AADSTS90033 trace 1"))
	fail(cause("AADSTS90033 trace 2"))
	require.Equal(t, []string{msgNoToken}, h.messages())
	for range 3 {
		fail(cause("AADSTS7000222 trace 3"))
		fail(cause("AADSTS90033 trace 4"))
	}
	require.Equal(t, []string{msgNoToken, msgAnotherCause}, h.messages())
	for status := range 100 {
		fail(&defender.Error{Status: status + 400})
	}
	require.Len(t, h.lines, maxCauses)
}

func TestARefusedTokenIsExplained(t *testing.T) {
	token := &defender.Token{Audience: []string{"a"}, Scopes: []string{"s"}, Expires: start()}
	refused := &defender.Error{Kind: defender.Forbidden, Advice: "grant it", Permission: "Incident.Read.All", Token: token}
	h := byHand(t, 1)
	v := h.IncidentFailed(Incident{ID: 1}, refused, h.population, start())
	require.Contains(t, v.Notices[0].Fields, zap.String("advice", "grant it"))
	require.Contains(t, v.Notices[0].Fields, zap.Strings("token_audience", []string{"a"}))
	require.Contains(t, v.Notices[0].Fields, zap.Time("token_expires", start()))
}

func TestAStreakOfNoneIsWell(t *testing.T) {
	var s *Streak
	require.False(t, s.Failing())
	h := byHand(t, 20)
	h.do(step{1, defender.Timeout}, step{1, defender.Timeout})
	require.True(t, h.streaks[1].Failing())
	require.Equal(t, start().Add(time.Second), h.streaks[1].since)
	require.True(t, h.do(step{1, defender.Timeout}).Hung)
}

func TestWithoutATokenTheIncidentStaysWhereItIs(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.Timeout})
	before := *h.streaks[1]
	v := h.do(step{1, defender.NoToken})
	require.Zero(t, v.Retry)
	require.Equal(t, before, *v.Streak)
	require.Equal(t, SignIn, v.Held)
}
