// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func requireLoaded(t *testing.T, store *Store, id int64, want incident.State) {
	t.Helper()
	state, err := store.Load(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, state)
}

func TestWhatCouldNotBeWrittenIsLoadedUntilItIs(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
	client.fails = errors.New("disk full")
	require.Error(t, store.Save(t.Context(), 1, stateOf("Resolved")))
	require.Error(t, store.Save(t.Context(), 1, stateOf("Reopened")))
	require.Error(t, store.Save(t.Context(), 2, full()))
	requireLoaded(t, store, 1, stateOf("Reopened"))
	requireLoaded(t, store, 2, full())

	client.fails = nil
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
	requireLoaded(t, store, 1, stateOf("Active"))
	requireLoaded(t, store, 2, full())
	require.NoError(t, client.Set(t.Context(), "v1/incident/1", []byte(`{"seen":true}`)))
	requireLoaded(t, store, 1, incident.State{Seen: true})
}

func TestOfWhatIsForgottenOrNotKeptNothingIsLoaded(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	client.fails = errors.New("disk full")
	for id := range int64(3) {
		require.Error(t, store.Save(t.Context(), 1+id, stateOf("Active")))
	}
	client.fails = nil
	require.NoError(t, store.Forget(t.Context(), 1))
	_, err := store.Load(t.Context(), 1)
	require.ErrorContains(t, err, "it is missing")
	require.NoError(t, store.Keep(t.Context(), []int64{3}))
	_, err = store.Load(t.Context(), 2)
	require.ErrorContains(t, err, "it is missing")
	requireLoaded(t, store, 3, stateOf("Active"))
}

func TestAStateThatCannotBeLoadedIsAnError(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	_, err := store.Load(t.Context(), 437)
	assert.EqualError(t, err, "read the checkpoint of incident 437: it is missing")

	require.NoError(t, store.Save(t.Context(), 437, full()))
	client.fails = errors.New("disk on fire")
	_, err = store.Load(t.Context(), 437)
	assert.EqualError(t, err, "read the checkpoint of incident 437: disk on fire")

	client.fails = nil
	require.NoError(t, client.Set(t.Context(), "v1/incident/437", []byte("nonsense")))
	_, err = store.Load(t.Context(), 437)
	assert.ErrorContains(t, err, "cannot read the checkpoint's entry v1/incident/437: ")
}

// fullDisk fails every operation, but only after reading.
type fullDisk struct{ storage.Client }

func (d fullDisk) Batch(ctx context.Context, operations ...*storage.Operation) error {
	for _, o := range operations {
		if o.Type == storage.Get {
			if err := d.Client.Batch(ctx, o); err != nil {
				return err
			}
		}
	}
	return errors.New("no space left on device")
}

func TestOnAFullDiskStatesAreReadAllTheSame(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, full()))
	client.Client = fullDisk{client.Client}
	require.Error(t, store.Save(t.Context(), 2, stateOf("Active")))
	requireLoaded(t, store, 1, full())
	requireLoaded(t, store, 2, stateOf("Active"))
	_, err := store.Load(t.Context(), 3)
	require.EqualError(t, err, "read the checkpoint of incident 3: no space left on device")
	require.NoError(t, client.Set(t.Context(), "v1/incident/1", []byte("nonsense")))
	_, err = store.Load(t.Context(), 1)
	require.ErrorContains(t, err, "cannot read the checkpoint's entry v1/incident/1: ")
}

func TestInMemoryEverythingWorksAsLongAsItIsHeld(t *testing.T) {
	client := NewMemory()
	store, contents := open(t, client)
	require.NoError(t, store.Keep(t.Context(), []int64{1}))
	require.NoError(t, store.Save(t.Context(), 1, full()))
	require.NoError(t, store.Save(t.Context(), 2, twofold()))
	require.NoError(t, store.Forget(t.Context(), 1))
	require.NoError(t, store.Close(t.Context()))
	assert.Equal(t, Contents{Summaries: map[int64]incident.Summary{}}, contents)

	store, contents = open(t, client)
	assert.Equal(t, map[int64]incident.State{2: twofold()}, loaded(t, store, contents))
	require.NoError(t, client.Delete(t.Context(), "v1/incident/2"))
	_, err := store.Load(t.Context(), 2)
	require.ErrorContains(t, err, "it is missing")
	_, contents = open(t, NewMemory())
	assert.Equal(t, Contents{Summaries: map[int64]incident.Summary{}}, contents)
}
