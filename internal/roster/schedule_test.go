// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestMarkedBeforeNeverPolledBeforeTheLongestOverdue(t *testing.T) {
	tests := map[string]struct {
		add  func(r *Roster)
		want []int64
	}{
		"marked, never polled, routine": {
			add: func(r *Roster) {
				polled(r, 1, sec(0))
				unpolled(r, 2, sec(50))
				polled(r, 3, sec(90))
				r.Mark(3, sec(95), sec(95))
			},
			want: []int64{3, 2, 1},
		},
		"the longest overdue first, in each": {
			add: func(r *Roster) {
				for i, due := range []int{30, 10, 20} {
					polled(r, int64(1+i), sec(due))
					unpolled(r, int64(11+i), sec(due))
					polled(r, int64(21+i), sec(due))
					r.Mark(int64(21+i), sec(100), sec(100))
				}
			},
			want: []int64{22, 23, 21, 12, 13, 11, 2, 3, 1},
		},
		"those not due are left out": {
			add: func(r *Roster) {
				unpolled(r, 1, sec(101))
				polled(r, 2, sec(100))
				polled(r, 3, sec(101))
			},
			want: []int64{2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			tt.add(r)
			require.Equal(t, tt.want, drain(r, sec(100)))
		})
	}
}

func TestEachClassHasItsOwnHead(t *testing.T) {
	r := New(Rules{})
	for i, due := range []int{40, 20, 30} {
		polled(r, int64(1+i), sec(due))
		unpolled(r, int64(11+i), sec(due))
		unpolled(r, int64(21+i), sec(0))
		poll(r, int64(21+i), failed(sec(due)))
		polled(r, int64(31+i), sec(due))
		r.Mark(int64(31+i), sec(0), sec(50))
	}
	requireHeads(t, r, map[Class]Candidate{
		Marked:   {ID: 32, Due: sec(20)},
		Unpolled: {ID: 12, Due: sec(20)},
		Retry:    {ID: 22, Due: sec(20)},
		Routine:  {ID: 2, Due: sec(20)},
	})
}

func TestAClassWithNothingToPollHasNoCandidate(t *testing.T) {
	r := New(Rules{})
	requireHeads(t, r, nil)
	unpolled(r, 1, sec(0))
	r.Start(1)
	requireHeads(t, r, nil)
}

func TestAnIncidentIsRoutineAfterASuccessfulPoll(t *testing.T) {
	r := New(Rules{})
	unpolled(r, 1, sec(0))
	polled(r, 2, sec(0))
	r.Mark(2, sec(0), sec(0))
	poll(r, 1, succeeded(sec(60)))
	poll(r, 2, succeeded(sec(70)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(60)}})
}

func TestAFailedIncidentGivesWayToOthersOfItsKind(t *testing.T) {
	r := New(Rules{})
	unpolled(r, 1, sec(0))
	polled(r, 2, sec(0))
	r.Mark(2, sec(0), sec(0))
	polled(r, 3, sec(8))
	unpolled(r, 4, sec(9))
	poll(r, 1, failed(sec(6)))
	poll(r, 2, failed(sec(7)))
	require.Equal(t, Retry, r.Find(1).Class())
	require.Equal(t, Retry, r.Find(2).Class())
	require.Equal(t, []int64{4, 1, 2, 3}, drain(r, sec(10)))
}

func TestAFailedRoutineIncidentStaysRoutine(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	poll(r, 1, failed(sec(5)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(5)}})
}

func TestAnOutcomeThatSaysNothingLeavesDueTimeAndClass(t *testing.T) {
	r := New(Rules{})
	unpolled(r, 1, sec(0))
	unpolled(r, 2, sec(1))
	polled(r, 3, sec(0))
	r.Mark(3, sec(0), sec(0))
	poll(r, 1, Outcome{})
	poll(r, 3, Outcome{})
	require.Equal(t, []int64{3, 1, 2}, drain(r, sec(5)))
}

func TestAnOutcomeWithoutAPollIsIgnored(t *testing.T) {
	r := New(Rules{})
	unpolled(r, 1, sec(10))
	r.Finish(1, succeeded(sec(99)))
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 1, Due: sec(10)}})
	poll(r, 1, succeeded(sec(60)))
	r.Finish(1, succeeded(sec(99)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(60)}})
}

func TestUnknownIncidentsAreIgnored(t *testing.T) {
	r := New(Rules{})
	r.Start(1)
	r.Finish(1, succeeded(sec(0)))
	r.Release([]int64{1}, sec(0))
	r.SetPages(1, 3)
	since, wait := r.Stale(1, interval, sec(5))
	require.Equal(t, sec(5), since)
	require.Equal(t, interval, wait)
	require.Nil(t, r.Find(1))
	require.False(t, r.Find(1).tracked() || r.Find(1).Polling() || r.InFlight(1))
	require.Empty(t, r.IDs())
}

func TestTheOutcomeOfAnEvictedIncidentIsIgnored(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1, 2}, sec(0))
	r.Start(1)
	_, forgotten := r.Configure([]int64{2}, sec(0))
	require.Equal(t, []int64{1}, ids(forgotten))
	require.True(t, r.InFlight(1))
	require.Equal(t, 1, r.Tracked())
	r.Finish(1, succeeded(sec(0)))
	require.Nil(t, r.Find(1))
	require.False(t, r.InFlight(1))
	require.Equal(t, []int64{2}, drain(r, sec(0)))
}

func TestAnIncidentAddedAgainWaitsForTheEndOfTheOldPoll(t *testing.T) {
	ends := map[string]func(r *Roster){
		"outcome":  func(r *Roster) { r.Finish(1, succeeded(sec(90))) },
		"delivery": func(r *Roster) { deliver(r, 1, open(), sec(90)) },
		"evicted and added again": func(r *Roster) {
			r.Configure(nil, sec(20))
			r.Configure([]int64{1}, sec(30))
			r.Finish(1, succeeded(sec(90)))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			load(r, map[int64]incident.Summary{1: open()}, 1)
			r.Start(1)
			r.Configure(nil, sec(20))
			r.Configure([]int64{1}, sec(30))
			requireHeads(t, r, nil) // one poll of an incident at a time
			require.Zero(t, r.Overdue(sec(100)))
			r.Start(1)
			require.False(t, r.Find(1).Polling())

			end(r)
			requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 1, Due: sec(30)}})
			require.False(t, r.InFlight(1))
			poll(r, 1, succeeded(sec(200)))
			requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(200)}})
		})
	}
}

func TestTheOthersAreFoundAfterAnEviction(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{0, 1, 2, 3, 4}, sec(0))
	r.Configure([]int64{2, 3}, sec(0))
	r.Mark(3, sec(50), sec(50))
	require.Equal(t, 2, r.Tracked())
	require.Equal(t, []int64{3, 2}, drain(r, sec(50)))
}

func TestHungIncidentsTakeALimitedNumberOfSlots(t *testing.T) {
	r := New(Rules{})
	for id := range int64(3) {
		polled(r, id, sec(0))
		poll(r, id, hung(sec(1)))
	}
	polled(r, 3, sec(5))
	unpolled(r, 4, sec(90))
	unpolled(r, 5, sec(0))
	poll(r, 5, hung(sec(1)))

	require.Equal(t, int64(5), r.Next(2)[Retry].ID)
	var hanging []int64
	for range 2 {
		id := r.Next(2)[Routine].ID
		require.Less(t, id, int64(3))
		r.Start(id)
		hanging = append(hanging, id)
	}
	heads := r.Next(2)
	require.False(t, heads[Retry].OK, "5 hung, too")
	require.Equal(t, int64(4), heads[Unpolled].ID)
	require.Equal(t, int64(3), heads[Routine].ID)
	r.Start(3)
	require.False(t, r.Next(2)[Routine].OK)
	r.Finish(hanging[0], succeeded(sec(100)))
	require.Less(t, r.Next(2)[Routine].ID, int64(3), "the poll of one of them has succeeded")
}

func TestHungIncidentsThatWereEvictedStillTakeTheirSlots(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1, 2}, sec(0))
	poll(r, 1, hung(sec(1)))
	poll(r, 2, hung(sec(1)))
	r.Start(1)
	r.Configure([]int64{2}, sec(1))
	require.False(t, r.Next(1)[Retry].OK)
	r.Finish(1, Outcome{})
	require.Equal(t, int64(2), r.Next(1)[Retry].ID)
}

func TestAnIncidentThatHungIsTrustedAgainOnceAPollEnds(t *testing.T) {
	for name, o := range map[string]Outcome{"succeeded": succeeded(sec(5)), "failed": failed(sec(5))} {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			for id := range int64(2) {
				polled(r, id, sec(0))
				poll(r, id, hung(sec(1)))
			}
			poll(r, 1, Outcome{})
			row(r, 1, openSince(sec(2)), sec(2))
			r.Start(0)
			require.False(t, r.Next(1)[Routine].OK, "neither an outcome that says nothing nor a row clears it")
			poll(r, 1, o)
			require.Equal(t, int64(1), r.Next(1)[Routine].ID)
		})
	}
}

func TestNeighboursAmongEqualsArePolledFarApart(t *testing.T) {
	r := New(Rules{})
	for id := range int64(1000) {
		unpolled(r, id, sec(0))
	}
	turns := make([]int, 1000) // when each is polled
	for turn, id := range drain(r, sec(0)) {
		turns[id] = turn
	}
	for first := range 990 {
		ten := slices.Sorted(slices.Values(turns[first : first+10]))
		for i := 1; i < len(ten); i++ {
			require.Greater(t, ten[i]-ten[i-1], 40, "of the ten incidents from %d on", first)
		}
	}
}

func TestOverdueCountsIncidentsPastTheirDueTimeExceptThoseInFlight(t *testing.T) {
	r := New(Rules{})
	for id, due := range []int{1, 2, 10, 11} {
		e := unpolled(r, int64(id), sec(due))
		if id%2 == 0 {
			r.leave(e)
			r.load(e, open(), true)
		}
	}
	require.Equal(t, 2, r.Overdue(sec(10)))
	poll(r, 1, hung(sec(3)))
	require.Equal(t, 2, r.Overdue(sec(10)), "those that hung count, too")
	r.Start(0)
	require.Equal(t, 1, r.Overdue(sec(10)))
	require.Equal(t, 4, r.Tracked())
}

func TestReleasedIncidentsAreDueAtOnce(t *testing.T) {
	r := New(Rules{})
	for id := range int64(4) {
		polled(r, id, sec(0))
	}
	poll(r, 0, failed(sec(300)))
	poll(r, 1, failed(sec(5)))
	poll(r, 2, failed(sec(300)))
	r.Start(2)
	poll(r, 3, failed(sec(300)))
	r.Release([]int64{0, 1, 2, 99}, sec(10))
	require.Equal(t, sec(10), r.Find(0).due)
	require.Equal(t, sec(5), r.Find(1).due, "it was due sooner")
	require.Equal(t, sec(300), r.Find(2).due, "its poll is under way")
	require.Equal(t, sec(300), r.Find(3).due, "it was not in the list")
	require.Equal(t, []int64{1, 0}, drain(r, sec(10)))
}

func TestResumeContinuesTheEarlierCycle(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: open()}, 1, 2)
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 2, Due: sec(0)}, Routine: {ID: 1, Due: sec(0)}})
	r.Resume(func(s incident.Summary) time.Time { return s.Fetched().Add(time.Hour) }, sec(0))
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 2, Due: sec(0)}, Routine: {ID: 1, Due: sec(3600)}})
}

func TestIntervalIsTheConfiguredOneOrWhatTheQuotaAllows(t *testing.T) {
	const spacing = 2400 * time.Millisecond
	require.Equal(t, 5*time.Minute, Interval(5*time.Minute, spacing, 100))
	require.Equal(t, 5*time.Minute, Interval(5*time.Minute, spacing, 125))
	require.Equal(t, 5*time.Minute+spacing, Interval(5*time.Minute, spacing, 126))
	require.Equal(t, 400*time.Minute, Interval(5*time.Minute, spacing, 10_000))
	require.Equal(t, time.Minute, Interval(time.Minute, 0, 100_000))
}

// BenchmarkStep measures one decision and its consequences among that many incidents of all kinds, with times from time.Now.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			start := time.Now()
			r := New(Rules{})
			for i := range int64(n) {
				due := start.Add(time.Duration(rand.IntN(n)) * time.Second)
				if e := unpolled(r, i, due); rand.IntN(2) == 0 {
					r.leave(e)
					r.load(e, open(), true)
				}
				switch rand.IntN(8) {
				case 0:
					poll(r, i, hung(due))
				case 1:
					poll(r, i, failed(due))
				case 2:
					r.Mark(i, due, due)
				}
			}
			now := start.Add(time.Duration(n) * time.Second)
			b.ReportAllocs()
			for b.Loop() {
				id, ok := choose(r.Next(2), now)
				if !ok {
					b.Fatal("none is due")
				}
				now = now.Add(time.Second)
				poll(r, id, succeeded(now.Add(time.Duration(n/2)*time.Second)))
			}
		})
	}
}
