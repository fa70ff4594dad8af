// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestAMixedRowMakesNoSecondState(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.ServerError)...)
	h.do(join(all(4, defender.Malformed), all(4, defender.Malformed), []step{{5, defender.Forbidden}})...)
	require.Equal(t, []string{msgUnavailable}, h.messages())
}

func TestWhereEveryIncidentFailsOneOtherFailureMakesNoSecondState(t *testing.T) {
	h := byHand(t, 3)
	h.do(all(3, defender.ServerError)...)
	h.do(all(3, defender.ServerError)...)
	h.do(step{1, 0})
	h.do(join(all(3, defender.ServerError), all(3, defender.ServerError), []step{{2, defender.Malformed}})...)
	require.NotContains(t, h.messages(), msgMisconfigured)
}

func TestAStateThatHasEndedIsClearedWhileAnotherLasts(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.Forbidden)...)
	h.do(step{3, 0}, step{4, 0})
	for id := range int64(5) {
		h.do(step{id + 6, defender.Timeout})
	}
	h.wait(longestQuiet - 6*time.Second)
	require.ErrorContains(t, h.status.Err, msgDenied)
	h.wait(2 * time.Second)
	require.ErrorContains(t, h.status.Err, msgUnavailable)
	h.do(step{3, 0}, step{4, 0})
	h.wait(2 * calm)
	require.False(t, h.down())
}

func TestStatesThatTakeTurnsAreClearedTogether(t *testing.T) {
	h := byHand(t, 20)
	for range 10 {
		h.do(join(all(5, defender.Forbidden), all(5, 0))...)
		h.wait(calm / 2)
		h.do(join(all(5, defender.Timeout), []step{{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}})...)
		h.wait(calm / 2)
	}
	require.Equal(t, []string{msgDenied, msgUnavailable}, h.messages())
	h.wait(calm)
	require.False(t, h.down())
}

func TestAFailureRightAfterAnOutageExcusesNobody(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.Forbidden)...)
	h.do(all(5, 0)...)
	h.do(step{1, defender.Forbidden}, step{9, 0}, step{1, 0})
	require.False(t, h.get.isDown())
	h.do(all(5, defender.Forbidden)...)
	require.True(t, h.get.isDown())
}

func TestACauseIsLoggedAgainAfterTheStateWasCleared(t *testing.T) {
	h := byHand(t, 20)
	for range 2 {
		h.do(join(all(5, defender.Forbidden), times(1, 3, defender.Unauthorized), all(5, 0))...)
		h.wait(time.Hour)
	}
	require.Len(t, h.levels(msgAnotherCause), 2)
}

func TestFailuresOfSeveralKindsAreOneRun(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.Timeout}, step{1, defender.Network})
	require.Equal(t, []string{msgIncidentFailed}, h.messages(), "it has failed twice")
	var longest time.Duration
	for range 15 {
		longest = max(longest, h.do(step{2, 0}, step{1, defender.Timeout}).Retry, h.do(step{2, 0}, step{1, defender.ServerError}).Retry)
	}
	require.Greater(t, longest, interval/2, "the backoff goes on")
	require.Less(t, h.do(step{1, defender.Malformed}).Retry, interval+1)
	require.Equal(t, 33, h.streaks[1].run.failures)
	slowly := h.do(step{3, defender.Timeout}, step{3, defender.Rejected})
	require.GreaterOrEqual(t, slowly.Retry, interval/2, "only a person can end that")
}

func TestAnIncidentThatKeepsFailingKeepsItsPlace(t *testing.T) {
	h := byHand(t, 100)
	h.do(all(10, defender.NotFound)...)
	h.now = h.now.Add(nameAgain)
	h.do(all(10, defender.NotFound)...)
	h.do(step{11, defender.NotFound})
	require.Len(t, h.levels(msgIncidentNotFound), maxNamed)
	h.do(all(10, 0)...)
	h.do(step{12, defender.NotFound})
	require.Len(t, h.levels(msgIncidentNotFound), maxNamed+1, "it was named a day ago")
}

func TestA404ThatTurnsIntoAnotherFailureIsNotHeldBackAnyMore(t *testing.T) {
	h := delivered(t, 20)
	h.do(all(4, defender.NotFound)...)
	h.do(step{1, defender.Timeout})
	require.Zero(t, h.do(step{5, defender.NotFound}).Hold)
	require.Positive(t, h.do(step{6, defender.NotFound}).Hold)
}

func TestAFailureOfAnotherClassThanTheStatesHasItsOwnBackoff(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(5, defender.Forbidden)...)
	require.GreaterOrEqual(t, h.do(step{3, defender.Malformed}).Retry, interval/20)
	h.do(step{4, 0})
	require.Equal(t, []string{msgDenied}, h.messages(), "it is not named in a state")
}

func TestWhatMayPassInAMomentIsNotNamed(t *testing.T) {
	h := byHand(t, 1)
	h.do(step{1, defender.ServerError}, step{1, 0}, step{1, defender.Malformed})
	require.Equal(t, []string{msgIncidentFailed}, h.messages())
	h = byHand(t, 20)
	h.do(step{1, defender.Malformed}, step{1, unreadable})
	require.Equal(t, []string{msgIncidentUnreadable}, h.messages())
}

func TestAnIncidentThatHasLeftIsForgotten(t *testing.T) {
	h := byHand(t, 20)
	h.do(step{1, defender.Forbidden}, step{2, 0})
	require.NotEmpty(t, h.get.flaky)
	h.Forget(h.streaks[1])
	delete(h.streaks, 1)
	require.Empty(t, h.get.flaky)
	require.Empty(t, h.get.failing)
	h.do(all(5, defender.Forbidden)...)
	h.Forget(h.streaks[1])
	require.Equal(t, []int64{2, 3, 4, 5}, h.do(step{6, 0}, step{7, 0}).Release)
	h.do(all(5, 0)...)
	require.Empty(t, h.get.failing, "nor does one that was answered count")
}
