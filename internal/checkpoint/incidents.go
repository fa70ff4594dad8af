// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// maxFlush bounds how many states one Flush writes.
const maxFlush = 100

// Keep deletes the states of all incidents except these, and sets the index to these.
func (s *Store) Keep(ctx context.Context, ids []int64) error {
	kept := indexOf(ids)
	dropped := map[int64]struct{}{}
	for _, part := range s.index {
		for _, id := range part {
			dropped[id] = struct{}{}
		}
	}
	for id := range s.unwritten { // may be stored: a failed write may still take effect
		dropped[id] = struct{}{}
	}
	maps.DeleteFunc(dropped, func(id int64, _ struct{}) bool { return kept.has(id) })
	operations := make([]*storage.Operation, 0, len(dropped))
	for id := range dropped {
		operations = append(operations, storage.DeleteOperation(incidentKey(id)))
	}
	if err := s.commit(ctx, &kept, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's index: %w", err)
	}
	maps.DeleteFunc(s.unwritten, func(id int64, _ *incident.State) bool { return !kept.has(id) })
	return nil
}

// Load returns the last saved state of an incident, even if it could not be written. If
// there is none, it returns an error: callers only load what was saved.
//
// file_storage writes even when it reads, since each operation is a transaction. On a full
// disk that fails, but only after the entry was read. Load then uses the entry.
func (s *Store) Load(ctx context.Context, id int64) (incident.State, error) {
	if state, unwritten := s.unwritten[id]; state != nil {
		return *state, nil
	} else if unwritten {
		return incident.State{}, notFound(id)
	}
	read := storage.GetOperation(incidentKey(id))
	err := s.client.Batch(ctx, read)
	switch {
	case read.Value != nil:
		return decodeState(read.Key, read.Value)
	case err != nil:
		return incident.State{}, fmt.Errorf("read the checkpoint of incident %d: %w", id, err)
	}
	return incident.State{}, notFound(id)
}

// Save stores what was delivered of an incident. If necessary, it adds the incident to the
// index in the same operation, since a key that is not in the index is lost. A state that
// cannot be written is kept for Load and Flush.
func (s *Store) Save(ctx context.Context, id int64, state incident.State) error {
	s.unwritten[id] = &state // until it is written
	value, err := encodeState(state)
	if err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	var to *index
	if s.legacyIndex || s.unsure[partOf(id)] || !s.index.has(id) {
		more := s.index.with(id)
		to = &more
	}
	if err := s.commit(ctx, to, storage.SetOperation(incidentKey(id), value)); err != nil {
		return fmt.Errorf("write the checkpoint of incident %d: %w", id, err)
	}
	delete(s.unwritten, id)
	return nil
}

// Forget deletes the states of incidents. If that fails, Flush retries it.
func (s *Store) Forget(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	to := s.index.without(ids...)
	operations := make([]*storage.Operation, len(ids))
	for i, id := range ids {
		s.unwritten[id] = nil // until it is deleted
		operations[i] = storage.DeleteOperation(incidentKey(id))
	}
	if err := s.commit(ctx, &to, operations...); err != nil {
		return fmt.Errorf("delete %d incidents from the checkpoint, first %d: %w", len(ids), ids[0], err)
	}
	for _, id := range ids {
		delete(s.unwritten, id)
	}
	return nil
}

// Unwritten returns for how many incidents the last write or deletion failed.
func (s *Store) Unwritten() int { return len(s.unwritten) }

// Flush retries failed writes and deletions in one operation, for at most 100 incidents.
// Call it until Unwritten is 0, or it fails.
func (s *Store) Flush(ctx context.Context) error {
	ids := slices.Sorted(maps.Keys(s.unwritten))
	ids = ids[:min(len(ids), maxFlush)]
	to := s.index
	var operations []*storage.Operation
	var written []int64
	var failed error
	for _, id := range ids {
		operation := storage.DeleteOperation(incidentKey(id))
		if state := s.unwritten[id]; state != nil {
			value, err := encodeState(*state)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("write the checkpoint of incident %d: %w", id, err))
				continue
			}
			operation = storage.SetOperation(incidentKey(id), value)
			to = to.with(id)
		} else {
			to = to.without(id)
		}
		operations, written = append(operations, operation), append(written, id)
	}
	if err := s.commit(ctx, &to, operations...); err != nil {
		return errors.Join(failed, fmt.Errorf("write the checkpoint of %d incidents: %w", len(written), err))
	}
	for _, id := range written {
		delete(s.unwritten, id)
	}
	return failed
}

func notFound(id int64) error {
	return fmt.Errorf("read the checkpoint of incident %d: it is missing", id)
}

func incidentKey(id int64) string { return incidentPrefix + strconv.FormatInt(id, 10) }
