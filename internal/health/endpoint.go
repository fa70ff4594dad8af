// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// enough is how many different incidents must fail to raise a state, or how
	// many failures it takes if fewer incidents are tracked.
	enough = 5
	// toRecover is how many different incidents must succeed to end a state.
	toRecover = 2
)

// endpoint is the health of one endpoint.
type endpoint struct {
	name   Endpoint
	run    failureRun
	states [classes]state
	// heldUntil is the end of the last hold that was requested.
	heldUntil time.Time
	// quiet is how long the endpoint must work before its states are cleared, and
	// cleared is when they were last cleared.
	cleared time.Time
	quiet   time.Duration
	// successes is their number, and serves as the time of a failure: see evidence.
	successes uint64
	// failing holds the failing incidents, with the number of successes before
	// each began to fail; alone is how many of them began before the last success.
	failing map[int64]uint64
	alone   int
	// flaky holds when each incident last failed alone.
	flaky map[int64]time.Time
	// failures is their number since the last success, whether evidence or not.
	failures int
	refusals refusals
	// retry is the backoff of a list for failures before a state; nil: it works.
	retry *backoff.ExponentialBackOff
}

// isShown reports whether the endpoint is in a state, or was until recently.
func (e *endpoint) isShown() bool {
	for i := range e.states {
		if e.states[i].shown {
			return true
		}
	}
	return false
}

// isDown reports whether the endpoint is in a state.
func (e *endpoint) isDown() bool {
	for i := range e.states {
		if e.states[i].active {
			return true
		}
	}
	return false
}

// fail notes a failure. tracked is how many incidents could fail.
func (e *endpoint) fail(id int64, s suspect, tracked int, now time.Time, v *Verdict) {
	e.failures++
	if state := &e.states[s.class]; state.active {
		e.affect(id)
		e.failAgain(s.class, s.failure, s.streak == nil || e.evidence(id), now, v)
		return
	}
	e.affect(id)
	if s.streak != nil && !e.evidence(id) {
		e.evaluateAll(s, tracked, now, v)
		return
	}
	e.run.add(id, s, now)
	if c, raised := e.evaluate(s.class, tracked); raised {
		e.raise(c, now, v)
	}
}

// affect marks an incident to be released when the active states end.
func (e *endpoint) affect(id int64) {
	for i := range e.states {
		if e.states[i].active {
			e.states[i].failed[id] = struct{}{}
		}
	}
}

// evaluate reports whether the run raises a state, and of which class. A run of
// several classes counts only while no state is active.
func (e *endpoint) evaluate(last class, tracked int) (class, bool) {
	tally := &e.run.classes[last]
	distinct, failures := e.needed(last, tracked)
	if tally.failures >= failures && e.run.distinct(last) >= distinct {
		return last, true
	}
	distinct, failures = e.needed(unavailable, tracked)
	if e.isDown() || len(e.run.latest) < distinct || e.run.failures() < failures {
		return own, false
	}
	return e.run.majority(last), true
}

// evaluateAll raises a state if every incident fails, whether or not each failure is evidence.
func (e *endpoint) evaluateAll(last suspect, tracked int, now time.Time, v *Verdict) {
	if e.isDown() || len(e.failing) < tracked || e.failures < enough {
		return
	}
	e.raiseSince(last.class, last.streak.since, last.failure, now, v)
	for id := range e.failing {
		e.affect(id)
	}
}

// needed is how many different incidents, and how many failures, raise a state.
// Incidents that fail alone are no evidence and do not count.
func (e *endpoint) needed(c class, tracked int) (distinct, failures int) {
	if e.name == List || e.name == AlertList {
		if c == unavailable {
			return 1, 3
		}
		return 1, 2
	}
	others := max(1, tracked-e.alone)
	if c == denied { // never by chance: one failure of each is enough
		return min(enough, others), 1
	}
	return min(enough, others), enough
}

// raise turns the failures of a class into a state.
func (e *endpoint) raise(c class, now time.Time, v *Verdict) {
	tally := e.run.classes[c]
	e.raiseSince(c, tally.since, tally.failure, now, v)
	for _, id := range e.run.ids() {
		e.states[c].failed[id] = struct{}{}
	}
}

// raiseSince raises a state that began at since.
func (e *endpoint) raiseSince(c class, since time.Time, failure *defender.Error, now time.Time, v *Verdict) {
	state := &e.states[c]
	if !e.isShown() {
		e.quiet = e.nextQuiet(now)
	}
	state.raise(c, since, failure)
	e.hold(c, now, v)
}

// nextQuiet doubles each time while the endpoint flaps.
func (e *endpoint) nextQuiet(now time.Time) time.Duration {
	if e.cleared.IsZero() || now.Sub(e.cleared) >= sameStateAgain {
		return calm
	}
	return min(2*e.quiet, longestQuiet)
}

// failAgain notes a failure of a class with an active state.
func (e *endpoint) failAgain(c class, failure *defender.Error, evidence bool, now time.Time, v *Verdict) {
	state := &e.states[c]
	state.fail(failure, evidence)
	e.hold(c, now, v)
	if state.logged && state.newCause(failure) {
		v.Notices = append(v.Notices, anotherCause(e.name, c, failure))
	}
}

// hold requests a hold. Requests that were in flight when a hold began do not extend it.
func (e *endpoint) hold(c class, now time.Time, v *Verdict) {
	if now.Before(e.heldUntil) {
		return
	}
	v.Hold = e.nextHold(c)
	v.Held = e.name
	e.heldUntil = now.Add(v.Hold)
}

// nextHold is the length of the next hold of a state.
func (e *endpoint) nextHold(c class) time.Duration {
	state := &e.states[c]
	if lacksAlerts(e.name, state.failure) {
		return hourly().NextBackOff()
	}
	return state.backoff.NextBackOff()
}

// lacksAlerts reports whether the permission for the list of alerts is missing.
func lacksAlerts(e Endpoint, failure *defender.Error) bool {
	return e == AlertList && failure.Kind == defender.Forbidden
}

// lift ends the hold of an endpoint that is no longer in a state, and reports whether
// there was one.
func (e *endpoint) lift(now time.Time) (lifted bool) {
	if e.isDown() || !now.Before(e.heldUntil) {
		return false
	}
	e.heldUntil = now
	return true
}

// succeed notes a success. need is how many different incidents must succeed
// before a state ends.
func (e *endpoint) succeed(id int64, need int, now time.Time, v *Verdict) {
	e.successes++
	e.failures = 0
	e.refusals = refusals{}
	e.alone = len(e.failing)
	e.run = failureRun{}
	for i := range e.states {
		if state := &e.states[i]; state.active {
			v.Release = append(v.Release, state.succeed(id, need, now)...)
		}
	}
}
