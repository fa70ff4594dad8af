// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// killed returns the state that a process finds if the one before was killed while it
// delivered the next observation, which may have been accepted or not. If the snapshot
// is nil, the API had no such incident.
func killed(t *testing.T, c *Comparer, before State, next *Snapshot) (emitted Change, found State) {
	t.Helper()
	emitted, after := observe(c, before, next)
	before.Intent = c.Intent(emitted, before, after)
	stored, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &found))
	return emitted, found
}

func observe(c *Comparer, before State, next *Snapshot) (Change, State) {
	if next == nil {
		return c.Missing(before, noon.Add(time.Hour))
	}
	return c.Compare(before, next)
}

func TestChangedContentNeedsNoIntent(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	for _, next := range []*Snapshot{snapshot(t, status("Resolved")), snapshot(t, alertStatus(0, "Resolved"))} {
		_, found := killed(t, c, before, next)
		require.Nil(t, found.Intent)
	}
}

func TestAnAlertThatMayHaveAppearedIsEmittedAgainOrRemoved(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, withoutAlert(1)))
	emitted, found := killed(t, c, before, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(emitted))

	again, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(again))
	gone, after := c.Compare(found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(gone))
	settled, _ := c.Compare(after, snapshot(t, withoutAlert(1)))
	require.True(t, settled.Empty())
}

func TestAnAlertThatMayHaveBeenRemovedKeepsItsRevision(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	emitted, found := killed(t, c, before, snapshot(t, withoutAlert(1)))
	require.Equal(t, uint64(2), emitted.Alerts[0].Revision)

	both, after := c.Compare(found, snapshot(t, withoutAlert(0), withoutAlert(0)))
	revisions := map[string]uint64{}
	for _, a := range both.Alerts {
		require.Equal(t, Removed, a.Kind)
		revisions[a.ID] = a.Revision
	}
	require.Equal(t, map[string]uint64{"a2": 2, "a1": 2}, revisions)
	require.Equal(t, uint64(2), after.RetiredRevision)

	back, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(back))
	require.Equal(t, uint64(3), back.Alerts[0].Revision)
}

func TestIntentsOfSeveralKilledProcessesAreKept(t *testing.T) {
	c := comparer(Split)
	found := delivered(t, c, snapshot(t, withoutAlert(1)))
	_, found = killed(t, c, found, snapshot(t)) // a2 comes
	emitted, found := killed(t, c, found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(emitted))
	again, found := killed(t, c, found, snapshot(t, withoutAlert(1)))
	require.Equal(t, emitted.Alerts[0].Revision, again.Alerts[0].Revision)
	back, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(back))
}

func TestADisappearanceThatMayHaveBeenEmittedKeepsItsRevisionUntilTheIncidentReturns(t *testing.T) {
	c := comparer(Split)
	gone := func(found State) (uint64, State) {
		t.Helper()
		_, after := c.Missing(found, noon)
		emitted, next := killed(t, c, found, nil)
		require.Equal(t, NotFound, emitted.Kind)
		return after.Revision, next
	}
	first, found := gone(delivered(t, c, snapshot(t)))
	again, found := gone(found)
	require.Equal(t, first, again)

	emitted, found := killed(t, c, found, snapshot(t))
	require.Equal(t, FirstSeen, emitted.Kind, "though it is as it was delivered")
	require.Len(t, emitted.Alerts, 2)
	second, found := gone(found)
	require.Equal(t, first+2, second, "it may have returned in between")
	again, _ = gone(found)
	require.Equal(t, second, again)
}

func TestAReturnThatMayHaveBeenEmittedIsFollowedByADisappearance(t *testing.T) {
	c := comparer(Split)
	_, missing := c.Missing(delivered(t, c, snapshot(t)), noon)
	emitted, found := killed(t, c, missing, snapshot(t))
	require.Equal(t, FirstSeen, emitted.Kind)
	gone, after := c.Missing(found, noon)
	require.Equal(t, NotFound, gone.Kind)
	require.Greater(t, after.Revision, missing.Revision)

	returned, _ := c.Compare(found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a1": FirstSeen, "a2": Removed}, alertKinds(returned))
}

func TestAnEmbeddedAlertThatMayHaveAppearedOrDisappearedIsAnUpdate(t *testing.T) {
	c := comparer(Embedded)
	before := delivered(t, c, snapshot(t))
	_, found := killed(t, c, before, snapshot(t, withoutAlert(1)))
	change, after := c.Compare(found, snapshot(t))
	require.Equal(t, Updated, change.Kind)
	settled, _ := c.Compare(after, snapshot(t))
	require.True(t, settled.Empty())
}

func TestAListAtItsCapDoesNotRemoveAnAlertThatMayHaveAppeared(t *testing.T) {
	c := comparer(Split)
	long := func(n int) *Snapshot {
		s := snapshot(t)
		s.Alerts = nil
		for i := range n {
			s.Alerts = append(s.Alerts, alert(t, string(rune('A'+i/26))+string(rune('a'+i%26)), "New"))
		}
		return s
	}
	before := delivered(t, c, long(alertsCap-1))
	_, found := killed(t, c, before, long(alertsCap))
	change, _ := c.Compare(found, long(alertsCap-1))
	require.NotEmpty(t, change.Alerts)
	full := long(alertsCap + 1)
	full.Alerts = full.Alerts[1:]
	change, _ = c.Compare(found, full)
	for _, a := range change.Alerts {
		require.NotEqual(t, Removed, a.Kind)
	}
}

func TestAnIntentHasEachAlertOnceSortedByID(t *testing.T) {
	c := comparer(Split)
	swapped := func(s *Snapshot) { s.Alerts[0], s.Alerts[1] = s.Alerts[1], s.Alerts[0] }
	found := delivered(t, c, snapshot(t, withoutAlert(0), withoutAlert(0)))
	for range 2 {
		_, found = killed(t, c, found, snapshot(t, newAlert(t, "a0"), swapped))
		require.Equal(t, []AlertIntent{{"a0", 1, false}, {"a1", 1, false}, {"a2", 1, false}}, found.Intent.Alerts)
	}
}

func TestAnEmbeddedAlertThatMayHaveDisappearedIsAnUpdateUntilThatIsDelivered(t *testing.T) {
	c := comparer(Embedded)
	_, found := killed(t, c, delivered(t, c, snapshot(t)), snapshot(t, withoutAlert(1)))
	for range 2 {
		var change Change
		change, found = killed(t, c, found, snapshot(t))
		require.Equal(t, Updated, change.Kind)
	}
}

func TestAnIncidentThatMayHaveDisappearedIsNotStale(t *testing.T) {
	c := comparer(Split)
	_, found := killed(t, c, delivered(t, c, snapshot(t, later)), nil)
	change, _ := c.Compare(found, snapshot(t))
	require.Equal(t, FirstSeen, change.Kind)
}
