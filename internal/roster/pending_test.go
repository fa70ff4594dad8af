// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func requirePending(t require.TestingT, r *Roster, id int64, changed time.Time) {
	got, pending := r.Find(id).pending()
	require.True(t, pending)
	require.Equal(t, changed, got)
	require.Len(t, r.Pending(), 1)
	require.Equal(t, id, r.Pending()[0].ID)
	require.Equal(t, changed, r.Pending()[0].Changed)
}

func requireNothingPending(t require.TestingT, r *Roster, id int64) {
	changed, pending := r.Find(id).pending()
	require.False(t, pending)
	require.Zero(t, changed)
	require.Empty(t, r.Pending())
}

func TestAMarkedIncidentIsDueAtOnce(t *testing.T) {
	tests := map[string]struct {
		due  int
		want int
	}{
		"due later":        {due: 300, want: 10},
		"overdue since":    {due: 3, want: 3},
		"due this instant": {due: 10, want: 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			polled(r, 1, sec(tt.due))
			r.Mark(1, sec(8), sec(10))
			requireHeads(t, r, map[Class]Candidate{Marked: {ID: 1, Due: sec(tt.want)}})
			requirePending(t, r, 1, sec(8))
		})
	}
}

func TestAMarkedUnknownIncidentIsAdded(t *testing.T) {
	r := discovering()
	r.Mark(7, sec(8), sec(10))
	requireHeads(t, r, map[Class]Candidate{Marked: {ID: 7, Due: sec(10)}})
	requirePending(t, r, 7, sec(8))
	require.Equal(t, Waiting, r.Find(7).state())
	require.Equal(t, 1, r.Discovered())
}

func TestARepeatedMarkKeepsTheDueTimeUnlessTheChangeIsNewer(t *testing.T) {
	tests := map[string]struct {
		first, second time.Time
		again         bool
	}{
		"the same change":     {first: sec(8), second: sec(8)},
		"an older change":     {first: sec(8), second: sec(7)},
		"a change of unknown": {first: sec(8)},
		"unknown twice":       {},
		"a newer change":      {first: sec(8), second: sec(9), again: true},
		"now with a time":     {second: sec(9), again: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			polled(r, 1, sec(0))
			r.Mark(1, tt.first, sec(10))
			poll(r, 1, failed(sec(300)))
			r.Mark(1, tt.second, sec(20))
			if !tt.again {
				require.Equal(t, sec(300), r.Find(1).due)
				requirePending(t, r, 1, tt.first)
				return
			}
			requireHeads(t, r, map[Class]Candidate{Marked: {ID: 1, Due: sec(20)}})
			requirePending(t, r, 1, tt.second)
		})
	}
}

func TestAnIncidentMarkedDuringItsPollIsPolledOnceMore(t *testing.T) {
	for name, end := range map[string]func(r *Roster){
		"succeeded": func(r *Roster) { r.Finish(1, succeeded(sec(300))) },
		"failed":    func(r *Roster) { r.Finish(1, failed(sec(300))) },
		"no token":  func(r *Roster) { r.Finish(1, Outcome{}) },
		"delivered": func(r *Roster) { deliver(r, 1, open(), sec(6)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			polled(r, 1, sec(30))
			r.Start(1)
			r.Mark(1, sec(4), sec(5))
			r.Mark(1, sec(4), sec(6)) // already known
			requireHeads(t, r, nil)

			end(r)
			requireHeads(t, r, map[Class]Candidate{Marked: {ID: 1, Due: sec(5)}})
			requirePending(t, r, 1, sec(4))

			deliver(r, 1, openSince(sec(4)), sec(7))
			requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(7).Add(interval)}})
			requireNothingPending(t, r, 1)
		})
	}
}

func TestAMarkedMergedIncidentIsPolledUntilItsChangeIsDelivered(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: merged(2, sec(0)), 2: open()}, 1)
	require.False(t, r.Find(1).tracked())
	require.Equal(t, 1, r.Tracked())
	r.Start(1)
	require.False(t, r.InFlight(1))

	r.Mark(1, sec(8), sec(10))
	require.Equal(t, 2, r.Tracked())
	require.Equal(t, int64(1), r.Next(anyHung)[Marked].ID)

	deliver(r, 1, merged(2, sec(7)), sec(11))
	require.True(t, r.Find(1).tracked(), "the change was not shown yet")
	require.Equal(t, sec(11).Add(lagRetry), r.Find(1).due)

	deliver(r, 1, merged(2, sec(8)), sec(50))
	require.False(t, r.Find(1).tracked())
	require.Equal(t, 1, r.Tracked())
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 2, Due: sec(0)}})
}

func TestAChangeIsPendingUntilAPollHasCaughtUpWithIt(t *testing.T) {
	tests := map[string]struct {
		changed time.Time
		shown   incident.Summary
		pending bool
	}{
		"the same time":             {changed: sec(8), shown: openSince(sec(8))},
		"a newer time":              {changed: sec(8), shown: openSince(sec(9))},
		"older by 10 ms":            {changed: sec(8), shown: openSince(sec(8).Add(-10 * time.Millisecond))},
		"older by more than 10 ms":  {changed: sec(8), shown: openSince(sec(8).Add(-10*time.Millisecond - 1)), pending: true},
		"older by a lot":            {changed: sec(8), shown: open(), pending: true},
		"no time at all":            {changed: sec(8), shown: openSince(time.Time{}), pending: true},
		"a change of unknown time":  {shown: open()},
		"neither time is known":     {shown: openSince(time.Time{})},
		"the incident has vanished": {changed: sec(8), shown: missing(sec(9))},
	}
	for name, tt := range tests {
		for by, show := range map[string]func(*Roster, int64, incident.Summary, time.Time) []int64{"poll": deliver, "row": row} {
			t.Run(name+" by "+by, func(t *testing.T) {
				r := New(Rules{})
				polled(r, 1, sec(0))
				r.Mark(1, tt.changed, sec(10))
				show(r, 1, tt.shown, sec(11))
				want := map[Class]Candidate{Routine: {ID: 1, Due: sec(11).Add(interval)}}
				pending := tt.pending || by == "row" && tt.changed.IsZero()
				switch {
				case pending && by == "poll":
					want = map[Class]Candidate{Routine: {ID: 1, Due: sec(11).Add(lagRetry)}}
				case pending: // the poll is still needed, as soon as before
					want = map[Class]Candidate{Marked: {ID: 1, Due: sec(0)}}
				}
				requireHeads(t, r, want)
				if pending {
					requirePending(t, r, 1, tt.changed)
				} else {
					requireNothingPending(t, r, 1)
				}
			})
		}
	}
}

func TestALaggingIncidentIsPolledAgainAfter30SecondsThenLessOften(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(Rules{})
		polled(r, 1, sec(0))
		now := sec(10)
		r.Mark(1, sec(8), now)
		interval := time.Duration(rapid.Int64Range(1, 3600*6).Draw(t, "interval")) * time.Second
		before := time.Duration(0)
		for range 30 {
			r.Start(1)
			r.Delivered(Delivery{ID: 1, Summary: open(), Polled: true, Due: now.Add(interval), Interval: interval}, now)
			wait := r.Find(1).due.Sub(now)
			if before == 0 {
				require.Equal(t, min(lagRetry, interval), wait)
			}
			require.LessOrEqual(t, wait, interval)
			require.GreaterOrEqual(t, wait, before)
			require.LessOrEqual(t, wait, max(2*before, lagRetry))
			before, now = wait, now.Add(wait)
		}
		require.Equal(t, interval, before, "it ends at the interval")
	})
}

func TestTheWaitOfALaggingIncidentStaysWithinAnIntervalThatShrinks(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	for range 20 {
		r.Stale(1, interval, sec(0))
	}
	_, wait := r.Stale(1, time.Minute, sec(0))
	require.Equal(t, time.Minute, wait)
}

func TestTheWaitOfALaggingIncidentGrowsWithTheInterval(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	r.Stale(1, time.Minute, sec(0))
	var wait time.Duration
	for range 20 {
		_, wait = r.Stale(1, interval, sec(0))
	}
	require.Equal(t, interval, wait)
}

func TestANewerChangeIsRetriedFrom30SecondsOnAgain(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	r.Mark(1, sec(8), sec(10))
	for range 20 {
		deliver(r, 1, open(), sec(11))
	}
	require.Greater(t, r.Find(1).due.Sub(sec(11)), time.Hour)
	r.Mark(1, sec(20), sec(21))
	deliver(r, 1, openSince(sec(8)), sec(22))
	require.Equal(t, sec(22).Add(lagRetry), r.Find(1).due, "a change in the midst of a lag must not wait for hours")
}

func TestAStaleIncidentIsPolledAgainAfter30SecondsThenLessOften(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	since, first := r.Stale(1, interval, sec(5))
	require.Equal(t, sec(5), since)
	require.Equal(t, lagRetry, first)
	poll(r, 1, succeeded(sec(5).Add(first)))

	since, second := r.Stale(1, interval, sec(40))
	require.Equal(t, sec(5), since, "since the first one")
	require.Greater(t, second, first)
	requireNothingPending(t, r, 1)

	deliver(r, 1, open(), sec(90))
	since, wait := r.Stale(1, interval, sec(100))
	require.Equal(t, sec(100), since, "a delivery has ended the earlier run")
	require.Equal(t, lagRetry, wait)
}

func TestAStaleRunEndsAlsoWhileAChangeIsPending(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(0))
	r.Mark(1, sec(8), sec(10))
	r.Stale(1, interval, sec(11))
	requirePending(t, r, 1, sec(8))
	deliver(r, 1, openSince(sec(5)), sec(50))
	since, _ := r.Stale(1, interval, sec(60))
	require.Equal(t, sec(60), since)
	requirePending(t, r, 1, sec(8))
}

func TestAChangeThatAPollInFlightShowsIsNotPolledAgain(t *testing.T) {
	routine := map[Class]Candidate{Routine: {ID: 1, Due: sec(6).Add(interval)}}
	marked := map[Class]Candidate{Marked: {ID: 1, Due: sec(5)}}
	tests := map[string]struct {
		changed time.Time // according to the row that arrives meanwhile; zero: not known
		shown   incident.Summary
		want    map[Class]Candidate
	}{
		"shown":                     {changed: sec(4), shown: openSince(sec(4)), want: routine},
		"gone":                      {changed: sec(4), shown: missing(sec(6)), want: routine},
		"not shown":                 {changed: sec(4), shown: openSince(sec(3)), want: marked},
		"the row does not say when": {shown: openSince(sec(4)), want: marked},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			polled(r, 1, sec(0))
			r.Start(1)
			r.Mark(1, tt.changed, sec(5))
			deliver(r, 1, tt.shown, sec(6))
			requireHeads(t, r, tt.want)

			deliver(r, 1, openSince(sec(4)), sec(6))
			requireHeads(t, r, routine)
			requireNothingPending(t, r, 1)
		})
	}
}

func TestAChangeThatPollsHaveRefutedIsKnown(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: openSince(sec(100))}, 1, 2)
	require.True(t, r.Find(1).Knows(sec(100)))
	require.False(t, r.Find(1).Knows(sec(101)))
	require.False(t, r.Find(2).Knows(sec(0)), "nothing was delivered of it")

	r.Mark(1, sec(101), sec(102))
	r.Start(1)
	r.Delivered(Delivery{
		ID: 1, Summary: openSince(sec(50)), Polled: true, Refuted: sec(100), Due: sec(800), Interval: interval,
	}, sec(700))
	requireNothingPending(t, r, 1)
	for at, known := range map[time.Time]bool{sec(50): true, sec(100): true, sec(100).Add(9 * time.Millisecond): true, sec(101): false} {
		require.Equal(t, known, r.Find(1).Knows(at), "%v", at)
	}
	deliver(r, 1, openSince(sec(200)), sec(900))
	require.True(t, r.Find(1).Knows(sec(200)))
	require.False(t, r.Find(1).Knows(sec(201)))
}
