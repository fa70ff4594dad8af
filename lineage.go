package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"slices"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// lineage lists the incidents that ids lead to: each, and what it was merged
// into, on to the end of the chain or to an incident that is listed already.
func lineage(ids []int64, known map[int64]incident.Summary) []int64 {
	var listed []int64
	seen := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		for id != 0 {
			if _, again := seen[id]; again {
				break
			}
			seen[id] = struct{}{}
			listed = append(listed, id)
			id = known[id].Successor
		}
	}
	return listed
}

// circles lists the incidents of the circles that ids lead into, in which no
// merge leads on to one that is followed. Sorted, each once.
func circles(ids []int64, known map[int64]incident.Summary) []int64 {
	var merged []int64
	for _, id := range ids {
		if known[id].Followed() {
			continue
		}
		chain := lineage([]int64{id}, known)
		last := known[chain[len(chain)-1]]
		if !last.Followed() { // then its successor is in the chain already
			merged = append(merged, chain[slices.Index(chain, last.Successor):]...)
		}
	}
	slices.Sort(merged)
	return slices.Compact(merged)
}
