// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ownRow is a row of a list of incidents that shows no alerts.
func ownRow(t *testing.T, change ...func(*Snapshot)) *Snapshot {
	t.Helper()
	s := listed(t, change...)
	s.Shows, s.Alerts, s.Observed = OwnFields, nil, noon.Add(3*time.Hour)
	return s
}

// alertRow is a row of a list of alerts: the alert with this number, or the last one.
func alertRow(t *testing.T, i int, change ...func(*Snapshot)) *Snapshot {
	t.Helper()
	s := listed(t, change...)
	i = min(i, len(s.Alerts)-1)
	return &Snapshot{
		ID: s.ID, API: s.API, Source: FromList, Shows: SomeAlerts, TenantID: s.TenantID, AlertLastUpdateField: s.AlertLastUpdateField,
		Alerts: s.Alerts[i : i+1], Observed: noon.Add(3 * time.Hour),
	}
}

// movedAlert is an alert that nothing has shown yet, with its time.
func movedAlert(t *testing.T, id string, at time.Time) func(*Snapshot) {
	return func(s *Snapshot) {
		newAlert(t, id)(s)
		s.Alerts[len(s.Alerts)-1].LastUpdate = at
	}
}

func TestARowOfOwnFieldsDeliversThem(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	before := delivered(t, c, snapshot(t))
	kept := delivered(t, c, snapshot(t))
	change, after := c.Compare(before, ownRow(t, status("Resolved")))
	require.Equal(t, Change{Kind: Resolved, Fields: []string{"lastUpdateTime", "status"}, PreviousStatus: "Active"}, change)
	require.Equal(t, kept, before)
	require.Equal(t, before.Alerts, after.Alerts)
	require.Equal(t, before.Fetched, after.Fetched, "when a Get has shown it last")
	require.Equal(t, noon.Add(time.Hour), after.ClosedSince, "which is later than the Get")
	require.Equal(t, before.Revision+1, after.Revision)
	require.False(t, after.AlertsUnseen)

	for _, s := range []*Snapshot{ownRow(t, status("Resolved")), ownRow(t, status("Resolved"))} {
		change, after = c.Compare(restarted(t, after), s)
		require.Equal(t, Change{}, change, "a row without alerts is no snapshot")
	}
	change, _ = comparer(Split).Compare(after, snapshot(t, status("Resolved")))
	require.Equal(t, Change{}, change)
}

func TestAStaleRowOfOwnFieldsChangesNothing(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := comparer(mode)
		before := delivered(t, c, snapshot(t, later))
		change, after := c.Compare(before, ownRow(t))
		require.Equal(t, Change{Stale: true}, change)
		require.Equal(t, before, after)
	}
}

func TestARowOfOwnFieldsLeavesTheSameDoubtsAsOneOfEverything(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := comparer(mode)
		before := delivered(t, c, snapshot(t), ownRow(t))
		change, after := c.Compare(before, ownRow(t, func(s *Snapshot) { put(s, "tags", "other") }))
		require.Equal(t, Change{Doubt: true}, change)
		require.True(t, after.Doubt)
		require.Equal(t, before.Alerts, after.Alerts)
		change, after = c.Compare(after, ownRow(t))
		require.Equal(t, Change{Doubt: true}, change, "until a Get has decided")
		change, after = c.Compare(after, snapshot(t))
		require.Equal(t, Change{}, change)
		require.False(t, after.Doubt)
	}
}

func TestAnIncidentThatARowOfOwnFieldsShowsFirstHasItsAlertsYetToBeShown(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	row := ownRow(t)
	change, after := c.Compare(State{}, row)
	require.Equal(t, Change{Kind: FirstSeen}, change)
	require.True(t, after.AlertsUnseen)
	require.True(t, after.Summary().AlertsUnseen)
	require.Equal(t, row.Observed, after.Fetched)
	require.Equal(t, uint64(1), after.Revision)
	require.Zero(t, after.Summary().Row, "the list has not shown all of it")

	change, after = c.Compare(restarted(t, after), ownRow(t, later))
	require.Equal(t, Updated, change.Kind)
	require.True(t, after.AlertsUnseen)
	require.Equal(t, row.Observed, after.Fetched)

	change, after = c.Compare(after, alertRow(t, 0))
	require.Equal(t, map[string]Kind{"a1": FirstSeen}, alertKinds(change), "none can have left")
	require.True(t, after.AlertsUnseen, "there may be more")

	partly := snapshot(t, later)
	partly.Incomplete = true
	_, still := c.Compare(after, partly)
	require.True(t, still.AlertsUnseen, "there may be more")
	change, after = c.Compare(after, snapshot(t, later))
	require.Equal(t, map[string]Kind{"a1": Unchanged, "a2": FirstSeen}, alertKinds(change))
	require.False(t, after.AlertsUnseen)
	require.False(t, restarted(t, after).AlertsUnseen)
}

func TestARowThatShowsAnIncidentNoLongerMergedHasItsAlertsYetToBeShownSinceThen(t *testing.T) {
	c := comparer(Split)
	merged := delivered(t, c, snapshot(t, redirected(552)))
	row := ownRow(t, func(s *Snapshot) { s.LastUpdate = noon.Add(2 * time.Hour) })
	_, after := c.Compare(merged, row)
	require.True(t, after.AlertsUnseen)
	require.Equal(t, row.Observed, after.Fetched, "what has shown alerts before does not count")
	row.Observed = row.Observed.Add(time.Hour)
	_, again := c.Compare(after, row)
	require.Equal(t, after.Fetched, again.Fetched)
}

func TestARowOfOwnFieldsThatShowsAMergerRetiresTheAlerts(t *testing.T) {
	c := comparer(Split)
	change, after := c.Compare(delivered(t, c, snapshot(t, alertLater(0, "Resolved")), snapshot(t)), ownRow(t, redirected(552)))
	require.Equal(t, Merged, change.Kind)
	require.Empty(t, change.Alerts)
	require.Empty(t, after.Alerts)
	require.Equal(t, uint64(1), after.RetiredRevision)
	require.False(t, after.AlertsUnseen, "they are in another incident")

	change, first := c.Compare(State{}, ownRow(t, redirected(552)))
	require.Equal(t, Merged, change.Kind)
	require.False(t, first.AlertsUnseen)
	for _, state := range []State{after, first} {
		change, same := c.Compare(state, alertRow(t, 0))
		require.Equal(t, Change{}, change)
		require.Equal(t, state, same)
	}
	change, back := c.Compare(after, ownRow(t, ownMovedBy(2*time.Hour)))
	require.Equal(t, Updated, change.Kind)
	require.True(t, back.AlertsUnseen, "the merger has retired them")
	change, _ = c.Compare(back, alertRow(t, 0))
	require.Equal(t, map[string]Kind{"a1": FirstSeen}, alertKinds(change))
	require.Equal(t, uint64(2), change.Alerts[0].Revision)
}

func TestARowOfOwnFieldsIsNeverRecognizedUnlessTheyAreAllThatCounts(t *testing.T) {
	without := func(s *Snapshot) { s.Alerts = []Alert{} }
	for mode, want := range map[AlertsMode]bool{Split: false, Embedded: false, None: true} {
		c := comparer(mode)
		state := delivered(t, c, snapshot(t, without), ownRow(t, without))
		require.NotZero(t, state.Summary().Row)
		require.Equal(t, want, c.Unchanged(state.Summary(), ownRow(t, without)), mode)
		require.True(t, c.Unchanged(state.Summary(), listed(t, without)))
		require.False(t, c.Unchanged(state.Summary(), ownRow(t, without, later)))
		require.False(t, c.Unchanged(state.Summary(), alertRow(t, 0)))
	}
}

func TestWithoutAlertsARowOfOwnFieldsIsEverything(t *testing.T) {
	c := NewComparer(None, true, nil, 0)
	row := ownRow(t)
	change, after := c.Compare(delivered(t, c, snapshot(t)), row)
	require.Equal(t, Change{Kind: Unchanged}, change)
	require.Equal(t, row.Observed, after.Fetched)
	change, after = c.Compare(State{}, row)
	require.Equal(t, Change{Kind: FirstSeen}, change)
	require.False(t, after.AlertsUnseen)
	change, same := c.Compare(after, alertRow(t, 0, alertLater(0, "Resolved")))
	require.Equal(t, Change{}, change)
	require.Equal(t, after, same)
}

func TestWithEmbeddedAlertsRowsThatShowAPartDeliverNothing(t *testing.T) {
	c := NewComparer(Embedded, true, nil, 0)
	before := delivered(t, c, snapshot(t), ownRow(t), alertRow(t, 0), alertRow(t, 1))
	for name, test := range map[string]struct {
		before State
		row    *Snapshot
	}{
		"the incident's first": {State{}, ownRow(t)},
		"a merger":             {before, ownRow(t, redirected(552))},
		"a change":             {before, ownRow(t, later)},
		"an alert's change":    {before, alertRow(t, 0, alertLater(0, "Resolved"))},
		"an alert's doubt":     {before, alertRow(t, 0, alertStatus(0, "Resolved"))},
		"another alert":        {before, alertRow(t, 2, movedAlert(t, "a3", noon.Add(2*time.Minute)))},
		"an old alert":         {before, alertRow(t, 2, movedAlert(t, "a3", noon))},
	} {
		change, after := c.Compare(test.before, test.row)
		require.Equal(t, Change{Doubt: true}, change, name)
		require.Equal(t, test.before, after, name)
	}
	newer := delivered(t, c, snapshot(t, alertLater(0, "Resolved")))
	for name, row := range map[string]*Snapshot{"rendering": ownRow(t), "of an alert": alertRow(t, 1), "older": alertRow(t, 0)} {
		change, after := c.Compare(newer, row)
		require.Equal(t, Change{}, change, name)
		require.Equal(t, newer.Digest(true), after.Digest(true), name)
	}
}

func TestARowOfAnAlertDeliversItByItsOwnTime(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	before := delivered(t, c, snapshot(t), ownRow(t, later))
	kept := delivered(t, c, snapshot(t), ownRow(t, later))
	row := alertRow(t, 1, alertLater(1, "Resolved"))
	change, after := c.Compare(before, row)
	require.Equal(t, Change{Alerts: []AlertChange{{
		Kind: Updated, ID: "a2", Alert: &row.Alerts[0], Digest: row.Alerts[0].Digest, Revision: 2,
		Fields: []string{"lastUpdatedTime", "status"}, PreviousStatus: "New",
	}}}, change)
	require.Equal(t, kept, before)
	want := kept
	want.Alerts = []AlertState{kept.Alerts[0], {
		ID: "a2", Part: Part{Digest: row.Alerts[0].Digest, Source: FromList}, Status: "Resolved", LastUpdate: noon.Add(time.Hour), Revision: 2,
		Prints: new(Fingerprint).prints(row.Alerts[0].Object),
	}}
	require.Equal(t, want, after, "all else stays")

	for name, s := range map[string]*Snapshot{"again": row, "older": alertRow(t, 1), "another's rendering": alertRow(t, 0)} {
		change, same := c.Compare(restarted(t, after), s)
		require.Equal(t, Change{}, change, name)
		require.Equal(t, after.Digest(true), same.Digest(true), name)
	}
	change, _ = comparer(Split).Compare(after, snapshot(t, later, alertLater(1, "Resolved")))
	require.Equal(t, Change{}, change)
}

func TestAnAlertThatChangesWithoutItsTimeIsLeftToAGet(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t), alertRow(t, 0))
	change, after := c.Compare(before, alertRow(t, 0, alertStatus(0, "Resolved")))
	require.Equal(t, Change{Doubt: true}, change)
	require.True(t, after.Doubt)
	require.Equal(t, before.Digest(true), after.Digest(true))
	change, after = c.Compare(restarted(t, after), alertRow(t, 1))
	require.Equal(t, Change{Doubt: true}, change, "until a Get has decided")
	change, after = c.Compare(after, snapshot(t, alertStatus(0, "Resolved")))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
	require.False(t, after.Doubt)
}

func TestAnAlertThatMayHaveLeftIsAddedOnlyIfItChangedAfterTheLastGet(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, alertLater(0, "Resolved")), snapshot(t, withoutAlert(0)))
	require.Equal(t, uint64(2), before.RetiredRevision)
	for _, at := range []time.Time{{}, noon, before.Fetched} {
		change, after := c.Compare(before, alertRow(t, 2, withoutAlert(0), movedAlert(t, "a1", at)))
		require.Equal(t, Change{Doubt: true}, change)
		require.Equal(t, before.Alerts, after.Alerts)
		require.True(t, after.Doubt)
	}
	change, after := c.Compare(before, alertRow(t, 2, withoutAlert(0), movedAlert(t, "a1", before.Fetched.Add(time.Second))))
	require.Equal(t, map[string]Kind{"a1": FirstSeen}, alertKinds(change))
	require.Equal(t, uint64(3), change.Alerts[0].Revision)
	require.Len(t, after.Alerts, 2)
	require.Equal(t, "a1", after.Alerts[0].ID, "they stay sorted")
	require.Equal(t, before.Fetched, after.Fetched)

	for ahead, doubt := range map[time.Duration]bool{0: false, time.Second: true, -time.Minute: false, time.Minute: true} {
		row := alertRow(t, 2, withoutAlert(0), movedAlert(t, "a1", before.Fetched.Add(time.Second)))
		row.Ahead = ahead
		change, _ = c.Compare(before, row)
		require.Equal(t, doubt, change.Doubt, "the service's clock is %v ahead", ahead)
		row = alertRow(t, 2, withoutAlert(0), movedAlert(t, "a1", before.Fetched.Add(-time.Second)))
		row.Ahead = ahead
		change, _ = c.Compare(before, row)
		require.Equal(t, ahead >= 0, change.Doubt, "the service's clock is %v ahead", ahead)
	}

	_, listed := c.Compare(before, ownRow(t, ownMovedBy(2*time.Hour)))
	change, _ = c.Compare(listed, alertRow(t, 2, withoutAlert(0), movedAlert(t, "a1", before.Fetched)))
	require.Equal(t, Change{Doubt: true}, change, "a newer row of the incident is no Get")
}

func TestARowOfAnAlertNeedsAnIncidentToCompareItWith(t *testing.T) {
	c := comparer(Split)
	known := delivered(t, c, snapshot(t))
	_, missing := c.Missing(known, noon)
	_, perhaps := killed(t, c, known, nil)
	for name, test := range map[string]struct {
		state State
		want  Change
	}{
		"never seen":          {State{}, Change{Doubt: true}},
		"known by API alone":  {State{API: "defender_xdr"}, Change{Doubt: true}},
		"not found":           {missing, Change{}},
		"perhaps not found":   {perhaps, Change{Doubt: true}},
		"of another API":      {delivered(t, c, graph(t, snapshot(t))), Change{Doubt: true}},
		"other ignored names": {delivered(t, ignoring(Split, "title"), snapshot(t)), Change{Doubt: true}},
	} {
		change, after := c.Compare(test.state, alertRow(t, 0, alertLater(0, "Resolved")))
		require.Equal(t, test.want, change, name)
		require.Equal(t, test.state, after, name)
	}
}

func TestARowOfOwnFieldsOfAnotherAPIAdoptsThemAndMarksTheAlerts(t *testing.T) {
	c := comparer(Split)
	graphRow := func(change ...func(*Snapshot)) *Snapshot {
		s := graph(t, snapshot(t, change...))
		s.Source, s.Shows, s.Alerts = FromList, OwnFields, nil
		return s
	}
	change, after := c.Compare(delivered(t, c, snapshot(t)), graphRow())
	require.Equal(t, Change{}, change)
	require.Equal(t, "graph", after.API)
	require.False(t, after.AlertsUnseen)
	require.Len(t, after.Alerts, 2)
	for _, a := range after.Alerts {
		require.True(t, a.Foreign)
	}
	other := graph(t, snapshot(t))
	other.Source, other.Shows, other.Alerts = FromList, SomeAlerts, other.Alerts[:1]
	change, adopted := c.Compare(after, other)
	require.Equal(t, Change{}, change)
	require.False(t, adopted.Alerts[0].Foreign)
	require.True(t, adopted.Alerts[1].Foreign)
	change, _ = c.Compare(after, graph(t, snapshot(t, alertStatus(1, "Resolved"))))
	require.Equal(t, map[string]Kind{"a2": Updated}, alertKinds(change))
	change, _ = c.Compare(delivered(t, c, snapshot(t)), graphRow(status("Resolved")))
	require.Equal(t, Resolved, change.Kind)
}

// rowOf is a row of the list of alerts that shows an alert that has just changed.
func rowOf(t *testing.T, id string, changed time.Time) *Snapshot {
	row := alertRow(t, 99, movedAlert(t, id, changed))
	row.Observed = changed.Add(20 * time.Second)
	return row
}

// getAt is a Get at a moment.
func getAt(t *testing.T, at time.Time, change ...func(*Snapshot)) *Snapshot {
	s := snapshot(t, change...)
	s.Observed = at
	return s
}

func TestAGetThatLagsRemovesNoAlertThatARowHasJustShown(t *testing.T) {
	c := comparer(Split)
	came := noon.Add(time.Hour)
	_, state := c.Compare(delivered(t, c, snapshot(t)), rowOf(t, "a9", came))
	for _, wait := range []struct{ age, again time.Duration }{
		{-time.Minute, 30 * time.Second},
		{25 * time.Second, 30 * time.Second},
		{time.Minute, time.Minute},
		{4 * time.Minute, 4 * time.Minute},
		{8 * time.Minute, 2 * time.Minute},
		{599 * time.Second, 30 * time.Second},
	} {
		lags := getAt(t, came.Add(wait.age))
		change, after := c.Compare(state, lags)
		require.Equal(t, Change{Again: wait.again}, change)
		require.True(t, after.Doubt)
		require.Equal(t, state.Alerts, after.Alerts)

		change, after = c.Compare(restarted(t, after), getAt(t, came.Add(wait.age+time.Minute), movedAlert(t, "a9", came)))
		require.Equal(t, Change{}, change, "it has caught up")
		require.False(t, after.Doubt)
		change, after = c.Compare(after, getAt(t, came.Add(wait.age+2*time.Minute)))
		require.Equal(t, map[string]Kind{"a9": Removed}, alertKinds(change), "a Get has shown it before")
		require.Zero(t, change.Again)
		require.False(t, after.Doubt)
	}
	change, after := c.Compare(state, getAt(t, came.Add(10*time.Minute)))
	require.Equal(t, map[string]Kind{"a9": Removed}, alertKinds(change), "no replica lags that long")
	require.Zero(t, change.Again)
	require.False(t, after.Doubt)
}

func TestAnAlertThatHasMovedIsRemovedByTheNextGet(t *testing.T) {
	c := comparer(Split)
	came := noon.Add(time.Hour)
	_, state := c.Compare(delivered(t, c, snapshot(t)), rowOf(t, "a9", came))
	require.Equal(t, state, state.WithLeft("a8"))
	left := restarted(t, state.WithLeft("a9"))
	change, _ := c.Compare(left, getAt(t, came.Add(time.Minute)))
	require.Equal(t, map[string]Kind{"a9": Removed}, alertKinds(change))
	require.Zero(t, change.Again)

	_, back := c.Compare(left, rowOf(t, "a9", came.Add(time.Minute)))
	change, _ = c.Compare(back, getAt(t, came.Add(2*time.Minute)))
	require.Equal(t, Change{Again: time.Minute}, change, "a row has shown that it is here")
}

func TestAnAlertThatTheListDoesNotShowAnyMoreIsRemovedByTheNextGet(t *testing.T) {
	c := comparer(Split)
	came := noon.Add(time.Hour)
	state := delivered(t, c, snapshot(t), listed(t, movedAlert(t, "a9", came), later))
	change, after := c.Compare(state, listed(t, later))
	require.Equal(t, Change{Doubt: true}, change)
	change, _ = c.Compare(after, getAt(t, came.Add(time.Minute), later))
	require.Equal(t, map[string]Kind{"a9": Removed}, alertKinds(change))
}

func TestAPollStaysDueUntilAGetHasShownEverything(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t))
	state.PollDue = true
	require.True(t, restarted(t, state).Summary().PollDue)
	for _, row := range []*Snapshot{ownRow(t), ownRow(t, later), alertRow(t, 0)} {
		_, after := c.Compare(state, row)
		require.True(t, after.PollDue)
	}
	partly := snapshot(t)
	partly.Incomplete = true
	_, after := c.Compare(state, partly)
	require.True(t, after.PollDue)
	_, after = c.Compare(state, snapshot(t))
	require.False(t, after.PollDue)
	_, after = c.Missing(state, noon)
	require.False(t, after.PollDue)
	after.PollDue = true
	_, after = c.Missing(after, noon)
	require.False(t, after.PollDue)
}
