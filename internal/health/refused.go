package health

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// refusedLong and refusedOften are for how long, and how often at least, an
// endpoint has to answer nothing but 429 to be unavailable: whatever takes the
// quota, nothing is fetched.
const (
	refusedLong  = 10 * time.Minute
	refusedOften = 3
)

// refusals are the 429s of an endpoint since its last success. The zero value
// has none.
type refusals struct {
	count int
	since time.Time
}

// refuse notes a 429 that concerns more than one incident.
func (e *endpoint) refuse(failure *defender.Error, now time.Time, v *Verdict) {
	r := &e.refusals
	if r.count == 0 {
		r.since = now
	}
	r.count++
	switch {
	case r.count < refusedOften || now.Sub(r.since) < refusedLong:
	case e.states[unavailable].active:
		e.failAgain(unavailable, failure, true, now, v)
	default:
		e.raiseSince(unavailable, r.since, failure, now, v)
	}
}
