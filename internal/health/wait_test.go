// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// withRetryAfter is a failure with a Retry-After.
func withRetryAfter(kind defender.Kind, wait time.Duration) *defender.Error {
	return &defender.Error{Kind: kind, RetryAfter: wait}
}

// fail makes a request for an incident fail with a Retry-After.
func (h *hand) fail(id int64, kind defender.Kind, wait time.Duration) Verdict {
	h.now = h.now.Add(time.Second)
	v := h.IncidentFailed(Incident{ID: id, Streak: h.streaks[id]}, withRetryAfter(kind, wait), h.population, h.now)
	h.streaks[id] = v.Streak
	h.note(v)
	return v
}

func refusedKinds() []defender.Kind {
	return []defender.Kind{
		defender.Unauthorized, defender.Forbidden, defender.NotFound, defender.ServerError, defender.Malformed, defender.Redirect, defender.Rejected,
	}
}

func TestAnswerThatAsksToWaitPausesItsEndpointWhateverItIs(t *testing.T) {
	const wait = 50 * time.Minute
	for _, kind := range refusedKinds() {
		t.Run(kind.String(), func(t *testing.T) {
			h := byHand(t, 20)
			v := h.fail(1, kind, wait)
			require.True(t, v.Pause)
			require.True(t, v.LogPause)
			require.False(t, v.Learn, "it says nothing about limits")
			require.GreaterOrEqual(t, v.Retry, wait)

			v = h.ListFailed(withRetryAfter(kind, wait), h.now)
			require.True(t, v.Pause)
			require.False(t, v.LogPause, "logged once")
			require.False(t, v.Learn)
			require.GreaterOrEqual(t, v.Retry, wait)
			require.False(t, h.fail(2, kind, 0).Pause, "it does not ask")
		})
	}
}

func TestThirdAnswerOfOneIncidentThatAsksToWaitIsItsOwn(t *testing.T) {
	const wait = 50 * time.Minute
	for _, kind := range append(refusedKinds(), defender.Throttled) {
		t.Run(kind.String(), func(t *testing.T) {
			h := byHand(t, 20)
			for range 2 {
				require.True(t, h.fail(1, kind, wait).Pause)
				h.do(step{2, 0})
			}
			v := h.fail(1, kind, wait)
			require.False(t, v.Pause)
			require.GreaterOrEqual(t, v.Retry, wait)
			require.Equal(t, h.now.Add(wait), v.Streak.NotBefore(h.now), "whatever would make it due earlier")
			require.Equal(t, h.now.Add(2*wait), v.Streak.NotBefore(h.now.Add(2*wait)))

			h.do(step{1, 0})
			require.Equal(t, h.now, h.streaks[1].NotBefore(h.now))
			require.True(t, h.fail(1, kind, wait).Pause)
		})
	}
}

// Otherwise a marked incident, which goes first, would be the only one requested between pauses.
func TestIncidentThatAsksToWaitAgainAndAgainLetsTheOthersGoFirst(t *testing.T) {
	const wait = 50 * time.Minute
	for _, kind := range append(refusedKinds(), defender.Throttled) {
		if kind == defender.NotFound {
			continue // it shows that the endpoint works
		}
		t.Run(kind.String(), func(t *testing.T) {
			h := byHand(t, 20)
			require.Equal(t, h.now, h.fail(1, kind, wait).Streak.NotBefore(h.now), "the pause is enough")
			for range refusedAtOnce - 1 {
				h.fail(1, kind, wait)
			}
			v := h.fail(1, kind, wait)
			require.True(t, v.Pause, "nothing succeeded in between")
			require.Greater(t, v.Retry, wait)
			require.Equal(t, h.now.Add(v.Retry), v.Streak.NotBefore(h.now))
		})
	}
}

func TestOutageThatAsksToWaitIsAnOutage(t *testing.T) {
	h := byHand(t, 20)
	for id := range int64(enough) {
		require.True(t, h.fail(id+1, defender.ServerError, 10*time.Second).Pause)
	}
	require.True(t, h.down())
	require.Equal(t, []string{msgUnavailable}, h.messages())
	require.Equal(t, h.now, h.fail(1, defender.ServerError, 10*time.Second).Streak.NotBefore(h.now), "it is due as soon as the outage ends")
}

func TestOnlyTheFirst429OfAnIncidentMayTeach(t *testing.T) {
	h := byHand(t, 20)
	require.True(t, h.fail(1, defender.Throttled, time.Second).Learn)
	h.do(step{2, 0})
	require.False(t, h.fail(1, defender.Throttled, time.Second).Learn, "it may be about this incident only")
	require.True(t, h.fail(3, defender.Throttled, time.Second).Learn)
	h.do(step{1, 0})
	require.True(t, h.fail(1, defender.Throttled, time.Second).Learn)
	for range 3 {
		require.True(t, h.ListFailed(withRetryAfter(defender.Throttled, time.Second), h.now).Learn)
	}
}

func TestIncidentThatIsNotTrackedAnyMoreMayAskToWait(t *testing.T) {
	h := byHand(t, 20)
	v := h.UntrackedFailed(withRetryAfter(defender.Throttled, time.Minute), h.now)
	require.True(t, v.Pause)
	require.True(t, v.LogPause)
	require.False(t, v.Learn)
	require.Nil(t, v.Streak)
	require.Zero(t, h.UntrackedFailed(withRetryAfter(defender.ServerError, 0), h.now))
	h.do(all(enough-1, defender.ServerError)...)
	require.False(t, h.down(), "it is not counted")
}

func TestAPauseThatIsMuchLongerIsLoggedAgain(t *testing.T) {
	h := byHand(t, 20)
	pause := func(kind defender.Kind, wait time.Duration) bool {
		v := h.UntrackedFailed(withRetryAfter(kind, wait), h.now)
		h.now = h.now.Add(wait)
		return v.LogPause
	}
	require.True(t, pause(defender.ServerError, 4*time.Second))
	require.True(t, pause(defender.Throttled, 4*time.Second), "a 429 is another matter")
	require.False(t, pause(defender.Throttled, time.Minute))
	require.True(t, pause(defender.Throttled, LongPause))
	require.False(t, pause(defender.Throttled, LongPause), "as long as before")
	require.True(t, pause(defender.Throttled, time.Hour))
	require.False(t, pause(defender.Throttled, time.Hour))
	require.False(t, pause(defender.Throttled, time.Second))
	h.now = h.now.Add(pauseAgain)
	require.True(t, pause(defender.Throttled, time.Second))
}
