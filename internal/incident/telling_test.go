package incident

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// killed is what a later process finds when one was killed while it told the
// step to the next observation; a nil snapshot: the API had no such incident.
// It may have been accepted or not.
func killed(t *testing.T, c *Comparer, before State, next *Snapshot) (told Change, found State) {
	t.Helper()
	told, after := observe(c, before, next)
	before.Telling = c.Telling(told, before, after)
	stored, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &found))
	return told, found
}

func observe(c *Comparer, before State, next *Snapshot) (Change, State) {
	if next == nil {
		return c.Missing(before, noon.Add(time.Hour))
	}
	return c.Compare(before, next)
}

func TestWhatOnlyChangesNeedsNoNoteBeforeItIsTold(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	for _, next := range []*Snapshot{snapshot(t, status("Resolved")), snapshot(t, alertStatus(0, "Resolved"))} {
		_, found := killed(t, c, before, next)
		require.Nil(t, found.Telling)
	}
}

func TestAnAlertThatHasPerhapsComeIsToldOnceMoreOrRemoved(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, withoutAlert(1)))
	told, found := killed(t, c, before, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(told))

	again, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(again))
	gone, after := c.Compare(found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(gone))
	settled, _ := c.Compare(after, snapshot(t, withoutAlert(1)))
	require.True(t, settled.Empty())
}

func TestAnAlertThatHasPerhapsLeftKeepsItsNumber(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	told, found := killed(t, c, before, snapshot(t, withoutAlert(1))) // a2 is number 1
	require.Equal(t, uint64(1), told.Alerts[0].Disappearance)

	both, after := c.Compare(found, snapshot(t, withoutAlert(0), withoutAlert(0)))
	numbers := map[string]uint64{}
	for _, a := range both.Alerts {
		require.Equal(t, Removed, a.Kind)
		numbers[a.ID] = a.Disappearance
	}
	require.Equal(t, map[string]uint64{"a2": 1, "a1": 2}, numbers)
	require.Equal(t, uint64(2), after.Disappearances)

	back, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(back))
}

func TestWhatSeveralKilledProcessesHaveToldIsKept(t *testing.T) {
	c := comparer(Split)
	found := delivered(t, c, snapshot(t, withoutAlert(1)))
	_, found = killed(t, c, found, snapshot(t)) // a2 comes
	told, found := killed(t, c, found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(told))
	again, found := killed(t, c, found, snapshot(t, withoutAlert(1)))
	require.Equal(t, told.Alerts[0].Disappearance, again.Alerts[0].Disappearance)
	back, _ := c.Compare(found, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(back))
}

func TestADisappearanceThatWasPerhapsToldKeepsItsNumberUntilTheIncidentIsBack(t *testing.T) {
	c := comparer(Split)
	gone := func(found State) (uint64, State) {
		t.Helper()
		_, after := c.Missing(found, noon)
		told, next := killed(t, c, found, nil)
		require.Equal(t, NotFound, told.Kind)
		return after.Disappearances, next
	}
	first, found := gone(delivered(t, c, snapshot(t)))
	again, found := gone(found)
	require.Equal(t, first, again)

	told, found := killed(t, c, found, snapshot(t))
	require.Equal(t, FirstSeen, told.Kind, "though it is as it was delivered")
	require.Len(t, told.Alerts, 2)
	second, found := gone(found)
	require.Equal(t, first+1, second, "it is perhaps another time")
	again, _ = gone(found)
	require.Equal(t, second, again)
}

func TestAReturnThatWasPerhapsToldIsFollowedByADisappearance(t *testing.T) {
	c := comparer(Split)
	_, missing := c.Missing(delivered(t, c, snapshot(t)), noon)
	told, found := killed(t, c, missing, snapshot(t))
	require.Equal(t, FirstSeen, told.Kind)
	gone, after := c.Missing(found, noon)
	require.Equal(t, NotFound, gone.Kind)
	require.Greater(t, after.Disappearances, missing.Disappearances)

	returned, _ := c.Compare(found, snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]Kind{"a1": FirstSeen, "a2": Removed}, alertKinds(returned))
}

func TestAnEmbeddedAlertThatHasPerhapsComeOrLeftIsAnUpdate(t *testing.T) {
	c := comparer(Embedded)
	before := delivered(t, c, snapshot(t))
	_, found := killed(t, c, before, snapshot(t, withoutAlert(1)))
	change, after := c.Compare(found, snapshot(t))
	require.Equal(t, Updated, change.Kind)
	settled, _ := c.Compare(after, snapshot(t))
	require.True(t, settled.Empty())
}

func TestAListAtItsCapDoesNotRemoveWhatHasPerhapsCome(t *testing.T) {
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
