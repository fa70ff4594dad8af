// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatAnAlertDoesNotSayIsNoChangeAfterASwitch(t *testing.T) {
	for name, silent := range map[string]func(*Snapshot){
		"status": func(s *Snapshot) { s.Alerts[0].Status = "" },
		"time":   func(s *Snapshot) { s.Alerts[0].LastUpdate = time.Time{} },
	} {
		c := comparer(Split)
		change, _ := c.Compare(delivered(t, c, snapshot(t, silent)), graph(t, snapshot(t)))
		require.Equal(t, Change{}, change, name)
		change, _ = c.Compare(delivered(t, c, snapshot(t)), graph(t, snapshot(t, silent)))
		require.Equal(t, Change{}, change, name)
	}
}

func TestAlertsThatWereStoredInAnotherModeAreAdoptedAsFarAsTheyAre(t *testing.T) {
	for name, test := range map[string]struct {
		before, now AlertsMode
		kind        Kind
		alerts      map[string]Kind
	}{
		"none, then split":     {None, Split, "", map[string]Kind{"a1": FirstSeen, "a2": FirstSeen}},
		"none, then embedded":  {None, Embedded, Updated, map[string]Kind{}},
		"embedded, then split": {Embedded, Split, "", map[string]Kind{}},
		"split, then none":     {Split, None, "", map[string]Kind{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := delivered(t, comparer(test.before), snapshot(t))
			within, _ := comparer(test.now).Compare(before, snapshot(t))
			change, after := comparer(test.now).Compare(before, graph(t, snapshot(t)))
			require.Equal(t, test.kind, change.Kind)
			require.Equal(t, test.alerts, alertKinds(change))
			require.Equal(t, within.Kind, change.Kind, "as within one API")
			require.Equal(t, alertKinds(within), alertKinds(change))
			want := delivered(t, comparer(test.now), graph(t, snapshot(t)))
			want.Revision, want.RetiredRevision = after.Revision, after.RetiredRevision
			require.Equal(t, want, after)
		})
	}
}

func TestAnAlertThatIsNotShownBeforeTheSwitchIsOverIsAdoptedLater(t *testing.T) {
	c := comparer(Split)
	partly := graph(t, snapshot(t, withoutAlert(0)))
	partly.Incomplete = true
	change, state := c.Compare(delivered(t, c, snapshot(t)), partly)
	require.Equal(t, Change{}, change)
	require.True(t, state.Alerts[0].Foreign)
	require.False(t, state.Alerts[1].Foreign)
	state = restarted(t, state)

	change, after := c.Compare(state, graph(t, snapshot(t)))
	require.Equal(t, Change{}, change)
	require.Equal(t, delivered(t, c, graph(t, snapshot(t))), after)
	change, after = c.Compare(state, graph(t, snapshot(t, alertStatus(0, "Resolved"))))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
	require.False(t, after.Alerts[0].Foreign)
	change, _ = c.Compare(state, graph(t, snapshot(t, withoutAlert(0))))
	require.Equal(t, map[string]Kind{"a1": Removed}, alertKinds(change))

	change, after = c.Compare(state, snapshot(t))
	require.Equal(t, Change{}, change, "back again")
	require.Equal(t, delivered(t, c, snapshot(t)), after)
}

// A process is killed during a delivery, and the next one uses the other API.
func TestWhatMayHaveBeenEmittedIsEmittedAgainUnderTheOtherAPI(t *testing.T) {
	xdr := func(s *Snapshot) *Snapshot { return s }
	other := func(s *Snapshot) *Snapshot { return graph(t, s) }
	for name, test := range map[string]struct{ killed, next func(*Snapshot) *Snapshot }{
		"killed before the switch":          {xdr, other},
		"killed after it, and nothing back": {other, other},
		"killed after it, and back again":   {other, xdr},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			before := delivered(t, c, snapshot(t))
			came, left := snapshot(t, newAlert(t, "a3")), snapshot(t, withoutAlert(1))
			_, found := killed(t, c, before, test.killed(came))
			change, _ := c.Compare(found, test.next(came))
			require.Equal(t, map[string]Kind{"a3": FirstSeen}, alertKinds(change))
			change, _ = c.Compare(found, test.next(snapshot(t)))
			require.Equal(t, map[string]Kind{"a3": Removed}, alertKinds(change))

			emitted, found := killed(t, c, before, test.killed(left))
			change, after := c.Compare(found, test.next(left))
			require.Equal(t, map[string]Kind{"a2": Removed}, alertKinds(change))
			require.Equal(t, emitted.Alerts[0].Revision, change.Alerts[0].Revision)
			require.Equal(t, uint64(2), after.RetiredRevision)
			change, _ = c.Compare(found, test.next(snapshot(t)))
			require.Equal(t, map[string]Kind{"a2": FirstSeen}, alertKinds(change))

			emitted, found = killed(t, c, before, nil)
			require.Equal(t, NotFound, emitted.Kind)
			change, after = c.Compare(found, test.next(snapshot(t)))
			require.Equal(t, FirstSeen, change.Kind)
			require.Len(t, change.Alerts, 2)
			require.Equal(t, uint64(3), after.Revision)

			_, found = killed(t, c, before, test.killed(snapshot(t, status("Resolved"))))
			change, _ = c.Compare(found, test.next(snapshot(t, status("Resolved"))))
			require.Equal(t, Resolved, change.Kind)

			embedded := comparer(Embedded)
			_, found = killed(t, embedded, delivered(t, embedded, snapshot(t)), test.killed(left))
			change, _ = embedded.Compare(found, test.next(snapshot(t)))
			require.Equal(t, Updated, change.Kind)
		})
	}
}

func TestAnAlertThatMayHaveAppearedIsEmittedWhenItIsShown(t *testing.T) {
	c := comparer(Split)
	partly := snapshot(t, withoutAlert(1))
	partly.Incomplete = true
	_, state := killed(t, c, delivered(t, c, snapshot(t, withoutAlert(1))), snapshot(t))
	for _, s := range []*Snapshot{graph(t, partly), partly, graph(t, partly)} {
		change, after := c.Compare(state, s)
		require.Equal(t, Change{}, change)
		state = after
	}
	change, _ := c.Compare(state, snapshot(t))
	require.Equal(t, map[string]Kind{"a2": Updated}, alertKinds(change))
}
