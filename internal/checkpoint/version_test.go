// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// versionTwo is a storage as version 2 left it, with a state of incident 1.
func versionTwo(t *testing.T) *wired {
	t.Helper()
	state, err := encodeState(full())
	require.NoError(t, err)
	client := &wired{Client: newStorage()}
	for key, value := range map[string]string{
		"version":                         "2",
		"v1/receiver":                     `{"api":"defender_xdr","tenant":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}`,
		"v1/feed":                         `{"boundary":"2026-11-23T12:00:00.0000001Z","named":[437,552]}`,
		"v1/quota/defender_xdr/incidents": `{"since":1795435200000,"ended":[1795435200001,1795435200002],"in_flight":1}`,
		"v1/quota/defender_xdr/list":      `{"since":1795435200003}`,
		"v2/incidents/01":                 `[1]`,
		"v1/incident/1":                   string(state),
	} {
		require.NoError(t, client.Set(t.Context(), key, []byte(value)))
	}
	return client
}

func storedVersion(t *testing.T, client *wired) string {
	t.Helper()
	value, err := client.Client.Get(t.Context(), "version")
	require.NoError(t, err)
	return string(value)
}

func TestUpgradeFromCheckpointV2(t *testing.T) {
	client := versionTwo(t)
	store, contents := open(t, client)
	want := Contents{
		Receiver: Receiver{API: "defender_xdr", Tenant: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		Quota:    quota.Stored{Since: at(1795435200000), Ended: []time.Time{at(1795435200001), at(1795435200002)}, InFlight: 1},
		Feed: Feed{
			Boundary: time.Date(2026, 11, 23, 12, 0, 0, 100, time.UTC), Pending: []Pending{{ID: 437}, {ID: 552}},
			Quota: quota.Stored{Since: at(1795435200003)},
		},
		Summaries: map[int64]incident.Summary{1: full().Summary()},
	}
	require.Equal(t, want, contents)
	requireLoaded(t, store, 1, full())

	require.NoError(t, store.SaveReceiver(t.Context(), contents.Receiver))
	require.NoError(t, store.SaveFeed(t.Context(), contents.Feed))
	require.NoError(t, store.SaveQuota(t.Context(), contents.Quota))
	require.Equal(t, "4", storedVersion(t, client))
	_, again := open(t, client)
	want.Quota.Ended = []time.Time{at(1795435200100), at(1795435200100)}
	require.Equal(t, want, again)
	feed, err := client.Client.Get(t.Context(), "v1/feed")
	require.NoError(t, err)
	require.NotContains(t, string(feed), "named")
}

// versionThree is a storage as version 3 left it, without checksums of these entries, and
// what it holds.
func versionThree(t *testing.T) (*wired, Contents) {
	t.Helper()
	client := versionTwo(t)
	for key, value := range map[string]string{
		"version":  "3",
		"v1/feed":  `{"boundary":"2026-11-23T12:00:00.0000001Z","pending":[{"id":437}]}`,
		"v1/sweep": `{"pages":107,"skip":270,"done":4}`,
		"v1/pass":  `{"phase":"alerts","incidents_read":true}`,
	} {
		require.NoError(t, client.Set(t.Context(), key, []byte(value)))
	}
	return client, Contents{
		Receiver: Receiver{API: "defender_xdr", Tenant: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		Quota:    quota.Stored{Since: at(1795435200000), Ended: []time.Time{at(1795435200001), at(1795435200002)}, InFlight: 1},
		Feed: Feed{
			Boundary: time.Date(2026, 11, 23, 12, 0, 0, 100, time.UTC), Pending: []Pending{{ID: 437}},
			Quota: quota.Stored{Since: at(1795435200003)},
		},
		Sweep:     Sweep{Pages: 107, Skip: 270, Done: 4},
		Pass:      Pass{Phase: "alerts", IncidentsRead: true},
		Summaries: map[int64]incident.Summary{1: full().Summary()},
	}
}

func TestUpgradeFromCheckpointV3(t *testing.T) {
	client, want := versionThree(t)
	store, contents := open(t, client)
	require.Equal(t, want, contents)

	// Entries with and without a checksum are read next to each other.
	want.Sweep.Skip = 360
	require.NoError(t, store.SaveSweep(t.Context(), want.Sweep))
	require.Equal(t, "4", storedVersion(t, client))
	store, contents = open(t, client)
	require.Equal(t, want, contents)

	require.NoError(t, store.SaveReceiver(t.Context(), contents.Receiver))
	require.NoError(t, store.SaveFeed(t.Context(), contents.Feed))
	require.NoError(t, store.SavePass(t.Context(), contents.Pass))
	require.NoError(t, store.Keep(t.Context(), []int64{1, 101}))
	for _, key := range []string{"v1/receiver", "v1/feed", "v1/sweep", "v1/pass", "v2/incidents/01"} {
		require.NotEmpty(t, contentOf(t, client, key))
	}
	_, contents = open(t, client)
	require.Equal(t, want, contents)
}

func TestFirstWriteRaisesTheVersionOnce(t *testing.T) {
	for name, write := range map[string]func(s *Store) error{
		"state":    func(s *Store) error { return s.Save(t.Context(), 1, stateOf("Active")) },
		"index":    func(s *Store) error { return s.Keep(t.Context(), []int64{1, 2}) },
		"deletion": func(s *Store) error { return s.Forget(t.Context(), 1) },
		"receiver": func(s *Store) error { return s.SaveReceiver(t.Context(), Receiver{}) },
		"feed":     func(s *Store) error { return s.SaveFeed(t.Context(), Feed{}) },
		"quota":    func(s *Store) error { return s.SaveQuota(t.Context(), quota.Stored{}) },
		"sweep":    func(s *Store) error { return s.SaveSweep(t.Context(), Sweep{}) },
		"pass":     func(s *Store) error { return s.SavePass(t.Context(), Pass{}) },
	} {
		t.Run(name, func(t *testing.T) {
			client := versionTwo(t)
			store, _ := open(t, client)
			client.fails = errors.New("disk full")
			require.Error(t, write(store))
			require.Equal(t, "2", storedVersion(t, client))

			client.fails, client.batches = nil, nil
			require.NoError(t, write(store))
			require.Len(t, client.batches, 1)
			require.Contains(t, client.batches[0], "version")
			require.Equal(t, "4", storedVersion(t, client))
			require.NoError(t, write(store))
			for _, keys := range client.batches[1:] {
				require.NotContains(t, keys, "version")
			}
		})
	}
}

func TestStartThatChangesNothingKeepsTheVersion(t *testing.T) {
	client := versionTwo(t)
	store, contents := open(t, client)
	require.Len(t, contents.Summaries, 1)
	require.NoError(t, store.Keep(t.Context(), []int64{1}))
	require.NoError(t, store.Forget(t.Context()))
	require.NoError(t, store.Flush(t.Context()))
	requireLoaded(t, store, 1, full())
	require.Equal(t, "2", storedVersion(t, client))
}

func TestIgnoredChangesAndDiscoverAreStored(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	receiver := Receiver{API: xdr, IgnoreChanges: "00112233445566778899aabbccddeeff", Basis: 1<<32 - 1}
	require.NoError(t, store.SaveReceiver(t.Context(), receiver))
	for _, discover := range []bool{true, false} {
		require.NoError(t, store.SaveFeed(t.Context(), Feed{Discover: &discover}))
		_, contents := open(t, client)
		assert.Equal(t, receiver, contents.Receiver)
		assert.Equal(t, &discover, contents.Feed.Discover)
	}
	assert.JSONEq(t, `{"api":"defender_xdr","ignore_changes":"00112233445566778899aabbccddeeff","basis":4294967295}`, contentOf(t, client, "v1/receiver"))
}
