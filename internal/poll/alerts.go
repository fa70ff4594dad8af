// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

const (
	// clockDoubt is how far the measured difference between the service's clock and ours may be off. A response has its date in whole
	// seconds, and takes a while to arrive.
	clockDoubt = 5 * time.Second
	// responseLag is how long before its arrival a response to a request by ID may have been made.
	responseLag = 30 * time.Second
)

// holders records which incident each alert was last delivered with. A row that shows the alert in another incident shows that it has moved.
// An alert takes 16 bytes plus the overhead of the map. If two alerts have the same hash, the states of their incidents show which is meant.
type holders struct {
	seed maphash.Seed
	of   map[uint64]int64
}

func newHolders() *holders { return &holders{seed: maphash.MakeSeed(), of: map[uint64]int64{}} }

// find returns the incident that an alert was delivered with; 0 if there is none, or if it is not known.
func (h *holders) find(alert string) int64 { return h.of[maphash.String(h.seed, alert)] }

// delivered records the alerts of a state that was delivered, and removes those that have left the incident since the state before.
func (h *holders) delivered(id int64, before, after []incident.AlertState) {
	for i := range before {
		if key := maphash.String(h.seed, before[i].ID); h.of[key] == id {
			delete(h.of, key)
		}
	}
	for i := range after {
		h.of[maphash.String(h.seed, after[i].ID)] = id
	}
}

// forget removes the alerts of incidents that are no longer tracked.
func (h *holders) forget(ids []int64) {
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	maps.DeleteFunc(h.of, func(_ uint64, id int64) bool { return gone[id] })
}

// restoreHolders records which alerts the stored states have. If a state cannot be read, the incident's alerts are missing until it is polled.
func (e *Engine) restoreHolders(ctx context.Context) {
	e.holders = newHolders()
	for _, id := range e.roster.IDs() {
		if !e.roster.Find(id).Stored() {
			continue
		}
		if state, err := e.parts.Store.Load(ctx, id); err == nil {
			e.holders.delivered(id, nil, state.Alerts)
		}
	}
}

// observeAlerts delivers what is new in rows of the list of alerts, which all belong to one incident. If only a request by ID can show what is
// new, the incident becomes due for one. A row without a snapshot only says that an alert has changed. ahead is how far the service's clock is
// ahead of ours.
func (e *Engine) observeAlerts(ctx context.Context, rows []defender.Row, at time.Time, ahead time.Duration, from listing) {
	rows = slices.DeleteFunc(rows, func(row defender.Row) bool { return !e.isHere(ctx, row, at) })
	if len(rows) == 0 {
		return
	}
	id := rows[0].ID
	entry := e.roster.Find(id)
	switch {
	case entry == nil || entry.Summary.Superseded():
		return
	case e.roster.InFlight(id): // the response may be newer
		e.hold(heldRows{rows, at, ahead, from})
		return
	case entry.Summary.Missing:
		e.markUnsure(id, unsureInterval, at)
		return
	case !entry.Summary.Seen: // a request by ID or a row of the list of incidents will show it
		return
	}
	before, err := e.load(ctx, entry)
	if err != nil {
		e.roster.Mark(id, time.Time{}, at)
		return
	}
	for _, row := range rows {
		if row.Snapshot != nil || knows(before, row) {
			continue
		}
		e.roster.Mark(id, time.Time{}, at)
		if from == alertRereads {
			e.telemetry.late()
		}
	}
	if s := together(rows); s != nil {
		s.Observed, s.Ahead = at, ahead+clockDoubt
		e.learnTenant(ctx, s.TenantID)
		e.observe(ctx, observation{id: id, at: at, snapshot: s, before: before, from: from})
	}
}

// knows reports whether a row's version of an alert, or a later one, was delivered.
func knows(s incident.State, row defender.Row) bool {
	alert, delivered := s.Alert(row.Alert)
	return delivered && !incident.Later(row.LastUpdate, alert.LastUpdate)
}

// together merges the snapshots of all rows; nil if none has one.
func together(rows []defender.Row) (all *incident.Snapshot) {
	for _, row := range rows {
		switch {
		case row.Snapshot == nil:
		case all == nil:
			all = row.Snapshot
		default:
			all.Alerts = append(all.Alerts, row.Snapshot.Alerts...)
		}
	}
	return all
}

// mayBeNew reports whether rows show an unknown alert that changed at about the time when a request by ID last showed the incident, or later.
// If it changed before that request, it has left the incident; if after, it is new.
func mayBeNew(d delivery) bool {
	return d.snapshot.Shows == incident.SomeAlerts && slices.ContainsFunc(d.snapshot.Alerts, func(a incident.Alert) bool {
		_, known := d.after.Alert(a.ID)
		return !known && incident.Later(a.LastUpdate.Add(-d.snapshot.Ahead), d.before.Fetched.Add(-clockDoubt-responseLag))
	})
}

// isHere reports whether an alert is in the incident that a row shows it in. If the alert was delivered
// with another incident and the row is newer, it has moved, and the other incident is requested. If the
// row is as old, both incidents are requested. An older row shows where the alert was.
func (e *Engine) isHere(ctx context.Context, row defender.Row, at time.Time) bool {
	holder := e.holders.find(row.Alert)
	if holder == 0 || holder == row.ID {
		return row.ID != 0
	}
	entry := e.roster.Find(holder)
	if entry == nil {
		return row.ID != 0
	}
	state, err := e.load(ctx, entry)
	if err != nil {
		e.roster.Mark(holder, time.Time{}, at)
		return row.ID != 0
	}
	last, held := state.Alert(row.Alert)
	switch {
	case !held:
		return row.ID != 0
	case incident.Later(row.LastUpdate, last.LastUpdate):
		if !last.Left {
			e.saveState(ctx, holder, state.WithLeft(row.Alert))
		}
		e.roster.Mark(holder, time.Time{}, at)
		return row.ID != 0
	case !incident.Later(last.LastUpdate, row.LastUpdate):
		e.hastenStored(ctx, entry, at)
		e.hastenStored(ctx, e.roster.Find(row.ID), at)
	}
	return false
}

// hastenStored makes an incident due soon, also after a restart.
func (e *Engine) hastenStored(ctx context.Context, entry *roster.Entry, at time.Time) {
	if entry == nil || !entry.Summary.Seen {
		return
	}
	if state, err := e.load(ctx, entry); err == nil && !state.PollDue {
		state.PollDue = true
		e.saveState(ctx, entry.ID, state)
	}
	e.hasten(entry.ID, at)
}

// hasten makes an incident due soon, at most once per interval.
func (e *Engine) hasten(id int64, at time.Time) { e.roster.Hasten(id, e.settings.Interval, at) }
