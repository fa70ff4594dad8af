// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// The shortest time between two requests for an incident if it is unclear whether a row shows a change.
const (
	unsureInterval   = time.Hour   // only a request by ID can show it
	oversizeInterval = time.Minute // the row is too large to be read
)

// heldRows are rows of one incident, or of its alerts, that wait until a request for it has ended: the response may be newer.
type heldRows struct {
	rows  []defender.Row
	at    time.Time
	ahead time.Duration
	from  listing
}

// observeRow delivers what is new in a row, and reports whether the row counts as a poll of its incident. If only a request by ID can show
// what is new, the incident becomes due for one. ahead is how far the service's clock is ahead of ours.
//
// Only rows of the change feed discover incidents. The feed shows the same rows repeatedly, so an unchanged row of it does not delay the next
// request for its incident. An unchanged row of a sweep does.
func (e *Engine) observeRow(ctx context.Context, row defender.Row, at time.Time, ahead time.Duration, from listing) (polled bool) {
	entry := e.roster.Find(row.ID)
	switch {
	case entry == nil && !e.worthDiscovering(row, at, from):
		return false
	case from == passPages && entry.Knows(row.LastUpdate):
		return false
	case entry != nil && entry.Summary.Missing && row.LastUpdate.Add(-ahead).After(entry.Summary.Fetched()):
		e.roster.Mark(row.ID, row.LastUpdate, at) // it exists again
		return false
	case entry != nil && (entry.Summary.Missing || entry.Summary.Seen && row.LastUpdate.IsZero()):
		e.markUnsure(row.ID, unsureInterval, at) // a list that lags still shows incidents that were removed
		return false
	case entry != nil && entry.Refutes(row.LastUpdate):
		return false
	case e.roster.InFlight(row.ID) || row.Snapshot == nil || e.lacksAlerts(row.Snapshot, entry):
		if entry == nil || !entry.Knows(row.LastUpdate) {
			e.roster.Mark(row.ID, row.LastUpdate, at)
		}
		if row.Snapshot != nil {
			e.hold(heldRows{[]defender.Row{row}, at, ahead, from})
		}
		return false
	}
	row.Snapshot.Observed = at
	if entry != nil && e.recognizes(entry.Summary, row.Snapshot) {
		if from == sweepPages {
			e.unchanged(entry, row.Snapshot)
		}
		return true
	}
	before, err := e.load(ctx, entry)
	if err != nil { // the request by ID reports the error if it persists
		e.roster.Mark(row.ID, row.LastUpdate, at)
		return false
	}
	if !before.Seen {
		e.lookBack.discovers(row.Created)
	}
	e.roster.DismissMerge(row.ID)
	e.learnTenant(ctx, row.Snapshot.TenantID)
	e.observe(ctx, observation{id: row.ID, at: at, snapshot: row.Snapshot, before: before, from: from})
	return true
}

// lacksAlerts reports whether a row cannot deliver an incident for the first time because the record must include its alerts.
func (e *Engine) lacksAlerts(s *incident.Snapshot, entry *roster.Entry) bool {
	return s.Shows == incident.OwnFields && e.settings.Alerts == incident.Embedded && (entry == nil || !entry.Summary.Seen)
}

// recognizes reports whether a row shows an incident as it was delivered, and needs no record.
func (e *Engine) recognizes(delivered incident.Summary, s *incident.Snapshot) bool {
	return e.comparer.Unchanged(delivered, s) && !e.emitsUnchanged(delivered)
}

// passed reports whether d has passed since a stored time. A stored time in the future counts as passed, since the clock was moved. passed
// uses the current time, not the row's: a held row arrived before the response it waited for.
func (e *Engine) passed(d time.Duration, since time.Time) bool {
	age := e.parts.Clock().Round(0).Sub(since)
	return age < 0 || age >= d
}

// unchanged ends a poll by a row that shows an incident as it was delivered.
func (e *Engine) unchanged(entry *roster.Entry, s *incident.Snapshot) {
	fetched := s.Observed
	if e.settings.Snapshots {
		fetched = entry.Summary.Fetched() // when it was last emitted
	}
	e.roster.Unchanged(entry.ID, e.listedDue(s.Merged, s.Observed), fetched, s.Observed)
	e.telemetry.countPoll(fromList)
}

// emitsUnchanged reports whether a poll emits an incident that has not changed: with emit: snapshots, once per interval until it is merged.
// The tenth is for polls that come a little early.
func (e *Engine) emitsUnchanged(delivered incident.Summary) bool {
	return e.settings.Snapshots && !delivered.Merged && e.passed(e.settings.Interval-e.settings.Interval/10, delivered.Fetched())
}

// listedDue returns when an incident that a row shows is due by ID. While there are sweeps, the next one should show it earlier.
func (e *Engine) listedDue(merged bool, at time.Time) time.Time {
	if e.sweeps(at) && !merged {
		return e.sweep.DueByID(at)
	}
	return at.Add(e.intervalOf(merged, at))
}

// hold keeps rows until the request for their incident has ended. A later row replaces an earlier one.
func (e *Engine) hold(h heldRows) {
	if !e.roster.InFlight(h.rows[0].ID) {
		return
	}
	for i := range e.held {
		e.held[i].rows = slices.DeleteFunc(e.held[i].rows, func(row defender.Row) bool {
			return slices.ContainsFunc(h.rows, func(later defender.Row) bool { return later.ID == row.ID && later.Alert == row.Alert })
		})
	}
	e.held = slices.DeleteFunc(e.held, func(other heldRows) bool { return len(other.rows) == 0 })
	e.held = append(e.held, h)
}

// releaseHeld handles held rows after the request for their incident has ended, and reports whether there were any.
func (e *Engine) releaseHeld(ctx context.Context) bool {
	for i, h := range e.held {
		if e.roster.InFlight(h.rows[0].ID) {
			continue
		}
		e.held = slices.Delete(e.held, i, i+1)
		if h.rows[0].Alert != "" {
			e.observeAlerts(ctx, h.rows, h.at, h.ahead, h.from)
		} else {
			e.observeRow(ctx, h.rows[0], h.at, h.ahead, h.from)
		}
		return true
	}
	return false
}

// markUnsure makes an incident due if it is unclear whether its row shows a change, unless it was requested within the interval.
func (e *Engine) markUnsure(id int64, interval time.Duration, now time.Time) {
	entry := e.roster.Find(id)
	if id <= 0 || entry == nil && !e.discovers() {
		return
	}
	if entry == nil || e.passed(interval, entry.Fetched()) {
		e.roster.Mark(id, time.Time{}, now)
	}
}
