// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestADeliveredPollEndsItsFlight(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, sec(0))
	require.Zero(t, r.CountDelivered())
	streak := &health.Streak{}
	r.Start(1)
	r.Delivered(Delivery{ID: 1, Summary: open(), Polled: true, Streak: streak, Due: sec(60), Interval: interval}, sec(1))
	e := r.Find(1)
	require.False(t, e.Polling() || r.InFlight(1))
	require.Equal(t, open(), e.Summary)
	require.Same(t, streak, e.Streak)
	require.Equal(t, 1, r.CountDelivered())
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(60)}})
}

func TestADeliveredRowLeavesThePollUnderWay(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, sec(0))
	poll(r, 1, failed(sec(30)))
	streak := r.Find(1).Streak
	r.Start(1)
	row(r, 1, open(), sec(5))
	require.True(t, r.Find(1).Polling() && r.InFlight(1))
	require.Equal(t, open(), r.Find(1).Summary)
	require.Same(t, streak, r.Find(1).Streak, "a row does not say whether polls fail")

	r.Finish(1, succeeded(sec(60)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(60)}})
	require.Nil(t, r.Find(1).Streak)
}

func TestADeliveredRowOfAnUnknownIncident(t *testing.T) {
	for name, tt := range map[string]struct {
		roster *Roster
		known  int
	}{
		"is added with discovery": {discovering(), 1},
		"is ignored without it":   {New(Rules{}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			row(tt.roster, 1, open(), sec(5))
			require.Len(t, tt.roster.IDs(), tt.known)
			require.Equal(t, tt.known, tt.roster.Discovered())
			require.Equal(t, tt.known, tt.roster.CountDelivered())
			if tt.known > 0 {
				requireHeads(t, tt.roster, map[Class]Candidate{Routine: {ID: 1, Due: sec(5).Add(interval)}})
			}
		})
	}
}

func TestTheDeliveredPollOfAnEvictedIncidentIsIgnored(t *testing.T) {
	for name, r := range map[string]*Roster{"listed": New(Rules{}), "discovered": discovering()} {
		t.Run(name, func(t *testing.T) {
			r.Configure([]int64{1}, sec(0))
			r.Start(1)
			r.evict(r.Find(1))
			deliver(r, 1, merged(2, sec(1)), sec(1))
			require.Empty(t, r.IDs())
			require.False(t, r.InFlight(1))
		})
	}
}

func TestAnOpenIncidentThatHasNotChangedFor90DaysIsPolledOnlyOnceItIsMarked(t *testing.T) {
	r := discovering()
	now := start().Add(restingAfter)
	load(r, map[int64]incident.Summary{1: open(), 2: open()})
	deliver(r, 1, open(), now.Add(-1))
	require.Equal(t, now.Add(-1).Add(interval), r.Find(1).due)
	require.Equal(t, 2, r.Cycle())

	deliver(r, 1, open(), now)
	require.Equal(t, 1, r.Cycle())
	require.Equal(t, 2, r.Tracked(), "it is still tracked")
	require.Equal(t, []int64{2}, drain(r, now.Add(1000*day)))

	r.Mark(1, now, now.Add(day))
	require.Equal(t, 2, r.Cycle())
	require.Equal(t, []int64{1}, drain(r, now.Add(day)))
	deliver(r, 1, openSince(now), now.Add(day))
	require.Equal(t, now.Add(day).Add(interval), r.Find(1).due)
}

func TestADormantIncidentBehindOneThatHungDoesNotHideIt(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: open(), 2: open()})
	deliver(r, 1, open(), start().Add(restingAfter))
	poll(r, 2, hung(sec(5)))
	require.Equal(t, int64(2), r.Next(1)[Routine].ID)
	r.Start(2)
	require.False(t, r.Next(1)[Routine].OK)
}

func TestWhichIncidentsAreNeverDormant(t *testing.T) {
	now := start().Add(10 * restingAfter)
	tests := map[string]struct {
		configured bool
		summary    incident.Summary
		prepare    func(r *Roster)
		show       func(*Roster, int64, incident.Summary, time.Time) []int64
	}{
		"a configured one":                              {configured: true, summary: open()},
		"one whose time is unknown":                     {summary: openSince(time.Time{})},
		"a resolved one":                                {summary: resolved(start())},
		"a missing one":                                 {summary: missing(start())},
		"one with a pending change":                     {summary: open(), prepare: func(r *Roster) { r.Mark(1, now, now) }},
		"one whose polls fail, of which a row is shown": {summary: open(), show: row, prepare: func(r *Roster) { poll(r, 1, failed(now)) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			var configured []int64
			if tt.configured {
				configured = []int64{1}
			}
			load(r, map[int64]incident.Summary{1: tt.summary}, configured...)
			if tt.prepare != nil {
				tt.prepare(r)
			}
			if tt.show == nil {
				tt.show = deliver
			}
			tt.show(r, 1, tt.summary, now)
			require.Equal(t, 1, r.Cycle())
			require.LessOrEqual(t, r.Find(1).due, now.Add(interval))
		})
	}
}

func TestWithoutDiscoveryNothingIsDormant(t *testing.T) {
	r := New(Rules{})
	e := unpolled(r, 1, sec(0))
	now := start().Add(restingAfter)
	deliver(r, 1, open(), now)
	require.Equal(t, now.Add(interval), e.due)
}

func TestAfterARestartDormantIncidentsStaySo(t *testing.T) {
	r := discovering()
	now := start().Add(restingAfter)
	r.Load([]int64{2}, map[int64]incident.Summary{1: open(), 2: open(), 3: openSince(sec(1))}, now)
	r.Resume(func(incident.Summary) time.Time { return now }, now)
	require.Equal(t, 2, r.Cycle())
	require.ElementsMatch(t, []int64{2, 3}, drain(r, now))
}

func TestADormantIncidentThatBecomesConfiguredIsDue(t *testing.T) {
	now := start().Add(restingAfter)
	for name, configure := range map[string]func(r *Roster){
		"listed":                         func(r *Roster) { r.Configure([]int64{1, 2}, now) },
		"a listed one is merged into it": func(r *Roster) { deliver(r, 2, merged(1, now), now) },
		"a listed one that was merged into it": func(r *Roster) {
			r.Configure(nil, now)
			deliver(r, 2, merged(1, now), now)
			require.Zero(t, r.Cycle())
			r.Configure([]int64{2}, now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			load(r, map[int64]incident.Summary{1: open(), 2: open()}, 2)
			deliver(r, 1, open(), now)
			require.Equal(t, 1, r.Cycle())
			configure(r)
			require.Equal(t, now, r.Find(1).due)
			require.Contains(t, drain(r, now), int64(1))
		})
	}
}

func TestPagesCountIntoTheCycle(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1, 2}, sec(0))
	r.SetPages(1, 4)
	require.Equal(t, 5, r.Cycle())
	r.Start(1)
	require.Equal(t, 5, r.Cycle())
	r.SetPages(1, 2)
	require.Equal(t, 3, r.Cycle())
	r.SetPages(1, 0)
	require.Equal(t, 2, r.Cycle())
	r.SetPages(2, 3)
	r.Configure([]int64{1}, sec(0))
	require.Equal(t, 1, r.Cycle())
}
