// Package checkpoint keeps what must survive a restart, over the collector's
// storage extension: what was last delivered of each incident, a key each, an
// index of the incidents that have one, and the accounts of the requests, of
// each API its own.
package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// version of what is stored. It goes up with a change that an earlier
// receiver would misread.
const version = 1

// The keys. The version's own key never changes; all others carry the version.
const (
	versionKey  = "version"
	receiverKey = "v1/receiver"
	quotaKey    = "v1/quota/" // then the API and the kind of call
	feedKey     = "v1/feed"
	indexKey    = "v1/incidents"
	incidentKey = "v1/incident/"
)

// readAtOnce bounds how many keys one storage operation reads.
const readAtOnce = 1000

// Receiver is what is stored of the receiver as a whole.
type Receiver struct {
	// API that the incidents' states were read from.
	API string `json:"api"`
	// Tenant's id; empty: not known yet.
	Tenant string `json:"tenant,omitzero"`
}

// Feed is how far the change feed has come.
type Feed struct {
	// Boundary is the lastUpdateTime since which the next call lists; zero: the
	// feed has not begun.
	Boundary time.Time `json:"boundary,omitzero"`
	// Named are the incidents that it has shown to have changed, but not how:
	// they are due.
	Named []int64 `json:"named,omitzero"`
	// Quota is the account of its own requests, an entry of its own: times and
	// ids are the same for each API, quotas are not.
	Quota Quota `json:"-"`
}

// entry is what is stored under a key, or read from it.
type entry struct {
	key     string
	content any
}

// Store belongs to one goroutine. Its writes are durable when they return, as
// far as the storage extension is.
type Store struct {
	client  storage.Client
	api     string             // whose accounts it keeps
	indexed map[int64]struct{} // the incidents that the stored index names
}

// Contents is what a checkpoint held, with the accounts of one API.
type Contents struct {
	Receiver Receiver
	Quota    Quota
	Feed     Feed
	States   map[int64]incident.State
}

// Open reads the whole checkpoint, for requests to the API of that name; an
// empty one is no error. One that cannot be read, or that a later version wrote,
// is: starting afresh would emit everything again.
func Open(ctx context.Context, client storage.Client, api string) (*Store, Contents, error) {
	s := &Store{client: client, api: api, indexed: map[int64]struct{}{}}
	contents := Contents{States: map[int64]incident.State{}}
	if err := s.checkVersion(ctx); err != nil {
		return nil, Contents{}, err
	}
	var ids []int64
	for _, e := range []entry{
		{receiverKey, &contents.Receiver},
		{s.accountKey(gets), &contents.Quota},
		{feedKey, &contents.Feed},
		{s.accountKey(lists), &contents.Feed.Quota},
		{indexKey, &ids},
	} {
		if _, err := s.read(ctx, e.key, e.content); err != nil {
			return nil, Contents{}, err
		}
	}
	for chunk := range slices.Chunk(ids, readAtOnce) {
		if err := s.readStates(ctx, chunk, contents.States); err != nil {
			return nil, Contents{}, err
		}
	}
	for _, id := range ids {
		s.indexed[id] = struct{}{}
	}
	return s, contents, nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	var stored int
	found, err := s.read(ctx, versionKey, &stored)
	switch {
	case err != nil:
		return err
	case found && stored > version:
		return fmt.Errorf("the checkpoint is of version %d, this receiver reads up to version %d: "+
			"use the later receiver again, or give this one an empty storage (it will then emit every incident once more)", stored, version)
	case found:
		return nil
	}
	if err := s.client.Set(ctx, versionKey, []byte(strconv.Itoa(version))); err != nil {
		return fmt.Errorf("write the checkpoint's version: %w", err)
	}
	return nil
}

func (s *Store) readStates(ctx context.Context, ids []int64, into map[int64]incident.State) error {
	operations := make([]*storage.Operation, len(ids))
	for i, id := range ids {
		operations[i] = storage.GetOperation(keyOf(id))
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	for i, operation := range operations {
		if operation.Value == nil {
			continue // named in the index before its first state was written
		}
		var state incident.State
		if err := decode(operation.Key, operation.Value, &state); err != nil {
			return err
		}
		into[ids[i]] = state
	}
	return nil
}

// Keep names the incidents that may have a state from now on, and deletes the
// states of all others.
func (s *Store) Keep(ctx context.Context, ids []int64) error {
	kept := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		kept[id] = struct{}{}
	}
	if maps.Equal(kept, s.indexed) {
		return nil
	}
	index, err := indexOperation(kept)
	if err != nil {
		return err
	}
	operations := []*storage.Operation{index}
	for id := range s.indexed {
		if _, stays := kept[id]; !stays {
			operations = append(operations, storage.DeleteOperation(keyOf(id)))
		}
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's index: %w", err)
	}
	s.indexed = kept
	return nil
}

// Save stores what was delivered of an incident, naming it in the index in the
// same operation if need be: a key that the index does not name would be lost.
func (s *Store) Save(ctx context.Context, id int64, state incident.State) error {
	value, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	operations := []*storage.Operation{storage.SetOperation(keyOf(id), value)}
	indexed := s.indexed
	if _, named := indexed[id]; !named {
		indexed = maps.Clone(indexed)
		indexed[id] = struct{}{}
		index, err := indexOperation(indexed)
		if err != nil {
			return err
		}
		operations = append(operations, index)
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	s.indexed = indexed
	return nil
}

// Forget deletes what was delivered of an incident.
func (s *Store) Forget(ctx context.Context, id int64) error {
	indexed := maps.Clone(s.indexed)
	delete(indexed, id)
	index, err := indexOperation(indexed)
	if err != nil {
		return err
	}
	if err := s.client.Batch(ctx, index, storage.DeleteOperation(keyOf(id))); err != nil {
		return fmt.Errorf("delete the checkpoint of incident %d: %w", id, err)
	}
	s.indexed = indexed
	return nil
}

// SaveReceiver stores what is known of the receiver as a whole.
func (s *Store) SaveReceiver(ctx context.Context, r Receiver) error {
	return s.write(ctx, entry{receiverKey, r})
}

// SaveFeed stores how far the change feed has come, with the account of its
// requests.
func (s *Store) SaveFeed(ctx context.Context, f Feed) error {
	return s.write(ctx, entry{feedKey, f}, entry{s.accountKey(lists), f.Quota})
}

// Close releases the storage.
func (s *Store) Close(ctx context.Context) error { return s.client.Close(ctx) }

// read reads one key; found is false when there is none.
func (s *Store) read(ctx context.Context, key string, into any) (found bool, err error) {
	value, err := s.client.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read the checkpoint: %w", err)
	}
	if value == nil {
		return false, nil
	}
	return true, decode(key, value, into)
}

// write stores entries in one operation.
func (s *Store) write(ctx context.Context, entries ...entry) error {
	operations := make([]*storage.Operation, len(entries))
	for i, e := range entries {
		value, err := json.Marshal(e.content)
		if err != nil {
			return fmt.Errorf("write the checkpoint's entry %s: %w", e.key, err)
		}
		operations[i] = storage.SetOperation(e.key, value)
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's entry %s: %w", entries[0].key, err)
	}
	return nil
}

func decode(key string, value []byte, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("the checkpoint's entry %s cannot be read: restore the storage, "+
			"or give the receiver an empty one (it will then emit every incident once more): %w", key, err)
	}
	return nil
}

func indexOperation(ids map[int64]struct{}) (*storage.Operation, error) {
	value, err := json.Marshal(slices.Sorted(maps.Keys(ids)))
	if err != nil {
		return nil, fmt.Errorf("write the checkpoint's index: %w", err)
	}
	return storage.SetOperation(indexKey, value), nil
}

func keyOf(id int64) string { return incidentKey + strconv.FormatInt(id, 10) }
