// SPDX-License-Identifier: Apache-2.0

package roster

import "time"

const (
	// togetherFailures is how many requests in a row for an incident and its alerts together must fail before they are requested separately.
	togetherFailures = 2
	// separateFor is how long alerts are fetched separately before they are requested together with their incident again.
	separateFor = 24 * time.Hour
)

// separation describes an incident that the API fails to return together with its alerts.
type separation struct {
	failures  int       // of requests for both together, in a row
	failedAt  time.Time // when the last of them failed
	successes uint64    // of all incidents, before that failure
	alone     bool      // other requests succeeded between two of the failures
	until     time.Time // until when the alerts are fetched separately; zero: that has not worked yet
}

// Separate reports whether to request the incident and its alerts separately. successes counts how often any incident was shown. If it has
// not grown since the failures, all incidents may be failing. The first success shows that they no longer are.
func (e *Entry) Separate(successes uint64, now time.Time) bool {
	s := e.separation
	switch {
	case s == nil || s.failures < togetherFailures:
		return false
	case s.alone:
		return s.until.IsZero() || now.Before(s.until) || s.failedAt.After(s.until)
	}
	return s.successes == successes
}

// TogetherFailed records that a request for an incident together with its alerts failed in a way in which a request without them may not.
func (r *Roster) TogetherFailed(id int64, successes uint64, now time.Time) {
	e := r.entries[id]
	if e == nil {
		return
	}
	if e.separation == nil {
		e.separation = &separation{}
	}
	s := e.separation
	s.alone = s.alone || s.failures > 0 && s.successes != successes
	s.failures++
	s.failedAt, s.successes = now, successes
}

// TogetherSucceeded records that an incident was shown together with its alerts.
func (r *Roster) TogetherSucceeded(id int64) {
	if e := r.entries[id]; e != nil {
		e.separation = nil
	}
}

// SeparateSucceeded records that an incident was shown without its alerts. If a request for both together fails again after that, they are
// fetched separately for a day. begins reports whether the first such day begins.
func (r *Roster) SeparateSucceeded(id int64, now time.Time) (begins bool) {
	e := r.entries[id]
	if e == nil || e.separation == nil || !e.separation.alone {
		return false
	}
	s := e.separation
	if !s.until.IsZero() && !s.failedAt.After(s.until) {
		return false
	}
	if s.failures == togetherFailures { // it may have been chance: they are requested together again
		s.until = now
		return false
	}
	s.until = now.Add(separateFor)
	return s.failures == togetherFailures+1
}
