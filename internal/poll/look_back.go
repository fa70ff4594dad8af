// SPDX-License-Identifier: Apache-2.0

package poll

import "time"

// createdBefore is how long before its incident an alert may have been created for the pass to show it that follows a look-back. Polling by ID shows
// an older one.
const createdBefore = 24 * time.Hour

// lookBack is what the engine notes of the first call of Graph's feed of incidents, if that discovers incidents. Their alerts are requested once it
// has ended, since it may be less work to list them.
type lookBack struct {
	underway bool
	went     time.Time // when it last went on
	began    bool      // it has discovered an incident
	oldest   time.Time // the creation of the oldest of these; zero: not known
	weighs   bool      // the pass that lists their alerts may take more requests than the incidents
}

// discovers notes when an incident was created that was delivered for the first time; zero: not known.
func (l *lookBack) discovers(created time.Time) {
	if !l.underway {
		return
	}
	if !l.began || created.Before(l.oldest) {
		l.began, l.oldest = true, created
	}
}

// checkLookBack ends a look-back that does not go on, and the pass behind it if that cannot begin.
func (e *Engine) checkLookBack(now time.Time) {
	if e.lookBack.underway && (e.health.ListDown() || e.health.AlertListDown() || now.Sub(e.lookBack.went) >= firstPassPatience) {
		e.lookedBack(now)
	}
	if e.lookBack.weighs && e.health.AlertListDown() {
		e.lookBack.weighs = false
		e.pass.Stop()
		e.pollUnseen(now)
	}
}

// lookedBack begins a pass that lists the alerts of many incidents that were discovered, or has each of these polled by ID. A pass that is under way
// does that when it ends.
func (e *Engine) lookedBack(now time.Time) {
	if !e.lookBack.underway {
		return
	}
	e.lookBack.underway = false
	switch {
	case e.pass.Underway():
	case e.health.AlertListDown() || e.roster.Unseen(e.pass.Progress().AlertsShown) <= firstPassFrom:
		e.pollUnseen(now)
	default:
		since := e.lookBack.oldest
		if !since.IsZero() {
			since = since.Add(-createdBefore)
		}
		e.first.began, e.lookBack.weighs = now, true
		e.pass.BeginAlerts(since, now)
	}
}

// weighAlerts ends the pass that follows a look-back if requests by ID take no more requests, or if nobody knows.
func (e *Engine) weighAlerts() {
	if !e.lookBack.weighs || !e.pass.Underway() {
		return
	}
	e.lookBack.weighs = false
	requests, known := e.pass.Expected()
	if unseen := e.roster.Unseen(e.pass.Progress().AlertsShown); !known || requests >= unseen {
		e.stopPass(requests, unseen)
	}
}
