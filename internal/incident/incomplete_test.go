// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnAlertThatAnIncompleteResponseDoesNotShowStays(t *testing.T) {
	partly := func(s *Snapshot) { withoutAlert(0)(s); s.Incomplete = true }
	for _, mode := range []AlertsMode{Split, Embedded} {
		c := comparer(mode)
		before := delivered(t, c, snapshot(t))
		change, after := c.Compare(before, snapshot(t, partly))
		require.Equal(t, Change{}, change)
		require.Equal(t, before.Alerts, after.Alerts)
		change, _ = c.Compare(after, snapshot(t))
		require.Equal(t, Change{}, change)
		change, _ = c.Compare(after, snapshot(t, withoutAlert(0)))
		require.False(t, change.Empty(), "it has left, as the whole list shows")
	}
}

func TestAnAlertThatMayHaveBeenRemovedIsRemovedByAnIncompleteResponseToo(t *testing.T) {
	c := comparer(Split)
	left := snapshot(t, withoutAlert(1))
	emitted, found := killed(t, c, delivered(t, c, snapshot(t)), left)
	left.Incomplete = true
	change, after := c.Compare(found, left)
	require.Equal(t, emitted.Alerts, change.Alerts)
	require.Len(t, after.Alerts, 1)
	back, _ := c.Compare(after, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(back))
}

func TestOnlyAListOfAlertsThatIsThereSaysThatAnAlertLeft(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded} {
		for name, test := range map[string]struct {
			alerts []Alert
			want   map[string]Kind
			field  []string
		}{
			"no list":       {nil, map[string]Kind{}, nil},
			"an empty list": {[]Alert{}, map[string]Kind{"a1": Removed, "a2": Removed}, []string{"alerts"}},
		} {
			c := comparer(mode)
			before := delivered(t, c, snapshot(t))
			without := func(s *Snapshot) { s.Alerts = test.alerts }
			for what, change := range map[string]func(*Snapshot){"alone": func(*Snapshot) {}, "with a change": later} {
				found, after := c.Compare(before, snapshot(t, change, without))
				if mode == Split {
					require.Equal(t, test.want, alertKinds(found), "%s %s", name, what)
				} else if what == "alone" {
					require.Equal(t, test.field, found.Fields, name)
				}
				if test.alerts != nil {
					require.Empty(t, after.Alerts)
					continue
				}
				require.Equal(t, before.Alerts, after.Alerts, name)
				again, _ := c.Compare(after, snapshot(t, change))
				require.Equal(t, Change{}, again, "%s %s: nothing was removed, and nothing is new", name, what)
			}
		}
	}
}

func TestNullForAListOfAlertsIsNoChange(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := comparer(mode)
		null := func(s *Snapshot) { s.Alerts = nil; put(s, "alerts", nil) }
		before := delivered(t, c, snapshot(t))
		change, after := c.Compare(before, snapshot(t, null))
		require.Equal(t, Change{}, change, mode)
		require.Equal(t, before, after, mode)
		change, _ = c.Compare(after, snapshot(t))
		require.Equal(t, Change{}, change, mode)

		before.Fields = append([]Field{{Name: "alerts", Part: Part{Digest: Digest{1}}}}, before.Fields...) // by an earlier version
		slices.SortFunc(before.Fields, byName)
		change, again := c.Compare(before, snapshot(t))
		require.Equal(t, Change{}, change, mode)
		require.Equal(t, after, again)
	}
}

// An alert that may have been delivered before a crash is not removed either by a
// response without a list.
func TestAlertThatMayHaveBeenDeliveredOutlastsAResponseWithoutAList(t *testing.T) {
	c := comparer(Split)
	emitted, found := killed(t, c, delivered(t, c, snapshot(t)), snapshot(t, newAlert(t, "a3")))
	require.Equal(t, map[string]Kind{"a3": FirstSeen}, alertKinds(emitted))
	change, after := c.Compare(found, snapshot(t, func(s *Snapshot) { s.Alerts = nil }))
	require.Empty(t, change.Alerts)
	change, _ = c.Compare(after, snapshot(t, newAlert(t, "a3")))
	require.Contains(t, alertKinds(change), "a3", "it is emitted again")
	require.NotContains(t, alertKinds(change), "a1")
}

func TestFieldThatAnIncompleteResponseDoesNotShowIsUnchanged(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, status("Resolved")))
	partly := snapshot(t, status("Resolved"), func(s *Snapshot) {
		for _, name := range []string{"status", "severity", "lastUpdateTime"} {
			drop(s, name)
		}
		s.Status, s.LastUpdate, s.Incomplete = "", time.Time{}, true
		s.Observed = s.Observed.Add(time.Hour)
	})
	change, after := c.Compare(before, partly)
	require.Equal(t, Change{}, change)
	require.Equal(t, partly.Observed, after.Fetched)
	after.Fetched = before.Fetched
	require.Equal(t, before, after)

	put(partly, "assignedTo", "somebody")
	change, after = c.Compare(before, partly)
	require.Equal(t, Updated, change.Kind)
	require.Equal(t, []string{"assignedTo"}, change.Fields)
	require.Equal(t, before.ClosedSince, after.ClosedSince)

	partly.Incomplete = false
	change, _ = c.Compare(before, partly)
	require.Equal(t, []string{"assignedTo", "lastUpdateTime", "severity", "status"}, change.Fields)
}

func TestMergeOutlastsAnIncompleteResponseWithoutAStatus(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, redirected(0)))
	change, after := c.Compare(before, snapshot(t, redirected(0), func(s *Snapshot) {
		drop(s, "status")
		drop(s, "redirectIncidentId")
		s.Status, s.Merged, s.Alerts, s.Incomplete = "", false, nil, true
	}))
	require.Equal(t, Change{}, change)
	require.True(t, after.Merged)
}
