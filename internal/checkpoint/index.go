package checkpoint

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// indexParts is in how many entries the index is cut, so that to name one more
// incident costs a hundredth of it.
const indexParts = 100

// index names the incidents that may have a state, each in the part of its last
// two digits. The parts are sorted; none is changed in place.
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

func (x index) without(id int64) index {
	part := &x[partOf(id)]
	*part = slices.DeleteFunc(slices.Clone(*part), func(other int64) bool { return other == id })
	return x
}

// reindex are the operations that make an index the stored one: a write for each
// part that differs. Where an earlier receiver wrote it as one entry, the first
// of them also raise the version, for that receiver would not see the parts.
func (s *Store) reindex(to index) (operations []*storage.Operation, err error) {
	stored := s.index
	if s.former {
		stored = index{}
		operations = append(operations, storage.SetOperation(versionKey, []byte(strconv.Itoa(version))), storage.DeleteOperation(formerIndexKey))
	}
	for n := range to {
		if slices.Equal(to[n], stored[n]) {
			continue
		}
		value, err := json.Marshal(to[n])
		if err != nil {
			return nil, fmt.Errorf("write the checkpoint's index: %w", err)
		}
		operations = append(operations, storage.SetOperation(partKey(n), value))
	}
	return operations, nil
}

// reindexed notes that those operations are done.
func (s *Store) reindexed(to index) { s.index, s.former = to, false }

func partKey(n int) string { return fmt.Sprintf("%s%02d", indexKey, n) }
