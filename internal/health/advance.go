// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// advance does what is due after a time without outcomes: states end, are
// cleared, or are logged.
func (e *endpoint) advance(now time.Time, v *Verdict) {
	for i := range e.states {
		c, state := class(i), &e.states[i]
		if at, ok := state.endsAt(); ok && !now.Before(at) {
			v.Release = append(v.Release, state.end(at)...)
		}
		if at, ok := e.clearsAt(state); ok && !now.Before(at) {
			e.clear(c, at, v)
		}
		if at, ok := state.logsAt(); ok && !now.Before(at) {
			state.logged, state.loggedAt = true, now
			state.newCause(state.failure)
			v.Notices = append(v.Notices, stateRaised(e.name, c, state))
		}
	}
}

// clearsAt is when a state that has ended is no longer shown: once the endpoint
// has worked for a while, or, while another state is active, after longestQuiet.
func (e *endpoint) clearsAt(s *state) (at time.Time, ok bool) {
	if !s.shown || s.active {
		return time.Time{}, false
	}
	last := s.ended
	if e.isDown() {
		return last.Add(longestQuiet), true
	}
	for i := range e.states {
		last = latest(last, e.states[i].ended)
	}
	return last.Add(e.quiet), true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clear stops showing a state.
func (e *endpoint) clear(c class, at time.Time, v *Verdict) {
	state := &e.states[c]
	if state.logged {
		v.Notices = append(v.Notices, stateCleared(e.name, c, state))
	}
	state.shown, state.logged, state.causes = false, false, nil
	e.cleared = at
}

// next is when advance is due.
func (e *endpoint) next() (at time.Time, ok bool) {
	for i := range e.states {
		state := &e.states[i]
		clearsAt := func() (time.Time, bool) { return e.clearsAt(state) }
		for _, when := range []func() (time.Time, bool){state.endsAt, clearsAt, state.logsAt} {
			if t, due := when(); due && (!ok || t.Before(at)) {
				at, ok = t, true
			}
		}
	}
	return at, ok
}
