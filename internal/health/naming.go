// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// maxNamed is how many incidents are logged by ID with one kind of failure.
	maxNamed = 10
	// nameAgain is how long an incident that has recovered keeps its place among
	// them. This limits incidents that fail now and then to a few lines a day.
	nameAgain = 24 * time.Hour
)

// naming decides which incidents are logged by ID.
type naming struct{ kinds map[defender.Kind]*named }

// named are the incidents that were logged by ID with one kind of failure.
type named struct {
	places map[int64]place
	more   time.Time // when it was last logged that there are more
}

type place struct {
	at      time.Time
	failing bool
}

// take reports whether to log an incident by ID, and if not, whether to log
// that there are more.
func (n *naming) take(id int64, kind defender.Kind, now time.Time) (name, more bool) {
	k := n.kinds[kind]
	if k == nil {
		k = &named{places: map[int64]place{}}
		n.kinds[kind] = k
	}
	maps.DeleteFunc(k.places, func(_ int64, p place) bool { return !p.failing && now.Sub(p.at) >= nameAgain })
	before, taken := k.places[id]
	if taken && now.Sub(before.at) < nameAgain {
		return false, false
	}
	if taken || len(k.places) < maxNamed {
		k.places[id] = place{at: now, failing: true}
		return true, false
	}
	if !k.more.IsZero() && now.Sub(k.more) < nameAgain {
		return false, false
	}
	k.more = now
	return false, true
}

// recover notes that an incident no longer fails.
func (n *naming) recover(id int64) {
	for _, k := range n.kinds {
		if p, taken := k.places[id]; taken {
			k.places[id] = place{at: p.at}
		}
	}
}

// forget frees an incident's places.
func (n *naming) forget(id int64) {
	for _, k := range n.kinds {
		delete(k.places, id)
	}
}
