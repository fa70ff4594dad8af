// SPDX-License-Identifier: Apache-2.0

package poll

import "time"

// createdBefore is how long before its incident an alert may have been created
// for the pass after a look-back to show it. Polling by ID shows older ones.
const createdBefore = 24 * time.Hour

// lookBack is what the engine records about the first call of Graph's feed of incidents, if that discovers incidents. Their alerts are requested
// after it has ended, since listing them may take fewer requests.
type lookBack struct {
	underway     bool
	lastProgress time.Time // when it last made progress
	began        bool      // it has discovered an incident
	oldest       time.Time // when the oldest discovered incident was created; zero if not known
	costUnknown  bool      // it is not known yet whether listing the alerts takes fewer requests than polling the incidents
}

// discovers records when a discovered incident was created; zero if not known. It is called when the incident is first observed.
func (l *lookBack) discovers(created time.Time) {
	if !l.underway {
		return
	}
	if !l.began || created.Before(l.oldest) {
		l.began, l.oldest = true, created
	}
}

// checkLookBack ends a look-back that makes no progress, and the pass that follows it if that pass cannot begin.
func (e *Engine) checkLookBack(now time.Time) {
	if e.lookBack.underway && (e.health.ListDown() || e.health.AlertListDown() || now.Sub(e.lookBack.lastProgress) >= firstPassPatience) {
		e.endLookBack(now)
	}
	if e.lookBack.costUnknown && e.health.AlertListDown() {
		e.lookBack.costUnknown = false
		e.pass.Stop()
		e.pollUnseen(now)
	}
}

// endLookBack ends a look-back. If it discovered many incidents, a pass lists their alerts; otherwise each is polled by ID. If a pass is already
// in progress, the incidents are polled by ID when it ends.
func (e *Engine) endLookBack(now time.Time) {
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
		e.first.began, e.lookBack.costUnknown = now, true
		e.pass.BeginAlerts(since, now)
	}
}

// checkAlertsCost ends the pass that follows a look-back if polling by ID takes no more requests, or if that is not known.
func (e *Engine) checkAlertsCost() {
	if !e.lookBack.costUnknown || !e.pass.Underway() {
		return
	}
	e.lookBack.costUnknown = false
	requests, known := e.pass.Expected()
	if unseen := e.roster.Unseen(e.pass.Progress().AlertsShown); !known || requests >= unseen {
		e.stopPass(requests, unseen)
	}
}
