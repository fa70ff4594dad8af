// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestHastenedIncidentGoesBeforeRoutinePolls(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(600))
	polled(r, 2, sec(10))
	r.Hasten(1, 5*time.Minute, sec(400))
	requireHeads(t, r, map[Class]Candidate{Shown: {ID: 1, Due: sec(400)}, Routine: {ID: 2, Due: sec(10)}})

	poll(r, 1, succeeded(sec(900)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 2, Due: sec(10)}})
	require.Equal(t, Routine, r.Find(1).Class())
}

func TestHastenedIncidentWaitsSinceItsLastPoll(t *testing.T) {
	tests := map[string]struct {
		due, now, want int
	}{
		"polled a while ago":     {due: 600, now: 400, want: 400},
		"polled just now":        {due: 600, now: 10, want: 300},
		"due before that anyway": {due: 60, now: 10, want: 60},
		"the clock went back":    {due: 600, now: -100, want: -100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			polled(r, 1, sec(tt.due))
			r.Hasten(1, 5*time.Minute, sec(tt.now))
			requireHeads(t, r, map[Class]Candidate{Shown: {ID: 1, Due: sec(tt.want)}})
		})
	}
}

func TestHastenLeavesWhatGoesAheadAsItIs(t *testing.T) {
	r := New(Rules{})
	unpolled(r, 1, sec(700))
	polled(r, 2, sec(700))
	r.Mark(2, sec(8), sec(9))
	polled(r, 3, sec(700))
	r.Mark(3, sec(8), sec(9))
	poll(r, 3, failed(sec(800)))
	for id := range int64(4) {
		r.Hasten(id+1, 0, sec(400))
	}
	requireHeads(t, r, map[Class]Candidate{
		Unpolled: {ID: 1, Due: sec(700)}, Marked: {ID: 2, Due: sec(9)}, Retry: {ID: 3, Due: sec(800)},
	})
}

func TestMarkOfAHastenedIncidentGoesAhead(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(600))
	r.Hasten(1, 5*time.Minute, sec(10))
	r.Mark(1, sec(18), sec(20))
	requireHeads(t, r, map[Class]Candidate{Marked: {ID: 1, Due: sec(20)}})
}

func TestPartOfAnIncidentKeepsItDue(t *testing.T) {
	partial := func(r *Roster, id int64, changed int) {
		r.Delivered(Delivery{
			ID: id, Summary: incident.State{Seen: true, Status: "active", LastUpdate: sec(changed)}.Summary(), Partial: true,
			Due: sec(1000), Interval: interval,
		}, sec(20))
	}
	t.Run("never polled", func(t *testing.T) {
		r := New(Rules{})
		unpolled(r, 1, sec(0))
		partial(r, 1, 5)
		requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(1000)}})
		require.Zero(t, r.Unpolled())
	})
	t.Run("polled before", func(t *testing.T) {
		r := New(Rules{})
		polled(r, 1, sec(300))
		partial(r, 1, 5)
		requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(300)}})
		require.Equal(t, sec(5), r.Find(1).Summary.LastUpdate())
	})
	t.Run("to be requested by ID", func(t *testing.T) {
		r := New(Rules{})
		polled(r, 1, sec(300))
		r.Mark(1, sec(5), sec(6))
		partial(r, 1, 5)
		requireHeads(t, r, map[Class]Candidate{Marked: {ID: 1, Due: sec(6)}})
		requirePending(t, r, 1, sec(5))
	})
}

func TestIncidentsWithUnseenAlertsArePolled(t *testing.T) {
	r := New(Rules{})
	unseen := func(id int64) {
		e := r.add(id, sec(600))
		r.leave(e)
		r.load(e, incident.State{Seen: true, Status: "active", AlertsUnseen: true, LastUpdate: start(), Fetched: start()}.Summary(), true)
	}
	unseen(1)
	polled(r, 2, sec(600))
	unseen(3)
	r.Mark(3, sec(8), sec(9))
	r.PollUnseen(time.Time{}, sec(20))
	requireHeads(t, r, map[Class]Candidate{
		Unpolled: {ID: 1, Due: sec(20)}, Routine: {ID: 2, Due: sec(600)}, Marked: {ID: 3, Due: sec(9)},
	})
	require.Zero(t, r.Unpolled(), "they were delivered")
	poll(r, 1, succeeded(sec(900)))
	require.Equal(t, Routine, r.Find(1).Class())
}

func TestIncidentsWithAlertsShownByListsAreNotPolled(t *testing.T) {
	r := New(Rules{})
	for id := range int64(3) { // delivered one second apart
		e := r.add(id+1, sec(600))
		r.leave(e)
		r.load(e, incident.State{Seen: true, Status: "active", AlertsUnseen: true, LastUpdate: start(), Fetched: sec(int(id) + 10)}.Summary(), true)
	}
	r.PollUnseen(sec(11), sec(20))
	require.Equal(t, Routine, r.Find(1).Class())
	require.Equal(t, Routine, r.Find(2).Class(), "it was delivered when lists began to show alerts")
	require.Equal(t, Unpolled, r.Find(3).Class())
}

func TestPollThatMayNotHaveShownEverythingIsRepeatedAheadOfRoutinePolls(t *testing.T) {
	r := New(Rules{Discover: true})
	polled(r, 1, sec(10))
	r.Start(1)
	old := incident.State{Seen: true, Status: "active", LastUpdate: start().AddDate(-1, 0, 0), Fetched: sec(11)}.Summary()
	r.Delivered(Delivery{ID: 1, Summary: old, Polled: true, Again: true, Due: sec(41), Interval: interval}, sec(11))
	requireHeads(t, r, map[Class]Candidate{Shown: {ID: 1, Due: sec(41)}})
	r.Start(1)
	r.Delivered(Delivery{ID: 1, Summary: old, Polled: true, Due: sec(900), Interval: interval}, sec(42))
	requireHeads(t, r, map[Class]Candidate{})
}

func TestIncidentThatIsHastenedDuringItsPollIsPolledAgain(t *testing.T) {
	r := New(Rules{})
	polled(r, 1, sec(10))
	r.Start(1)
	r.Hasten(1, 5*time.Minute, sec(12))
	r.Finish(1, succeeded(sec(900)))
	requireHeads(t, r, map[Class]Candidate{Shown: {ID: 1, Due: sec(12)}})
	poll(r, 1, succeeded(sec(1800)))
	requireHeads(t, r, map[Class]Candidate{Routine: {ID: 1, Due: sec(1800)}})
}

func TestRowOfAnAlertLeavesAnIncidentToBePolled(t *testing.T) {
	r := New(Rules{})
	unseen := incident.State{Seen: true, Status: "active", AlertsUnseen: true, LastUpdate: start(), Fetched: start()}.Summary()
	e := r.add(1, sec(600))
	r.leave(e)
	r.load(e, unseen, true)
	r.PollUnseen(time.Time{}, sec(20))
	r.Delivered(Delivery{ID: 1, Summary: unseen, Partial: true, Due: sec(1000), Interval: interval}, sec(21))
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 1, Due: sec(20)}})
}
