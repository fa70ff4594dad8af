// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// calm is how long there must be no failure for a single success to end a
	// state, and the minimum time for which an ended state is still reported.
	calm = time.Minute
	// longestQuiet is the maximum time for which an ended state is still reported,
	// if states of its endpoint keep coming back.
	longestQuiet = 10 * time.Minute
	// sameStateAgain is the shortest time between two lines about one state.
	// A state that comes back within it is flapping.
	sameStateAgain = 10 * time.Minute
	// maxCauses bounds the causes of a state that are logged.
	maxCauses = 10
)

// state is a failure of a whole endpoint. The zero value has not been raised.
//
// It is active from when it is raised until enough requests succeed, and shown
// from when it is raised until its endpoint has worked for a while. Logs and
// the status depend on shown, so a state that flaps is one state.
type state struct {
	active    bool
	since     time.Time       // the first failure
	failure   *defender.Error // the last one
	backoff   *backoff.ExponentialBackOff
	failed    map[int64]struct{} // to release when it ends
	succeeded map[int64]struct{} // since the last failure
	success   time.Time          // the first one since the last failure; zero: none
	proof     time.Time          // the first one since the last failure that was evidence; zero: none

	shown    bool
	ended    time.Time // when it became inactive
	logged   bool      // that it is shown
	loggedAt time.Time
	causes   map[string]struct{} // that were logged
}

// raise makes a state active. Its first failure was at since.
func (s *state) raise(c class, since time.Time, failure *defender.Error) {
	s.active = true
	s.backoff = newBackoff(firstHold, longestHold(c))
	s.failed = map[int64]struct{}{}
	s.fail(failure, true)
	if !s.shown {
		s.shown, s.logged, s.since = true, false, since
	}
}

// fail notes another failure of the state's class. Earlier successes no longer
// count towards its end, except after a while if the failure is no evidence.
func (s *state) fail(failure *defender.Error, evidence bool) {
	s.failure = failure
	s.succeeded, s.success = map[int64]struct{}{}, time.Time{}
	if evidence {
		s.proof = time.Time{}
	}
}

// succeed notes a success. It ends the state once need different incidents have
// succeeded, or once no failure was evidence for a while.
func (s *state) succeed(id int64, need int, now time.Time) (released []int64) {
	s.succeeded[id] = struct{}{}
	if s.success.IsZero() {
		s.success = now
	}
	if s.proof.IsZero() {
		s.proof = now
	}
	if len(s.succeeded) < need && now.Sub(s.proof) < calm {
		return nil
	}
	return s.end(now)
}

// end makes a state inactive and returns the incidents that failed under it.
func (s *state) end(at time.Time) (released []int64) {
	for id := range s.failed {
		released = append(released, id)
	}
	s.active, s.ended = false, at
	s.failed, s.succeeded, s.backoff = nil, nil, nil
	return released
}

// endsAt is when an active state ends without another success.
func (s *state) endsAt() (at time.Time, ok bool) {
	return s.success.Add(calm), s.active && !s.success.IsZero()
}

// logsAt is when an active state that was not logged is to be logged. The zero
// time: at once.
func (s *state) logsAt() (at time.Time, ok bool) {
	if s.loggedAt.IsZero() {
		return time.Time{}, s.active && !s.logged
	}
	return s.loggedAt.Add(sameStateAgain), s.active && !s.logged
}

// newCause reports whether a failure has a cause that was not logged for the
// state yet, and notes it.
func (s *state) newCause(failure *defender.Error) bool {
	cause := causeOf(failure)
	if _, known := s.causes[cause]; known || len(s.causes) >= maxCauses {
		return false
	}
	if s.causes == nil {
		s.causes = map[string]struct{}{}
	}
	s.causes[cause] = struct{}{}
	return true
}
