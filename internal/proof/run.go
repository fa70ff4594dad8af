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

// Run is what a receiver delivered, whichever responses showed it: those to
// Gets, or rows of lists. It may have been started several times with the same
// storage. The simulator must not have forgotten anything.
type Run struct {
	Sim        *defendersim.Sim
	Deliveries []Delivery // in order
	// Alerts is the setting alerts: Split, Embedded or None.
	Alerts string
	// Interval is collection_interval with emit: snapshots, 0 with emit: changes.
	Interval time.Duration
	// Kills are the moments when the receiver was killed. It was started again
	// later than that.
	Kills []time.Time
	// Renderings: lists render content differently from Get, and so the same
	// change may have another identity after a kill.
	Renderings bool
	// ByTime: a change of severity that moves no time need not be delivered, and may
	// be delivered with another change and once more by itself. Where lists show
	// incidents, nobody can tell it from another rendering.
	ByTime bool
	// Unlisted is how much longer what only a Get shows may take to be delivered.
	Unlisted time.Duration
}

// Problems returns what is wrong with the deliveries; nothing, if every one of
// these is so:
//
//   - What is delivered was shown before, all of one delivery by the same
//     response or row. That an alert has left was shown by a Get.
//   - The incident's own content and each alert never go back to an older
//     version.
//   - No version is delivered twice. With an interval, unchanged content may be
//     delivered as such, as it was delivered last, at most once per incident and
//     interval, less a tenth.
//   - An identity stands for one record.
//
// A kill may take back the last delivery of each incident, if that was observed
// within the minute before: it may be repeated, and then with the same identity.
func (r Run) Problems() []string {
	_, problems := r.play()
	return problems
}

// play takes in all deliveries.
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

// mayRepeat reports whether a kill may have taken back a delivery before one that
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
	missing  []time.Time // when a Get was answered that there is no such incident
	elements map[string]*element

	at        time.Time      // of the last delivery
	floors    map[string]int // of the elements before that
	unchanged time.Time      // when unchanged content was delivered last; zero: nobody knows
}

// showing is what a response, a row or a page of Graph's list of alerts showed of
// an incident.
type showing struct {
	at    time.Time
	state int
	// last is the state that the last page of the alerts was of; -1: it does not
	// show the alerts.
	last int
	row  bool
	// some are the alerts that a page of the list of alerts showed of the incident,
	// which is all that it showed; nil: it is something else.
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
			if request.API == defendersim.APIGraph { // whose rows are without alerts
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
		case row.State < 0: // spoiled, a part only, or in no incident
			continue
		case rows[row.Incident] == nil:
			rows[row.Incident] = map[string]value{}
		}
		rows[row.Incident][row.ID] = alertValue(row.LastUpdated)
	}
	return rows
}

// note takes in what a request about the incident was answered.
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
