// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// failureRun holds the failures of one endpoint since its last success. The zero value
// has none. Classes are counted separately and together: one outage may cause
// several kinds of responses.
type failureRun struct {
	latest  map[int64]suspect // the last failure of each incident; the list is incident 0
	classes [classes]tally
}

type suspect struct {
	class   class
	streak  *Streak // nil: the list
	failure *defender.Error
}

type tally struct {
	failures int
	since    time.Time
	failure  *defender.Error // the last one
}

// add adds a failure.
func (r *failureRun) add(id int64, s suspect, now time.Time) {
	if r.latest == nil {
		r.latest = map[int64]suspect{}
	}
	r.latest[id] = s
	t := &r.classes[s.class]
	if t.failures == 0 {
		t.since = now
	}
	t.failures++
	t.failure = s.failure
}

// remove forgets an incident, but not how often it has failed.
func (r *failureRun) remove(id int64) { delete(r.latest, id) }

// distinct is how many incidents have failed, most recently in this class.
func (r *failureRun) distinct(c class) int {
	n := 0
	for _, s := range r.latest {
		if s.class == c {
			n++
		}
	}
	return n
}

// failures is the number of failures of all classes.
func (r *failureRun) failures() int {
	n := 0
	for _, t := range r.classes {
		n += t.failures
	}
	return n
}

// majority is the class with most failures. If several have equally many, it is
// last, or else the most severe one.
func (r *failureRun) majority(last class) class {
	most := last
	for c := noToken; c > own; c-- {
		if r.classes[c].failures > r.classes[most].failures {
			most = c
		}
	}
	return most
}

// ids are the incidents of the run, in ascending order.
func (r *failureRun) ids() []int64 { return slices.Sorted(maps.Keys(r.latest)) }
