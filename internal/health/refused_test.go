// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestNothingBut429sForTenMinutesIsAnOutage(t *testing.T) {
	for name, refuse := range map[string]struct {
		refused, answered []step
		message           string
	}{
		"incidents": {all(enough, defender.Throttled), []step{{1, 0}, {2, 0}}, msgUnavailable},
		"list":      {list(enough, defender.Throttled), []step{{0, 0}}, msgListDown},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, 20)
			h.do(refuse.refused...)
			h.wait(refusedLong - (enough+1)*time.Second)
			h.do(refuse.refused[0])
			require.Empty(t, h.messages())
			v := h.do(refuse.refused[0])
			require.Equal(t, []string{refuse.message}, h.messages())
			require.True(t, h.down())
			require.True(t, v.Pause, "the API's own wait counts, too")
			require.Positive(t, v.Hold)

			h.do(refuse.refused...)
			h.do(refuse.answered...)
			h.wait(calm)
			require.False(t, h.down())
			require.Len(t, h.messages(), 2)
		})
	}
}

func TestTwo429sFarApartAreNoOutage(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(1, defender.Throttled)...)
	h.wait(time.Hour)
	h.do(step{2, defender.Throttled})
	require.Empty(t, h.messages())
	require.Nil(t, h.status)
}

func Test429sOfFewIncidentsAreNoOutageWhileNoOtherIsRequested(t *testing.T) {
	h := byHand(t, 20)
	for range 60 {
		h.do(all(enough-1, defender.Throttled)...)
		h.wait(time.Minute)
	}
	require.NotContains(t, h.messages(), msgUnavailable)
	require.Nil(t, h.status)
}

func TestIncidentsThatGot429sAreReleasedWhenTheOutageEnds(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(enough, defender.Throttled)...)
	h.wait(refusedLong)
	h.do(step{1, defender.Throttled}, step{9, defender.Throttled}, step{1, 0})
	v := h.do(step{2, 0})
	require.Equal(t, []int64{1, 2, 3, 4, 5, 9}, v.Release)
}

func TestA429IsRetriedAfterThePauseTwiceAndThenWithBackoff(t *testing.T) {
	h := byHand(t, 20)
	for range refusedAtOnce {
		require.Zero(t, h.do(step{1, defender.Throttled}).Retry)
	}
	longest := time.Duration(0)
	for range 20 {
		v := h.do(step{1, defender.Throttled})
		require.True(t, v.Pause)
		require.GreaterOrEqual(t, v.Retry, interval/20)
		longest = max(longest, v.Retry)
	}
	require.Greater(t, longest, interval/3)
	h.do(step{1, 0})
	require.Zero(t, h.do(step{1, defender.Throttled}).Retry)
}

func Test429sWithoutASuccessInBetweenCountAsOne(t *testing.T) {
	h := byHand(t, 20)
	for range 2 {
		h.do(step{1, defender.Throttled}, step{1, defender.Throttled}, step{2, 0})
	}
	require.False(t, h.do(step{1, defender.Throttled}).Pause, "the third with another's success before it")
}

func TestASuccessBetween429sIsNoOutage(t *testing.T) {
	h := byHand(t, 20)
	for range 60 {
		h.do(step{1, defender.Throttled}, step{3, 0})
		h.do(step{0, defender.Throttled}, step{0, 0})
		h.do(step{2, defender.Throttled}, step{4, 0})
		h.wait(time.Minute)
	}
	require.NotContains(t, h.messages(), msgUnavailable)
	require.NotContains(t, h.messages(), msgListDown)
	require.Nil(t, h.status)
}

func TestTheHoldOf429sGrowsLikeThatOfOtherOutages(t *testing.T) {
	h := byHand(t, 20)
	h.do(all(enough, defender.Throttled)...)
	h.wait(refusedLong)
	h.do(all(1, defender.Throttled)...)
	longest := time.Duration(0)
	for range 20 {
		v := h.do(step{1, defender.Throttled})
		longest = max(longest, v.Hold)
		h.wait(time.Minute)
	}
	require.Greater(t, longest, 15*time.Second)
	require.LessOrEqual(t, longest, time.Minute)
	require.Equal(t, []string{msgUnavailable}, h.messages())
}
