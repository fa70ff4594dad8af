// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// pauseAgain is how long there must be no pause before the next one is logged.
const pauseAgain = 10 * time.Minute

// LongPause is how long a pause must be to be logged as a warning. One this
// long is logged even soon after another pause, if it is at least twice as long
// as the last one that was logged: no change is found in the meantime.
const LongPause = 5 * time.Minute

// Tracker keeps the health of all endpoints. It belongs to one goroutine.
// Memory grows only with the number of failing incidents.
type Tracker struct {
	signIn, get, list, alertList endpoint
	found                        found
	naming                       naming

	throttled   pauses // after a 429
	retryAfters pauses // after any other response with a Retry-After
	reported    reported
}

// pauses are the pauses after responses of one kind.
type pauses struct {
	until  time.Time     // the end of the longest
	logged time.Duration // the length of the last one that was logged
}

// reported is the worst state, as the status shows it. The zero value: none.
type reported struct {
	class    class
	endpoint Endpoint
}

// New returns a tracker that assumes that the API works.
func New() *Tracker {
	return &Tracker{
		signIn: endpoint{name: SignIn},
		get:    endpoint{name: Get, failing: map[int64]uint64{}, flaky: map[int64]time.Time{}},
		list:   endpoint{name: List}, alertList: endpoint{name: AlertList},
		found:  found{held: map[int64]*Streak{}},
		naming: naming{kinds: map[defender.Kind]*named{}},
	}
}

// all are the endpoints, the most important one first.
func (t *Tracker) all() [endpoints]*endpoint {
	return [...]*endpoint{&t.signIn, &t.get, &t.list, &t.alertList}
}

// IncidentFailed handles a failed request for an incident.
func (t *Tracker) IncidentFailed(i Incident, failure *defender.Error, p Population, now time.Time) Verdict {
	v := Verdict{Streak: i.Streak, Hung: failure.Kind == defender.Timeout}
	t.advance(now, &v)
	t.reach(failure, now, &v)
	switch {
	case failure.Kind == defender.NoToken: // the request was never sent: nothing is known about the incident
	case failure.Kind == defender.Throttled:
		t.incidentThrottled(i, failure, p, now, &v)
	case failure.Kind == defender.NotFound && !i.Shown:
		t.incidentNotFound(i, failure, p, now, &v)
	case failure.Kind == defender.Oversize, i.Shown:
		t.incidentUnusable(i, failure.Kind, failure, p, now, &v)
	default:
		t.incidentFailed(i, failure, p, now, &v)
	}
	if failure.Kind != defender.Throttled && failure.RetryAfter > 0 {
		t.incidentRetryAfter(failure, now, &v)
	}
	t.finish(now, &v)
	return v
}

// UntrackedFailed handles a failed request for an incident that is no longer
// tracked. A Retry-After may concern the others.
func (t *Tracker) UntrackedFailed(failure *defender.Error, now time.Time) Verdict {
	var v Verdict
	if failure.RetryAfter > 0 {
		t.pause(failure, now, &v)
	}
	t.finish(now, &v)
	return v
}

// IncidentUnreadable handles a response that cannot be used because the
// incident's checkpoint cannot be read. Call it instead of IncidentSucceeded.
func (t *Tracker) IncidentUnreadable(i Incident, err error, p Population, now time.Time) Verdict {
	var v Verdict
	t.advance(now, &v)
	t.reach(nil, now, &v)
	t.incidentUnusable(i, unreadable, err, p, now, &v)
	t.finish(now, &v)
	return v
}

// IncidentSucceeded handles a response that shows an incident, or a page of its alerts.
func (t *Tracker) IncidentSucceeded(i Incident, p Population, now time.Time) Verdict {
	var v Verdict
	t.advance(now, &v)
	t.reach(nil, now, &v)
	if i.Streak != nil && i.Streak.run.logged {
		v.Notices = append(v.Notices, incidentRecovered(i.Streak, now))
	}
	t.naming.recover(i.ID)
	t.get.stop(i.ID)
	t.incidentFound(i.ID, p, now, &v)
	t.finish(now, &v)
	return v
}

// ListFailed handles a failed request for a page of the list.
func (t *Tracker) ListFailed(failure *defender.Error, now time.Time) Verdict {
	return t.pageFailed(&t.list, failure, now)
}

// AlertListFailed handles a failed request for a page of the list of alerts. A state of that list is logged like one of the other, but it is
// never the status. Without the permission, the list is requested about once an hour.
func (t *Tracker) AlertListFailed(failure *defender.Error, now time.Time) Verdict {
	return t.pageFailed(&t.alertList, failure, now)
}

func (t *Tracker) pageFailed(list *endpoint, failure *defender.Error, now time.Time) Verdict {
	v := Verdict{Hung: failure.Kind == defender.Timeout}
	t.advance(now, &v)
	t.reach(failure, now, &v)
	switch failure.Kind {
	case defender.NoToken:
	case defender.Throttled:
		t.pause(failure, now, &v)
		v.Learn = true
		list.refuse(0, failure, 1, now, &v)
	default:
		list.pageFailed(failure, now, &v)
		if failure.RetryAfter > 0 {
			t.pause(failure, now, &v)
			v.Retry = max(v.Retry, failure.RetryAfter)
		}
	}
	t.finish(now, &v)
	return v
}

// ListRetryAfter handles a failure with a Retry-After that says nothing about the list as a whole.
func (t *Tracker) ListRetryAfter(failure *defender.Error, now time.Time) Verdict {
	var v Verdict
	t.pause(failure, now, &v)
	return v
}

// ListSucceeded handles a response that is a page of the list.
func (t *Tracker) ListSucceeded(now time.Time) Verdict { return t.pageSucceeded(&t.list, now) }

// AlertListSucceeded handles a response that is a page of the list of alerts.
func (t *Tracker) AlertListSucceeded(now time.Time) Verdict {
	return t.pageSucceeded(&t.alertList, now)
}

func (t *Tracker) pageSucceeded(list *endpoint, now time.Time) Verdict {
	var v Verdict
	t.advance(now, &v)
	t.reach(nil, now, &v)
	list.retry = nil
	list.succeed(0, 1, now, &v)
	t.finish(now, &v)
	return v
}

// Down reports whether requests for incidents pause because several of them fail.
func (t *Tracker) Down() bool { return t.get.isDown() }

// ListDown reports whether requests for the list pause because they fail.
func (t *Tracker) ListDown() bool { return t.list.isDown() }

// AlertListDown reports whether requests for the list of alerts pause because they fail.
func (t *Tracker) AlertListDown() bool { return t.alertList.isDown() }

// Check updates the health for the time that has passed. Its verdict has at
// most a Release, Notices, Resume and a Status.
func (t *Tracker) Check(now time.Time) Verdict {
	var v Verdict
	t.finish(now, &v)
	return v
}

// NextCheck is when to call Check. Not ok: not before another outcome.
func (t *Tracker) NextCheck() (at time.Time, ok bool) {
	for _, e := range t.all() {
		if next, due := e.next(); due && (!ok || next.Before(at)) {
			at, ok = next, true
		}
	}
	return at, ok
}

// Forget notes that an incident has left the roster. It accepts nil.
func (t *Tracker) Forget(s *Streak) {
	if s == nil {
		return
	}
	t.get.stop(s.id)
	t.naming.forget(s.id)
	delete(t.get.flaky, s.id)
	delete(t.found.held, s.id)
	for i := range t.get.states {
		delete(t.get.states[i].failed, s.id)
	}
}

// reach handles the result of signing in. A nil failure: the request succeeded.
func (t *Tracker) reach(failure *defender.Error, now time.Time, v *Verdict) {
	if failure == nil || failure.Kind != defender.NoToken {
		t.signIn.succeed(int64(t.signIn.successes), toRecover, now, v)
		return
	}
	if !t.signIn.isDown() {
		t.signIn.raiseSince(noToken, now, failure, now, v)
		return
	}
	t.signIn.failAgain(noToken, failure, true, now, v)
}

// advance does what is due by now.
func (t *Tracker) advance(now time.Time, v *Verdict) {
	for _, e := range t.all() {
		e.advance(now, v)
	}
}

// finish completes a verdict.
func (t *Tracker) finish(now time.Time, v *Verdict) {
	t.advance(now, v)
	t.resume(now, v)
	t.report(v)
	slices.Sort(v.Release)
	v.Release = slices.Compact(v.Release)
}

// resume ends the holds of endpoints that are no longer in a state. A hold of the sign-in holds all endpoints.
func (t *Tracker) resume(now time.Time, v *Verdict) {
	signIn := t.signIn.lift(now)
	for _, e := range []*endpoint{&t.get, &t.list, &t.alertList} {
		lifted := e.lift(now) || signIn
		if lifted && !now.Before(e.heldUntil) && !now.Before(t.signIn.heldUntil) {
			v.Resume = append(v.Resume, e.name)
		}
	}
}

// report reports the worst state if it has changed.
func (t *Tracker) report(v *Verdict) {
	worst, state := t.worst()
	if worst == t.reported {
		return
	}
	t.reported = worst
	v.Status = &Status{}
	if state != nil {
		v.Status.Err = fmt.Errorf("%s: %w", raisedMessage(worst.endpoint, worst.class, state.failure), state.failure)
	}
}

// worst is the most severe state that is shown, except those of the list of
// alerts. Nil: there is none.
func (t *Tracker) worst() (reported, *state) {
	for c := noToken; c > own; c-- {
		for _, e := range t.all() {
			if state := &e.states[c]; state.shown && e.name != AlertList {
				return reported{c, e.name}, state
			}
		}
	}
	return reported{}, nil
}
