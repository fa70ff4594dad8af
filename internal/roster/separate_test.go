// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAlertsAreSeparatedAfterTwoFailuresOfTheSameIncident(t *testing.T) {
	at := func(after time.Duration) time.Time { return start().Add(after) }
	r := New(Rules{})
	r.Configure([]int64{1, 2}, start())
	separate := func(successes uint64, after time.Duration) bool { return r.Find(1).Separate(successes, at(after)) }

	require.False(t, separate(0, 0))
	r.TogetherFailed(1, 10, at(time.Minute))
	require.False(t, separate(11, time.Minute), "once")
	r.TogetherFailed(1, 11, at(2*time.Minute))
	require.True(t, separate(12, 2*time.Minute), "while others succeed")
	require.False(t, r.Find(2).Separate(12, at(2*time.Minute)))

	require.False(t, r.SeparateSucceeded(1, at(2*time.Minute)), "it may have been chance")
	require.False(t, separate(13, 2*time.Minute+1), "so both together again")
	r.TogetherFailed(1, 13, at(3*time.Minute))
	require.True(t, separate(14, 3*time.Minute))
	require.True(t, r.SeparateSucceeded(1, at(3*time.Minute)))
	require.False(t, r.SeparateSucceeded(1, at(time.Hour)), "it has begun before")
	require.True(t, separate(100, 24*time.Hour+3*time.Minute-1))
	require.False(t, separate(100, 24*time.Hour+3*time.Minute), "for a day")
	r.TogetherFailed(1, 100, at(25*time.Hour))
	require.True(t, separate(101, 25*time.Hour), "and another one")
	require.False(t, r.SeparateSucceeded(1, at(25*time.Hour)))
	require.False(t, separate(102, 49*time.Hour))

	r.TogetherSucceeded(1)
	r.TogetherFailed(1, 103, at(50*time.Hour))
	require.False(t, separate(104, 50*time.Hour), "it starts over")
}

func TestAlertsAreNotSeparatedForGoodWhileAllIncidentsFail(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, start())
	r.TogetherFailed(1, 10, start())
	r.TogetherFailed(1, 10, start())
	require.True(t, r.Find(1).Separate(10, start()), "it costs nothing to try")
	require.False(t, r.SeparateSucceeded(1, start()), "the outage may just have ended")
	require.False(t, r.Find(1).Separate(11, start()), "so both together may work again")
	r.TogetherFailed(1, 11, start())
	require.True(t, r.Find(1).Separate(12, start()), "they do not")
	require.True(t, r.SeparateSucceeded(1, start()))
}

func TestSeparationLeavesWithItsIncident(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, start())
	r.TogetherFailed(1, 1, start())
	r.TogetherFailed(1, 2, start())
	r.SuspectMerge(1, 2, start())
	r.Configure(nil, start())
	r.TogetherFailed(1, 3, start())
	r.TogetherSucceeded(1)
	require.False(t, r.SeparateSucceeded(1, start()))
	require.False(t, r.SuspectMerge(1, 2, start().Add(time.Hour)))
	r.DismissMerge(1)
	require.Nil(t, r.Find(1))
	r.Configure([]int64{1}, start())
	require.False(t, r.Find(1).Separate(3, start()))
	require.False(t, r.SuspectMerge(1, 2, start().Add(time.Hour)), "it starts over")
}

func TestAnotherIncidentHasToBeShownTwice(t *testing.T) {
	at := func(after time.Duration) time.Time { return start().Add(after) }
	r := New(Rules{})
	r.Configure([]int64{1}, start())
	require.False(t, r.SuspectMerge(1, 2, start()))
	require.False(t, r.SuspectMerge(1, 2, at(time.Minute-1)), "too soon")
	require.True(t, r.SuspectMerge(1, 2, at(time.Minute)))
	require.False(t, r.SuspectMerge(1, 3, at(2*time.Minute)), "another one")
	require.False(t, r.SuspectMerge(1, 2, at(4*time.Minute)), "and back")
	r.DismissMerge(1)
	require.False(t, r.SuspectMerge(1, 2, at(time.Hour)))
}
