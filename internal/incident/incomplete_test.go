package incident

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAlertThatAnIncompleteAnswerDoesNotShowStays(t *testing.T) {
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

func TestAnAlertThatMayHaveBeenRemovedIsRemovedByAnIncompleteAnswerToo(t *testing.T) {
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
