package checkpoint

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// readAtOnce bounds how many keys one storage operation reads.
const readAtOnce = 2000

// Contents is what a checkpoint held, with the accounts of one API.
type Contents struct {
	Receiver Receiver
	Quota    Quota
	Feed     Feed
	Known    map[int64]incident.Summary // of each incident that has a state
}

// Open reads the whole checkpoint, for requests to the API of that name; an
// empty one is no error. One that cannot be read, or that a later version wrote,
// is: starting afresh would emit everything again.
func Open(ctx context.Context, client storage.Client, api string) (*Store, Contents, error) {
	s := &Store{client: client, api: api, unwritten: map[int64]incident.State{}}
	var contents Contents
	if err := s.checkVersion(ctx); err != nil {
		return nil, Contents{}, err
	}
	for _, e := range []entry{
		{receiverKey, &contents.Receiver},
		{s.accountKey(gets), &contents.Quota},
		{feedKey, &contents.Feed},
		{s.accountKey(lists), &contents.Feed.Quota},
	} {
		if _, err := s.read(ctx, e.key, e.content); err != nil {
			return nil, Contents{}, err
		}
	}
	ids, err := s.readIndex(ctx)
	if err != nil {
		return nil, Contents{}, err
	}
	contents.Known = make(map[int64]incident.Summary, len(ids))
	for chunk := range slices.Chunk(ids, readAtOnce) {
		if err := s.readSummaries(ctx, chunk, contents.Known); err != nil {
			return nil, Contents{}, err
		}
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
		s.former = stored < version
		return nil
	}
	if err := s.client.Set(ctx, versionKey, []byte(strconv.Itoa(version))); err != nil {
		return fmt.Errorf("write the checkpoint's version: %w", err)
	}
	return nil
}

// readIndex reads which incidents may have a state.
func (s *Store) readIndex(ctx context.Context) (ids []int64, err error) {
	operations := []*storage.Operation{storage.GetOperation(formerIndexKey)}
	for n := range indexParts {
		operations = append(operations, storage.GetOperation(partKey(n)))
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	for _, operation := range operations {
		if operation.Value == nil {
			continue
		}
		var part []int64
		if err := decode(operation.Key, operation.Value, &part); err != nil {
			return nil, err
		}
		ids = append(ids, part...)
	}
	s.index = indexOf(ids)
	return ids, nil
}

func (s *Store) readSummaries(ctx context.Context, ids []int64, into map[int64]incident.Summary) error {
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
		summary, err := decodeSummary(operation.Key, operation.Value)
		if err != nil {
			return err
		}
		into[ids[i]] = summary
	}
	return nil
}
