// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// The values of Run.Alerts.
const (
	Split    = "split"
	Embedded = "embedded"
	None     = "none"
)

// Run is what a receiver delivered, whether from responses to Gets or from rows
// of lists. It may have been started several times with the same storage. The
// simulator must not have forgotten anything.
type Run struct {
	Sim        *defendersim.Sim
	Deliveries []Delivery // in order
	// Alerts is the setting alerts: Split, Embedded or None.
	Alerts string
	// Interval is collection_interval with emit: snapshots, 0 with emit: changes.
	Interval time.Duration
	// Kills are the times at which the receiver was killed. It was restarted later
	// than that.
	Kills []time.Time
	// Renderings: lists render content differently from Get, so the same change
	// may have another identity after a kill.
	Renderings bool
	// ByTime: a change of severity without a change of time need not be delivered,
	// and may be delivered with another change and once more by itself. If lists
	// show incidents, it cannot be distinguished from another rendering.
	ByTime bool
	// Unlisted is how much longer the delivery of changes that only a Get shows
	// may take.
	Unlisted time.Duration
}

// Problems returns what is wrong with the deliveries; nothing, if all of this
// holds:
//
//   - Everything in a delivery was shown before, by a single response or row.
//     Only a Get shows that an alert has left.
//   - The incident's own content and each alert never go back to an older
//     version.
//   - No version is delivered twice. With an interval, unchanged content may be
//     delivered as unchanged, in its last version, at most once per incident and
//     interval, less a tenth.
//   - An identity belongs to one record.
//
// A kill may undo the last delivery of each incident, if that was observed within
// the minute before: it may be repeated, but with the same identity.
func (r Run) Problems() []string {
	_, problems := r.play()
	return problems
}

// play processes all deliveries.
func (r Run) play() (map[int64]*subject, []string) {
	var problems []string
	subjects := r.subjects()
	uids := identitySet{}
	for _, d := range r.Deliveries {
		s := subjects[d.Incident]
		if s == nil {
			problems = append(problems, fmt.Sprintf("incident %d: there is no such incident", d.Incident))
			continue
		}
		p := player{Run: r, subject: s, d: d, killed: mayRepeat(r.Kills, s.at, d.Observed)}
		p.take()
		problems = append(problems, p.problems...)
		problems = append(problems, uids.take(d, r.Kills)...)
	}
	return subjects, problems
}

// mayRepeat reports whether a kill may have undone a delivery before one that
// was observed later.
func mayRepeat(kills []time.Time, before, later time.Time) bool {
	const stored = time.Minute
	return !before.IsZero() && slices.ContainsFunc(kills, func(k time.Time) bool {
		return !k.Before(before) && k.Sub(before) < stored && k.Before(later)
	})
}

// subject is an incident: what it was, what was shown of it, and what was
// delivered.
type subject struct {
	id       int64
	states   []defendersim.State
	shown    []showing
	get      int         // the state that the last Get showed
	missing  []time.Time // when a Get returned that there is no such incident
	elements map[string]*element

	at        time.Time      // of the last delivery
	floors    map[string]int // of the elements before that
	unchanged time.Time      // when unchanged content was delivered last; zero: unknown
}

// showing is what a response, a row or a page of Graph's list of alerts showed
// of an incident.
type showing struct {
	at    time.Time
	state int
	// last is the state of the last page of the alerts; -1: it does not show the
	// alerts.
	last int
	row  bool
	// some are the incident's alerts on a page of the list of alerts, which shows
	// nothing else of it; nil: it is something else.
	some map[string]value
}

func (r Run) subjects() map[int64]*subject {
	all := map[int64]*subject{}
	for _, id := range r.Sim.IDs() {
		states, _ := r.Sim.History(id)
		all[id] = &subject{id: id, states: states, elements: r.elementsOf(states)}
	}
	for _, request := range r.Sim.Journal() {
		if s := all[request.ID]; s != nil {
			s.note(request)
		}
		for _, row := range request.Rows {
			if row.State < 0 {
				continue
			}
			seen := showing{at: request.Served, state: row.State, last: row.State, row: true}
			if request.API == defendersim.APIGraph { // its rows have no alerts
				seen.last = -1
			}
			all[row.ID].shown = append(all[row.ID].shown, seen)
		}
		for id, some := range alertRows(request) {
			all[id].shown = append(all[id].shown, showing{at: request.Served, state: -1, last: -1, row: true, some: some})
		}
	}
	return all
}

// alertRows are the alerts on a page of the list of alerts, by incident.
func alertRows(request defendersim.Request) map[int64]map[string]value {
	rows := map[int64]map[string]value{}
	for _, row := range request.AlertRows {
		switch {
		case row.State < 0: // changed by a fault, incomplete, or in no incident
			continue
		case rows[row.Incident] == nil:
			rows[row.Incident] = map[string]value{}
		}
		rows[row.Incident][row.ID] = alertValue(row.LastUpdated)
	}
	return rows
}

// note processes the response to a request about the incident.
func (s *subject) note(r defendersim.Request) {
	switch {
	case notFound(r):
		s.missing = append(s.missing, r.Time)
	case showsOwn(r):
		s.get = r.Shown
		s.shown = append(s.shown, showing{at: r.Served, state: r.Shown, last: r.State})
	case r.Endpoint == defendersim.EndpointAlerts && r.Shown >= 0:
		s.shown = append(s.shown, showing{at: r.Served, state: s.get, last: r.Shown})
	}
}
