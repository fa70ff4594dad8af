// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// openDamaged opens a checkpoint in which one entry may be anything. If that entry
// cannot be read, Open must report which one it is and change nothing; openDamaged
// then returns nil.
func openDamaged(t *testing.T, client memory, key string, entry []byte) (*Store, Contents) {
	t.Helper()
	client[key] = entry
	before := maps.Clone(client)
	store, contents, err := Open(t.Context(), kept{client}, xdr)
	require.Equal(t, before, client, "written to")
	if err == nil {
		return store, contents
	}
	require.ErrorContains(t, err, "the checkpoint")
	if !strings.Contains(err.Error(), "the checkpoint has version ") {
		require.ErrorContains(t, err, "cannot read the checkpoint's entry "+key)
	}
	require.Nil(t, store)
	require.Zero(t, contents)
	return nil, Contents{}
}

// reopened returns what a checkpoint holds after a restart.
func reopened(t *testing.T, client memory) Contents {
	t.Helper()
	_, contents := open(t, kept{client})
	return contents
}

// bothForms returns an entry as versions before 4 wrote it, and as version 4 does.
func bothForms(entry []byte) [][]byte { return [][]byte{entry, withChecksum(entry)} }

func FuzzVersion(f *testing.F) {
	for _, entry := range []string{"4", "3", "2", "1", "0", "5", "-1", " 4\n", "04", "4.0", "4 4", "\"4\"", "null", "", "9223372036854775808"} {
		f.Add([]byte(entry))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		client := memory{"v1/incidents": []byte("[1]"), "v2/incidents/02": []byte("[2]")}
		store, contents := openDamaged(t, client, "version", entry)
		if store == nil {
			return
		}
		require.Contains(t, []string{"1", "2", "3", "4"}, strings.Trim(string(entry), " \t\r\n"))
		require.Empty(t, contents.Summaries)
		require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
		require.Equal(t, "4", strings.TrimSpace(string(client["version"])))
		require.Equal(t, map[int64]incident.Summary{1: stateOf("Active").Summary()}, reopened(t, client).Summaries)
	})
}

func FuzzReceiver(f *testing.F) {
	for _, entry := range []string{
		`{"api":"graph","tenant":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0","ignore_changes":"00112233445566778899aabbccddeeff","basis":4294967295}`,
		`{"api":"defender_xdr"}`, `{"api":"\u001b\ud83d\ude00"}`, `{"basis":-1}`, `{"basis":4294967296}`, `{"api":"a","api":"b"}`, `{"API":"a"}`, `null`, `[]`, ``,
	} {
		f.Add([]byte(entry))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		for _, entry := range bothForms(entry) {
			client := memory{"version": []byte("4")}
			store, contents := openDamaged(t, client, "v1/receiver", entry)
			if store == nil {
				continue
			}
			require.NoError(t, store.SaveReceiver(t.Context(), contents.Receiver))
			require.Equal(t, contents, reopened(t, client))
		}
	})
}

func FuzzFeed(f *testing.F) {
	for _, entry := range []string{
		`{"boundary":"2026-11-23T12:00:00.0000001Z","alerts":"2026-11-23T12:00:01Z","pending":[{"id":437,"changed":"2026-11-23T11:59:00Z","noted":"2026-11-23T12:00:00Z"},{"id":552}],"discover":true}`,
		`{"boundary":"2026-11-23T12:00:00.0000001Z","named":[437,552]}`, `{"named":[1],"pending":[{"id":2}],"discover":false}`,
		`{"boundary":"0000-01-01T00:00:00+23:59"}`, `{"boundary":"9999-12-31T23:59:59.999999999-23:59"}`, `{"pending":[{"id":0}]}`, `{"named":[-1]}`,
		`{"pending":[null],"discover":null}`, `{"quota":{"since":1}}`, `null`, `{}`,
	} {
		f.Add([]byte(entry))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		for _, entry := range bothForms(entry) {
			for _, version := range []string{"1", "2", "3", "4"} {
				client := memory{"version": []byte(version)}
				store, contents := openDamaged(t, client, "v1/feed", entry)
				if store == nil {
					continue
				}
				for _, pending := range contents.Feed.Pending {
					require.Positive(t, pending.ID)
				}
				require.NoError(t, store.SaveFeed(t.Context(), contents.Feed))
				require.NotContains(t, string(client["v1/feed"]), `"named"`)
				require.Equal(t, "4", string(client["version"]))
				require.Equal(t, feedInUTC(contents.Feed), feedInUTC(reopened(t, client).Feed))
			}
		}
	})
}

func feedInUTC(f Feed) Feed {
	f.Boundary = f.Boundary.UTC()
	f.Pending = slices.Clone(f.Pending)
	for i, p := range f.Pending {
		f.Pending[i] = Pending{ID: p.ID, Changed: p.Changed.UTC(), Noted: p.Noted.UTC()}
	}
	return f
}

func FuzzPass(f *testing.F) {
	for _, entry := range []string{
		`{"phase":"alerts","since":"2026-11-23T12:00:00.0000001Z","incidents_read":true,"alerts_read":false}`,
		`{"phase":"done"}`, `{"phase":"comments"}`, `{"phase":1}`, `{"since":"0000-01-01T00:00:00+23:59"}`, `{"since":"9999-12-31T23:59:59.999999999-23:59"}`,
		`{"incidents_read":1}`, `{"phase":"count","phase":"done"}`, `{"phase":null,"since":null}`, `null`, `{}`, ``,
	} {
		f.Add([]byte(entry))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		for _, entry := range bothForms(entry) {
			for _, version := range []string{"1", "2", "3", "4"} {
				client := memory{"version": []byte(version)}
				store, contents := openDamaged(t, client, "v1/pass", entry)
				if store == nil {
					continue
				}
				require.NoError(t, store.SavePass(t.Context(), contents.Pass))
				require.Equal(t, "4", string(client["version"]))
				want, again := contents.Pass, reopened(t, client).Pass
				want.Since, again.Since = want.Since.UTC(), again.Since.UTC()
				require.Equal(t, want, again)
			}
		}
	})
}

// FuzzIndex reads a part of the index, and the whole index of version 1.
func FuzzIndex(f *testing.F) {
	for _, entry := range []string{
		`[]`, `[1]`, `[1,101,9223372036854775801]`, `[101,1]`, `[1,1]`, `[2]`, `[1,2,101]`, `[0]`, `[-99]`, `[1.0]`, `[9223372036854775808]`, `[null]`, `null`, `{}`, `[1]]`,
	} {
		f.Add([]byte(entry))
	}
	seen := stateOf("Active")
	stored, err := encodeState(seen)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		for _, entry := range bothForms(entry) {
			for _, legacy := range []bool{false, true} {
				client := memory{"version": []byte("4"), "v1/incident/1": stored, "v1/incident/101": stored}
				key := "v2/incidents/01"
				if legacy {
					client["version"], key = []byte("1"), "v1/incidents"
				}
				store, contents := openDamaged(t, client, key, entry)
				if store == nil {
					continue
				}
				for id := range contents.Summaries {
					require.Contains(t, []int64{1, 101}, id)
				}
				requireIndexed(t, store, client, contents)
			}
		}
	})
}

// requireIndexed continues with an index that was read. It requires that after a restart
// the index has exactly the IDs that it had, with later additions and removals.
func requireIndexed(t *testing.T, store *Store, client memory, contents Contents) {
	t.Helper()
	want := contents.Summaries
	var ids []int64
	for _, part := range store.index {
		assert.True(t, slices.IsSorted(part))
		ids = append(ids, part...)
	}
	require.NoError(t, store.Keep(t.Context(), ids))
	require.Equal(t, want, reopened(t, client).Summaries)

	added := incident.State{Seen: true, Fetched: time.Unix(1795437000, 0).UTC()}
	require.NoError(t, store.Save(t.Context(), 201, added))
	want[201] = added.Summary()
	require.Equal(t, want, reopened(t, client).Summaries)

	require.NoError(t, store.Forget(t.Context(), 1))
	delete(want, 1)
	require.Equal(t, want, reopened(t, client).Summaries)
	require.False(t, bytes.Contains(client["v2/incidents/01"], []byte("[1,")))
	require.NotContains(t, client, "v1/incidents")
}
