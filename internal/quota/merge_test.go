// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func TestMergedAccountCountsBothAndKeepsTheStricter(t *testing.T) {
	gets := quota.Stored{
		Since: ago(3 * time.Hour), Ended: []time.Time{ago(30 * time.Second), ago(10 * time.Second)}, InFlight: 2, PausedUntil: after(time.Minute),
		Learned: []quota.Learned{{Limit: perMinute(60), Since: ago(time.Minute)}, {Limit: perHour(900), Since: ago(2 * time.Minute)}},
	}
	lists := quota.Stored{
		Since: ago(time.Hour), Ended: []time.Time{ago(40 * time.Second), ago(20 * time.Second)}, InFlight: 1, PausedUntil: after(time.Hour),
		Learned: []quota.Learned{{Limit: perMinute(30), Since: ago(3 * time.Minute)}},
	}
	require.Equal(t, quota.Stored{
		Since:    ago(time.Hour),
		Ended:    []time.Time{ago(40 * time.Second), ago(30 * time.Second), ago(20 * time.Second), ago(10 * time.Second)},
		InFlight: 3, PausedUntil: after(time.Hour),
		Learned: []quota.Learned{{Limit: perMinute(30), Since: ago(time.Minute)}, {Limit: perHour(900), Since: ago(2 * time.Minute)}},
	}, quota.Merge(gets, lists))
	require.Equal(t, gets, quota.Merge(gets, quota.Stored{}))
	require.Equal(t, lists, quota.Merge(quota.Stored{}, lists))
}

func TestAccountIsEmptyOnlyIfNothingIsKnownOfIt(t *testing.T) {
	require.True(t, quota.Stored{}.Empty())
	for _, s := range []quota.Stored{
		{Since: after(0)},
		{Ended: []time.Time{after(0)}},
		{InFlight: 1},
		{PausedUntil: after(0)},
		{Learned: []quota.Learned{{Limit: perMinute(1), Since: after(0)}}},
	} {
		require.False(t, s.Empty(), "%+v", s)
		require.Equal(t, s, quota.Merge(s, quota.Stored{}))
		require.Equal(t, s, quota.Merge(quota.Stored{}, s))
	}
}

// drawStored is an account of the last two minutes.
func drawStored(t *rapid.T, name string) quota.Stored {
	offset := func(of string, from, to int) time.Time {
		return after(time.Duration(rapid.IntRange(from, to).Draw(t, name+" "+of)) * time.Second)
	}
	s := quota.Stored{Since: offset("since", -7200, 0), InFlight: rapid.IntRange(0, 5).Draw(t, name+" in flight")}
	for range rapid.IntRange(0, 40).Draw(t, name+" ended") {
		s.Ended = append(s.Ended, offset("end", -120, 0))
	}
	slices.SortFunc(s.Ended, time.Time.Compare)
	if rapid.Bool().Draw(t, name+" paused") {
		s.PausedUntil = offset("pause", 1, 300)
	}
	for _, window := range rapid.SliceOfDistinct(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour}), rapid.ID).Draw(t, name+" windows") {
		limit := quota.Limit{Window: window, Requests: rapid.IntRange(1, 60).Draw(t, name+" learned")}
		s.Learned = append(s.Learned, quota.Learned{Limit: limit, Since: offset("learned since", -600, 0)})
	}
	return s
}

func TestMergedAccountAllowsNothingThatEitherForbids(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := []quota.Limit{perMinute(rapid.IntRange(1, 100).Draw(t, "limit")), perHour(300)}
		now := after(0)
		restore := func(s quota.Stored) *quota.Account {
			account := quota.NewAccount(limits...)
			account.Restore(s, maxWait, now)
			return account
		}
		a, b := drawStored(t, "a"), drawStored(t, "b")
		merged := quota.Merge(a, b)
		require.Len(t, merged.Ended, len(a.Ended)+len(b.Ended))
		require.True(t, slices.IsSortedFunc(merged.Ended, time.Time.Compare))
		require.Equal(t, restore(merged).Stored(now), restore(quota.Merge(b, a)).Stored(now), "in either order")

		both := restore(merged)
		for _, demand := range []quota.Demand{quota.Fresh, quota.Repeat} {
			at, ok := both.Next(now, demand)
			require.True(t, ok, "nothing is in flight after a restart")
			for _, s := range []quota.Stored{a, b} {
				alone, _ := restore(s).Next(now, demand)
				require.False(t, at.Before(alone))
			}
		}
		for i, left := range both.Remaining(now) {
			sent := 0
			for _, end := range slices.Concat(a.Ended, b.Ended) {
				if now.Sub(end) < left.Window {
					sent++
				}
			}
			require.LessOrEqual(t, left.Requests, max(0, limits[i].Requests-sent-a.InFlight-b.InFlight))
		}
	})
}

func TestMergeLeavesWhatItIsGiven(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	ends := func() (times []time.Time) {
		for range 20 {
			times = append(times, ago(time.Duration(random.IntN(60))*time.Second))
		}
		slices.SortFunc(times, time.Time.Compare)
		return times[:10] // with room behind it
	}
	a, b := quota.Stored{Since: ago(time.Hour), Ended: ends()}, quota.Stored{Since: ago(time.Hour), Ended: ends()}
	want := [][]time.Time{slices.Clone(a.Ended[:20]), slices.Clone(b.Ended[:20])}
	quota.Merge(a, b)
	require.Equal(t, want, [][]time.Time{a.Ended[:20], b.Ended[:20]})
}
