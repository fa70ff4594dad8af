// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// indexParts is how many entries the index is split into. Adding an incident writes
// one of them.
const indexParts = 100

// index has the IDs of the incidents that may have a state. The last two digits of an ID
// determine its part. The parts are sorted and never changed in place.
type index [indexParts][]int64

func indexOf(ids []int64) index {
	var x index
	for _, id := range ids {
		x[partOf(id)] = append(x[partOf(id)], id)
	}
	for n := range x {
		slices.Sort(x[n])
		x[n] = slices.Clip(slices.Compact(x[n]))
	}
	return x
}

func partOf(id int64) uint64 { return uint64(id) % indexParts }

func (x index) has(id int64) bool {
	_, found := slices.BinarySearch(x[partOf(id)], id)
	return found
}

func (x index) with(id int64) index {
	part := &x[partOf(id)]
	if at, found := slices.BinarySearch(*part, id); !found {
		*part = slices.Insert(slices.Clip(*part), at, id)
	}
	return x
}

func (x index) without(ids ...int64) index {
	for _, id := range ids {
		part := &x[partOf(id)]
		if at, found := slices.BinarySearch(*part, id); found {
			*part = slices.Delete(slices.Clone(*part), at, at+1)
		}
	}
	return x
}

// reindex returns the operations that store an index: a write of each part that differs,
// or may differ, from what is stored.
func (s *Store) reindex(to index) (operations []*storage.Operation, err error) {
	if s.legacyIndex {
		operations = append(operations, storage.DeleteOperation(legacyIndexKey))
	}
	for n := range to {
		if !s.rewrites(to, n) {
			continue
		}
		part, err := setJSON(partKey(n), to[n])
		if err != nil {
			return nil, err
		}
		operations = append(operations, part)
	}
	return operations, nil
}

// rewrites reports whether part n must be written to store an index.
func (s *Store) rewrites(to index, n int) bool {
	if s.legacyIndex { // no part is stored
		return s.unsure[n] || len(to[n]) > 0
	}
	return s.unsure[n] || !slices.Equal(to[n], s.index[n])
}

// doubt records that a write of an index failed. If the storage only responded too late,
// the write may still take effect. The next write includes the same parts again.
func (s *Store) doubt(to *index) {
	if to == nil {
		return
	}
	for n := range to {
		s.unsure[n] = s.rewrites(*to, n)
	}
}

// decodePart reads a part of the index, or the whole index of version 1. Before version 4,
// a part had no checksum. But it has only its own IDs, in order, so damage often shows.
func decodePart(key string, entry []byte) (ids []int64, err error) {
	if err := decodeJSON(key, entry, &ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := checkID(key, id); err != nil {
			return nil, err
		}
	}
	if key == legacyIndexKey || len(ids) == 0 {
		return ids, nil
	}
	if n := partOf(ids[0]); key != partKey(int(n)) || !slices.Equal(ids, indexOf(ids)[n]) {
		return nil, unreadable(key, errors.New("IDs that belong to another part of the index"))
	}
	return ids, nil
}

// checkID checks that a stored ID can be an incident's.
func checkID(key string, id int64) error {
	if id < 1 {
		return unreadable(key, fmt.Errorf("%d is not an incident ID", id))
	}
	return nil
}

func partKey(n int) string { return fmt.Sprintf("%s%02d", indexPrefix, n) }
