// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEarliestFillsEachRoomAndNeverMore(t *testing.T) {
	minute, hour := Room{100, time.Minute}, Room{1500, time.Hour}
	for _, each := range []struct {
		name    string
		n       int
		takes   time.Duration
		rooms   []Room
		last    time.Duration // when the last is sent
		comment string
	}{
		{"one minute's", 100, 0, []Room{minute, hour}, 0, "all at once"},
		{"one more", 101, 0, []Room{minute, hour}, time.Minute, "after the first has left"},
		{"an hour's", 1500, 0, []Room{minute, hour}, 14 * time.Minute, "100 each minute"},
		{"one more than an hour's", 1501, 0, []Room{minute, hour}, time.Hour, "after the first has left"},
		{"without an hour's", 1501, 0, []Room{minute}, 15 * time.Minute, "100 each minute"},
		{"of one connection", 10, time.Second, []Room{{1, 0}, minute}, 9 * time.Second, "one after the other"},
		{"of four connections", 10, time.Second, []Room{{4, 0}, minute}, 2 * time.Second, "four by four"},
		{"answered late", 101, time.Second, []Room{minute}, 61 * time.Second, "a window after the answer"},
	} {
		sent := Earliest(slices.Repeat([]time.Duration{each.takes}, each.n), each.rooms...)
		require.Equal(t, each.last, sent[each.n-1], "%s: %s", each.name, each.comment)
	}
}

func TestEarliestTakesThePlaceThatIsLeftFirst(t *testing.T) {
	responses := []time.Duration{10 * time.Second, time.Second, 0}
	require.Equal(t, []time.Duration{0, 0, time.Second}, Earliest(responses, Room{2, 0}), "the second is answered before the first")
	require.Equal(t, []time.Duration{0, 0, time.Minute + time.Second}, Earliest(responses, Room{2, time.Minute}))
}
