// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// alertAt changes an alert's status and sets its time.
func alertAt(i int, status string, at time.Time) func(*Snapshot) {
	return func(s *Snapshot) {
		alertStatus(i, status)(s)
		s.Alerts[i].LastUpdate = at
	}
}

func TestAnOlderIncidentIsStaleAndChangesNothing(t *testing.T) {
	lagging := func(s *Snapshot) { s.Alerts = append(s.Alerts[1:], alert(t, "a3", "New")) }
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		c := NewComparer(mode, true, nil, 0)
		state := delivered(t, c, snapshot(t, status("Resolved")))
		change, after := c.Compare(state, snapshot(t, lagging))
		require.Equal(t, Change{Stale: true}, change, "it neither adds nor removes an alert")
		require.True(t, change.Empty())
		require.Equal(t, state, after)
	}
}

func TestAStaleIncidentYieldsNewerVersionsOfKnownAlerts(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, later))
	kept := delivered(t, c, snapshot(t, later))
	stale := snapshot(t, alertAt(0, "Resolved", noon.Add(-time.Hour)), alertAt(1, "Resolved", noon.Add(time.Minute)), newAlert(t, "a3"))
	change, after := c.Compare(before, stale)
	require.False(t, change.Empty())
	require.Equal(t, Change{Stale: true, Alerts: []AlertChange{{
		Kind: Updated, ID: "a2", Alert: &stale.Alerts[1], Digest: stale.Alerts[1].Digest, Revision: 2,
		Fields: []string{"status"}, PreviousStatus: "New",
	}}}, change)
	require.Equal(t, kept, before)

	want := kept
	want.Alerts = []AlertState{kept.Alerts[0], {
		ID: "a2", Part: Part{Digest: stale.Alerts[1].Digest}, Status: "Resolved", LastUpdate: noon.Add(time.Minute), Revision: 2,
		Prints: new(Fingerprint).prints(stale.Alerts[1].Object),
	}}
	require.Equal(t, want, after)

	again, _ := c.Compare(after, stale)
	require.Equal(t, Change{Stale: true}, again)
	caughtUp, _ := c.Compare(after, snapshot(t, later, alertAt(1, "Resolved", noon.Add(time.Minute))))
	require.True(t, caughtUp.Empty())
}

func TestAStaleIncidentYieldsNothingUnlessAlertsAreSplit(t *testing.T) {
	for _, mode := range []AlertsMode{Embedded, None} {
		c := comparer(mode)
		before := delivered(t, c, snapshot(t, later))
		change, after := c.Compare(before, snapshot(t, alertAt(1, "Resolved", noon.Add(time.Minute))))
		require.Equal(t, Change{Stale: true}, change)
		require.Equal(t, before, after)
	}
}

func TestAStaleIncidentDoesNotEmitContentThatIsTheSame(t *testing.T) {
	c := NewComparer(Split, true, Ignore("lastUpdatedTime"), 0)
	moved := func(s *Snapshot) { s.Alerts[0].LastUpdate = noon.Add(time.Minute) }
	change, _ := c.Compare(delivered(t, c, snapshot(t, later)), snapshot(t, moved))
	require.Equal(t, Change{Stale: true}, change, "with snapshots neither")
}

func TestAStaleIncidentKeepsTheIntent(t *testing.T) {
	c := comparer(Split)
	_, found := killed(t, c, delivered(t, c, snapshot(t, later)), snapshot(t, later, withoutAlert(1)))
	stale := snapshot(t, alertAt(0, "Resolved", noon.Add(time.Minute)), alertAt(1, "Resolved", noon.Add(time.Minute)))
	change, after := c.Compare(found, stale)
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change), "a2 may have been removed")
	require.Equal(t, found.Intent, after.Intent)
	require.Equal(t, found.Intent, c.Intent(change, found, after))
	gone, _ := c.Compare(after, snapshot(t, later, withoutAlert(1)))
	require.Equal(t, Removed, alertKinds(gone)["a2"])
}

func TestAStaleIncidentOfTheOtherAPIOrWithOtherIgnoredNamesChangesNothing(t *testing.T) {
	before := delivered(t, comparer(Split), snapshot(t, later))
	newer := alertAt(1, "Resolved", noon.Add(time.Minute))
	change, after := comparer(Split).Compare(before, graph(t, snapshot(t, newer)))
	require.Equal(t, Change{Stale: true}, change)
	require.Equal(t, before, after)
	change, after = NewComparer(Split, false, nil, 7).Compare(before, snapshot(t, newer))
	require.Equal(t, Change{Stale: true}, change)
	require.Equal(t, before, after)
}

func TestAcceptTakesAnOlderIncidentForTheTruth(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, status("Resolved"), alertLater(0, "Resolved")))
	old := snapshot(t, withoutAlert(1), newAlert(t, "a3"))
	change, after := c.Accept(before, old)
	require.False(t, change.Stale)
	require.Equal(t, Reopened, change.Kind)
	require.Equal(t, map[string]Kind{"a1": Updated, "a2": Removed, "a3": FirstSeen}, alertKinds(change))
	require.Equal(t, noon, after.LastUpdate)
	require.Equal(t, noon, after.Alerts[0].LastUpdate)
	require.Zero(t, after.ClosedSince)
	again, _ := c.Compare(after, old)
	require.Equal(t, Change{}, again)
}

func TestAcceptFindsOlderContentFromASourceThatShowsItForTheFirstTime(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, later, alertLater(0, "Resolved")))
	change, _ := c.Accept(before, listed(t))
	require.Contains(t, change.Fields, "lastUpdateTime")
	require.Equal(t, Updated, alertKinds(change)["a1"])
}
