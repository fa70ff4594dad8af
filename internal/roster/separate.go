// SPDX-License-Identifier: Apache-2.0

package roster

import "time"

const (
	// togetherFailures is how many requests in a row for an incident together with its alerts must fail before they are tried separately.
	togetherFailures = 2
	// separateFor is how long alerts are fetched separately before they are requested together with their incident again.
	separateFor = 24 * time.Hour
)

// separation describes an incident that the API fails to show together with its alerts.
type separation struct {
	failures  int       // in a row of requests for both together
	failedAt  time.Time // the last one
	successes uint64    // of all incidents, before that
	alone     bool      // other requests succeeded between two of the failures
	until     time.Time // the alerts are fetched separately; zero: that has not worked yet
}

// Separate says whether to request the incident without its alerts, and them separately. successes counts how often any incident was shown.
// If there was none since the failures, all incidents may fail, and the first success says that they do not any more.
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

// TogetherFailed notes that a request for an incident together with its alerts failed in a way that one without them may not.
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

// TogetherWorks notes that an incident was shown together with its alerts.
func (r *Roster) TogetherWorks(id int64) {
	if e := r.entries[id]; e != nil {
		e.separation = nil
	}
}

// SeparateWorks notes that an incident was shown without its alerts. If both together fail once more after that, they are fetched separately
// for a day. begins: that day is the first.
func (r *Roster) SeparateWorks(id int64, now time.Time) (begins bool) {
	e := r.entries[id]
	if e == nil || e.separation == nil || !e.separation.alone {
		return false
	}
	s := e.separation
	if !s.until.IsZero() && !s.failedAt.After(s.until) {
		return false
	}
	if s.failures == togetherFailures { // it may have been chance: they are requested together once more
		s.until = now
		return false
	}
	s.until = now.Add(separateFor)
	return s.failures == togetherFailures+1
}
