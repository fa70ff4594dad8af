// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// versionOne is a storage as version 1 left it, with the states of these incidents.
func versionOne(t *testing.T, ids string, states ...int64) *wired {
	t.Helper()
	client := &wired{Client: newStorage()}
	require.NoError(t, client.Set(t.Context(), "version", []byte("1")))
	require.NoError(t, client.Set(t.Context(), "v1/incidents", []byte(ids)))
	for _, id := range states {
		require.NoError(t, client.Set(t.Context(), incidentKey(id), []byte(`{"seen":true}`)))
	}
	return client
}

// A receiver of version 1 would treat incidents that are only in the parts as new. So from
// then on, it must not open the checkpoint.
func TestTheIndexOfVersion1IsTurnedOverInOneOperationWithTheVersion(t *testing.T) {
	seen := incident.State{Seen: true}
	for name, c := range map[string]struct {
		act  func(s *Store) error
		keys []string
		want map[int64]incident.State
	}{
		"kept": {
			func(s *Store) error { return s.Keep(t.Context(), []int64{1, 101, 2}) },
			[]string{"v1/incidents", "v2/incidents/01", "v2/incidents/02", "version"},
			map[int64]incident.State{1: seen, 101: seen, 2: seen},
		},
		"kept in part": {
			func(s *Store) error { return s.Keep(t.Context(), []int64{101}) },
			[]string{"v1/incident/1", "v1/incident/2", "v1/incidents", "v2/incidents/01", "version"},
			map[int64]incident.State{101: seen},
		},
		"saved": {
			func(s *Store) error { return s.Save(t.Context(), 1, stateOf("Active")) },
			[]string{"v1/incident/1", "v1/incidents", "v2/incidents/01", "v2/incidents/02", "version"},
			map[int64]incident.State{1: stateOf("Active"), 101: seen, 2: seen},
		},
		"forgotten": {
			func(s *Store) error { return s.Forget(t.Context(), 2) },
			[]string{"v1/incident/2", "v1/incidents", "v2/incidents/01", "version"},
			map[int64]incident.State{1: seen, 101: seen},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := versionOne(t, `[1,2,101]`, 1, 2, 101)
			store, _ := open(t, client)
			client.batches = nil
			require.NoError(t, c.act(store))
			require.NoError(t, store.Save(t.Context(), 101, seen))
			assert.Equal(t, [][]string{c.keys, {"v1/incident/101"}}, client.batches, "once")

			store, contents := open(t, client)
			assert.Equal(t, c.want, loaded(t, store, contents))
			version, err := client.Get(t.Context(), "version")
			require.NoError(t, err)
			assert.Equal(t, "4", string(version))
		})
	}
}

func TestAnEmptyStorageOfVersion1IsTurnedOverToo(t *testing.T) {
	client := versionOne(t, `[]`)
	store, _ := open(t, client)
	require.NoError(t, store.Keep(t.Context(), nil))
	version, err := client.Get(t.Context(), "version")
	require.NoError(t, err)
	assert.Equal(t, "4", string(version))
}

func TestAPartOfTheIndexIsNotChangedInPlace(t *testing.T) {
	before := indexOf([]int64{301, 1, 101, 1})
	more := before.with(201)
	most, other := more.with(401), more.with(501)
	less := most.without(101)
	assert.Equal(t, []int64{1, 101, 301}, before[1])
	assert.Equal(t, []int64{1, 101, 201, 301}, more[1])
	assert.Equal(t, []int64{1, 101, 201, 301, 401}, most[1])
	assert.Equal(t, []int64{1, 101, 201, 301, 501}, other[1])
	assert.Equal(t, []int64{1, 201, 301, 401}, less[1])
	assert.True(t, most.has(101))
	assert.False(t, less.has(101))
	assert.False(t, less.has(102))
	assert.Equal(t, before, before.with(1))
	assert.Equal(t, uint64(7), partOf(1<<63-1), "the last two digits, of any id")
}
