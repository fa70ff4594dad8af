// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachDeliveredChangeHasTheNextRevision(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := NewComparer(mode, true, nil, 0)
		var state State
		var revisions []uint64
		for _, s := range []*Snapshot{
			snapshot(t), snapshot(t), snapshot(t, later), nil, nil, snapshot(t), snapshot(t, redirected(552)), snapshot(t, redirected(552)),
		} {
			_, state = observe(c, restarted(t, state), s)
			revisions = append(revisions, state.Revision)
		}
		require.Equal(t, []uint64{1, 1, 2, 3, 3, 4, 5, 5}, revisions, mode)
	}
}

func TestAnAlertKeepsItsRevisionUntilItChanges(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	state := delivered(t, c, snapshot(t))
	for _, step := range []struct {
		change []func(*Snapshot)
		want   map[string]uint64 // the revisions of the records
	}{
		{nil, map[string]uint64{"a1": 1, "a2": 1}},
		{[]func(*Snapshot){alertStatus(0, "Resolved")}, map[string]uint64{"a1": 2, "a2": 1}},
		{[]func(*Snapshot){alertStatus(0, "New"), withoutAlert(1)}, map[string]uint64{"a1": 3, "a2": 2}},
	} {
		var change Change
		change, state = c.Compare(state, snapshot(t, step.change...))
		require.Equal(t, step.want, revisionsOf(change))
	}
}

func revisionsOf(c Change) map[string]uint64 {
	revisions := map[string]uint64{}
	for _, a := range c.Alerts {
		revisions[a.ID] = a.Revision
	}
	return revisions
}

func TestAnAlertThatReturnsHasANewRevision(t *testing.T) {
	disappear := map[string]func(*Comparer, State) State{
		"removed": func(c *Comparer, s State) State {
			change, s := c.Compare(s, snapshot(t, withoutAlert(0), withoutAlert(0)))
			require.Equal(t, map[string]uint64{"a1": 3, "a2": 2}, revisionsOf(change))
			return s
		},
		"with its incident": func(c *Comparer, s State) State { _, s = c.Missing(s, noon); return s },
		"by a merger":       func(c *Comparer, s State) State { return observed(c, s, snapshot(t, redirected(552))) },
		"by the mode":       func(_ *Comparer, s State) State { return observed(comparer(None), s, snapshot(t)) },
	}
	for name, disappears := range disappear {
		c := comparer(Split)
		state := delivered(t, c, snapshot(t), snapshot(t, alertStatus(0, "Resolved")))
		gone := disappears(c, state)
		back, after := c.Compare(restarted(t, gone), snapshot(t, later, alertStatus(0, "Resolved")))
		require.Equal(t, map[string]Kind{"a1": FirstSeen, "a2": FirstSeen}, alertKinds(back), name)
		for _, a := range after.Alerts {
			require.Greater(t, a.Revision, uint64(2), name)
		}
	}
}

func observed(c *Comparer, state State, s *Snapshot) State {
	_, state = c.Compare(state, s)
	return state
}

func TestAnAlertThatReturnsAfterACrashHasANewRevisionUntilItIsDelivered(t *testing.T) {
	c := comparer(Split)
	both, one := snapshot(t), snapshot(t, withoutAlert(1))
	state := delivered(t, c, both)
	var revisions []uint64
	for _, s := range []*Snapshot{one, one, both, both, one, both} { // each is followed by a crash
		var change Change
		change, state = killed(t, c, state, s)
		revisions = append(revisions, revisionsOf(change)["a2"])
	}
	require.Equal(t, []uint64{2, 2, 3, 3, 4, 5}, revisions)

	_, state = killed(t, c, state, nil)
	change, state := killed(t, c, state, both)
	require.Equal(t, uint64(7), revisionsOf(change)["a2"], "it may have left with its incident")
	change, state = c.Compare(state, one)
	require.Equal(t, uint64(8), revisionsOf(change)["a2"])
	require.Equal(t, uint64(8), state.RetiredRevision)
}

func TestAMergedIncidentThatMayHaveReturnedIsReportedMissing(t *testing.T) {
	c := comparer(Split)
	_, missing := c.Missing(delivered(t, c, snapshot(t)), noon)
	merged, found := killed(t, c, missing, snapshot(t, redirected(552)))
	require.Equal(t, Merged, merged.Kind)
	change, after := c.Missing(found, noon)
	require.Equal(t, NotFound, change.Kind)
	require.Equal(t, missing.Revision+2, after.Revision)
}

func TestAnIncompleteListKeepsAnAlertThatMayHaveAppearedUntilItIsShown(t *testing.T) {
	partly := snapshot(t, withoutAlert(1))
	partly.Incomplete = true
	c := comparer(Split)
	_, state := killed(t, c, delivered(t, c, snapshot(t, withoutAlert(1))), snapshot(t))
	_, state = c.Compare(state, partly)
	require.Equal(t, uint64(1), state.Alerts[1].Revision)
	for _, shown := range []*Snapshot{snapshot(t), listed(t), graph(t, snapshot(t))} {
		change, _ := c.Compare(state, shown)
		require.Equal(t, map[string]uint64{"a2": 2}, revisionsOf(change), "also by a source that has not shown it before")
	}
}
