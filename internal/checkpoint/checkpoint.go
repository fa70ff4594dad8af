// SPDX-License-Identifier: Apache-2.0

// Package checkpoint keeps what must survive a restart, over the collector's
// storage extension: what was last delivered of each incident, a key each, an
// index of the incidents that have one, how far the change feed has come, and
// for each API the accounts of the requests that were sent. A start reads only
// the summaries of the incidents; the states are read when they are needed.
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

// version of the stored content. It is raised with each change that an earlier
// receiver would misread. An earlier version is read; the first write raises it.
const version = 3

// The keys. The key of the version never changes; each other key has the version
// that introduced it.
const (
	versionKey     = "version"
	receiverKey    = "v1/receiver"
	quotaPrefix    = "v1/quota/" // then the API and the kind of call
	feedKey        = "v1/feed"
	sweepKey       = "v1/sweep"
	passKey        = "v1/pass"
	legacyIndexKey = "v1/incidents"  // of version 1
	indexPrefix    = "v2/incidents/" // then the number of a part
	incidentPrefix = "v1/incident/"  // then the ID
)

// Receiver is what is stored of the receiver as a whole.
type Receiver struct {
	// API that the states of the incidents were read from.
	API string `json:"api"`
	// Tenant ID; empty: not known yet.
	Tenant string `json:"tenant,omitzero"`
	// IgnoreChanges is the digest of the list ignore_changes, 32 hexadecimal
	// digits; empty: not recorded yet.
	IgnoreChanges string `json:"ignore_changes,omitzero"`
	// Basis counts the changes of that list.
	Basis uint32 `json:"basis,omitzero"`
}

// Feed is how far the change feed has come.
type Feed struct {
	// Boundary is the lastUpdateTime since which the next call lists; zero: the
	// feed has not begun.
	Boundary time.Time `json:"boundary,omitzero"`
	// Alerts is the time of an alert's last change since which the next call of
	// the alert feed lists; zero: it has not begun.
	Alerts time.Time `json:"alerts,omitzero"`
	// Pending are the changes that the list showed and that no poll has shown
	// since.
	Pending []Pending `json:"pending,omitzero"`
	// Discover is whether the feed discovered incidents; nil: not recorded, as
	// before version 3.
	Discover *bool `json:"discover,omitzero"`
	// Quota is the account of the requests for the list. It has an entry of its own:
	// the rest of the feed is the same for each API, quotas are not. SaveFeed leaves
	// that entry as it is if Quota is empty: where one account counts all requests,
	// it is saved by SaveQuota.
	Quota quota.Stored `json:"-"`
}

// Sweep is how far sweeps of the list have come.
type Sweep struct {
	Began     time.Time `json:"began,omitzero"`     // the sweep under way, or the last one
	Completed time.Time `json:"completed,omitzero"` // the end of the last sweep that has read its lists to their ends
	Pages     int       `json:"pages,omitzero"`     // of the last sweep that did not fail
	List      int       `json:"list,omitzero"`      // of the sweep under way
	Skip      int       `json:"skip,omitzero"`      // of its next page
	Done      int       `json:"done,omitzero"`      // its pages so far; 0: no sweep is under way
}

// Pass is how far a pass through the lists has come, which reads them once from
// the oldest row to the newest.
type Pass struct {
	// Phase is what it is doing: "count", "incidents" or "alerts"; "done": it has
	// ended; empty: none has begun.
	Phase string `json:"phase,omitzero"`
	// Since is the creation time of the last row that the phase has shown; zero: it
	// has shown none.
	Since time.Time `json:"since,omitzero"`
	// IncidentsRead: it has read the list of incidents to its end.
	IncidentsRead bool `json:"incidents_read,omitzero"`
	// AlertsFrom is when the pass under way began to read the list of alerts; zero:
	// it has not, or that was not recorded.
	AlertsFrom time.Time `json:"alerts_from,omitzero"`
	// AlertsShown is when the last pass that has read the list of alerts to its end
	// began to do so; zero: none has, or that was not recorded.
	AlertsShown time.Time `json:"alerts_shown,omitzero"`
	// AlertsRead: the last pass has read the list of alerts to its end. It is read,
	// and no longer written.
	AlertsRead bool `json:"alerts_read,omitzero"`
}

// Pending is an incident with a pending change.
type Pending struct {
	ID int64 `json:"id"`
	// Changed is when it changed, by the list; zero: not known.
	Changed time.Time `json:"changed,omitzero"`
	// Noted is when the list has shown that; zero: not recorded.
	Noted time.Time `json:"noted,omitzero"`
}

// storedFeed is the entry of the feed, also as versions 1 and 2 wrote it.
type storedFeed struct {
	Feed
	Named []int64 `json:"named,omitzero"` // the pending changes, before version 3
}

// Store writes the checkpoint and reads states from it. Only one goroutine may
// use it. A write that has returned is as durable as the storage makes it. If the
// storage does not respond, each call fails within storageTimeout.
type Store struct {
	client  storage.Client
	api     string // whose accounts it keeps
	version int    // that is stored

	index       index            // as it is stored
	legacyIndex bool             // it is still stored as version 1 did
	unsure      [indexParts]bool // the parts whose last write failed: they may be stored or not

	// unwritten has the states whose last write failed; nil: a deletion failed.
	unwritten map[int64]*incident.State
}

// SaveReceiver stores what is known of the receiver as a whole.
func (s *Store) SaveReceiver(ctx context.Context, r Receiver) error {
	operation, err := setJSON(receiverKey, r)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SaveFeed stores how far the change feed has come and, unless it is empty, the
// account of the requests for the list, in one operation.
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

// SaveSweep stores how far sweeps have come.
func (s *Store) SaveSweep(ctx context.Context, w Sweep) error {
	operation, err := setJSON(sweepKey, w)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SavePass stores how far a pass through the lists has come.
func (s *Store) SavePass(ctx context.Context, p Pass) error {
	operation, err := setJSON(passKey, p)
	if err != nil {
		return err
	}
	return s.write(ctx, operation)
}

// SaveQuota stores the account of the requests for single incidents, or of all
// requests.
func (s *Store) SaveQuota(ctx context.Context, q quota.Stored) error {
	account, err := s.setQuota(gets, q)
	if err != nil {
		return err
	}
	return s.write(ctx, account)
}

// SaveListQuota stores the account of the requests for the list, without the rest
// of SaveFeed. The zero value empties it.
func (s *Store) SaveListQuota(ctx context.Context, q quota.Stored) error {
	account, err := s.setQuota(lists, q)
	if err != nil {
		return err
	}
	return s.write(ctx, account)
}

// Close releases the storage. It returns an error if that takes longer than a
// storage call may; the storage is then released once it responds.
func (s *Store) Close(ctx context.Context) error { return s.client.Close(ctx) }

// setJSON returns the operation that stores an entry as JSON.
func setJSON(key string, content any) (*storage.Operation, error) {
	value, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write the checkpoint's entry %s: %w", key, err)
	}
	return storage.SetOperation(key, value), nil
}

// write stores entries in one operation.
func (s *Store) write(ctx context.Context, operations ...*storage.Operation) error {
	if err := s.commit(ctx, nil, operations...); err != nil {
		return fmt.Errorf("write the checkpoint's entry %s: %w", operations[0].Key, err)
	}
	return nil
}

// commit makes one batch of the operations, of those that make to the stored
// index (nil: it stays as it is), and of the one that raises the version, if they
// need be. It writes nothing if there is nothing to write.
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

// read reads one entry; nil: there is none.
func (s *Store) read(ctx context.Context, key string) ([]byte, error) {
	value, err := s.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return value, nil
}

// decode reads an entry of JSON. None is null: that would be read as an empty one.
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
