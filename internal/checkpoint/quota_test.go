// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// reread returns a stored account as a later run reads it.
func reread(t require.TestingT, stored quota.Stored) quota.Stored {
	entry, err := encodeQuota(stored)
	require.NoError(t, err)
	again, err := decodeQuota("key", entry)
	require.NoError(t, err)
	return again
}

// strictest has the largest header: the maximum number of limits, all learned.
func strictest(ended []time.Time) quota.Stored {
	stored := quota.Stored{Since: noon, InFlight: 100, PausedUntil: noon.Add(time.Hour), Ended: ended}
	for _, seconds := range []int{60, 3600, 7200, 86_400} {
		limit := quota.Limit{Window: time.Duration(seconds) * time.Second, Requests: 9_999}
		stored.Learned = append(stored.Learned, quota.Learned{Limit: limit, Since: noon})
	}
	return stored
}

// Later versions must be able to read this entry.
func TestAccountEntryKeepsItsForm(t *testing.T) {
	entry, err := encodeQuota(quota.Stored{
		Since: noon, InFlight: 2, PausedUntil: noon.Add(time.Minute), Learned: []quota.Learned{{Limit: perMinute(40), Since: noon}},
		Ended: []time.Time{noon.Add(-time.Minute), noon.Add(-47200 * time.Millisecond), noon.Add(-47200 * time.Millisecond)},
	})
	require.NoError(t, err)
	assert.Equal(t, "2909ac71\n"+
		`{"since":1795435200000,"in_flight":2,"paused_until":1795435260000,"learned":[[60,40,1795435200000]]}`+"\n"+
		"\xa8\xd2\xa6\xf1\x42"+"\x80\x01"+"\x00", string(entry))
}

func TestAccountOfFullHourTakesLessThan2000Bytes(t *testing.T) {
	const requests = 1500
	rapid.Check(t, func(t *rapid.T) {
		// Few gaps and many, so that long gaps occur at each size.
		gaps := rapid.IntRange(1, requests).Draw(t, "gaps")
		offsets := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)-1), gaps, gaps).Draw(t, "offsets")
		ended := make([]time.Time, requests)
		for i := range ended {
			ended[i] = noon.Add(-time.Duration(offsets[i%gaps]))
		}
		slices.SortFunc(ended, time.Time.Compare)
		entry, err := encodeQuota(strictest(ended))
		require.NoError(t, err)
		require.Less(t, len(entry), 2000)
	})

	worst := make([]time.Time, requests) // as many two-byte gaps as fit
	for i := range worst {
		worst[i] = noon.Add(-time.Hour + time.Duration(min(i, 281))*128*tenth)
	}
	entry, err := encodeQuota(strictest(worst))
	require.NoError(t, err)
	require.Less(t, len(entry), 2000)
	require.Greater(t, len(entry), 1950, "it is the worst case")
}

func TestStoredEndsAreNeverEarlierAndAtMostTenthOfSecondLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offsets := rapid.SliceOf(rapid.Int64Range(0, int64(100*time.Hour))).Draw(t, "offsets")
		slices.Sort(offsets)
		var ended []time.Time
		for _, offset := range offsets {
			ended = append(ended, noon.Add(time.Duration(offset)))
		}
		again := reread(t, quota.Stored{Ended: ended}).Ended
		require.Len(t, again, len(ended))
		require.True(t, slices.IsSortedFunc(again, time.Time.Compare))
		for i := range ended {
			late := again[i].Sub(ended[i])
			require.True(t, late >= 0 && late < tenth, "end %d is %v late", i, late)
		}
		require.Equal(t, again, reread(t, quota.Stored{Ended: again}).Ended, "each further restart makes them no later")
	})
}

func TestOtherTimesOfAnAccountAreRoundedUpToMilliseconds(t *testing.T) {
	odd, even := noon.Add(1), noon.Add(time.Millisecond)
	again := reread(t, quota.Stored{Since: odd, PausedUntil: odd, Learned: []quota.Learned{{Limit: perMinute(1), Since: odd}}})
	want := quota.Stored{Since: even, PausedUntil: even, Learned: []quota.Learned{{Limit: perMinute(1), Since: even}}}
	assert.Equal(t, want, again)
	assert.Equal(t, want, reread(t, want))
	assert.Equal(t, quota.Stored{}, reread(t, quota.Stored{}))
}

func TestAccountThatNoProgramReportsIsStoredToTheSafeSide(t *testing.T) {
	again := reread(t, quota.Stored{
		InFlight: 1 << 20,
		Ended:    []time.Time{time.Unix(-1, 0), noon, noon.Add(-time.Hour), time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
	})
	assert.Equal(t, quota.Stored{
		InFlight: math.MaxUint16,
		Ended:    []time.Time{time.Unix(0, 0).UTC(), noon, noon, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	}, again)
	assert.Zero(t, reread(t, quota.Stored{InFlight: -1}))
}

func TestAccountOfVersion2IsRead(t *testing.T) {
	stored, err := decodeQuota("key", []byte(`{"since":1795435200001,"ended":[1795435100002,1795435200003],"in_flight":2,`+
		`"paused_until":1795435260004,"learned":[{"window_s":60,"requests":40,"since":1795435200005},`+
		`{"window_s":9223372036854775807,"requests":-1,"since":0}]}`))
	require.NoError(t, err)
	assert.Equal(t, quota.Stored{
		Since: at(1795435200001), Ended: []time.Time{at(1795435100002), at(1795435200003)}, InFlight: 2, PausedUntil: at(1795435260004),
		Learned: []quota.Learned{{Limit: perMinute(40), Since: at(1795435200005)}, {}},
	}, stored)
}

func TestNoBitOfAnAccountChangesUnseen(t *testing.T) {
	entry, err := encodeQuota(strictest([]time.Time{noon, noon.Add(time.Minute)}))
	require.NoError(t, err)
	for bit := range 8 * len(entry) {
		damaged := slices.Clone(entry)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, err := decodeQuota("key", damaged)
		require.ErrorContains(t, err, "cannot read the checkpoint's entry key: ", "bit %d", bit)
	}
	for length := range entry {
		_, err := decodeQuota("key", entry[:length])
		require.ErrorContains(t, err, "cannot read the checkpoint's entry key: ", "cut off after %d bytes", length)
	}
}

func TestHostileAccountIsAnErrorThatNamesTheEntry(t *testing.T) {
	tooFar := binary.AppendUvarint([]byte("{}\n"), maxTenths+1)
	for name, c := range map[string]struct{ content, want string }{
		"no header line":      {`{}`, "no header line"},
		"a header cut off":    {"{\"since\":\n", "unexpected EOF"},
		"a negative count":    {"{\"in_flight\":-1}\n", "in_flight"},
		"a limit cut off":     {"{\"learned\":[[60]]}\n", "learned"},
		"an end cut off":      {"{}\n\x01\x80", "end 1 is not a time"},
		"an end of 11 bytes":  {"{}\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "end 0 is not a time"},
		"an end too far":      {string(tooFar), "end 0 is not a time"},
		"ends that overflow":  {"{}\n\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "end 1 is not a time"},
		"an account of words": {"[\"noon\"]\n", "JSON array"},
	} {
		t.Run(name, func(t *testing.T) {
			stored, err := decodeQuota("key", withChecksum([]byte(c.content)))
			require.ErrorContains(t, err, "cannot read the checkpoint's entry key: ")
			require.ErrorContains(t, err, c.want)
			require.Zero(t, stored)
		})
	}
}
