package feed

import (
	"math/bits"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// option is a part of a request that the service may refuse. No documentation says which of them work together.
type option uint8

const (
	ordering option = 1 << iota // by creation, with a filter on the last update
	bounding                    // an upper bound
	counting
	creation // a filter on the creation
	narrowing
	allOptions = 1<<iota - 1
)

// refusals are the options that the service refuses. They are found by leaving out as few as possible from a request that it rejects.
type refusals struct {
	refused option
	trial   option // left out of the next request to find out
}

// allows says whether requests may have that option.
func (r *refusals) allows(o option) bool { return o&(r.refused|r.trial) == 0 }

// strip leaves out of a request what is refused.
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

// rejected notes that a request was rejected which has these options when nothing is on trial. It says whether there is one with fewer options
// to try. If there is none, the options were not the reason, and none is refused.
func (r *refusals) rejected(used option) (again bool) {
	trials := []option{}
	for size := 1; size <= bits.Len8(uint8(allOptions)); size++ {
		for o := option(1); o <= allOptions; o++ {
			if o&^used == 0 && bits.OnesCount8(uint8(o)) == size {
				trials = append(trials, o)
			}
		}
	}
	next := 0
	for i, o := range trials {
		if o == r.trial {
			next = i + 1
		}
	}
	if next >= len(trials) {
		r.trial = 0
		return false
	}
	r.trial = trials[next]
	return true
}

// accepted notes that a request was answered, and returns what of it has proved to be refused.
func (r *refusals) accepted() (refused option) {
	refused, r.trial = r.trial, 0
	r.refused |= refused
	return refused
}

// names are the refused options, in their order, in the words of the API.
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
