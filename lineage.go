package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import "github.com/seed2514a141/defenderincidentsreceiver/internal/incident"

// lineage lists the incidents that ids lead to: each, and what it was merged
// into, on to the end of the chain or to an incident that is listed already.
func lineage(ids []int64, states map[int64]incident.State) []int64 {
	var listed []int64
	seen := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		for id != 0 {
			if _, again := seen[id]; again {
				break
			}
			seen[id] = struct{}{}
			listed = append(listed, id)
			id = states[id].Successor
		}
	}
	return listed
}

// followed says whether an incident is fetched: not any more once it was
// merged into another, which is fetched in its place.
func followed(state incident.State) bool { return !state.Merged || state.Successor == 0 }
