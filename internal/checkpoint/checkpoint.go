// Package checkpoint keeps what must survive a restart, over the collector's
// storage extension: what was last delivered of each incident, a key each, an
// index of the incidents that have one, and the accounts of the requests, of
// each API its own. What was delivered is read when it is asked for; only its
// summary is read at the start.
package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// version of what is stored. It goes up with a change that an earlier
// receiver would misread.
const version = 2

// The keys. The version's own key never changes; all others carry the version
// that introduced them.
const (
	versionKey     = "version"
	receiverKey    = "v1/receiver"
	quotaKey       = "v1/quota/" // then the API and the kind of call
	feedKey        = "v1/feed"
	formerIndexKey = "v1/incidents"  // of version 1
	indexKey       = "v2/incidents/" // then the number of a part
	incidentKey    = "v1/incident/"
)

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
	client    storage.Client
	api       string                   // whose accounts it keeps
	index     index                    // as it is stored
	former    bool                     // all is still as version 1 stored it
	unwritten map[int64]incident.State // those whose last write failed
}

// Keep names the incidents that may have a state from now on, and deletes the
// states of all others.
func (s *Store) Keep(ctx context.Context, ids []int64) error {
	kept := indexOf(ids)
	operations, err := s.reindex(kept)
	if err != nil {
		return err
	}
	for _, part := range s.index {
		for _, id := range part {
			if !kept.has(id) {
				operations = append(operations, storage.DeleteOperation(keyOf(id)))
			}
		}
	}
	if len(operations) == 0 {
		return nil
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's index: %w", err)
	}
	s.reindexed(kept)
	maps.DeleteFunc(s.unwritten, func(id int64, _ incident.State) bool { return !kept.has(id) })
	return nil
}

// Load returns what was saved of an incident last, also where its write failed.
// That nothing is found of it is an error: the caller knows of it.
//
// To file_storage a read is a transaction that it also writes. On a full disk
// that fails, but not before the entry was read: it is taken all the same.
func (s *Store) Load(ctx context.Context, id int64) (incident.State, error) {
	if state, unwritten := s.unwritten[id]; unwritten {
		return state, nil
	}
	read := storage.GetOperation(keyOf(id))
	err := s.client.Batch(ctx, read)
	switch {
	case read.Value != nil:
		return decodeState(read.Key, read.Value)
	case err != nil:
		return incident.State{}, fmt.Errorf("read the checkpoint of incident %d: %w", id, err)
	}
	return incident.State{}, fmt.Errorf("read the checkpoint of incident %d: it is gone", id)
}

// Save stores what was delivered of an incident, naming it in the index in the
// same operation if need be: a key that the index does not name would be lost.
func (s *Store) Save(ctx context.Context, id int64, state incident.State) error {
	s.unwritten[id] = state // until it is
	value, err := encodeState(state)
	if err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	var operations []*storage.Operation
	index := s.index
	if s.former || !index.has(id) {
		index = index.with(id)
		if operations, err = s.reindex(index); err != nil {
			return err
		}
	}
	if err := s.client.Batch(ctx, append(operations, storage.SetOperation(keyOf(id), value))...); err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	s.reindexed(index)
	delete(s.unwritten, id)
	return nil
}

// Forget deletes what was delivered of an incident.
func (s *Store) Forget(ctx context.Context, id int64) error {
	delete(s.unwritten, id)
	index := s.index.without(id)
	operations, err := s.reindex(index)
	if err != nil {
		return err
	}
	if err := s.client.Batch(ctx, append(operations, storage.DeleteOperation(keyOf(id)))...); err != nil {
		return fmt.Errorf("delete the checkpoint of incident %d: %w", id, err)
	}
	s.reindexed(index)
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
		return unsound(key, err)
	}
	return nil
}

func unsound(key string, err error) error {
	return fmt.Errorf("the checkpoint's entry %s cannot be read: restore the storage, "+
		"or give the receiver an empty one (it will then emit every incident once more): %w", key, err)
}

func keyOf(id int64) string { return incidentKey + strconv.FormatInt(id, 10) }
