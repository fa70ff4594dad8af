// SPDX-License-Identifier: Apache-2.0

// Package checkpoint stores what must survive a restart in the collector's storage
// extension: the state of each incident as it was last delivered, under a key of its
// own, an index of the incidents with a state, the progress of feeds, sweeps and passes,
// and for each API the accounts of the requests that were sent. A start keeps only the
// summaries of the incidents; states are loaded when they are needed.
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// version of the stored content. It is raised with each change that an earlier receiver
// would misread. Earlier versions can be read; the first write then raises the version.
const version = 4

// The keys. The key of the version never changes. Each other key has the version
// that introduced it.
const (
	versionKey     = "version"
	receiverKey    = "v1/receiver"
	quotaPrefix    = "v1/quota/" // then the API and the kind of request
	feedKey        = "v1/feed"
	sweepKey       = "v1/sweep"
	passKey        = "v1/pass"
	legacyIndexKey = "v1/incidents"  // of version 1
	indexPrefix    = "v2/incidents/" // then the number of a part
	incidentPrefix = "v1/incident/"  // then the ID
)

// Receiver is what is stored about the receiver as a whole.
type Receiver struct {
	// API that the states of the incidents were read from.
	API string `json:"api"`
	// Tenant ID; empty if not known yet.
	Tenant string `json:"tenant,omitzero"`
	// IgnoreChanges is the digest of the setting ignore_changes, 32 hexadecimal digits;
	// empty if not recorded yet.
	IgnoreChanges string `json:"ignore_changes,omitzero"`
	// Basis counts the changes of that setting.
	Basis uint32 `json:"basis,omitzero"`
}

// Feed is the progress of the change feed.
type Feed struct {
	// Boundary is the lastUpdateTime from which on the next call lists; zero if the feed
	// has not begun.
	Boundary time.Time `json:"boundary,omitzero"`
	// Alerts is the time of an alert's last change from which on the next call of the
	// alert feed lists; zero if it has not begun.
	Alerts time.Time `json:"alerts,omitzero"`
	// Pending are the changes that the list has shown and no poll has shown since.
	Pending []Pending `json:"pending,omitzero"`
	// Discover is whether the feed discovered incidents; nil if not recorded, as
	// before version 3.
	Discover *bool `json:"discover,omitzero"`
	// Quota is the account of requests for the list. It has an entry of its own, since each
	// API has its own quota, while the rest of the feed is shared. SaveFeed does not write
	// that entry if Quota is empty: if one account counts all requests, SaveQuota writes it.
	Quota quota.Stored `json:"-"`
}

// Sweep is the progress of sweeps of the list.
type Sweep struct {
	Began     time.Time `json:"began,omitzero"`     // the beginning of the current or last sweep
	Completed time.Time `json:"completed,omitzero"` // the end of the last sweep that read its lists to their ends
	Pages     int       `json:"pages,omitzero"`     // of the last sweep that did not fail
	List      int       `json:"list,omitzero"`      // the list that the current sweep reads
	Skip      int       `json:"skip,omitzero"`      // the offset of its next page
	Done      int       `json:"done,omitzero"`      // its pages so far; 0: there is no current sweep
}

// Pass is the progress of a pass, which reads the lists once from the oldest row
// to the newest.
type Pass struct {
	// Phase is what the pass is doing: "count", "incidents" or "alerts". It is "done" if
	// the pass has ended, and empty if none has begun.
	Phase string `json:"phase,omitzero"`
	// Since is the creation time of the last row that the phase has shown; zero if it
	// has shown none.
	Since time.Time `json:"since,omitzero"`
	// IncidentsRead: the pass has read the list of incidents to its end.
	IncidentsRead bool `json:"incidents_read,omitzero"`
	// AlertsFrom is when the current pass began to read the list of alerts; zero if it has
	// not, or if that was not recorded.
	AlertsFrom time.Time `json:"alerts_from,omitzero"`
	// AlertsShown is when the last pass that read the list of alerts to its end began
	// reading it; zero if there is none, or if that was not recorded.
	AlertsShown time.Time `json:"alerts_shown,omitzero"`
	// AlertsRead: the last pass has read the list of alerts to its end. Earlier versions
	// wrote it; it is only read.
	AlertsRead bool `json:"alerts_read,omitzero"`
}

// Pending is an incident with a pending change.
type Pending struct {
	ID int64 `json:"id"`
	// Changed is when it changed according to the list; zero if not known.
	Changed time.Time `json:"changed,omitzero"`
	// Noted is when the list showed the change; zero if not recorded.
	Noted time.Time `json:"noted,omitzero"`
}

// storedFeed is the entry of the feed in all versions.
type storedFeed struct {
	Feed
	Named []int64 `json:"named,omitzero"` // the pending changes, before version 3
}

// Store writes the checkpoint and reads states from it. Only one goroutine may use it. A
// completed write is as durable as the storage makes it. If the storage does not
// respond, each call fails within storageTimeout.
type Store struct {
	client  storage.Client
	api     string // the API for which it keeps the accounts
	version int    // the stored version

	index       index            // as it is stored
	legacyIndex bool             // the index is still stored in the form of version 1
	unsure      [indexParts]bool // parts of which the last write failed, and may have taken effect or not

	// unwritten has the states of which the last write failed; nil if a deletion failed.
	unwritten map[int64]*incident.State
}

// SaveReceiver stores what is known about the receiver as a whole.
func (s *Store) SaveReceiver(ctx context.Context, r Receiver) error {
	operation, err := setJSON(receiverKey, r)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SaveFeed stores the progress of the change feed and, unless it is empty, the account of
// requests for the list, in one operation.
func (s *Store) SaveFeed(ctx context.Context, f Feed) error {
	operation, err := setJSON(feedKey, f)
	if err != nil {
		return err
	}
	if f.Quota.Empty() {
		return s.write(ctx, operation)
	}
	account, err := s.setQuota(lists, f.Quota)
	if err != nil {
		return err
	}
	return s.write(ctx, operation, account)
}

// SaveSweep stores the progress of sweeps.
func (s *Store) SaveSweep(ctx context.Context, w Sweep) error {
	operation, err := setJSON(sweepKey, w)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SavePass stores the progress of a pass through the lists.
func (s *Store) SavePass(ctx context.Context, p Pass) error {
	operation, err := setJSON(passKey, p)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SaveQuota stores the account of requests for single incidents, or of all requests.
func (s *Store) SaveQuota(ctx context.Context, q quota.Stored) error {
	account, err := s.setQuota(gets, q)
	if err != nil {
		return err
	}
	return s.write(ctx, account)
}

// SaveListQuota stores the account of requests for the list, without the rest of the
// feed. The zero value empties it.
func (s *Store) SaveListQuota(ctx context.Context, q quota.Stored) error {
	account, err := s.setQuota(lists, q)
	if err != nil {
		return err
	}
	return s.write(ctx, account)
}

// Close releases the storage. If that takes longer than a storage call may, Close returns
// an error, and the storage is released once it responds.
func (s *Store) Close(ctx context.Context) error { return s.client.Close(ctx) }

// setJSON returns the operation that stores an entry as JSON, with a checksum.
func setJSON(key string, content any) (*storage.Operation, error) {
	value, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write the checkpoint's entry %s: %w", key, err)
	}
	return storage.SetOperation(key, withChecksum(value)), nil
}

// write stores entries in one operation.
func (s *Store) write(ctx context.Context, operations ...*storage.Operation) error {
	if err := s.commit(ctx, nil, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's entry %s: %w", operations[0].Key, err)
	}
	return nil
}

// commit writes the operations in one batch. If necessary, the batch also stores the index
// to (nil: the index stays as it is) and raises the version. If there is nothing to write,
// commit writes nothing.
func (s *Store) commit(ctx context.Context, to *index, operations ...*storage.Operation) error {
	if to != nil {
		more, err := s.reindex(*to)
		if err != nil {
			return err
		}
		operations = append(more, operations...)
	}
	if len(operations) == 0 {
		return nil
	}
	if s.version < version {
		operations = append(operations, storage.SetOperation(versionKey, []byte(strconv.Itoa(version))))
	}
	if err := s.client.Batch(ctx, operations...); err != nil {
		s.doubt(to)
		return err
	}
	s.version = version
	if to != nil {
		s.index, s.legacyIndex, s.unsure = *to, false, [indexParts]bool{}
	}
	return nil
}

// read reads one entry; nil if there is none.
func (s *Store) read(ctx context.Context, key string) ([]byte, error) {
	value, err := s.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return value, nil
}

// decodeJSON reads an entry that setJSON, or an earlier version, wrote.
func decodeJSON(key string, entry []byte, into any) error {
	if unchecked(entry) {
		return decode(key, entry, into)
	}
	content, err := checked(key, entry)
	if err != nil {
		return err
	}
	return decode(key, content, into)
}

// decode reads JSON. It rejects null, which would be read as an empty entry.
func decode(key string, value []byte, into any) error {
	if jsontext.Value(value).Kind() == 'n' {
		return unreadable(key, errors.New("it is null"))
	}
	if err := json.Unmarshal(value, into); err != nil {
		return unreadable(key, err)
	}
	return nil
}

func unreadable(key string, err error) error {
	return fmt.Errorf("cannot read the checkpoint's entry %s: restore the storage, "+
		"or give the receiver an empty one (it then emits every incident again): %w", key, err)
}
