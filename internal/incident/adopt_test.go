// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// graph returns the incident as the other API shows it: other names, words in another
// case, times to the millisecond, and additional content.
func graph(t *testing.T, s *Snapshot) *Snapshot {
	t.Helper()
	const field = "lastUpdateDateTime"
	word := func(w string) string { return strings.ToLower(w[:min(1, len(w))]) + w[min(1, len(w)):] }
	shown := func(status string, at time.Time, more map[string]any) content.Object {
		if status != "" {
			more["status"] = word(status)
		}
		if !at.IsZero() {
			more[field] = at.Truncate(time.Millisecond).Format(time.RFC3339Nano)
		}
		return object(more)
	}
	g := &Snapshot{
		ID: s.ID, API: "graph", SuccessorID: s.SuccessorID, Merged: s.Merged, Status: word(s.Status),
		LastUpdate: s.LastUpdate.Truncate(time.Millisecond), Observed: s.Observed,
		AlertsField: "alerts", LastUpdateField: field, AlertLastUpdateField: field, Incomplete: s.Incomplete,
		Object: shown(s.Status, s.LastUpdate, map[string]any{"id": strconv.FormatInt(s.ID, 10), "priorityScore": int64(72)}),
	}
	for _, a := range s.Alerts {
		g.Alerts = append(g.Alerts, Alert{
			ID: a.ID, Status: word(a.Status), LastUpdate: a.LastUpdate.Truncate(time.Millisecond),
			Object: shown(a.Status, a.LastUpdate, map[string]any{"id": a.ID, "evidence": []any{}}),
		})
	}
	return read(g)
}

// precise gives the incident and its first alert times that graph truncates.
func precise(s *Snapshot) {
	s.LastUpdate = noon.Add(1_366_667 * time.Nanosecond)
	put(s, "lastUpdateTime", "2026-09-06T12:00:00.001366667Z")
	s.Alerts[0].LastUpdate = noon.Add(999_900 * time.Nanosecond)
}

// quiet changes content, but not the status or the time.
func quiet(s *Snapshot) {
	put(s, "severity", "Low")
	put(s, "priorityScore", 9)
	for i := range s.Alerts {
		putAlert(&s.Alerts[i], "title", "another")
	}
}

func newAlert(t *testing.T, id string) func(*Snapshot) {
	return func(s *Snapshot) { s.Alerts = append(s.Alerts, alert(t, id, "New")) }
}

func TestASwitchOfTheAPIEmitsNothing(t *testing.T) {
	xdr, other := snapshot(t, precise), graph(t, snapshot(t, precise))
	stub, otherStub := snapshot(t, redirected(552)), graph(t, snapshot(t, redirected(552)))
	changed := graph(t, snapshot(t, precise))
	quiet(changed)
	for name, order := range map[string][]*Snapshot{
		"to graph and back":             {xdr, other, other, xdr, xdr, other},
		"to defender_xdr and back":      {other, xdr, xdr, other, other},
		"by the list":                   {other, listed(t, precise), xdr, other, xdr, listed(t, precise)},
		"where two sources showed it":   {listed(t, precise), xdr, other, xdr, listed(t, precise)},
		"with content that moved none":  {xdr, changed},
		"resolved":                      {snapshot(t, status("Resolved")), graph(t, snapshot(t, status("Resolved"))), snapshot(t, status("Resolved"))},
		"merged":                        {stub, otherStub, stub, listed(t, redirected(552)), otherStub},
		"merged, the successor's first": {successors(t), otherStub, successors(t)},
		"merged, the successor's later": {stub, graph(t, successors(t)), stub},
	} {
		for _, mode := range []AlertsMode{Split, Embedded, None} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				c := comparer(mode)
				_, state := c.Compare(State{}, order[0])
				for i, s := range order[1:] {
					switched := state.API != s.API
					var change Change
					change, state = c.Compare(restarted(t, state), s)
					require.Equal(t, Change{}, change, "observation %d", i+1)
					require.Equal(t, s.API, state.API)
					if switched {
						require.Equal(t, withTimesOf(delivered(t, c, s), state), state, "as if this API had shown it first")
					}
				}
			})
		}
	}
}

// withTimesOf returns the first state with the times of the other, since the later of
// two times that count as equal is kept.
func withTimesOf(s, other State) State {
	s.LastUpdate, s.ClosedSince, s.Revision = other.LastUpdate, other.ClosedSince, other.Revision
	s.Alerts = slices.Clone(s.Alerts)
	for i := range s.Alerts {
		s.Alerts[i].LastUpdate = other.Alerts[i].LastUpdate
	}
	return s
}

func TestASwitchShowsUnchangedWithSnapshots(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	other := graph(t, snapshot(t))
	change, state := c.Compare(delivered(t, c, snapshot(t)), other)
	require.Equal(t, Unchanged, change.Kind)
	require.Empty(t, change.Fields)
	require.Empty(t, change.PreviousStatus)
	require.Equal(t, map[string]Kind{"a1": Unchanged, "a2": Unchanged}, alertKinds(change))
	require.Equal(t, delivered(t, c, other).Alerts[0].Digest, change.Alerts[0].Digest)
	require.Equal(t, delivered(t, c, other), state)
}

func TestAChangeWhileTheAPIWasSwitchedIsEmitted(t *testing.T) {
	type emitted struct {
		kind   Kind
		fields []string
		alerts map[string]Kind // with Split
	}
	resolvedAlert := func(s *Snapshot) { alertStatus(0, "Resolved")(s) }
	for name, test := range map[string]struct {
		before, after   []func(*Snapshot)
		split, embedded emitted
		none            emitted
		previous        string
	}{
		"its time": {
			after:    []func(*Snapshot){later},
			split:    emitted{Updated, []string{"lastUpdateDateTime"}, nil},
			embedded: emitted{Updated, []string{"lastUpdateDateTime"}, nil},
			none:     emitted{Updated, []string{"lastUpdateDateTime"}, nil},
		},
		"its status": {
			after:    []func(*Snapshot){func(s *Snapshot) { s.Status = "InProgress"; put(s, "status", "InProgress") }},
			split:    emitted{Updated, []string{"status"}, nil},
			embedded: emitted{Updated, []string{"status"}, nil},
			none:     emitted{Updated, []string{"status"}, nil},
			previous: "Active",
		},
		"resolved, with an alert": {
			after:    []func(*Snapshot){status("Resolved"), resolvedAlert},
			split:    emitted{Resolved, []string{"alerts", "lastUpdateDateTime", "status"}, map[string]Kind{"a1": Updated}},
			embedded: emitted{Resolved, []string{"alerts", "lastUpdateDateTime", "status"}, nil},
			none:     emitted{Resolved, []string{"lastUpdateDateTime", "status"}, nil},
			previous: "Active",
		},
		"reopened": {
			before:   []func(*Snapshot){status("Resolved")},
			after:    []func(*Snapshot){status("Active")},
			split:    emitted{Reopened, []string{"status"}, nil},
			embedded: emitted{Reopened, []string{"status"}, nil},
			none:     emitted{Reopened, []string{"status"}, nil},
			previous: "Resolved",
		},
		"merged": {
			after: []func(*Snapshot){redirected(552)},
			split: emitted{Merged, nil, nil}, embedded: emitted{Merged, nil, nil}, none: emitted{Merged, nil, nil},
			previous: "Active",
		},
		"merged on": {
			before: []func(*Snapshot){redirected(552)},
			after:  []func(*Snapshot){redirected(553)},
			split:  emitted{Merged, nil, nil}, embedded: emitted{Merged, nil, nil}, none: emitted{Merged, nil, nil},
		},
		"not merged any more": {
			before:   []func(*Snapshot){redirected(552), func(s *Snapshot) { s.Status = "" }},
			after:    []func(*Snapshot){later},
			split:    emitted{Updated, []string{"alerts", "status"}, map[string]Kind{"a1": FirstSeen, "a2": FirstSeen}},
			embedded: emitted{Updated, []string{"alerts", "status"}, nil},
			none:     emitted{Updated, []string{"status"}, nil},
		},
		"an alert's status": {
			after:    []func(*Snapshot){resolvedAlert},
			split:    emitted{"", nil, map[string]Kind{"a1": Updated}},
			embedded: emitted{Updated, []string{"alerts"}, nil},
		},
		"an alert's time": {
			after:    []func(*Snapshot){func(s *Snapshot) { s.Alerts[1].LastUpdate = noon.Add(11 * time.Millisecond) }},
			split:    emitted{"", nil, map[string]Kind{"a2": Updated}},
			embedded: emitted{Updated, []string{"alerts"}, nil},
		},
		"alerts came and left": {
			after:    []func(*Snapshot){withoutAlert(0), newAlert(t, "a3"), later},
			split:    emitted{Updated, []string{"alerts", "lastUpdateDateTime"}, map[string]Kind{"a1": Removed, "a3": FirstSeen}},
			embedded: emitted{Updated, []string{"alerts", "lastUpdateDateTime"}, nil},
			none:     emitted{Updated, []string{"lastUpdateDateTime"}, nil},
		},
	} {
		for mode, want := range map[AlertsMode]emitted{Split: test.split, Embedded: test.embedded, None: test.none} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				if want.alerts == nil {
					want.alerts = map[string]Kind{}
				}
				c := comparer(mode)
				before := delivered(t, c, snapshot(t, test.before...))
				kept := delivered(t, c, snapshot(t, test.before...))
				other := graph(t, snapshot(t, test.after...))
				change, after := c.Compare(before, other)
				require.Equal(t, want, emitted{change.Kind, change.Fields, alertKinds(change)})
				if change.Kind != "" {
					require.Equal(t, test.previous, change.PreviousStatus)
				}
				require.Equal(t, kept, before)
				again, _ := c.Compare(after, other)
				require.Equal(t, Change{}, again)
				back, _ := c.Compare(after, snapshot(t, test.after...))
				require.Equal(t, Change{}, back)
			})
		}
	}
}

func TestWhatIsIgnoredIsNoChangeAfterASwitch(t *testing.T) {
	for name, test := range map[string]struct {
		ignored string
		after   []func(*Snapshot)
		want    Change
	}{
		"the time of both":      {"lastUpdateDateTime", []func(*Snapshot){later, alertLater(0, "New")}, Change{}},
		"the status of both":    {"status", []func(*Snapshot){status("InProgress"), alertStatus(0, "Resolved")}, Change{Kind: Updated, Fields: []string{"lastUpdateDateTime"}, PreviousStatus: "Active"}},
		"what only one API has": {"lastUpdateTime", []func(*Snapshot){later}, Change{Kind: Updated, Fields: []string{"lastUpdateDateTime"}}},
	} {
		c := NewComparer(Split, false, Ignore(test.ignored), 0)
		before := delivered(t, c, read(snapshot(t), test.ignored))
		change, _ := c.Compare(before, read(graph(t, snapshot(t, test.after...)), test.ignored))
		require.Equal(t, test.want, change, name)
	}
}

func TestWhatOneAPIDidNotFindAnotherHasIsAFirstSight(t *testing.T) {
	c := comparer(Split)
	gone, missing := c.Missing(delivered(t, c, snapshot(t)), noon)
	require.Equal(t, NotFound, gone.Kind)
	again, missing := c.Missing(missing, noon.Add(time.Hour)) // by the other API
	require.Equal(t, Change{}, again)
	change, after := c.Compare(missing, graph(t, snapshot(t)))
	require.Equal(t, FirstSeen, change.Kind)
	require.Equal(t, map[string]Kind{"a1": FirstSeen, "a2": FirstSeen}, alertKinds(change))
	require.Equal(t, uint64(3), after.Revision)
	change, _ = c.Missing(after, noon)
	require.Equal(t, Change{Kind: NotFound, PreviousStatus: "active"}, change)
}
