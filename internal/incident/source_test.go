// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// listed returns a Get's snapshot as a list shows it: two fields and an alert in another
// rendering, one field less, one more.
func listed(t *testing.T, change ...func(*Snapshot)) *Snapshot {
	t.Helper()
	s := snapshot(t, change...)
	s.Source = FromList
	put(s, "severity", "high")
	put(s, "assignedTo", "")
	drop(s, "comments")
	put(s, "summary", "of the list alone")
	for i := range s.Alerts {
		if s.Alerts[i].ID == "a1" {
			putAlert(&s.Alerts[i], "title", "")
		}
	}
	return s
}

// restarted returns the state as it is read from a checkpoint.
func restarted(t require.TestingT, state State) State {
	stored, err := json.Marshal(state)
	require.NoError(t, err)
	var back State
	require.NoError(t, json.Unmarshal(stored, &back))
	return back
}

func TestAnotherRenderingIsNoChange(t *testing.T) {
	get, list := snapshot(t), listed(t)
	for name, order := range map[string][]*Snapshot{
		"Get first":  {get, list, get, list, list, get, get},
		"List first": {list, get, list, get, get, list, list},
		"a merged stub": {
			snapshot(t, redirected(552)), listed(t, redirected(552)), snapshot(t, redirected(552)), listed(t, redirected(552)),
		},
		"a merged stub and the successor's own object": {
			successors(t), listed(t, redirected(552)), successors(t), listed(t, redirected(552)),
		},
		"the successor's own object and a merged stub": {
			listed(t, redirected(552)), successors(t), listed(t, redirected(552)), successors(t),
		},
	} {
		for _, mode := range []AlertsMode{Split, Embedded, None} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				c := comparer(mode)
				first, state := c.Compare(State{}, order[0])
				require.False(t, first.Empty())
				digest := state.Digest(true)
				for i, s := range order[1:] {
					var change Change
					change, state = c.Compare(restarted(t, state), s)
					require.Equal(t, Change{}, change, "observation %d", i+1)
					require.Equal(t, digest, state.Digest(true), "the same state has the same digest")
				}
			})
		}
	}
}

// successors is what remains of a Get's response that shows the successor: both IDs,
// and no time.
func successors(t *testing.T) *Snapshot {
	t.Helper()
	return read(&Snapshot{
		ID: 437, API: "defender_xdr", SuccessorID: 552, Merged: true, AlertsField: "alerts",
		Object: object(map[string]any{"incidentId": int64(437), "redirectIncidentId": int64(552)}),
	})
}

func TestAChangeIsEmittedOnceWhicheverSourceShowsItFirst(t *testing.T) {
	both := func(change ...func(*Snapshot)) map[Source]*Snapshot {
		return map[Source]*Snapshot{FromGet: snapshot(t, change...), FromList: listed(t, change...)}
	}
	before, after := both(), both(status("Resolved"), alertLater(0, "Resolved"), alertLater(1, "Resolved"))
	for name, test := range map[string]struct {
		known  []Source // have shown the incident before, in this order
		order  []Source // show the change
		fields []string
	}{
		"Get alone":                        {[]Source{FromGet}, []Source{FromGet}, []string{"alerts", "lastUpdateTime", "status"}},
		"both known, Get first":            {[]Source{FromGet, FromList}, []Source{FromGet, FromList}, []string{"alerts", "lastUpdateTime", "status"}},
		"both known, List first":           {[]Source{FromGet, FromList}, []Source{FromList, FromGet}, []string{"alerts", "lastUpdateTime", "status"}},
		"from List at first, Get first":    {[]Source{FromList, FromGet}, []Source{FromGet, FromList}, []string{"alerts", "lastUpdateTime", "status"}},
		"from List at first, List first":   {[]Source{FromList, FromGet}, []Source{FromList, FromGet}, []string{"alerts", "lastUpdateTime", "status"}},
		"List for the first time, with it": {[]Source{FromGet}, []Source{FromList, FromGet}, []string{"alerts", "lastUpdateTime", "status"}},
		"Get for the first time, with it":  {[]Source{FromList}, []Source{FromGet, FromList}, []string{"alerts", "lastUpdateTime", "status"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			var state State
			for _, source := range test.known {
				_, state = c.Compare(state, before[source])
			}
			change, state := c.Compare(state, after[test.order[0]])
			require.Equal(t, Resolved, change.Kind)
			require.Equal(t, test.fields, change.Fields)
			require.Equal(t, "Active", change.PreviousStatus)
			require.Equal(t, map[string]Kind{"a1": Updated, "a2": Updated}, alertKinds(change))
			for _, source := range append(test.order, test.order...) {
				change, state = c.Compare(state, after[source])
				require.Equal(t, Change{}, change)
			}
		})
	}
}

// alertLater changes an alert and its time.
func alertLater(i int, word string) func(*Snapshot) {
	return func(s *Snapshot) {
		alertStatus(i, word)(s)
		s.Alerts[i].LastUpdate = noon.Add(time.Hour)
	}
}

// If an alert changes and its time does not, the change looks like another rendering in
// a source that has not shown the alert before.
func TestAnAlertThatChangesWithoutItsTimeIsFoundByGet(t *testing.T) {
	for name, before := range map[string][]*Snapshot{
		"Get alone":                         {snapshot(t)},
		"both":                              {snapshot(t), listed(t)},
		"from List at first, then from Get": {listed(t), snapshot(t)},
		"by List at first, as a rendering":  {snapshot(t), listed(t, later, alertStatus(0, "Resolved"), alertStatus(1, "Resolved"))},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			state := delivered(t, c, before...)
			changed := snapshot(t, later, alertStatus(0, "Resolved"), alertStatus(1, "Resolved"))
			change, state := c.Compare(restarted(t, state), changed)
			require.Equal(t, map[string]Kind{"a1": Updated, "a2": Updated}, alertKinds(change))
			change, state = c.Compare(state, listed(t, later, alertStatus(0, "Resolved"), alertStatus(1, "Resolved")))
			require.Empty(t, change.Alerts)
			change, _ = c.Compare(state, changed)
			require.Empty(t, change.Alerts)
		})
	}
}

func TestWhatGetTookForARenderingIsFoundByTheNextRow(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t), listed(t, later, alertLater(0, "InProgress")))
	change, state := c.Compare(state, snapshot(t, later, alertLater(0, "Resolved")))
	require.Empty(t, change.Alerts, "it looks like how Get renders InProgress")
	next := listed(t, alertLater(0, "Resolved"))
	next.LastUpdate = noon.Add(2 * time.Hour)
	change, _ = c.Compare(state, next)
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
}

func TestAFieldThatOnlyOneSourceHasChangesByThatSource(t *testing.T) {
	with := func(name, text string) func(*Snapshot) {
		return func(s *Snapshot) { later(s); put(s, name, text) }
	}
	c := comparer(Split)
	for _, order := range [][]*Snapshot{{snapshot(t), listed(t)}, {listed(t), snapshot(t)}} {
		state := delivered(t, c, order...)
		change, state := c.Compare(state, snapshot(t, with("comments", "one")))
		require.Equal(t, []string{"comments", "lastUpdateTime"}, change.Fields)
		_, state = c.Compare(state, listed(t, later))
		list := listed(t, ownMovedBy(2*time.Hour))
		put(list, "summary", "another")
		change, state = c.Compare(state, list)
		require.Equal(t, []string{"lastUpdateTime", "summary"}, change.Fields)
		change, _ = c.Compare(state, snapshot(t, with("comments", "one"), ownMovedBy(2*time.Hour)))
		require.True(t, change.Empty())
	}
}

func TestAFieldThatAppearsWithoutATimeIsFoundByGet(t *testing.T) {
	c := comparer(Split)
	for name, before := range map[string][]*Snapshot{
		"Get first":  {snapshot(t), listed(t)},
		"List first": {listed(t), snapshot(t)},
	} {
		change, _ := c.Compare(delivered(t, c, before...), snapshot(t, func(s *Snapshot) { put(s, "reason", "new") }))
		require.Equal(t, []string{"reason"}, change.Fields, name)
	}
}

func TestAFieldThatNeitherSourceHasIsForgotten(t *testing.T) {
	without := func(s *Snapshot) { later(s); drop(s, "tags") }
	names := func(s State) (names []string) {
		for _, f := range s.Fields {
			names = append(names, f.Name)
		}
		return names
	}
	c := comparer(Split)
	for name, test := range map[string]struct{ before, first, second *Snapshot }{
		"Get first":           {snapshot(t), snapshot(t, without), listed(t, without)},
		"List first":          {snapshot(t), listed(t, without), snapshot(t, without)},
		"List from the start": {listed(t), listed(t, without), snapshot(t, without)},
		"Get at the end":      {listed(t), snapshot(t, without), listed(t, without)},
	} {
		t.Run(name, func(t *testing.T) {
			change, state := c.Compare(delivered(t, c, test.before), test.first)
			require.Equal(t, Updated, change.Kind)
			require.Equal(t, test.before.Source == test.first.Source, slices.Contains(change.Fields, "tags"))
			change, state = c.Compare(state, test.second)
			require.True(t, change.Empty())
			require.NotContains(t, names(state), "tags")
		})
	}
	state := delivered(t, c, snapshot(t), listed(t, without))
	change, state := c.Compare(state, snapshot(t, later))
	require.True(t, change.Empty(), "where Get still shows it, it is List's rendering")
	require.Contains(t, names(state), "tags")
}

func TestOnlyGetRemovesAnAlert(t *testing.T) {
	c := comparer(Split)
	for _, first := range []*Snapshot{snapshot(t), listed(t)} {
		change, after := c.Compare(delivered(t, c, first), listed(t, withoutAlert(0)))
		require.Equal(t, Change{Doubt: true}, change)
		require.Len(t, after.Alerts, 2)
		change, after = c.Compare(after, snapshot(t, withoutAlert(0)))
		require.Equal(t, map[string]Kind{"a1": Removed}, alertKinds(change))
		require.Zero(t, change.Alerts[0].Digest)
		require.Len(t, after.Alerts, 1)
		change, _ = c.Compare(after, listed(t, withoutAlert(0)))
		require.Equal(t, Change{}, change)
	}
}

func TestARowOlderThanWhatWasDeliveredIsStale(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t, later))
	change, after := c.Compare(state, listed(t))
	require.Equal(t, Change{Stale: true}, change)
	require.Equal(t, state, after)
}

func TestSnapshotsShowAnotherRenderingAsUnchanged(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	state := delivered(t, c, snapshot(t))
	first := state
	for _, s := range []*Snapshot{listed(t), snapshot(t), listed(t)} {
		var change Change
		change, state = c.Compare(state, s)
		require.Equal(t, Unchanged, change.Kind)
		require.Empty(t, change.Fields)
		require.Equal(t, map[string]Kind{"a1": Unchanged, "a2": Unchanged}, alertKinds(change))
		require.Equal(t, first.Alerts[0].Digest, change.Alerts[0].Digest, "the same state has the same digest")
		require.Equal(t, first.Digest(true), state.Digest(true))
	}
}

func TestWhatGetAloneHasShownIsStoredWithoutASource(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t), snapshot(t, status("Resolved"), withoutAlert(0), func(s *Snapshot) { drop(s, "tags") }))
	for _, f := range state.Fields {
		require.Equal(t, Part{Digest: f.Digest}, f.Part, f.Name)
		require.NotZero(t, f.Digest, f.Name)
	}
	require.Equal(t, Part{Digest: state.Alerts[0].Digest}, state.Alerts[0].Part)
	require.Zero(t, state.Source)
}

func TestBeforeStaysAsItIsForEitherSource(t *testing.T) {
	c := comparer(Split)
	for _, s := range []*Snapshot{snapshot(t, status("Resolved")), listed(t, status("Resolved"))} {
		before, kept := delivered(t, c, snapshot(t), listed(t)), delivered(t, c, snapshot(t), listed(t))
		c.Compare(before, s)
		require.Equal(t, kept, before)
	}
}
