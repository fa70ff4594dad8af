// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

var errDiskFull = errors.New("disk full")

func TestFlushWritesWhatCouldNotBeWritten(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, full()))
	require.NoError(t, store.Save(t.Context(), 2, full()))
	client.fails = errDiskFull
	require.Error(t, store.Save(t.Context(), 1, stateOf("Resolved")))
	require.Error(t, store.Save(t.Context(), 3, stateOf("Active")))
	require.Error(t, store.Forget(t.Context(), 2))
	require.Equal(t, 3, store.Unwritten())
	require.EqualError(t, store.Flush(t.Context()), "write the checkpoint of 3 incidents: disk full")
	require.Equal(t, 3, store.Unwritten())

	client.fails, client.batches = nil, nil
	require.NoError(t, store.Flush(t.Context()))
	require.Zero(t, store.Unwritten())
	require.Equal(t, [][]string{
		{"v1/incident/1", "v1/incident/2", "v1/incident/3", "v2/incidents/02", "v2/incidents/03"},
	}, client.batches)
	store, contents := open(t, client)
	assert.Equal(t, map[int64]incident.State{1: stateOf("Resolved"), 3: stateOf("Active")}, loaded(t, store, contents))

	client.batches = nil
	require.NoError(t, store.Flush(t.Context()))
	require.Empty(t, client.batches)
}

func TestFlushWritesAtMostOneHundredIncidents(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	client.fails = errDiskFull
	for id := range int64(250) {
		require.Error(t, store.Save(t.Context(), id+1, stateOf("Active")))
	}
	client.fails = nil
	for _, rest := range []int{150, 50, 0} {
		require.NoError(t, store.Flush(t.Context()))
		require.Equal(t, rest, store.Unwritten())
	}
	_, contents := open(t, client)
	require.Len(t, contents.Summaries, 250)
}

func TestFlushSkipsStateThatCannotBeEncoded(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.Error(t, store.Save(t.Context(), 1, stateOf("\xff")))
	client.fails = errDiskFull
	require.Error(t, store.Save(t.Context(), 2, stateOf("Active")))
	client.fails = nil
	require.ErrorContains(t, store.Flush(t.Context()), "write the checkpoint of incident 1: ")
	require.Equal(t, 1, store.Unwritten())
	_, contents := open(t, client)
	require.Len(t, contents.Summaries, 1)
}

func TestForgottenIncidentIsNotLoadedEvenIfItCouldNotBeDeleted(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, full()))
	client.fails = errDiskFull
	require.EqualError(t, store.Forget(t.Context(), 1, 2), "delete 2 incidents from the checkpoint, first 1: disk full")
	client.fails = nil
	_, err := store.Load(t.Context(), 1)
	require.EqualError(t, err, "read the checkpoint of incident 1: it is missing")

	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active"))) // discovered again
	requireLoaded(t, store, 1, stateOf("Active"))
	require.NoError(t, store.Flush(t.Context()))
	store, contents := open(t, client)
	require.Equal(t, map[int64]incident.State{1: stateOf("Active")}, loaded(t, store, contents))
}

func TestForgetDeletesSeveralInOneOperation(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	for _, id := range []int64{1, 2, 101, 3} {
		require.NoError(t, store.Save(t.Context(), id, full()))
	}
	client.batches = nil
	require.NoError(t, store.Forget(t.Context(), 1, 101, 2))
	require.NoError(t, store.Forget(t.Context()))
	require.Equal(t, [][]string{
		{"v1/incident/1", "v1/incident/101", "v1/incident/2", "v2/incidents/01", "v2/incidents/02"},
	}, client.batches)
	store, contents := open(t, client)
	require.Equal(t, map[int64]incident.State{3: full()}, loaded(t, store, contents))
	require.Zero(t, store.Unwritten())
}

// late performs each write and then returns an error, like a storage that
// responds too late.
func (w *wired) late() { w.afterwards = errors.New("too late") }

// What is stored then differs from what the Store believes to be stored.
func TestWriteThatTookEffectAlthoughItFailedLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fails, works func(s *Store) error
		want         []int64
	}{
		"not kept, then saved": {
			func(s *Store) error { return s.Keep(t.Context(), []int64{2}) },
			func(s *Store) error { return s.Save(t.Context(), 1, full()) },
			[]int64{1, 2},
		},
		"forgotten, then saved": {
			func(s *Store) error { return s.Forget(t.Context(), 1) },
			func(s *Store) error { return s.Save(t.Context(), 1, full()) },
			[]int64{1, 2},
		},
		"saved, then not kept": {
			func(s *Store) error { return s.Save(t.Context(), 3, full()) },
			func(s *Store) error { return s.Keep(t.Context(), []int64{1, 2}) },
			[]int64{1, 2},
		},
		"saved, then forgotten": {
			func(s *Store) error { return s.Save(t.Context(), 3, full()) },
			func(s *Store) error { return s.Forget(t.Context(), 3) },
			[]int64{1, 2},
		},
		"not kept, then kept": {
			func(s *Store) error { return s.Keep(t.Context(), []int64{2}) },
			func(s *Store) error {
				return errors.Join(s.Keep(t.Context(), []int64{1, 2}), s.Save(t.Context(), 1, full()))
			},
			[]int64{1, 2},
		},
	} {
		for version, before := range map[string]func(t *testing.T) *wired{
			"version 1": func(t *testing.T) *wired { return versionOne(t, `[1,2]`, 1, 2) },
			"version 4": func(t *testing.T) *wired {
				client := &wired{Client: newStorage()}
				store, _ := open(t, client)
				require.NoError(t, store.Save(t.Context(), 1, full()))
				require.NoError(t, store.Save(t.Context(), 2, full()))
				return client
			},
		} {
			t.Run(name+", "+version, func(t *testing.T) {
				inner := before(t)
				store, _ := open(t, inner)
				inner.late()
				require.Error(t, c.fails(store))
				inner.afterwards = nil
				require.NoError(t, c.works(store))

				_, contents := open(t, inner)
				var ids []int64
				for id := int64(1); id < 5; id++ {
					if _, found := contents.Summaries[id]; found {
						ids = append(ids, id)
					}
					value, err := inner.Get(t.Context(), incidentKey(id))
					require.NoError(t, err)
					_, found := contents.Summaries[id]
					require.Equal(t, found, value != nil, "a state that no index names stays for ever: %d", id)
				}
				require.Equal(t, c.want, ids)
			})
		}
	}
}
