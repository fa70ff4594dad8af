// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func list(n int, kind defender.Kind) (steps []step) {
	for range n {
		steps = append(steps, step{0, kind})
	}
	return steps
}

func times(n int, id int64, kind defender.Kind) (steps []step) {
	for range n {
		steps = append(steps, step{id, kind})
	}
	return steps
}

func join(parts ...[]step) (steps []step) {
	for _, p := range parts {
		steps = append(steps, p...)
	}
	return steps
}

func TestTheLastFailureOfARowMakesAState(t *testing.T) {
	const (
		warn = zapcore.WarnLevel
		bad  = zapcore.ErrorLevel
	)
	ok := func(id int64) []step { return []step{{id, 0}} }
	for name, c := range map[string]struct {
		tracked int
		steps   []step // only the last one raises the state
		message string
		level   zapcore.Level
	}{
		"no token":                      {20, times(1, 1, defender.NoToken), msgNoToken, bad},
		"no token for the list":         {20, list(1, defender.NoToken), msgNoToken, bad},
		"unauthorized":                  {20, all(5, defender.Unauthorized), msgDenied, bad},
		"forbidden":                     {20, all(5, defender.Forbidden), msgDenied, bad},
		"forbidden, the only one":       {1, all(1, defender.Forbidden), msgDenied, bad},
		"forbidden, the same one again": {20, join(times(5, 1, defender.Forbidden), all(4, defender.Forbidden), times(1, 5, defender.Unauthorized)), msgDenied, bad},
		"forbidden, after a success":    {20, join(times(1, 6, defender.Forbidden), ok(7), times(1, 6, defender.Forbidden), all(5, defender.Forbidden)), msgDenied, bad},
		"server errors":                 {20, all(5, defender.ServerError), msgUnavailable, warn},
		"timeouts":                      {20, all(5, defender.Timeout), msgUnavailable, warn},
		"network and server errors":     {20, join(all(4, defender.Network), times(1, 5, defender.ServerError)), msgUnavailable, warn},
		"server errors, two tracked":    {2, join(all(2, defender.ServerError), all(2, defender.ServerError), all(1, defender.ServerError)), msgUnavailable, warn},
		"server errors, the only one":   {1, times(5, 1, defender.ServerError), msgUnavailable, warn},
		"server errors after a success": {20, join(all(4, defender.ServerError), ok(9), []step{{5, defender.ServerError}, {6, defender.ServerError}, {7, defender.ServerError}, {8, defender.ServerError}, {10, defender.ServerError}}), msgUnavailable, warn},
		"web pages":                     {20, all(5, defender.Malformed), msgMisconfigured, bad},
		"redirects":                     {20, all(5, defender.Redirect), msgMisconfigured, bad},
		"rejections":                    {20, all(5, defender.Rejected), msgMisconfigured, bad},
		"several kinds":                 {20, join(all(3, defender.Malformed), []step{{4, defender.ServerError}, {5, defender.Timeout}}), msgMisconfigured, bad},
		"list: forbidden":               {20, list(2, defender.Forbidden), msgListDown, bad},
		"list: server errors":           {20, list(3, defender.ServerError), msgListDown, warn},
		"list: web pages":               {20, list(2, defender.Malformed), msgListDown, bad},
		"list: rejections":              {20, list(2, defender.Rejected), msgListDown, bad},
		"list: after a success":         {20, join(list(2, defender.ServerError), ok(0), list(3, defender.ServerError)), msgListDown, warn},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, c.tracked)
			last := len(c.steps) - 1
			for _, s := range c.steps[:last] {
				require.Zero(t, h.do(s).Hold)
				require.Nil(t, h.status)
				require.NotContains(t, h.messages(), c.message)
			}
			v := h.do(c.steps[last])
			require.Positive(t, v.Hold)
			require.LessOrEqual(t, v.Hold, firstHold*3/2)
			require.Equal(t, c.message == msgNoToken, v.Held == SignIn)
			require.Equal(t, []zapcore.Level{c.level}, h.levels(c.message))
			require.NotNil(t, v.Status)
			require.ErrorContains(t, v.Status.Err, c.message)
			require.Error(t, errors.Unwrap(v.Status.Err))
			require.Equal(t, c.message == msgListDown, h.list.isDown())
		})
	}
}

func TestWhatMakesNoState(t *testing.T) {
	for name, steps := range map[string][]step{
		"one incident that is forbidden":   times(50, 1, defender.Forbidden),
		"four that fail":                   join(all(4, defender.ServerError), all(4, defender.ServerError), all(4, defender.ServerError)),
		"not found, never delivered":       all(20, defender.NotFound),
		"too large":                        all(20, defender.Oversize),
		"unreadable checkpoints":           all(20, unreadable),
		"rate limited":                     join(all(20, defender.Throttled), list(9, defender.Throttled)),
		"two failures of the list":         list(2, defender.Timeout),
		"believed 404s between failures":   join(all(4, defender.Timeout), times(1, 9, defender.NotFound), times(1, 5, defender.Timeout)),
		"unreadable ones between failures": join(all(4, defender.Timeout), times(1, 9, unreadable), times(1, 5, defender.Timeout)),
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, 20)
			for _, s := range steps {
				require.Zero(t, h.do(s).Hold)
			}
			require.Nil(t, h.status)
			require.False(t, h.list.isDown())
		})
	}
}

func TestAnIncidentThatFailedBeforeTheLastSuccessIsNoEvidence(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(4, defender.ServerError)...)
	h.do(step{9, 0})
	h.do(all(4, defender.ServerError)...)
	h.do(all(4, defender.Timeout)...) // not with another kind of failure either
	h.do(all(4, defender.Throttled)...)
	h.do(all(4, defender.ServerError)...)
	require.Zero(t, h.do(step{5, defender.ServerError}).Hold)
	require.Nil(t, h.status)
	h.do(step{1, 0})
	h.now = h.now.Add(flakyFor)
	h.do(step{1, defender.ServerError}, step{6, defender.ServerError}, step{7, defender.ServerError}, step{8, defender.ServerError})
	require.Positive(t, h.do(step{10, defender.ServerError}).Hold)
}

func TestIncidentsThatFailAloneAreNotWaitedFor(t *testing.T) {
	h := byHand(t, 4)
	h.do(all(5, defender.Forbidden)[:1]...)
	h.do(step{2, 0}, step{3, 0}, step{4, 0}, step{1, defender.Forbidden})
	h.do(step{2, defender.Timeout}, step{3, defender.Timeout}, step{2, defender.Timeout}, step{3, defender.Timeout})
	require.Nil(t, h.status)
	h.do(step{4, defender.Timeout})
	require.True(t, h.down(), "three of three")
}

func TestAnIncidentThatFailedAloneIsNoEvidenceForAnHour(t *testing.T) {
	h := byHand(t, 20)
	for range 10 {
		h.do(step{1, defender.Forbidden}, step{9, 0}, step{1, 0})
		h.wait(flakyFor / 2)
	}
	require.Zero(t, h.do(all(5, defender.Forbidden)...).Hold)
	h.do(all(5, 0)...)
	h.wait(flakyFor)
	require.Positive(t, h.do(all(5, defender.Forbidden)...).Hold)
}

func TestWhereEveryIncidentFailsAnyFailureIsEvidence(t *testing.T) {
	h := byHand(t, 3)
	h.do(all(2, defender.ServerError)...)
	h.do(step{3, 0}, step{1, 0}, step{2, 0}, step{3, defender.ServerError}, step{1, 0}, step{3, 0})
	h.do(all(3, defender.ServerError)...)
	require.Nil(t, h.status)
	h.do(all(2, defender.ServerError)...)
	require.True(t, h.down())
	require.Equal(t, []int64{1, 2, 3}, h.do(step{1, 0}, step{2, 0}).Release)
}

func TestTwoIncidentsThatSucceedEndAState(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.ServerError)...)
	h.do(step{6, defender.ServerError})
	require.Empty(t, h.do(step{7, 0}).Release)
	require.Empty(t, h.do(step{7, 0}).Release, "the same one")
	require.Empty(t, h.do(step{8, defender.ServerError}).Release)
	require.Empty(t, h.do(step{9, 0}).Release, "a failure came in between")
	require.Empty(t, h.do(step{9, defender.Malformed}).Release)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 8, 9}, h.do(step{10, 0}).Release, "a failure of another class does not count")
	require.True(t, h.down(), "it is not over for long")
	h.wait(calm - time.Nanosecond)
	require.True(t, h.down())
	h.wait(time.Nanosecond)
	require.False(t, h.down())
	require.Equal(t, []string{msgUnavailable, msgIncidentFailed, msgUnavailableCleared}, h.messages(), "incident 9 fails alone")
}

func TestASuccessAndAQuietMinuteEndAState(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.ServerError)...)
	require.Empty(t, h.wait(time.Hour), "nothing has succeeded")
	h.do(step{6, 0})
	h.now = h.now.Add(calm / 2)
	h.do(step{6, 0})
	require.Empty(t, h.wait(calm/2-time.Second-time.Nanosecond))
	require.Equal(t, []int64{1, 2, 3, 4, 5}, h.wait(time.Nanosecond))
}

func TestTheOnlyIncidentEndsAState(t *testing.T) {
	h := byHand(t, 1)
	h.do(step{1, defender.Forbidden})
	require.Equal(t, []int64{1}, h.do(step{1, 0}).Release)
}

func TestOnePageEndsAStateOfTheList(t *testing.T) {
	h := byHand(t, 20)
	h.do(list(2, defender.Forbidden)...)
	h.do(step{1, 0}, step{2, 0})
	require.True(t, h.list.isDown(), "not what another endpoint answers")
	h.do(step{0, 0})
	require.False(t, h.list.isDown())
	h.wait(time.Hour)
	require.Equal(t, []string{msgListDown, msgListCleared}, h.messages())
}

func TestTwoRequestsThatReachTheAPIEndASignInFailure(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.NoToken})
	h.do(step{2, defender.Forbidden})
	require.True(t, h.signIn.isDown())
	h.do(step{0, defender.ServerError})
	require.False(t, h.signIn.isDown())
	h.do(step{1, defender.NoToken}, step{1, 0})
	h.wait(calm)
	require.False(t, h.signIn.isDown())
}

func TestIncidentsThatAlwaysFailDoNotKeepAStateUp(t *testing.T) {
	h := byHand(t, 6)
	h.do(all(5, defender.Forbidden)...)
	h.do(join(times(1, 6, 0), all(5, defender.Forbidden))...)
	h.now = h.now.Add(interval)
	require.Equal(t, []int64{1, 2, 3, 4, 5}, h.do(step{6, 0}).Release)
	h.do(all(5, defender.Forbidden)...)
	h.wait(time.Hour)
	require.False(t, h.down())
}

func TestANewFailureKeepsAStateUp(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.Forbidden)...)
	h.do(step{6, 0}, step{6, defender.Forbidden})
	h.now = h.now.Add(interval)
	require.Empty(t, h.do(step{7, 0}).Release)
}

func TestAHoldGrowsOnlyWhenItHasExpired(t *testing.T) {
	for _, c := range []struct {
		kind    defender.Kind
		longest time.Duration
	}{
		{defender.ServerError, time.Minute},
		{defender.Forbidden, 5 * time.Minute},
		{defender.Malformed, 5 * time.Minute},
		{defender.NoToken, 5 * time.Minute},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			h := byHand(t, 20)
			for i := range int64(4) {
				h.do(step{i + 1, c.kind})
			}
			v := h.do(step{5, c.kind})
			held := v.Hold
			for range 30 {
				for id := range int64(5) {
					h.now = h.now.Add(-time.Second)
					v := h.do(step{id + 6, c.kind})
					require.Zero(t, v.Hold, "it was in flight")
				}
				h.now = h.now.Add(c.longest)
				v = h.do(step{6, c.kind})
				require.LessOrEqual(t, v.Hold, c.longest)
				require.Positive(t, v.Hold)
				if c.kind != defender.NoToken {
					require.Equal(t, v.Hold, v.Retry, "an own backoff may be much longer")
				}
				held = max(held, v.Hold)
			}
			require.Greater(t, held, c.longest/3)
		})
	}
}

func TestAnotherClassIsAStateBesideAndNoRecovery(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.ServerError)...)
	h.do(all(5, defender.Malformed)...)
	require.ErrorContains(t, h.status.Err, msgMisconfigured)
	require.Equal(t, []string{msgUnavailable, msgMisconfigured}, h.messages())
	h.wait(time.Hour)
	require.True(t, h.down())
	v := h.do(step{1, 0}, step{2, 0})
	require.Equal(t, []int64{1, 2, 3, 4, 5}, v.Release)
	h.wait(calm)
	require.False(t, h.down())
	require.ElementsMatch(t, []string{msgUnavailable, msgMisconfigured, msgUnavailableCleared, msgMisconfiguredCleared}, h.messages())
}

func TestTheStatusIsTheWorst(t *testing.T) {
	h := byHand(t, 20)
	for _, s := range []struct {
		steps []step
		want  string
	}{
		{list(3, defender.ServerError), msgListDown},
		{all(5, defender.Timeout), msgUnavailable},
		{list(2, defender.Malformed), msgListDown},
		{all(5, defender.Redirect), msgMisconfigured},
		{list(2, defender.Forbidden), msgListDown},
		{all(5, defender.Forbidden), msgDenied},
		{all(1, defender.NoToken), msgNoToken},
	} {
		h.status = nil
		h.do(s.steps...)
		require.NotNil(t, h.status, s.want)
		require.ErrorContains(t, h.status.Err, s.want)
	}
	h.status = nil
	h.do(step{1, defender.NoToken}, step{2, defender.Forbidden}, step{0, defender.Forbidden}, step{3, defender.Timeout})
	require.Nil(t, h.status, "only a change is reported")
}

func TestAStateThatComesBackIsNotLoggedOrReportedAgain(t *testing.T) {
	h := byHand(t, 20)
	for range 20 {
		h.do(join(all(5, defender.Forbidden), all(5, 0))...)
		h.wait(30 * time.Second)
	}
	require.Equal(t, []string{msgDenied}, h.messages())
}

func TestTheQuietTimeDoublesWhileAStateKeepsComingBack(t *testing.T) {
	h := byHand(t, 20)
	for _, minutes := range []int{1, 2, 4, 8, 10, 10} {
		quiet := time.Duration(minutes) * time.Minute
		h.do(join(all(5, defender.Forbidden), all(5, 0))...)
		h.wait(quiet - 3*time.Second - time.Nanosecond) // the second success ended it
		require.True(t, h.down(), quiet)
		h.wait(time.Nanosecond)
		require.False(t, h.down(), quiet)
	}
	require.Len(t, h.levels(msgDeniedCleared), len(h.levels(msgDenied)), "only what was logged is cleared")
	h.wait(sameStateAgain)
	h.do(join(all(5, defender.Forbidden), all(5, 0))...)
	h.wait(calm)
	require.False(t, h.down())
}

func TestAStateThatStaysIsLoggedLater(t *testing.T) {
	h := byHand(t, 20)
	h.do(join(all(5, defender.Forbidden), all(5, 0))...)
	h.wait(2 * time.Minute)
	h.do(all(5, defender.Forbidden)...)
	require.Equal(t, []string{msgDenied, msgDeniedCleared}, h.messages(), "it was logged a moment ago")
	h.do(step{3, defender.Unauthorized})
	require.Len(t, h.lines, 2, "nor is another cause of what is not logged")
	require.True(t, h.down())
	h.wait(sameStateAgain)
	require.Equal(t, []string{msgDenied, msgDeniedCleared, msgDenied}, h.messages())
}
