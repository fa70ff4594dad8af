// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// titled changes an alert, but not its time.
func titled(i int, title string) func(*Snapshot) {
	return func(s *Snapshot) { putAlert(&s.Alerts[i], "title", title) }
}

// A Get shows an alert's new state. A row then shows a newer incident with this alert
// in its old state, and a later row shows the new state.
func TestAnAlertThatARowShowsLateIsEmittedOnce(t *testing.T) {
	for name, render := range map[string]func(*testing.T, ...func(*Snapshot)) *Snapshot{"alike": snapshot, "otherwise": listed} {
		row := func(at time.Duration, change ...func(*Snapshot)) *Snapshot {
			s := render(t, append(change, ownMovedBy(at))...)
			s.Source = FromList
			return s
		}
		c := comparer(Split)
		state := delivered(t, c, snapshot(t), row(0))
		change, state := c.Compare(state, snapshot(t, alertLater(0, "Resolved")))
		require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change), name)

		change, late := c.Compare(state, row(2*time.Hour))
		require.Equal(t, Updated, change.Kind, name)
		require.Empty(t, change.Alerts, name)
		require.False(t, change.Doubt, name)
		require.Equal(t, state.Alerts[0], late.Alerts[0], "an older alert teaches nothing")
		change, _ = c.Compare(late, row(2*time.Hour, alertLater(0, "Resolved")))
		require.Equal(t, Change{}, change, name)
	}
}

func TestAGetThatShowsAnOlderAlertOfANewerIncidentTakesTheAlertFromNowhere(t *testing.T) {
	for _, snapshots := range []bool{false, true} {
		c := NewComparer(Split, snapshots, nil, 0)
		before := delivered(t, c, snapshot(t, alertLater(0, "Resolved")))
		change, after := c.Compare(before, snapshot(t, later))
		require.Equal(t, Updated, change.Kind)
		require.NotContains(t, alertKinds(change), "a1")
		require.Equal(t, before.Alerts[0], after.Alerts[0])
		change, after = c.Accept(before, snapshot(t, later))
		require.Equal(t, Updated, alertKinds(change)["a1"])
		require.Equal(t, noon, after.Alerts[0].LastUpdate)
	}
}

func TestChangedFieldsAreNotThoseThatARowOnlyShowsOtherwise(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	change, after := c.Compare(before, listed(t, later))
	require.Equal(t, Updated, change.Kind)
	require.Equal(t, []string{"lastUpdateTime"}, change.Fields)
	require.False(t, change.Doubt)

	again := listed(t, ownMovedBy(2*time.Hour))
	put(again, "severity", "low")
	change, _ = c.Compare(after, again)
	require.Equal(t, []string{"lastUpdateTime", "severity"}, change.Fields, "from then on it is known how the list shows them")

	cased := listed(t, later)
	put(cased, "status", "active")
	cased.Status = "active"
	change, _ = c.Compare(before, cased)
	require.Equal(t, []string{"lastUpdateTime"}, change.Fields)
	change, _ = c.Compare(before, listed(t, status("inProgress")))
	require.Equal(t, []string{"lastUpdateTime", "status"}, change.Fields, "another word is not a rendering")
}

func TestChangedFieldsMayBeNoneThatCount(t *testing.T) {
	c := NewComparer(Split, false, Ignore("lastUpdateTime"), 0)
	before := delivered(t, c, read(snapshot(t), "lastUpdateTime"))
	change, _ := c.Compare(before, read(listed(t, later), "lastUpdateTime"))
	require.Equal(t, Change{Kind: Updated}, change)
}

func TestAChangeThatMovesNoTimeIsDeliveredByTheGetAfterARow(t *testing.T) {
	for name, change := range map[string]func(*Snapshot){
		"of the incident": func(s *Snapshot) { put(s, "tags", "other") },
		"of its status":   func(s *Snapshot) { s.Status = "Resolved"; put(s, "status", "Resolved") },
		"of an alert":     titled(1, "another"),
	} {
		for _, mode := range []AlertsMode{Split, Embedded} {
			c := comparer(mode)
			before := delivered(t, c, snapshot(t), listed(t))
			found, state := c.Compare(before, listed(t, change))
			require.Equal(t, Change{Doubt: true}, found, name)
			require.Equal(t, before.Digest(true), state.Digest(true), "it is as it was delivered")
			require.Equal(t, before.Status, state.Status)
			require.Equal(t, before.Fetched, state.Fetched, "a Get is due as it was")
			again, state := c.Compare(restarted(t, state), listed(t, change))
			require.Equal(t, Change{Doubt: true}, again, "until a Get has decided")

			other, _ := c.Compare(state, snapshot(t))
			require.Equal(t, Change{}, other, "the Get shows that nothing has changed")
			decided, state := c.Compare(state, snapshot(t, change))
			require.False(t, decided.Empty(), name)
			require.False(t, decided.Doubt)
			for _, s := range []*Snapshot{listed(t, change), snapshot(t, change), listed(t, change)} {
				again, state = c.Compare(state, s)
				require.Equal(t, Change{}, again, name)
			}
		}
	}
}

func TestARowIsInDoubtUntilAGetHasShownAllOfTheIncident(t *testing.T) {
	c := comparer(Split)
	_, doubtful := c.Compare(delivered(t, c, snapshot(t), listed(t), snapshot(t, alertLater(0, "Resolved"))), listed(t, titled(1, "another")))
	require.True(t, doubtful.Doubt)
	partly := snapshot(t, withoutAlert(1), alertLater(0, "Resolved"))
	partly.Incomplete = true
	for name, get := range map[string]*Snapshot{"incomplete": partly, "with an alert that lags": snapshot(t)} {
		change, state := c.Compare(doubtful, get)
		require.Equal(t, Change{}, change, name)
		require.True(t, state.Doubt, name)
	}
	_, state := c.Compare(doubtful, snapshot(t, alertLater(0, "Resolved")))
	require.False(t, state.Doubt)
}

func TestAnAlertThatARowAloneShowsIsDeliveredWithANewerIncidentOnly(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	change, after := c.Compare(before, listed(t, newAlert(t, "a3")))
	require.Equal(t, Change{Doubt: true}, change)
	require.Len(t, after.Alerts, 2)
	change, _ = c.Compare(after, snapshot(t, newAlert(t, "a3")))
	require.Equal(t, map[string]Kind{"a3": FirstSeen}, alertKinds(change))

	change, after = c.Compare(before, listed(t, later, newAlert(t, "a3")))
	require.Equal(t, map[string]Kind{"a3": FirstSeen}, alertKinds(change))
	require.False(t, change.Doubt)
	change, _ = c.Compare(after, snapshot(t, later, newAlert(t, "a3")))
	require.Equal(t, Change{}, change)
}

func TestEmbeddedAlertsAreNotDeliveredFromARowThatLeavesADoubt(t *testing.T) {
	c := comparer(Embedded)
	before := delivered(t, c, snapshot(t, alertLater(0, "Resolved")))
	for name, row := range map[string]*Snapshot{
		"an alert is older":                     listed(t, later),
		"an alert is missing":                   listed(t, later, alertLater(0, "Resolved"), withoutAlert(1)),
		"an alert is older, with a newer alert": listed(t, alertLater(1, "Resolved")),
	} {
		change, after := c.Compare(before, row)
		require.Equal(t, Change{Doubt: true}, change, name)
		require.Equal(t, before, after, name)
	}
	change, after := c.Compare(before, listed(t))
	require.Equal(t, Change{Doubt: true}, change, "an alert is older")
	require.Equal(t, before.Alerts[0], after.Alerts[0])
	change, _ = c.Compare(before, listed(t, later, alertLater(0, "Resolved"), newAlert(t, "a3")))
	require.Equal(t, Change{Kind: Updated, Fields: []string{"alerts", "lastUpdateTime"}}, change)
}

func TestARowWithoutAListOrWithAFullOneSaysNothingOfOtherAlerts(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t), listed(t))
	change, after := c.Compare(state, listed(t, func(s *Snapshot) { s.Alerts = nil }))
	require.Equal(t, Change{}, change)
	require.Len(t, after.Alerts, 2)
	change, _ = c.Compare(state, listed(t, withoutAlert(0), func(s *Snapshot) { s.Incomplete = true }))
	require.Equal(t, Change{}, change)
}

func TestARowWithoutATimeKeepsTheTimes(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	change, after := c.Compare(before, listed(t, func(s *Snapshot) {
		s.LastUpdate, s.Alerts[0].LastUpdate = time.Time{}, time.Time{}
	}))
	require.Equal(t, Change{}, change)
	require.Equal(t, noon, after.LastUpdate)
	require.Equal(t, noon, after.Alerts[0].LastUpdate)
}

func TestARowThatWasSeenIsRecognizedByTheSummary(t *testing.T) {
	turned := func(s *Snapshot) { s.Alerts[0], s.Alerts[1] = s.Alerts[1], s.Alerts[0] }
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := comparer(mode)
		state := delivered(t, c, snapshot(t))
		require.False(t, c.Unchanged(state.Summary(), listed(t)), "the list has not shown it yet")
		_, state = c.Compare(state, listed(t))
		known := restarted(t, state).Summary()
		require.True(t, c.Unchanged(known, listed(t)))
		require.True(t, c.Unchanged(known, listed(t, turned)))
		require.True(t, c.Unchanged(known, listed(t, func(s *Snapshot) { put(s, "alerts", nil) })))
		for name, change := range map[string]func(*Snapshot){
			"its time":      later,
			"a field":       func(s *Snapshot) { put(s, "tags", "other") },
			"one field":     func(s *Snapshot) { drop(s, "tags") },
			"one more":      func(s *Snapshot) { put(s, "zone", "") },
			"its status":    func(s *Snapshot) { s.Status = "Resolved" },
			"a merger":      func(s *Snapshot) { s.Merged = true },
			"its successor": func(s *Snapshot) { s.SuccessorID = 552 },
			"its API":       func(s *Snapshot) { s.API = "graph" },
		} {
			require.False(t, c.Unchanged(known, listed(t, change)), name)
		}
		for name, change := range map[string]func(*Snapshot){
			"an alert": titled(1, "another"), "an alert less": withoutAlert(0), "an alert more": newAlert(t, "a3"),
		} {
			require.Equal(t, mode == None, c.Unchanged(known, listed(t, change)), name)
		}
		require.False(t, NewComparer(mode, false, nil, 7).Unchanged(known, listed(t)), "with other ignored names")
	}
}

func TestNoRowIsRecognizedWhereMoreThanItsContentDecides(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t), listed(t))
	require.True(t, c.Unchanged(state.Summary(), listed(t)))
	for name, change := range map[string]func(*State){
		"never seen":              func(s *State) { s.Seen = false },
		"an intent":               func(s *State) { s.Intent = &Intent{Embedded: true} },
		"a doubt":                 func(s *State) { s.Doubt = true },
		"an alert of another API": func(s *State) { s.Alerts[0].Foreign = true },
		"a Get has shown it":      func(s *State) { s.Alerts[0].Part = Part{Digest: s.Alerts[0].Digest} },
		"of a field":              func(s *State) { s.Fields[0].Part = Part{Digest: s.Fields[0].Digest} },
		"perhaps delivered":       func(s *State) { s.Alerts[0].Part = Part{Source: fromBoth} },
	} {
		other := restarted(t, state)
		change(&other)
		require.Zero(t, other.Summary().Row, name)
		require.False(t, c.Unchanged(other.Summary(), listed(t)), name)
	}
	require.False(t, c.Unchanged(Summary{}, &Snapshot{}))
}

func TestRowsOfReplicasThatDifferByMicrosecondsLeaveNoDoubt(t *testing.T) {
	c := comparer(Split)
	for _, first := range []*Snapshot{snapshot(t, movedBy(0)), listed(t, movedBy(0))} {
		state := delivered(t, c, first, listed(t, movedBy(0)))
		for _, microseconds := range []int{3, -3, 0} {
			d := time.Duration(microseconds) * time.Microsecond
			change, _ := c.Compare(state, listed(t, movedBy(d)))
			require.Equal(t, Change{}, change)
			row := listed(t, movedBy(0), ownMovedBy(d))
			change, state = c.Compare(state, row)
			require.Equal(t, Change{}, change)
			require.True(t, c.Unchanged(state.Summary(), row))
			change, _ = c.Compare(state, snapshot(t, movedBy(0)))
			require.Equal(t, Change{}, change)
		}
	}
}
