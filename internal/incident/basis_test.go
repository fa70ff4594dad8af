// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ignoring is a comparer for snapshots whose digests leave out these names.
func ignoring(mode AlertsMode, names ...string) *Comparer {
	ignored := Ignore(names...)
	return NewComparer(mode, false, ignored, basisOf(names...))
}

// basisOf returns a different number for each set of names.
func basisOf(names ...string) uint32 {
	return crc32.ChecksumIEEE([]byte(strings.Join(names, "\x00")))
}

func TestOtherIgnoredNamesEmitNothing(t *testing.T) {
	none, some, time := []string{}, []string{"severity", "status"}, []string{"lastUpdateTime", "lastUpdatedTime"}
	for name, change := range map[string][2][]string{
		"added": {none, some}, "removed": {some, none}, "replaced": {some, time}, "the time added": {none, time}, "the time removed": {time, none},
	} {
		for _, mode := range []AlertsMode{Split, Embedded, None} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				before, now := change[0], change[1]
				state := delivered(t, ignoring(mode, before...), read(snapshot(t, movedBy(0)), before...), read(listed(t, movedBy(0)), before...))
				c := ignoring(mode, now...)
				for _, s := range []*Snapshot{
					read(listed(t, movedBy(0)), now...), read(snapshot(t, movedBy(0)), now...), read(listed(t, movedBy(0)), now...),
				} {
					var change Change
					change, state = c.Compare(restarted(t, state), s)
					require.Equal(t, Change{}, change)
					require.Equal(t, basisOf(now...), state.Basis)
					require.Equal(t, uint64(1), state.Revision)
				}
				if mode == Split {
					found, _ := c.Compare(state, read(snapshot(t, movedBy(1), func(s *Snapshot) { put(s, "tags", "other") }), now...))
					require.Equal(t, []string{"tags"}, found.Fields, "then content is compared again")
				}
			})
		}
	}
}

func TestAChangeWhileTheIgnoredNamesChangeIsEmitted(t *testing.T) {
	for name, names := range map[string][2][]string{"added": {nil, {"severity"}}, "removed": {{"severity"}, nil}} {
		for change, test := range map[string]struct {
			change func(*Snapshot)
			want   Kind
			fields []string
			alerts map[string]Kind
		}{
			"its time":         {ownMovedBy(time.Hour), Updated, []string{"lastUpdateTime"}, map[string]Kind{}},
			"its status":       {status("Resolved"), Resolved, []string{"lastUpdateTime", "status"}, map[string]Kind{}},
			"an alert's time":  {func(s *Snapshot) { s.Alerts[0].LastUpdate = noon.Add(time.Hour) }, "", nil, map[string]Kind{"a1": Updated}},
			"an alert's state": {alertStatus(1, "Resolved"), "", nil, map[string]Kind{"a2": Updated}},
			"alerts": {
				func(s *Snapshot) { withoutAlert(0)(s); newAlert(t, "a3")(s) }, "", nil,
				map[string]Kind{"a1": Removed, "a3": FirstSeen},
			},
		} {
			before := delivered(t, ignoring(Split, names[0]...), read(snapshot(t), names[0]...))
			c := ignoring(Split, names[1]...)
			s := read(snapshot(t, test.change), names[1]...)
			found, after := c.Compare(before, s)
			require.Equal(t, test.want, found.Kind, "%s, %s", name, change)
			require.Equal(t, test.fields, found.Fields, "%s, %s", name, change)
			require.Equal(t, test.alerts, alertKinds(found), "%s, %s", name, change)
			again, _ := c.Compare(after, s)
			require.Equal(t, Change{}, again)
		}
	}
}

func TestAnAlertThatWasNotShownSinceTheIgnoredNamesChangedIsAdoptedLater(t *testing.T) {
	c := ignoring(Split, "title")
	partly := read(snapshot(t, withoutAlert(0)), "title")
	partly.Incomplete = true
	_, state := c.Compare(delivered(t, comparer(Split), snapshot(t, quiet)), partly)
	require.True(t, state.Alerts[0].Foreign)
	change, state := c.Compare(restarted(t, state), read(snapshot(t, quiet), "title"))
	require.Empty(t, change.Alerts)
	require.False(t, state.Alerts[0].Foreign)
}
