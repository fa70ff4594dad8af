// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"math/bits"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// option is a part of a request that the service may refuse. The supported combinations are not documented.
type option uint8

const (
	ordering option = 1 << iota // by creation, with a filter on the last update
	bounding                    // an upper bound
	counting
	creation // a filter on the creation
	narrowing
	allOptions = 1<<iota - 1
)

// refusals are the options that the service refuses. To find them, as few as possible are left out of a request that it rejects. Since an
// outage may end just then, the request must be rejected once more, and be accepted once more without them.
type refusals struct {
	refused  option
	trial    option // left out of the next request as a test
	found    option // by a trial, not yet proved
	provable bool   // the trial is the one that was found
}

// allows reports whether requests may have that option.
func (r *refusals) allows(o option) bool { return o&(r.refused|r.trial) == 0 }

// strip removes the refused options from a request.
func (r *refusals) strip(q defender.ListRequest) defender.ListRequest {
	q.ByCreation = q.ByCreation && r.allows(ordering)
	q.Count = q.Count && r.allows(counting)
	q.Narrow = q.Narrow && r.allows(narrowing)
	if !r.allows(bounding) {
		q.Before, q.CreatedBefore = time.Time{}, time.Time{}
	}
	if !r.allows(creation) {
		q.CreatedSince, q.CreatedBefore = time.Time{}, time.Time{}
	}
	return q
}

// rejected notes that a request was rejected; used are its options without a trial. It reports whether there are fewer options to try. If not,
// the options were not the reason, and none is refused.
func (r *refusals) rejected(used option) (again bool) {
	if r.found != 0 && r.trial == 0 && r.found&^used == 0 {
		r.trial, r.provable = r.found, true
		return true
	}
	trials := trialsOf(used)
	next := 1 + slices.Index(trials, r.trial)
	if r.provable {
		next = 0
	}
	r.trial, r.found, r.provable = 0, 0, false
	if next == len(trials) {
		return false
	}
	r.trial = trials[next]
	return true
}

// trialsOf are the sets of options that can be left out of a request, the smallest first.
func trialsOf(used option) (trials []option) {
	for size := 1; size <= bits.OnesCount8(uint8(used)); size++ {
		for o := option(1); o <= allOptions; o++ {
			if o&^used == 0 && bits.OnesCount8(uint8(o)) == size {
				trials = append(trials, o)
			}
		}
	}
	return trials
}

// accepted notes that a request succeeded; used are its options without a trial. It returns the options that are proved to be refused. again:
// the request had fewer options, and must be made again.
func (r *refusals) accepted(used option) (refused option, again bool) {
	switch {
	case r.trial == 0:
		if r.found&^used == 0 {
			r.found = 0 // it works
		}
		return 0, false
	case r.trial&used == 0: // of another kind
		return 0, false
	case !r.provable:
		r.found, r.trial = r.trial, 0
		return 0, true
	}
	refused = r.trial
	r.refused |= refused
	r.trial, r.found, r.provable = 0, 0, false
	return refused, false
}

// names are the refused options, in their order, spelled as in the API.
func (r *refusals) names() (names []string) {
	for i, name := range []string{"$orderby with $filter", "lt", "$count", "createdDateTime in $filter", "$select"} {
		if r.refused&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// optionsOf are the options of a request.
func optionsOf(q defender.ListRequest) (used option) {
	for o, has := range map[option]bool{
		ordering: q.ByCreation, bounding: !q.Before.IsZero() || !q.CreatedBefore.IsZero(), counting: q.Count,
		creation: !q.CreatedSince.IsZero() || !q.CreatedBefore.IsZero(), narrowing: q.Narrow,
	} {
		if has {
			used |= o
		}
	}
	return used
}
