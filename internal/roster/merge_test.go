// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// requireConfigured requires that these incidents are known and configured, and that no other known incident is configured.
func requireConfigured(t *testing.T, r *Roster, configured ...int64) {
	t.Helper()
	var got []int64
	for _, id := range r.IDs() {
		if r.Find(id).configured {
			got = append(got, id)
		}
	}
	require.ElementsMatch(t, configured, got)
}

func TestTheSuccessorOfAMergedIncidentIsPolledInItsPlace(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, sec(0))
	require.Nil(t, deliver(r, 1, merged(2, sec(5)), sec(6)))
	require.ElementsMatch(t, []int64{1, 2}, r.IDs())
	require.Equal(t, 1, r.Tracked())
	require.False(t, r.Find(1).tracked())
	requireConfigured(t, r, 1, 2)
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 2, Due: sec(6)}})
}

func TestAMergedIncidentWithoutASuccessorStaysTracked(t *testing.T) {
	r := New(Rules{})
	r.Configure([]int64{1}, sec(0))
	require.Nil(t, deliver(r, 1, merged(0, sec(5)), sec(6)))
	require.True(t, r.Find(1).tracked())
	require.Equal(t, Resolved, r.Find(1).state())
	require.Len(t, r.IDs(), 1)
}

func TestARowThatShowsAMergeAddsTheSuccessor(t *testing.T) {
	r := discovering()
	row(r, 1, merged(2, sec(5)), sec(6))
	requireConfigured(t, r)
	requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 2, Due: sec(6)}})
}

func TestAllThatAConfiguredIncidentWasMergedIntoIsConfigured(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: open(), 2: merged(3, sec(0)), 3: merged(4, sec(0)), 4: open(), 5: merged(4, sec(0)), 6: open()}, 1)
	requireConfigured(t, r, 1)
	deliver(r, 1, merged(2, sec(5)), sec(6))
	requireConfigured(t, r, 1, 2, 3, 4)
	deliver(r, 4, merged(6, sec(5)), sec(6))
	requireConfigured(t, r, 1, 2, 3, 4, 6)
	deliver(r, 6, merged(7, sec(5)), sec(6))
	requireConfigured(t, r, 1, 2, 3, 4, 6, 7)
	require.Zero(t, r.Discovered())
}

func TestWhatADiscoveredIncidentWasMergedIntoIsNotConfigured(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: open(), 2: open()}, 2)
	require.Equal(t, 1, r.Discovered())
	deliver(r, 1, merged(3, sec(5)), sec(6))
	requireConfigured(t, r, 2)
	require.Equal(t, 1, r.Discovered(), "the successor, which is polled in its place")
}

func TestConfigureKeepsWhatTheListLeadsTo(t *testing.T) {
	summaries := map[int64]incident.Summary{1: merged(2, sec(0)), 2: merged(3, sec(0)), 3: open(), 4: open(), 5: merged(3, sec(0))}
	tests := map[string]struct {
		roster     *Roster
		list       []int64
		added      int
		forgotten  []int64
		configured []int64
		known      []int64
	}{
		"all of a chain": {
			roster: New(Rules{}), list: []int64{1},
			forgotten: []int64{4, 5}, configured: []int64{1, 2, 3}, known: []int64{1, 2, 3},
		},
		"the rest of a chain, without what leads to it": {
			roster: New(Rules{}), list: []int64{2, 4},
			forgotten: []int64{1, 5}, configured: []int64{2, 3, 4}, known: []int64{2, 3, 4},
		},
		"new ones, also if listed twice": {
			roster: New(Rules{}), list: []int64{3, 7, 3, 7}, added: 1,
			forgotten: []int64{1, 2, 4, 5}, configured: []int64{3, 7}, known: []int64{3, 7},
		},
		"nothing": {
			roster: New(Rules{}), forgotten: []int64{1, 2, 3, 4, 5},
		},
		"everything with discovery": {
			roster: discovering(), list: []int64{5, 7}, added: 1,
			configured: []int64{3, 5, 7}, known: []int64{1, 2, 3, 4, 5, 7},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := tt.roster
			load(r, summaries, 1, 2, 3, 4, 5)
			added, forgotten := r.Configure(tt.list, sec(9))
			require.Equal(t, tt.added, added)
			require.Equal(t, tt.forgotten, ids(forgotten))
			require.ElementsMatch(t, tt.known, r.IDs())
			requireConfigured(t, r, tt.configured...)
			if added > 0 {
				requireHeads(t, r, map[Class]Candidate{Unpolled: {ID: 7, Due: sec(9)}, Routine: r.Next(1)[Routine]})
			}
		})
	}
}

func TestLoadForgetsWhatIsNotConfiguredAnyMore(t *testing.T) {
	r := New(Rules{})
	forgotten := r.Load([]int64{1, 9}, map[int64]incident.Summary{1: merged(2, sec(0)), 2: open(), 3: missing(sec(0)), 4: open()}, sec(0))
	require.Equal(t, []int64{3, 4}, ids(forgotten))
	require.Equal(t, missing(sec(0)), forgotten[0].Summary)
	require.ElementsMatch(t, []int64{1, 2, 9}, r.IDs())
	require.Equal(t, 1, r.CountDelivered())
}

func TestLoadAddsTheSuccessorOfAMergeThatWasStoredJustBeforeTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		roster     *Roster
		configured []int64
		discovered int
	}{
		"configured": {roster: New(Rules{}), configured: []int64{1}},
		"discovered": {roster: discovering(), discovered: 1},
	} {
		t.Run(name, func(t *testing.T) {
			load(tt.roster, map[int64]incident.Summary{1: merged(2, sec(0))}, tt.configured...)
			require.ElementsMatch(t, []int64{1, 2}, tt.roster.IDs())
			require.Equal(t, tt.discovered, tt.roster.Discovered())
			requireHeads(t, tt.roster, map[Class]Candidate{Unpolled: {ID: 2, Due: sec(0)}})
		})
	}
}

func TestLoadedIncidentsAreUnpolledUntilTheyWereFetched(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: {}, 2: open()}, 1, 2)
	require.Equal(t, Unpolled, r.Find(1).Class())
	require.Equal(t, Routine, r.Find(2).Class())
}

func TestAMergeThatClosesACycleIsReported(t *testing.T) {
	tests := map[string]struct {
		summaries map[int64]incident.Summary
		id        int64
		into      int64
		want      []int64
		tracked   int
	}{
		"into itself":   {map[int64]incident.Summary{3: open()}, 3, 3, []int64{3}, 0},
		"of two":        {map[int64]incident.Summary{3: open(), 1: merged(3, sec(0))}, 3, 1, []int64{1, 3}, 0},
		"of three":      {map[int64]incident.Summary{3: open(), 1: merged(2, sec(0)), 2: merged(3, sec(0))}, 3, 1, []int64{1, 2, 3}, 0},
		"without stems": {map[int64]incident.Summary{3: open(), 1: merged(3, sec(0)), 2: merged(1, sec(0))}, 3, 1, []int64{1, 3}, 0},
		"leads into one": {
			map[int64]incident.Summary{3: open(), 1: merged(2, sec(0)), 2: merged(1, sec(0))}, 3, 1, []int64{1, 2}, 0,
		},
		"a chain is none": {map[int64]incident.Summary{3: open(), 1: merged(2, sec(0)), 2: open()}, 3, 1, nil, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{})
			load(r, tt.summaries, slices.Collect(maps.Keys(tt.summaries))...)
			require.Equal(t, tt.want, deliver(r, tt.id, merged(tt.into, sec(5)), sec(5)))
			require.Equal(t, tt.tracked, r.Tracked())
		})
	}
}

func TestAMarkedIncidentOfACycleIsPolledAndCanEndIt(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{1: merged(2, sec(0)), 2: merged(1, sec(0))}, 1)
	require.Zero(t, r.Tracked())
	r.Mark(2, sec(5), sec(6))
	require.Nil(t, deliver(r, 2, openSince(sec(5)), sec(7)))
	require.Equal(t, 1, r.Tracked())
	require.Nil(t, r.MergeCycles([]int64{1, 2}))
}

func TestMergeCyclesAreListedOnceEach(t *testing.T) {
	r := New(Rules{})
	load(r, map[int64]incident.Summary{
		1: merged(2, sec(0)), 2: merged(1, sec(0)), 3: merged(2, sec(0)), 4: merged(4, sec(0)), 5: open(), 6: merged(5, sec(0)),
	}, 1, 2, 3, 4, 5, 6)
	require.Equal(t, [][]int64{{1, 2}, {4}}, r.MergeCycles([]int64{3, 2, 5, 1, 4, 6, 99}))
	require.Nil(t, r.MergeCycles([]int64{5, 6, 99}))
}
