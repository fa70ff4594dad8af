// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// movedBy moves the incident's time, and its alerts' times, by a duration.
func movedBy(d time.Duration) func(*Snapshot) {
	return func(s *Snapshot) {
		ownMovedBy(d)(s)
		for i := range s.Alerts {
			s.Alerts[i].LastUpdate = noon.Add(d)
			putAlert(&s.Alerts[i], "lastUpdatedTime", noon.Add(d).Format(time.RFC3339Nano))
		}
	}
}

func ownMovedBy(d time.Duration) func(*Snapshot) {
	return func(s *Snapshot) {
		s.LastUpdate = noon.Add(d)
		put(s, "lastUpdateTime", s.LastUpdate.Format(time.RFC3339Nano))
	}
}

func TestTimesWithinTenMillisecondsAreEqual(t *testing.T) {
	for name, test := range map[string]struct {
		by      time.Duration
		changed bool
		stale   bool
	}{
		"the same":        {},
		"just later":      {by: 10 * time.Millisecond},
		"just earlier":    {by: -10 * time.Millisecond},
		"by microseconds": {by: -3 * time.Microsecond},
		"later":           {by: 10*time.Millisecond + 1, changed: true},
		"earlier":         {by: -10*time.Millisecond - 1, stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			before := delivered(t, c, snapshot(t, movedBy(0)))
			change, after := c.Compare(before, snapshot(t, movedBy(test.by)))
			require.Equal(t, test.stale, change.Stale)
			require.Equal(t, !test.changed, change.Empty())
			if test.changed {
				require.Equal(t, []string{"alerts", "lastUpdateTime"}, change.Fields)
				require.Equal(t, map[string]Kind{"a1": Updated, "a2": Updated}, alertKinds(change))
				require.Equal(t, noon.Add(test.by), after.LastUpdate)
				require.Equal(t, noon.Add(test.by), after.Alerts[0].LastUpdate)
			}

			other := delivered(t, c, snapshot(t, movedBy(0)))
			other.API, other.LastUpdate = "graph", noon
			change, _ = c.Compare(other, snapshot(t, movedBy(test.by)))
			require.Equal(t, test.stale, change.Stale, "also after a change of the API")
			require.Equal(t, !test.changed, change.Empty())
		})
	}
}

func TestReplicasWithTimesThatDifferByMicrosecondsCauseNoRecords(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded} {
		c := comparer(mode)
		state := delivered(t, c, snapshot(t, movedBy(0)))
		for _, microseconds := range []int{3, 0, -3, 3, 3, 0, -3} {
			d := time.Duration(microseconds) * time.Microsecond
			var change Change
			change, state = c.Compare(restarted(t, state), snapshot(t, movedBy(d)))
			require.Equal(t, Change{}, change)
			require.False(t, state.LastUpdate.Before(noon), "or the next row would look newer")
		}
	}
}

func TestContentThatChangesWithinTheToleranceIsFound(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, movedBy(0)))
	change, _ := c.Compare(before, snapshot(t, movedBy(time.Microsecond), func(s *Snapshot) { put(s, "severity", "Low") }))
	require.Equal(t, []string{"severity"}, change.Fields)
	change, _ = c.Compare(before, snapshot(t, movedBy(time.Microsecond), alertStatus(0, "Resolved")))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))

	title := func(s *Snapshot) { putAlert(&s.Alerts[0], "title", "another") }
	change, after := c.Compare(before, snapshot(t, movedBy(time.Microsecond), title))
	require.Empty(t, change.Alerts, "the digest cannot separate it from the time")
	change, _ = c.Compare(after, snapshot(t, movedBy(0), title))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))

	ignoring := NewComparer(Split, false, Ignore("lastUpdatedTime"), 0)
	before = delivered(t, ignoring, read(snapshot(t, movedBy(0)), "lastUpdatedTime"))
	change, _ = ignoring.Compare(before, read(snapshot(t, movedBy(time.Microsecond), title), "lastUpdatedTime"))
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
}

func TestAfterASwitchAnAlertIsComparedAtTheTimeOfTheNewAPI(t *testing.T) {
	c := comparer(Split)
	change, state := c.Compare(delivered(t, c, snapshot(t, precise)), graph(t, snapshot(t, precise)))
	require.Equal(t, Change{}, change)
	changed := graph(t, snapshot(t, precise))
	putAlert(&changed.Alerts[0], "title", "another")
	change, _ = c.Compare(state, changed)
	require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))
}

func TestUnknownTimesAreNeitherNewerNorEqual(t *testing.T) {
	unknown := time.Time{}
	require.True(t, newer(noon.Add(tolerance+1), noon))
	require.False(t, newer(noon.Add(tolerance), noon))
	require.False(t, newer(noon, noon.Add(1)))
	for _, pair := range [][2]time.Time{{noon, unknown}, {unknown, noon}, {unknown, unknown}} {
		require.False(t, newer(pair[0], pair[1]))
		require.False(t, near(pair[0], pair[1]))
		require.True(t, sameTime(pair[0], pair[1]), "it is no difference")
		require.Equal(t, pair[1], latest(pair[0], pair[1]))
	}
}

// at sets the text of the times that the incident and its alerts show, and the times that
// were read from it.
func at(text string, known time.Time) func(*Snapshot) {
	return func(s *Snapshot) {
		s.LastUpdate = known
		put(s, "lastUpdateTime", text)
		for i := range s.Alerts {
			s.Alerts[i].LastUpdate = known
			putAlert(&s.Alerts[i], "lastUpdatedTime", text)
		}
	}
}

func TestContentIsComparedWhileTimesAreUnknown(t *testing.T) {
	const never = "9999-12-31T23:59:59.9999999Z"
	c := comparer(Split)
	unknown := at(never, time.Time{})
	state := delivered(t, c, snapshot(t, unknown))
	// An earlier version of the receiver treated such a value as a time.
	earlier := delivered(t, c, snapshot(t, at(never, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))))
	for _, before := range []State{state, earlier, restarted(t, state), restarted(t, earlier)} {
		change, after := c.Compare(before, snapshot(t, unknown))
		require.Equal(t, Change{}, change, "the same")
		require.Zero(t, after.LastUpdate)

		change, after = c.Compare(before, snapshot(t, unknown, func(s *Snapshot) { put(s, "severity", "Low") }, alertStatus(0, "Resolved")))
		require.Equal(t, []string{"alerts", "severity"}, change.Fields)
		require.Equal(t, map[string]Kind{"a1": Updated}, alertKinds(change))

		change, after = c.Compare(after, snapshot(t, movedBy(0)))
		require.False(t, change.Stale, "a time is known again")
		require.Equal(t, Updated, change.Kind)
		require.Equal(t, noon, after.LastUpdate)

		change, _ = c.Compare(after, snapshot(t, unknown))
		require.False(t, change.Stale)
		require.Equal(t, Updated, change.Kind)
	}
}

func TestAnIncidentIsClosedSinceTheChangeThatClosedIt(t *testing.T) {
	seen := noon.Add(time.Minute)
	closedBy := func(change func(*Snapshot), at time.Time) func(*Snapshot) {
		return func(s *Snapshot) { change(s); s.LastUpdate = at }
	}
	for name, test := range map[string]struct {
		change func(*Snapshot)
		want   time.Time
	}{
		"open":                     {later, time.Time{}},
		"resolved":                 {closedBy(status("Resolved"), noon.Add(time.Second)), noon.Add(time.Second)},
		"merged":                   {closedBy(redirected(552), noon.Add(time.Second)), noon.Add(time.Second)},
		"at an unknown time":       {closedBy(redirected(552), time.Time{}), seen},
		"at an impossible time":    {closedBy(status("Resolved"), time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)), seen},
		"ahead of our clock":       {closedBy(status("Resolved"), seen.Add(time.Hour)), seen},
		"at the observation's end": {closedBy(status("Resolved"), seen), seen},
	} {
		_, state := comparer(Split).Compare(State{}, snapshot(t, test.change))
		require.Equal(t, test.want, state.ClosedSince, name)
	}
}

func TestClosedSinceStaysUntilTheIncidentIsOpenAgain(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t, status("Resolved"), ownMovedBy(time.Second)))
	since := state.ClosedSince
	require.Equal(t, noon.Add(time.Second), since)
	_, state = c.Compare(state, snapshot(t, status("Resolved"), ownMovedBy(2*time.Second)))
	require.Equal(t, since, state.ClosedSince)
	_, state = c.Missing(state, noon.Add(time.Hour))
	require.Equal(t, since, state.ClosedSince)
	_, state = c.Missing(state, noon.Add(2*time.Hour))
	require.Equal(t, since, state.ClosedSince)
	_, state = c.Compare(state, snapshot(t))
	require.Zero(t, state.ClosedSince)
	_, state = c.Missing(state, noon.Add(3*time.Hour))
	require.Equal(t, noon.Add(3*time.Hour), state.ClosedSince, "its last change while it was open does not count")
}
