// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnIntentAboutAlertsOutlastsARowOfOwnFields(t *testing.T) {
	c := comparer(Split)
	came, left := snapshot(t, newAlert(t, "a3")), snapshot(t, withoutAlert(1))
	for name, test := range map[string]struct {
		next *Snapshot
		want map[string]Kind // by a Get that shows the same as before
	}{"an alert came": {came, map[string]Kind{"a3": Removed}}, "an alert left": {left, map[string]Kind{"a2": FirstSeen}}} {
		_, found := killed(t, c, delivered(t, c, snapshot(t)), test.next)
		change, after := c.Compare(found, ownRow(t, later))
		require.Equal(t, Change{Kind: Updated, Fields: []string{"lastUpdateTime"}}, change, name)
		require.Equal(t, found.Intent, after.Intent, name)
		require.Equal(t, found.Intent, c.Intent(change, found, after), name)
		require.Zero(t, after.Summary().Row)
		_, again := c.Compare(restarted(t, after), ownRow(t, later))
		require.Equal(t, found.Intent, again.Intent, name)
		decided, settled := c.Compare(again, snapshot(t, later))
		require.Equal(t, test.want, alertKinds(decided), name)
		require.Nil(t, settled.Intent)
	}
}

func TestARowOfAnAlertSettlesTheIntentOfThatAlertAlone(t *testing.T) {
	c := comparer(Split)
	emitted, found := killed(t, c, delivered(t, c, snapshot(t)), snapshot(t, newAlert(t, "a3"), newAlert(t, "a4")))
	require.Equal(t, map[string]Kind{"a3": FirstSeen, "a4": FirstSeen}, alertKinds(emitted))
	change, after := c.Compare(found, alertRow(t, 2, newAlert(t, "a3")))
	require.Equal(t, map[string]Kind{"a3": FirstSeen}, alertKinds(change))
	require.Equal(t, emitted.Alerts[0].Revision, change.Alerts[0].Revision)
	require.Equal(t, &Intent{Alerts: []AlertIntent{{"a4", 1, false}}}, after.Intent)
	require.Len(t, found.Intent.Alerts, 2, "it is not modified")
	require.Equal(t, found.Intent, c.Intent(change, found, after))
	change, after = c.Compare(after, alertRow(t, 2, newAlert(t, "a3")))
	require.Equal(t, Change{}, change)
	change, after = c.Compare(after, alertRow(t, 2, newAlert(t, "a4")))
	require.Equal(t, map[string]Kind{"a4": FirstSeen}, alertKinds(change))
	require.Nil(t, after.Intent)
}

func TestAnAlertThatMayHaveBeenRemovedIsLeftToAGet(t *testing.T) {
	c := comparer(Split)
	_, found := killed(t, c, delivered(t, c, snapshot(t)), snapshot(t, withoutAlert(1)))
	for _, row := range []*Snapshot{alertRow(t, 1), alertRow(t, 1, alertAt(1, "Resolved", noon.Add(3*time.Hour)))} {
		change, after := c.Compare(found, row)
		require.Equal(t, Change{Doubt: true}, change, "the row may lag")
		require.Equal(t, found.Intent, after.Intent)
		require.Equal(t, found.Alerts, after.Alerts)
	}
	change, after := c.Compare(found, alertRow(t, 0, alertLater(0, "Resolved")))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
	require.Equal(t, found.Intent, after.Intent)
	gone, _ := c.Compare(after, snapshot(t, alertLater(0, "Resolved"), withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(gone))
	require.Equal(t, uint64(2), gone.Alerts[0].Revision)
}

func TestAnAlertThatMayHaveReturnedIsNotEmittedAsItWasBefore(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, alertLater(1, "Resolved")))
	_, found := killed(t, c, before, snapshot(t, withoutAlert(1)))
	emitted, found := killed(t, c, found, snapshot(t, alertLater(1, "Resolved")))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(emitted))
	change, after := c.Compare(found, alertRow(t, 1))
	require.Equal(t, Change{Doubt: true}, change)
	require.Equal(t, found.Intent, after.Intent)
	change, _ = c.Compare(after, alertRow(t, 1, alertLater(1, "Resolved")))
	require.Equal(t, emitted.Alerts[0].Revision, change.Alerts[0].Revision)
}

// This is the situation while all incidents are listed for the first time.
func TestAnAlertThatARowMayHaveDeliveredIsDeliveredByItAgain(t *testing.T) {
	c := comparer(Split)
	emitted, found := killed(t, c, delivered(t, c, ownRow(t)), alertRow(t, 0))
	require.Equal(t, map[string]Kind{"a1": FirstSeen}, alertKinds(emitted))
	again, after := c.Compare(found, alertRow(t, 0))
	require.Equal(t, emitted.Alerts[0].Digest, again.Alerts[0].Digest)
	require.Equal(t, emitted.Alerts[0].Revision, again.Alerts[0].Revision)
	require.Nil(t, after.Intent)
	gone, _ := c.Compare(found, snapshot(t, withoutAlert(0)))
	require.Equal(t, map[string]Kind{"a1": Removed, "a2": FirstSeen}, alertKinds(gone))
}

func TestAnIncidentThatMayHaveDisappearedIsFirstSeenByARowOfOwnFields(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, alertLater(0, "Resolved")), snapshot(t, later, titled(0, "another")))
	_, found := killed(t, c, before, snapshot(t, later, newAlert(t, "a3")))
	gone, found := killed(t, c, found, nil)
	require.Equal(t, NotFound, gone.Kind)

	change, after := c.Compare(found, ownRow(t))
	require.Equal(t, Change{Kind: FirstSeen}, change)
	require.Equal(t, uint64(4), after.Revision, "the disappearance may have been delivered")
	require.True(t, after.AlertsUnseen)
	require.Empty(t, after.Alerts)
	require.Equal(t, found.retired(), after.RetiredRevision)
	require.Equal(t, &Intent{Alerts: found.Intent.Alerts}, after.Intent)

	once, after := c.Compare(after, alertRow(t, 1))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(once))
	require.Equal(t, after.RetiredRevision+1, once.Alerts[0].Revision)
	change, after = c.Compare(after, alertRow(t, 2, newAlert(t, "a3")))
	require.Equal(t, Change{Doubt: true}, change, "it left with the incident")
	settled, _ := c.Compare(after, snapshot(t))
	require.Equal(t, map[string]Kind{"a1": FirstSeen, "a3": Removed}, alertKinds(settled))
}

func TestAnEmbeddedAlertThatMayHaveAppearedIsLeftToAGet(t *testing.T) {
	c := comparer(Embedded)
	_, found := killed(t, c, delivered(t, c, snapshot(t, withoutAlert(1))), snapshot(t))
	require.True(t, found.Intent.Embedded)
	change, after := c.Compare(found, ownRow(t))
	require.Equal(t, Change{Doubt: true}, change)
	require.Equal(t, found, after)
	change, after = c.Compare(found, alertRow(t, 0))
	require.Equal(t, Change{}, change)
	require.Equal(t, found.Intent, after.Intent)

	split := comparer(Split) // since the restart
	change, after = split.Compare(found, ownRow(t))
	require.Equal(t, Updated, change.Kind)
	require.Nil(t, after.Intent, "the incident's own record was emitted again")
	change, _ = split.Compare(after, ownRow(t))
	require.Equal(t, Change{}, change)
}
