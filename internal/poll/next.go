// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// share is how many requests in a row may go to changed or new incidents before a routine poll goes first, and how many may go to changed
// ones before a new one goes first. Even in a flood of changes, routine polls and new incidents each get a tenth of the requests.
const share = 9

// request is what to request from the API: an incident, more of its alerts, or a page of a list.
type request struct {
	id   int64          // 0: a page
	due  time.Time      // when the incident was due
	rest *defender.Rest // pages of alerts still to request; nil: request the incident itself
	// separate: the incident without its alerts, which are requested next.
	separate bool
	page     *defender.ListRequest // nil: an incident
	listing  listing               // what the page is for
}

// next returns what to request now. If that is nothing, ok is false and wake is when to look again. Pages of the feeds go first, then further
// pages of alerts and incidents that have changed. After those, other pages alternate with other incidents.
func (e *Engine) next(now time.Time) (r request, ok bool, wake time.Time) {
	wake = now.Add(maxSleep)
	if e.sink.Busy() || e.inFlight >= e.settings.MaxConcurrentRequests {
		return request{}, false, wake
	}
	for _, f := range e.feeds {
		at, ok := e.nextPage(f, now)
		if ok && !at.After(now) {
			page := f.Request()
			return request{page: &page, listing: f.listing}, true, now
		}
		if ok {
			wake = earlier(wake, at)
		}
	}
	var at time.Time
	if len(e.alertPages) > 0 {
		r, at = e.nextAlertPage(now)
	} else {
		r, at = e.nextIncident(now)
	}
	if r.id != 0 && (r.rest != nil || e.roster.Find(r.id).Class() == roster.Marked || e.turns.pageLast) {
		return r, true, now
	}
	for _, next := range []func(time.Time) (request, time.Time, bool){e.nextSweep, e.nextPass, e.nextReread} {
		page, pageAt, ok := next(now)
		if ok && !pageAt.After(now) {
			return page, true, now
		}
		if ok {
			wake = earlier(wake, pageAt)
		}
	}
	if r.id == 0 {
		wake = earlier(wake, at)
	}
	return r, r.id != 0, wake
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// nextPage returns when the next page of a feed may be requested. ok is false while a page is in flight.
func (e *Engine) nextPage(f *changeFeed, now time.Time) (at time.Time, ok bool) {
	due, ok := f.Due()
	if !ok {
		return time.Time{}, false
	}
	at, ok = e.room(now, f.endpoint(), quota.Fresh)
	if due.After(at) {
		at = due
	}
	return at, ok
}

// nextAlertPage continues an incident that has more pages of alerts. It goes before all other incidents, which bounds how many incomplete ones
// are in memory, and may therefore use as much of the quota as a change.
func (e *Engine) nextAlertPage(now time.Time) (r request, wake time.Time) {
	at, ok := e.room(now, health.Get, e.ahead())
	switch {
	case !ok:
		return request{}, now.Add(maxSleep)
	case at.After(now):
		return request{}, at
	}
	return request{id: e.alertPages[0].ID(), rest: e.alertPages[0]}, now
}

// nextIncident returns the incident to poll now. If there is none, wake is when to look again.
func (e *Engine) nextIncident(now time.Time) (r request, wake time.Time) {
	wake = now.Add(maxSleep)
	// At most half of the slots are for incidents that timed out before.
	heads := e.roster.Next(max(1, e.settings.MaxConcurrentRequests/2))
	for _, class := range e.turns.order(heads) {
		head := heads[class]
		if !head.OK {
			continue
		}
		if class == roster.Unpolled {
			if until := e.firstPassCovers(now); !until.IsZero() {
				wake = earlier(wake, until)
				continue
			}
		}
		at, ok := e.room(now, health.Get, e.demandOf(class))
		if head.Due.After(at) {
			at = head.Due
		}
		if ok && !at.After(now) {
			return request{id: head.ID, due: head.Due, separate: e.separately(head.ID, now)}, now
		}
		if ok {
			wake = earlier(wake, at)
		}
	}
	return request{}, wake
}

// turns records what the latest requests were for, which decides what goes next.
type turns struct {
	pageLast bool // the last request, feeds aside, was for a page: an incident goes next, if one is due
	marked   int  // requests in a row for marked incidents: the feed has shown a change
	ahead    int  // requests in a row for marked and new incidents
	shown    int  // requests in a row for incidents partly shown by a row, marked and new ones aside
}

// count counts a request for an incident of this class.
func (t *turns) count(class roster.Class) {
	switch class {
	case roster.Marked:
		t.marked++
		t.ahead++
	case roster.Unpolled:
		t.marked = 0
		t.ahead++
	case roster.Shown:
		t.marked, t.ahead = 0, 0
		t.shown++
	default:
		t.marked, t.ahead, t.shown = 0, 0, 0
	}
}

// order returns the order in which the classes are served.
func (t *turns) order(heads [roster.Classes]roster.Candidate) []roster.Class {
	retry, routine := heads[roster.Retry], heads[roster.Routine]
	behind := []roster.Class{roster.Retry, roster.Routine}
	if routine.OK && (!retry.OK || routine.Due.Before(retry.Due)) {
		behind = []roster.Class{roster.Routine, roster.Retry}
	}
	if t.shown >= share {
		behind = append(behind, roster.Shown)
	} else {
		behind = append([]roster.Class{roster.Shown}, behind...)
	}
	front := []roster.Class{roster.Marked, roster.Unpolled}
	if t.marked >= share {
		front = []roster.Class{roster.Unpolled, roster.Marked}
	}
	if t.ahead >= share {
		return append(behind, front...)
	}
	return append(front, behind...)
}

// demandOf returns how much of the quota a class may use. Routine polls use the share reserved for changes only when it is their turn in a
// flood of changes.
func (e *Engine) demandOf(class roster.Class) quota.Demand {
	if class == roster.Marked || class == roster.Unpolled || e.turns.ahead >= share {
		return e.ahead()
	}
	return e.routine()
}

// beginRequest counts a request in its account and stores the account. It is called before the request is sent.
func (e *Engine) beginRequest(ctx context.Context, r request, now time.Time) {
	e.inFlight++
	if r.page != nil {
		e.lists.Send(now)
		e.turns.pageLast = r.listing.background()
		e.requested(r.listing, now)
		e.saveListAccount(ctx, now)
		return
	}
	e.turns.pageLast = false
	e.gets.Send(now)
	e.saveAccount(ctx, now)
	if r.rest != nil {
		e.alertPages = slices.Delete(e.alertPages, 0, 1)
		return
	}
	e.turns.count(e.roster.Find(r.id).Class())
	e.telemetry.pollDelay(r.due, now)
	e.roster.Start(r.id)
}

// send sends a request and returns its response.
func (e *Engine) send(ctx context.Context, r request, now time.Time) response {
	response := response{id: r.id, listing: r.listing, sent: now}
	switch {
	case r.page != nil:
		page := e.parts.Client.List(ctx, *r.page)
		response.page, response.request = &page, *r.page
	case r.rest != nil:
		response.result, response.extent = e.parts.Client.Continue(ctx, r.rest), alertPage
	case r.separate:
		response.result, response.extent = e.parts.Client.GetSeparately(ctx, r.id), withoutAlerts
	default:
		response.result = e.parts.Client.Get(ctx, r.id)
	}
	response.at = e.parts.Clock()
	return response
}
