// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// unreadable is the kind of failure of an incident whose checkpoint cannot be read.
const unreadable defender.Kind = -1

func kindName(kind defender.Kind) string {
	if kind == unreadable {
		return "unreadable checkpoint"
	}
	return kind.String()
}

// Streak is an incident's run of failures of one kind. Its roster entry keeps
// it between verdicts. All methods accept nil: the last request succeeded.
type Streak struct {
	id       int64
	kind     defender.Kind
	since    time.Time
	failures int
	repeated bool // the incident has failed before, with this or another kind
	logged   bool
	run      run
	backoff  *backoff.ExponentialBackOff

	believed bool   // with NotFound: the API does not have the incident
	alone    bool   // a Retry-After concerns this incident only
	refusals int    // how many responses had one, with another incident's success in between
	refused  uint64 // the number of successes before the last one

	until time.Time // the incident is not requested before; zero: at any time
}

// run is shared by successive streaks of an incident.
type run struct {
	since     time.Time
	failures  int
	logged    bool   // one of the streaks was
	failing   bool   // no request for the incident has succeeded since it began to fail
	successes uint64 // of the endpoint, before that
}

// Failing reports whether the incident fails with something other than not
// found. A rate limit that concerns all incidents is not a failure of one.
func (s *Streak) Failing() bool {
	return s != nil && s.kind != defender.NotFound && (s.kind != defender.Throttled || s.alone)
}

// NotBefore returns the first moment, not before at, at which the incident may
// be requested: a response may have had a Retry-After.
func (s *Streak) NotBefore(at time.Time) time.Time {
	if s == nil {
		return at
	}
	return latest(at, s.until)
}

// Repeated reports whether the incident has failed more than once without a
// success in between.
func (s *Streak) Repeated() bool { return s != nil && s.repeated }

// follow returns the streak that a failure belongs to: this one, if the kind is
// the same, or a new one.
func (s *Streak) follow(id int64, kind defender.Kind, interval time.Duration, successes uint64, now time.Time) *Streak {
	if s != nil && s.kind == kind {
		s.failures++
		s.run.failures++
		s.repeated = true
		return s
	}
	next := &Streak{id: id, kind: kind, since: now, failures: 1, run: run{since: now}}
	if s != nil {
		next.run = s.run
	}
	next.run.failures++
	next.repeated = next.run.failing
	if !next.run.failing {
		next.run.successes = successes
	}
	next.run.failing = kind != defender.NotFound && (next.run.failing || next.Failing())
	if s.Failing() && slow(s.kind) == slow(kind) {
		next.backoff = s.backoff
	} else {
		next.backoff = incidentBackoff(kind, interval)
	}
	return next
}

// throttle notes a 429, or another response with a Retry-After. It concerns
// this incident only if it is the third and other incidents succeeded between
// them: several without a success in between count as one.
func (s *Streak) throttle(successes uint64) (alone bool) {
	const alwaysRefused = 3
	if s.refusals == 0 || successes != s.refused {
		s.refusals++
	}
	s.refused = successes
	s.alone = s.alone || s.refusals >= alwaysRefused
	return s.alone
}
