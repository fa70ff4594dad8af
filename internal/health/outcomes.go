// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// continueStreak adds a failure to an incident's streak.
func (t *Tracker) continueStreak(i Incident, kind defender.Kind, p Population, now time.Time) *Streak {
	s := i.Streak.follow(i.ID, kind, p.Interval, t.get.successes, now)
	if s.failures == 1 && s.run.successes == t.get.successes && t.get.excused(i.ID, now) {
		s.run.successes--
		t.get.excuse(i.ID, now)
	}
	if kind != defender.NotFound {
		delete(t.found.held, i.ID)
	}
	switch {
	case s.run.failing:
		t.get.begin(i.ID, s.run.successes)
	case kind == defender.NotFound:
		t.get.stop(i.ID)
	}
	return s
}

// incidentFailed handles a failure that may be the endpoint's, or the
// incident's own. In a state, the hold determines when the incident is
// requested again: its own backoff may be much longer.
func (t *Tracker) incidentFailed(i Incident, failure *defender.Error, p Population, now time.Time, v *Verdict) {
	s := t.continueStreak(i, failure.Kind, p, now)
	v.Streak = s
	c := classOf(failure.Kind)
	t.get.fail(i.ID, suspect{c, s, failure}, p.Tracked, now, v)
	v.Retry = t.get.heldUntil.Sub(now)
	if !t.get.states[c].active || v.Retry <= 0 {
		v.Retry = s.backoff.NextBackOff()
	}
	if !t.get.isDown() && t.failsAlone(s, p) {
		t.name(s, failure, now, v)
	}
}

// failsAlone reports whether to log a failure. The first one of an incident may
// be short, or the first of an outage.
func (t *Tracker) failsAlone(s *Streak, p Population) bool {
	if s.repeated {
		return true
	}
	nobodyLeft := len(t.get.run.latest) >= p.Tracked-t.get.alone
	return nobodyLeft && classOf(s.kind) != unavailable
}

// incidentSucceeded notes that the endpoint works. So the incidents of the run of
// failures fail alone. Failures that may be short are not logged yet.
func (t *Tracker) incidentSucceeded(id int64, p Population, now time.Time, v *Verdict) {
	run := t.get.run
	t.get.succeed(id, min(toRecover, max(1, p.Tracked)), now, v)
	for _, id := range run.ids() {
		if !t.get.isShown() {
			t.get.excuse(id, now)
		}
		if s := run.latest[id]; s.class != unavailable && !t.get.isDown() {
			t.name(s.streak, s.failure, now, v)
		}
	}
}

// incidentFound notes that the API has an incident.
func (t *Tracker) incidentFound(id int64, p Population, now time.Time, v *Verdict) {
	t.incidentSucceeded(id, p, now, v)
	v.Release = append(v.Release, t.found.success(id)...)
}

// incidentUnusable handles a response that cannot be used. The API works; the
// cause is this incident's own.
func (t *Tracker) incidentUnusable(i Incident, kind defender.Kind, err error, p Population, now time.Time, v *Verdict) {
	t.get.stop(i.ID)
	t.incidentFound(i.ID, p, now, v)
	s := t.continueStreak(i, kind, p, now)
	v.Streak, v.Retry = s, s.backoff.NextBackOff()
	t.name(s, err, now, v)
}

// incidentNotFound handles a 404.
func (t *Tracker) incidentNotFound(i Incident, failure *defender.Error, p Population, now time.Time, v *Verdict) {
	s := t.continueStreak(i, defender.NotFound, p, now)
	v.Streak = s
	if i.Delivered && !s.believed && t.mayBeWrongTarget(p) {
		v.Retry = min(doubtRetry<<min(s.failures-1, 10), max(doubtRetry, p.Interval))
		t.holdBack(s, failure, now, v)
		return
	}
	s.believed, v.Missing, v.Retry = true, true, s.backoff.NextBackOff()
	if len(t.found.held) == 0 {
		t.incidentSucceeded(i.ID, p, now, v)
	}
	t.name(s, failure, now, v)
}

// mayBeWrongTarget reports whether there is a reason to doubt a 404.
func (t *Tracker) mayBeWrongTarget(p Population) bool {
	return p.Delivered >= enough || t.get.states[wrongTarget].active
}

// holdBack does not accept a 404, and raises a state if there are many.
func (t *Tracker) holdBack(s *Streak, failure *defender.Error, now time.Time, v *Verdict) {
	t.found.held[s.id] = s
	switch {
	case t.get.states[wrongTarget].active:
		t.get.failAgain(wrongTarget, failure, true, now, v)
	case len(t.found.held) >= enough:
		t.get.raiseSince(wrongTarget, t.found.since(), failure, now, v)
	}
}

// incidentThrottled handles a 429.
func (t *Tracker) incidentThrottled(i Incident, failure *defender.Error, p Population, now time.Time, v *Verdict) {
	s := t.continueStreak(i, defender.Throttled, p, now)
	v.Streak = s
	if !s.throttle(t.get.successes) {
		t.pause(failure, now, v)
		v.Learn = s.run.failures == 1
		t.get.refuse(i.ID, failure, p.Tracked, now, v)
		if s.failures > refusedAtOnce {
			t.goBehind(failure.RetryAfter+s.backoff.NextBackOff(), now, v)
		}
		return
	}
	s.run.failing = true
	t.get.begin(i.ID, s.run.successes)
	s.until = now.Add(failure.RetryAfter)
	v.Retry = max(s.backoff.NextBackOff(), failure.RetryAfter)
	t.name(s, failure, now, v)
}

// incidentRetryAfter handles a Retry-After in a response other than a 429, in
// addition to the failure itself.
func (t *Tracker) incidentRetryAfter(failure *defender.Error, now time.Time, v *Verdict) {
	s := v.Streak
	if s.throttle(t.get.successes) {
		s.until = now.Add(failure.RetryAfter)
		v.Retry = max(v.Retry, failure.RetryAfter)
		return
	}
	t.pause(failure, now, v)
	if s.failures > 1 {
		t.goBehind(failure.RetryAfter+v.Retry, now, v)
		return
	}
	v.Retry = max(v.Retry, failure.RetryAfter)
}

// goBehind lets the other incidents go first after a pause, even if a list
// shows a change of this one: they show whether it is the only one affected. In
// a state all fail.
func (t *Tracker) goBehind(retry time.Duration, now time.Time, v *Verdict) {
	v.Retry = retry
	if !t.get.isDown() {
		v.Streak.until = now.Add(retry)
	}
}

// pause handles a response whose RetryAfter concerns more than one incident.
func (t *Tracker) pause(failure *defender.Error, now time.Time, v *Verdict) {
	v.Pause = true
	last, until := &t.retryAfters, now.Add(failure.RetryAfter)
	if failure.Kind == defender.Throttled {
		last = &t.throttled
	}
	over := last.until.IsZero() || now.Sub(last.until) >= pauseAgain
	if v.LogPause = over || failure.RetryAfter >= max(LongPause, 2*last.logged); v.LogPause {
		last.logged = failure.RetryAfter
	}
	if until.After(last.until) {
		last.until = until
	}
}

// pageFailed handles a failure of a list. In a state, the hold determines when
// the list is requested again.
func (e *endpoint) pageFailed(failure *defender.Error, now time.Time, v *Verdict) {
	if c := classOf(failure.Kind); c != own {
		e.fail(0, suspect{class: c, failure: failure}, 1, now, v)
	}
	if held := e.heldUntil.Sub(now); held > 0 {
		v.Retry = held
		return
	}
	if e.retry == nil {
		e.retry = newBackoff(10*time.Second, 5*time.Minute)
	}
	v.Retry = e.retry.NextBackOff()
}

// name logs an incident that fails alone, unless it, or enough others,
// were logged before.
func (t *Tracker) name(s *Streak, err error, now time.Time, v *Verdict) {
	if s.logged {
		return
	}
	name, more := t.naming.take(s.id, s.kind, now)
	if more {
		v.Notices = append(v.Notices, moreIncidents(s.kind))
	}
	if name {
		s.logged, s.run.logged = true, true
		v.Notices = append(v.Notices, incidentFailed(s, err))
	}
}
