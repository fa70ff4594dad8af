// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// readAtOnce bounds how many keys one storage operation reads.
const readAtOnce = 2000

// Contents is the contents of a checkpoint, with the accounts of one API.
type Contents struct {
	Receiver  Receiver
	Quota     quota.Stored // of requests for single incidents, or of all requests
	Feed      Feed
	Sweep     Sweep
	Pass      Pass
	Summaries map[int64]incident.Summary // for each incident with a state
}

// Open reads the checkpoint, with the accounts of one API. It may be empty. If it cannot
// be read, or a later version wrote it, Open returns an error, since starting without it
// would emit everything again. Open writes only to an empty storage. The Store owns the
// client. If Open fails, it closes the client.
func Open(ctx context.Context, client storage.Client, api string) (*Store, Contents, error) {
	s := &Store{client: client, api: api, unwritten: map[int64]*incident.State{}}
	if _, local := client.(memory); !local {
		s.client = &bounded{client: client}
	}
	contents, err := s.readAll(ctx)
	if err != nil {
		return nil, Contents{}, errors.Join(err, s.Close(ctx))
	}
	return s, contents, nil
}

func (s *Store) readAll(ctx context.Context) (contents Contents, err error) {
	if err := s.readVersion(ctx); err != nil {
		return Contents{}, err
	}
	for _, entry := range []struct {
		key  string
		into any
	}{{receiverKey, &contents.Receiver}, {sweepKey, &contents.Sweep}, {passKey, &contents.Pass}} {
		if err := s.readInto(ctx, entry.key, entry.into); err != nil {
			return Contents{}, err
		}
	}
	if contents.Feed, err = s.readFeed(ctx); err != nil {
		return Contents{}, err
	}
	if contents.Quota, err = s.readQuota(ctx, gets); err != nil {
		return Contents{}, err
	}
	if contents.Feed.Quota, err = s.readQuota(ctx, lists); err != nil {
		return Contents{}, err
	}
	ids, err := s.readIndex(ctx)
	if err != nil {
		return Contents{}, err
	}
	contents.Summaries = make(map[int64]incident.Summary, len(ids))
	for chunk := range slices.Chunk(ids, readAtOnce) {
		if err := s.readSummaries(ctx, chunk, contents.Summaries); err != nil {
			return Contents{}, err
		}
	}
	return contents, nil
}

func (s *Store) readVersion(ctx context.Context) error {
	value, err := s.read(ctx, versionKey)
	if err != nil {
		return err
	}
	if value == nil {
		if err := s.client.Set(ctx, versionKey, []byte(strconv.Itoa(version))); err != nil {
			return fmt.Errorf("write the checkpoint's version: %w", err)
		}
		s.version = version
		return nil
	}
	if err := decode(versionKey, value, &s.version); err != nil {
		return err
	}
	if s.version > version {
		return fmt.Errorf("the checkpoint has version %d, but this receiver reads only up to version %d: "+
			"use the newer receiver again, or give this one an empty storage (it then emits every incident again)", s.version, version)
	}
	if s.version < 1 {
		return unreadable(versionKey, fmt.Errorf("there is no version %d", s.version))
	}
	s.legacyIndex = s.version < 2
	return nil
}

// readInto decodes an entry into a value. If there is no entry, the value stays as it is.
func (s *Store) readInto(ctx context.Context, key string, into any) error {
	value, err := s.read(ctx, key)
	if err != nil || value == nil {
		return err
	}
	return decodeJSON(key, value, into)
}

func (s *Store) readFeed(ctx context.Context) (Feed, error) {
	var stored storedFeed
	if err := s.readInto(ctx, feedKey, &stored); err != nil {
		return Feed{}, err
	}
	for _, id := range stored.Named {
		stored.Pending = append(stored.Pending, Pending{ID: id})
	}
	for _, p := range stored.Pending {
		if err := checkID(feedKey, p.ID); err != nil {
			return Feed{}, err
		}
	}
	return stored.Feed, nil
}

func (s *Store) readQuota(ctx context.Context, c call) (quota.Stored, error) {
	value, err := s.read(ctx, s.quotaKey(c))
	if err != nil || value == nil {
		return quota.Stored{}, err
	}
	return decodeQuota(s.quotaKey(c), value)
}

// readIndex reads the IDs of the incidents that may have a state.
func (s *Store) readIndex(ctx context.Context) (ids []int64, err error) {
	operations := []*storage.Operation{storage.GetOperation(legacyIndexKey)}
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
		part, err := decodePart(operation.Key, operation.Value)
		if err != nil {
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
		operations[i] = storage.GetOperation(incidentKey(id))
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	for i, operation := range operations {
		if operation.Value == nil {
			continue // in the index before its first state was written
		}
		summary, err := decodeSummary(operation.Key, operation.Value)
		if err != nil {
			return err
		}
		into[ids[i]] = summary
	}
	return nil
}
