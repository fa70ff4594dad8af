// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// refusedLong and refusedOften are how long, and at least how often, an
	// endpoint must return only 429 before it counts as unavailable: whoever uses
	// up the quota, nothing is fetched.
	refusedLong  = 10 * time.Minute
	refusedOften = 3
	// refusedAtOnce is how many times in a row an incident is requested again
	// right after the pause of its 429. After that it backs off, and the others
	// show whether it is the only one.
	refusedAtOnce = 2
)

// refusals are the 429s of an endpoint since its last success. The zero
// value has none.
type refusals struct {
	count int
	since time.Time
	ids   map[int64]struct{} // of the incidents; the list is incident 0
}

// add notes a 429.
func (r *refusals) add(id int64, now time.Time) {
	if r.ids == nil {
		r.since, r.ids = now, map[int64]struct{}{}
	}
	r.count++
	r.ids[id] = struct{}{}
}

// lasting reports whether the endpoint has returned only 429 for long. need is
// how many different incidents that takes.
func (r *refusals) lasting(need int, now time.Time) bool {
	return r.count >= refusedOften && len(r.ids) >= need && now.Sub(r.since) >= refusedLong
}

// refuse notes a 429 that may concern more than one incident. tracked is how
// many incidents could get one.
func (e *endpoint) refuse(id int64, failure *defender.Error, tracked int, now time.Time, v *Verdict) {
	e.refusals.add(id, now)
	switch {
	case !e.refusals.lasting(min(enough, max(1, tracked-e.alone)), now):
	case e.states[unavailable].active:
		e.affect(id)
		e.failAgain(unavailable, failure, true, now, v)
	default:
		e.raiseSince(unavailable, e.refusals.since, failure, now, v)
		for id := range e.refusals.ids {
			e.affect(id)
		}
	}
}
