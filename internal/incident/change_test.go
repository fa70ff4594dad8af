// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 9, 6, 12, 0, 0, 0, time.UTC)

// snapshot is an active incident with the alerts a1 and a2.
func snapshot(t *testing.T, change ...func(*Snapshot)) *Snapshot {
	t.Helper()
	s := &Snapshot{
		ID: 437, API: "defender_xdr", Status: "Active", LastUpdate: noon, Observed: noon.Add(time.Minute),
		AlertsField: "alerts", LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime", Object: object(map[string]any{
			"@odata.context": "https://one.example/$metadata", "incidentId": int64(437),
			"status": "Active", "severity": "High", "tags": []any{"VIP", "finance"},
			"comments": []any{}, "assignedTo": nil,
			"lastUpdateTime": "2026-09-06T12:00:00Z",
		}),
		Alerts: []Alert{alert(t, "a1", "New"), alert(t, "a2", "New")},
	}
	read(s)
	for _, f := range change {
		f(s)
	}
	return s
}

func alert(t *testing.T, id, status string) Alert {
	t.Helper()
	return read(&Snapshot{Object: object(nil), Alerts: []Alert{{
		ID: id, Status: status, LastUpdate: noon, Object: object(map[string]any{"alertId": id, "status": status}),
	}}}).Alerts[0]
}

// later moves the incident's own time, as a change in the portal does.
func later(s *Snapshot) {
	s.LastUpdate = noon.Add(time.Hour)
	put(s, "lastUpdateTime", "2026-09-06T13:00:00Z")
}

func status(word string) func(*Snapshot) {
	return func(s *Snapshot) {
		later(s)
		s.Status = word
		put(s, "status", word)
	}
}

func redirected(successor int64) func(*Snapshot) {
	return func(s *Snapshot) {
		status("Redirected")(s)
		s.Merged, s.SuccessorID, s.Alerts = true, successor, []Alert{}
		put(s, "redirectIncidentId", successor)
	}
}

func alertStatus(i int, word string) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Alerts[i].Status = word
		putAlert(&s.Alerts[i], "status", word)
	}
}

func withoutAlert(i int) func(*Snapshot) {
	return func(s *Snapshot) { s.Alerts = append(s.Alerts[:i:i], s.Alerts[i+1:]...) }
}

func comparer(mode AlertsMode) *Comparer { return NewComparer(mode, false, nil, 0) }

// delivered returns the state after the given snapshots were delivered in turn.
func delivered(t *testing.T, c *Comparer, snapshots ...*Snapshot) State {
	t.Helper()
	var state State
	for _, s := range snapshots {
		_, state = c.Compare(state, s)
	}
	return state
}

func alertKinds(c Change) map[string]Kind {
	kinds := map[string]Kind{}
	for _, a := range c.Alerts {
		kinds[a.ID] = a.Kind
	}
	return kinds
}

func TestTheFirstChangeThatAppliesIsTheKind(t *testing.T) {
	tests := map[string]struct {
		before   []func(*Snapshot) // nil: never delivered
		after    []func(*Snapshot)
		want     Kind
		fields   []string
		previous string
	}{
		"never delivered":                     {want: FirstSeen},
		"never delivered and resolved":        {after: []func(*Snapshot){status("Resolved")}, want: FirstSeen},
		"never delivered and merged":          {after: []func(*Snapshot){redirected(552)}, want: Merged},
		"the same":                            {before: []func(*Snapshot){}, want: ""},
		"its time alone":                      {before: []func(*Snapshot){}, after: []func(*Snapshot){later}, want: Updated, fields: []string{"lastUpdateTime"}},
		"resolved":                            {before: []func(*Snapshot){}, after: []func(*Snapshot){status("Resolved")}, want: Resolved, fields: []string{"lastUpdateTime", "status"}, previous: "Active"},
		"resolved in the other casing":        {before: []func(*Snapshot){}, after: []func(*Snapshot){status("resolved")}, want: Resolved, fields: []string{"lastUpdateTime", "status"}, previous: "Active"},
		"reopened":                            {before: []func(*Snapshot){status("Resolved")}, after: []func(*Snapshot){status("InProgress")}, want: Reopened, fields: []string{"status"}, previous: "Resolved"},
		"another status":                      {before: []func(*Snapshot){}, after: []func(*Snapshot){status("InProgress")}, want: Updated, fields: []string{"lastUpdateTime", "status"}, previous: "Active"},
		"merged":                              {before: []func(*Snapshot){}, after: []func(*Snapshot){redirected(552)}, want: Merged, previous: "Active"},
		"merged, the same again":              {before: []func(*Snapshot){redirected(552)}, after: []func(*Snapshot){redirected(552)}, want: ""},
		"merged without, then with successor": {before: []func(*Snapshot){redirected(0)}, after: []func(*Snapshot){redirected(552)}, want: Merged},
		"merged on":                           {before: []func(*Snapshot){redirected(552)}, after: []func(*Snapshot){redirected(553)}, want: Merged},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			var before State
			if test.before != nil {
				before = delivered(t, c, snapshot(t, test.before...))
			}
			change, after := c.Compare(before, snapshot(t, test.after...))
			require.Equal(t, test.want, change.Kind)
			require.Equal(t, test.fields, change.Fields)
			require.Equal(t, test.previous, change.PreviousStatus)
			require.True(t, after.Seen)
		})
	}
}

func TestAnAlertThatChangesWhileTheIncidentStandsStillIsAChange(t *testing.T) {
	for mode, want := range map[AlertsMode]struct {
		incident Kind
		fields   []string
		alerts   map[string]Kind
	}{
		Split:    {alerts: map[string]Kind{"a2": Updated}},
		Embedded: {incident: Updated, fields: []string{"alerts"}, alerts: map[string]Kind{}},
		None:     {alerts: map[string]Kind{}},
	} {
		t.Run(string(mode), func(t *testing.T) {
			c := comparer(mode)
			before := delivered(t, c, snapshot(t))
			change, _ := c.Compare(before, snapshot(t, alertStatus(1, "Resolved")))
			require.Equal(t, want.incident, change.Kind)
			require.Equal(t, want.fields, change.Fields)
			require.Equal(t, want.alerts, alertKinds(change))
			require.Equal(t, mode == None, change.Empty())
		})
	}
}

func TestAnUpdatedIncidentNamesItsAlertsWhenOneCameChangedOrLeft(t *testing.T) {
	for name, alerts := range map[string]func(*Snapshot){
		"came":    func(s *Snapshot) { s.Alerts = append(s.Alerts, alert(t, "a3", "New")) },
		"changed": alertStatus(0, "InProgress"),
		"left":    withoutAlert(0),
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			before := delivered(t, c, snapshot(t))
			change, _ := c.Compare(before, snapshot(t, later, alerts))
			require.Equal(t, Updated, change.Kind)
			require.Equal(t, []string{"alerts", "lastUpdateTime"}, change.Fields)
			require.Len(t, change.Alerts, 1)
		})
	}
	c := comparer(None)
	change, _ := c.Compare(delivered(t, c, snapshot(t)), snapshot(t, later, withoutAlert(0)))
	require.Equal(t, []string{"lastUpdateTime"}, change.Fields, "with none, alerts are not compared")
}

func TestAlertsAreComparedById(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	change, after := c.Compare(before, snapshot(t, alertStatus(1, "Resolved"), withoutAlert(0), func(s *Snapshot) {
		s.Alerts = append(s.Alerts, alert(t, "a3", "New"))
	}))
	require.Equal(t, map[string]Kind{"a1": Removed, "a2": Updated, "a3": FirstSeen}, alertKinds(change))
	require.Nil(t, change.Alerts[2].Alert, "what left stands last and has nothing to show")
	require.Equal(t, "a1", change.Alerts[2].ID)

	again, _ := c.Compare(after, snapshot(t, alertStatus(1, "Resolved"), withoutAlert(0), func(s *Snapshot) {
		s.Alerts = append(s.Alerts, alert(t, "a3", "New"))
	}))
	require.True(t, again.Empty())
}

func TestAListAtItsCapRemovesNoAlert(t *testing.T) {
	full := func(s *Snapshot) {
		s.Alerts = nil
		for i := range alertsCap {
			s.Alerts = append(s.Alerts, alert(t, string(rune('A'+i)), "New"))
		}
	}
	c := comparer(Split)
	change, state := c.Compare(delivered(t, c, snapshot(t)), snapshot(t, full))
	require.Len(t, change.Alerts, alertsCap)
	require.NotContains(t, alertKinds(change), "a1", "the full list may have pushed it out")
	require.Len(t, state.Alerts, alertsCap+2)

	change, _ = c.Compare(state, snapshot(t))
	require.Empty(t, change.Alerts, "nor does what was known before the list became short")

	oneLess := func(s *Snapshot) { full(s); s.Alerts = s.Alerts[1:] }
	change, _ = c.Compare(delivered(t, c, snapshot(t)), snapshot(t, oneLess))
	require.Equal(t, Removed, alertKinds(change)["a1"], "below the cap the list is the whole of it")
}

func TestAlertsThatLeaveWithAMergeAreNotReported(t *testing.T) {
	c := comparer(Split)
	change, state := c.Compare(delivered(t, c, snapshot(t)), snapshot(t, redirected(552)))
	require.Equal(t, Merged, change.Kind)
	require.Empty(t, change.Alerts)
	require.Empty(t, state.Alerts)
	require.True(t, state.Merged)
	require.Equal(t, int64(552), state.Successor)
	require.Equal(t, uint64(1), state.RetiredRevision)
}

func TestNotFoundIsEmittedOnceAndTheReturnIsFirstSeen(t *testing.T) {
	c := comparer(Split)
	change, state := c.Missing(delivered(t, c, snapshot(t)), noon)
	require.Equal(t, Change{Kind: NotFound, PreviousStatus: "Active"}, change)
	change, state = c.Missing(state, noon.Add(time.Hour))
	require.True(t, change.Empty())
	require.Equal(t, noon.Add(time.Hour), state.Fetched)
	change, state = c.Compare(state, snapshot(t))
	require.Equal(t, FirstSeen, change.Kind)
	require.Len(t, change.Alerts, 2)
	require.False(t, state.Missing)
}

func TestWithSnapshotsWhatHasNotChangedIsReportedToo(t *testing.T) {
	c := NewComparer(Split, true, nil, 0)
	change, _ := c.Compare(delivered(t, c, snapshot(t)), snapshot(t, alertStatus(0, "Resolved")))
	require.Equal(t, Unchanged, change.Kind)
	require.Empty(t, change.Fields)
	require.Equal(t, map[string]Kind{"a1": Updated, "a2": Unchanged}, alertKinds(change))
}

func TestWhatIsIgnoredIsNoChange(t *testing.T) {
	ignored := []string{"severity", "lastUpdateTime", "riskScore"}
	c := NewComparer(Split, false, Ignore(ignored...), 0)
	deep := func(score string) func(*Snapshot) {
		return func(s *Snapshot) {
			putAlert(&s.Alerts[0], "devices", []any{map[string]any{"riskScore": score}})
			put(s, "severity", score)
		}
	}
	before := delivered(t, c, read(snapshot(t, deep("Low")), ignored...))
	change, _ := c.Compare(before, read(snapshot(t, deep("High"), later), ignored...))
	require.True(t, change.Empty())
}

func TestBeforeStaysAsItIs(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	kept := delivered(t, c, snapshot(t))
	c.Compare(before, snapshot(t, status("Resolved"), alertStatus(0, "Resolved"), withoutAlert(1)))
	require.Equal(t, kept, before)
}
