// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestClosedIncidentsAreForgottenByOneRule(t *testing.T) {
	since := sec(1000)
	end := since.Add(forgetAfter)
	tests := map[string]struct {
		summary incident.Summary
		add     func(r *Roster)
	}{
		"resolved":                  {summary: resolved(since)},
		"merged with its successor": {summary: merged(2, since)},
		"merged, no successor":      {summary: merged(0, since)},
		"merged into itself":        {summary: merged(1, since)},
		"missing":                   {summary: missing(since)},
		"missing from the start": {add: func(r *Roster) {
			r.Mark(1, since, sec(0))
			deliver(r, 1, missing(since), since)
		}},
		"merged, only its time is known": {summary: incident.State{Merged: true, Successor: 2, LastUpdate: since}.Summary()},
		"merged, only its poll is known": {summary: incident.State{Merged: true, Successor: 2, Fetched: since}.Summary()},
		"failing from the start": {add: func(r *Roster) {
			r.Mark(1, sec(0), since)
			poll(r, 1, failed(end))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			if tt.add == nil {
				load(r, map[int64]incident.Summary{1: tt.summary, 3: open()})
			} else {
				tt.add(r)
			}
			require.Empty(t, r.Expire(end.Add(-1)))
			require.Equal(t, []int64{1}, ids(r.Expire(end)))
			require.Nil(t, r.Find(1))
			require.Empty(t, r.Expire(end))
		})
	}
}

func TestAMergeWithoutAKnownTimeIsForgottenOnlyAfterItWasPolled(t *testing.T) {
	r := discovering()
	deliver(r, r.add(1, sec(0)).ID, incident.State{Merged: true, Successor: 2, Fetched: sec(9)}.Summary(), sec(9))
	require.Empty(t, r.Expire(sec(10)))
	require.Equal(t, []int64{1}, ids(r.Expire(sec(9).Add(forgetAfter))))
}

func TestWhatIsNotForgotten(t *testing.T) {
	long := start().Add(100 * forgetAfter)
	tests := map[string]func(r *Roster){
		"open": func(r *Roster) { load(r, map[int64]incident.Summary{1: open()}) },
		"open and failing, for it was delivered before": func(r *Roster) {
			load(r, map[int64]incident.Summary{1: open()})
			poll(r, 1, failed(long))
		},
		"never polled": func(r *Roster) { r.Mark(1, sec(0), sec(0)) },
		"being polled": func(r *Roster) { load(r, map[int64]incident.Summary{1: resolved(start())}); r.Start(1) },
		"resolved, and marked": func(r *Roster) {
			load(r, map[int64]incident.Summary{1: resolved(start())})
			r.Mark(1, sec(5), sec(6))
		},
		"merged, and marked": func(r *Roster) {
			load(r, map[int64]incident.Summary{1: merged(1, start())})
			r.Mark(1, sec(5), sec(6))
		},
		"configured":              func(r *Roster) { load(r, map[int64]incident.Summary{1: resolved(start())}, 1) },
		"configured, and missing": func(r *Roster) { load(r, map[int64]incident.Summary{1: missing(start())}, 1) },
		"configured, and failing": func(r *Roster) { load(r, nil, 1); poll(r, 1, failed(long)) },
		"what configured ones were merged into": func(r *Roster) {
			load(r, map[int64]incident.Summary{1: merged(2, start()), 2: merged(3, start()), 3: resolved(start())}, 1)
		},
	}
	for name, add := range tests {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			add(r)
			require.Empty(t, r.Expire(long))
		})
	}
}

func TestWithoutDiscoveryNothingIsForgotten(t *testing.T) {
	r := New(Rules{})
	e := unpolled(r, 1, sec(0))
	r.leave(e)
	r.load(e, resolved(start()), true)
	require.Empty(t, r.Expire(start().Add(100*forgetAfter)))
}

func TestAClosedIncidentWithFailingPollsKeepsItsPendingChangeForForgetAfter(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: resolved(start())})
	marked := start().Add(forgetAfter - time.Second)
	r.Mark(1, marked, marked)
	poll(r, 1, failed(marked.Add(interval)))
	require.Empty(t, r.Expire(marked.Add(forgetAfter-1)), "an outage must not lose the change")
	require.Equal(t, []int64{1}, ids(r.Expire(marked.Add(forgetAfter))))
}

func TestAnIncidentMarkedDuringThePollThatShowsItMergedIsForgottenInTheEnd(t *testing.T) {
	r := discovering()
	r.Mark(1, sec(1), sec(1))
	r.Start(1)
	r.Mark(1, sec(2), sec(2))
	deliver(r, 1, merged(1, sec(2)), sec(3))
	require.False(t, r.Find(1).tracked())
	require.Equal(t, []int64{1}, ids(r.Expire(sec(2).Add(forgetAfter))))
}

func TestASuccessorIsKeptUntilThoseMergedIntoItGo(t *testing.T) {
	early, late := sec(0), sec(1000)
	tests := map[string]struct {
		summaries   map[int64]incident.Summary
		first, then []int64 // what is forgotten once early, and then late, is long enough ago
	}{
		"merged late into a resolved one": {
			summaries: map[int64]incident.Summary{1: merged(2, late), 2: resolved(early)},
			then:      []int64{1, 2},
		},
		"through a chain": {
			summaries: map[int64]incident.Summary{1: merged(2, late), 2: merged(3, early), 3: merged(4, early), 4: missing(early)},
			then:      []int64{1, 2, 3, 4},
		},
		"one of two": {
			summaries: map[int64]incident.Summary{1: merged(3, early), 2: merged(3, late), 3: resolved(early)},
			first:     []int64{1},
			then:      []int64{2, 3},
		},
		"those that point to an open one go first": {
			summaries: map[int64]incident.Summary{1: merged(2, early), 2: merged(3, late), 3: open()},
			first:     []int64{1},
			then:      []int64{2},
		},
		"a cycle goes at once": {
			summaries: map[int64]incident.Summary{1: merged(2, early), 2: merged(3, early), 3: merged(1, late), 4: merged(3, early)},
			first:     []int64{4},
			then:      []int64{1, 2, 3},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			load(r, tt.summaries)
			require.Equal(t, tt.first, ids(r.Expire(early.Add(forgetAfter))))
			require.Equal(t, tt.then, ids(r.Expire(late.Add(forgetAfter))))
		})
	}
}

// TestAForgottenIncidentDoesNotComeBack restarts the roster and configures the same IDs again after each expiry.
func TestAForgottenIncidentDoesNotComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		summaries := map[int64]incident.Summary{}
		n := rapid.Int64Range(1, 10).Draw(t, "incidents")
		for id := range n {
			since := sec(rapid.IntRange(0, 5).Draw(t, "since"))
			summaries[1+id] = rapid.SampledFrom([]incident.Summary{
				open(), resolved(since), missing(since), merged(rapid.Int64Range(0, n).Draw(t, "into"), since),
			}).Draw(t, "summary")
		}
		configured := rapid.SliceOfDistinct(rapid.Int64Range(1, n), rapid.ID).Draw(t, "configured")
		r := discovering()
		load(r, summaries, configured...)
		reach := map[int64]bool{}
		for _, id := range configured {
			for _, id := range r.mergeChain(id) {
				reach[id] = true
			}
		}
		for second := range 7 {
			now := sec(second).Add(forgetAfter)
			for _, e := range r.Expire(now) {
				_, closed := e.Summary.ClosedSince()
				require.True(t, closed)
				require.False(t, reach[e.ID], "%d is configured", e.ID)
				delete(summaries, e.ID)
			}
			added, forgotten := r.Configure(configured, now)
			require.Zero(t, added)
			require.Empty(t, forgotten)

			restarted := discovering()
			require.Empty(t, restarted.Load(configured, summaries, now))
			require.ElementsMatch(t, r.IDs(), restarted.IDs())
			require.Equal(t, r.Discovered(), restarted.Discovered())
		}
		for id, s := range summaries { // all closed incidents are gone, except for configured ones
			_, closed := s.ClosedSince()
			require.True(t, !closed || reach[id], "%d", id)
		}
	})
}

func TestAForgottenIncidentIsDiscoveredAgainByItsNextChange(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: resolved(start())})
	now := start().Add(forgetAfter)
	require.Equal(t, []int64{1}, ids(r.Expire(now)))
	r.Mark(1, now, now)
	require.Equal(t, Waiting, r.Find(1).state())
	require.Equal(t, []int64{1}, drain(r, now))
}

func TestWorthDiscovering(t *testing.T) {
	now := start().Add(forgetAfter)
	tests := map[string]struct {
		rules      Rules
		closed     bool
		lastUpdate time.Time
		want       bool
	}{
		"open and old":             {rules: discovering().rules, lastUpdate: start(), want: true},
		"closed of late":           {rules: discovering().rules, closed: true, lastUpdate: start().Add(1), want: true},
		"closed long ago":          {rules: discovering().rules, closed: true, lastUpdate: start()},
		"closed, no time is known": {rules: discovering().rules, closed: true, want: true},
		"without discovery":        {lastUpdate: now},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, New(tt.rules).WorthDiscovering(tt.closed, tt.lastUpdate, now))
		})
	}
}

func TestAClosedIncidentThatChangesIsForgottenByItsLastChange(t *testing.T) {
	closed := func(changed time.Time) incident.Summary {
		return incident.State{Seen: true, Status: "Resolved", LastUpdate: changed, ClosedSince: sec(1000), Fetched: sec(3000)}.Summary()
	}
	tests := map[string]struct {
		changed, want time.Time
	}{
		"changed afterwards":                 {changed: sec(2000), want: sec(2000)},
		"changed before":                     {changed: sec(500), want: sec(1000)},
		"changed in the future by its clock": {changed: sec(0).Add(1000 * day), want: sec(1000)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			load(r, map[int64]incident.Summary{1: closed(tt.changed)})
			end := tt.want.Add(forgetAfter)
			require.Empty(t, r.Expire(end.Add(-1)))
			require.Equal(t, []int64{1}, ids(r.Expire(end)))
			if !tt.changed.After(end) {
				require.False(t, r.WorthDiscovering(true, tt.changed, end), "its row does not bring it back")
			}
		})
	}
}

func TestAPendingChangeThatSurvivesRestartsIsAsOldAsItWas(t *testing.T) {
	noted, now := sec(100), sec(100).Add(forgetAfter)
	for name, tt := range map[string]struct {
		noted, forgotten time.Time
	}{
		"long ago":        {noted: noted, forgotten: now},
		"not recorded":    {forgotten: now.Add(forgetAfter)},
		"in the future":   {noted: now.Add(day), forgotten: now.Add(forgetAfter)},
		"before a moment": {noted: now.Add(-time.Minute), forgotten: now.Add(forgetAfter - time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			r := discovering()
			r.Restore(Pending{ID: 1, Changed: sec(90), Noted: tt.noted}, now)
			require.Empty(t, r.Expire(now), "its poll may show it yet")
			poll(r, 1, failed(now.Add(interval)))
			require.Empty(t, r.Expire(tt.forgotten.Add(-time.Second)))
			require.Equal(t, []int64{1}, ids(r.Expire(tt.forgotten)))
		})
	}
}
