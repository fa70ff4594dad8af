// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

const (
	// flushInterval is the time between two retries of failed writes.
	flushInterval = 15 * time.Second
	// checkpointCalm is how long no write may fail before the checkpoint counts as working again. On a full disk, some writes still succeed.
	checkpointCalm = 2 * flushInterval
)

// The entries of the checkpoint. A failed write is replaced by a later write
// of the same entry. For incidents, the store keeps each failed write.
const (
	entryIncidents = "incidents"
	entryQuota     = "quota"
	entryLists     = "list quota"
	entryFeed      = "feed"
	entrySweep     = "sweep"
	entryPass      = "pass"
	entryReceiver  = "receiver"
)

// unsaved are the writes that failed and will be retried.
type unsaved struct {
	writes  map[string]func(context.Context) error // by entry
	retried time.Time                              // when they were last retried
}

// add adds a failed write, in place of an earlier one of the same entry.
func (u *unsaved) add(entry string, write func(context.Context) error) {
	if u.writes == nil {
		u.writes = map[string]func(context.Context) error{}
	}
	u.writes[entry] = write
}

// remove removes an entry that was written, or no longer needs to be.
func (u *unsaved) remove(entry string) { delete(u.writes, entry) }

// load returns what was last delivered for an incident, or the zero State if nothing was. entry may be nil.
func (e *Engine) load(ctx context.Context, entry *roster.Entry) (incident.State, error) {
	if !entry.Stored() {
		return incident.State{}, nil
	}
	e.waitingFor.Store("the storage")
	state, err := e.parts.Store.Load(ctx, entry.ID)
	e.waitingFor.Store("")
	if err != nil {
		e.telemetry.checkpointFailed()
		return incident.State{}, err
	}
	state.API = cmp.Or(state.API, string(defender.XDR)) // the only API at the time when states did not record it
	return state, nil
}

// saveState stores what was delivered for an incident.
func (e *Engine) saveState(ctx context.Context, id int64, s incident.State) {
	e.saved(ctx, entryIncidents, func(ctx context.Context) error { return e.parts.Store.Save(ctx, id, s) })
	e.roster.SetStored(id) // even if the write failed: the store keeps the state and retries
}

// recordIntent stores which alerts or incidents the next delivery reports as new or removed. If the process ends before the delivery is
// committed, they are delivered again after the restart.
func (e *Engine) recordIntent(ctx context.Context, d delivery) {
	before := d.before
	if before.Intent = e.comparer.Intent(d.change, d.before, d.after); before.Intent != nil {
		e.saveState(ctx, d.id, before)
	}
}

// saveAccounts stores the accounts of all requests.
func (e *Engine) saveAccounts(ctx context.Context, now time.Time) {
	e.saveAccount(ctx, now)
	if e.lists != nil && !e.oneAccount() {
		e.saveListAccount(ctx, now)
	}
}

// saveListAccount stores the account of the requests for the list.
func (e *Engine) saveListAccount(ctx context.Context, now time.Time) {
	if e.oneAccount() {
		e.saveAccount(ctx, now)
		return
	}
	e.saved(ctx, entryLists, func(ctx context.Context) error { return e.parts.Store.SaveListQuota(ctx, e.lists.Stored(now)) })
}

// saveAccount stores the account of the requests for single incidents, or of all requests.
func (e *Engine) saveAccount(ctx context.Context, now time.Time) {
	e.saved(ctx, entryQuota, func(ctx context.Context) error { return e.parts.Store.SaveQuota(ctx, e.stored(now)) })
}

// saveFeed stores the progress of the feeds. A boundary advances only after all rows of a call were handled.
func (e *Engine) saveFeed(ctx context.Context, now time.Time) {
	var pending []checkpoint.Pending
	for _, p := range e.roster.Pending() {
		pending = append(pending, checkpoint.Pending(p))
	}
	for _, h := range e.held {
		if h.rows[0].Alert != "" { // rows of incidents are pending
			pending = append(pending, checkpoint.Pending{ID: h.rows[0].ID, Noted: h.at})
		}
	}
	stored := checkpoint.Feed{Boundary: e.feeds[0].Boundary(), Pending: pending, Discover: new(e.settings.Feed.Discover)}
	if f := e.alertFeed(); f != nil {
		stored.Alerts = f.Boundary()
	}
	if !e.oneAccount() {
		stored.Quota = e.lists.Stored(now)
	}
	e.saved(ctx, entryFeed, func(ctx context.Context) error { return e.parts.Store.SaveFeed(ctx, stored) })
}

// flush retries failed writes, of incidents a limited number at a time, and logs that none fails any more.
func (e *Engine) flush(ctx context.Context, now time.Time) {
	if e.parts.Store.Unwritten() == 0 {
		e.unsaved.remove(entryIncidents)
	}
	if e.parts.Store.Unwritten() == 0 && len(e.unsaved.writes) == 0 {
		e.log(e.conditions.Settled("checkpoint", now, checkpointCalm, "checkpoint writes succeed again"))
		return
	}
	if now.Sub(e.unsaved.retried) < flushInterval {
		return
	}
	e.unsaved.retried = now
	for _, entry := range slices.Sorted(maps.Keys(e.unsaved.writes)) {
		if entry != entryIncidents {
			e.saved(ctx, entry, e.unsaved.writes[entry])
		}
	}
	if e.parts.Store.Unwritten() > 0 {
		e.saved(ctx, entryIncidents, e.parts.Store.Flush)
	}
}

// learnTenant stores the tenant's ID, for records of incidents that lack it.
func (e *Engine) learnTenant(ctx context.Context, id string) {
	if id == "" || id == e.meta.Tenant {
		return
	}
	e.meta.Tenant = id
	e.saved(ctx, entryReceiver, func(ctx context.Context) error { return e.parts.Store.SaveReceiver(ctx, e.meta) })
}

// saved writes an entry of the checkpoint. A failure is logged once for all entries, until none fails any more. Polling continues, and the
// write is retried. What is not stored when the process ends may be emitted again after a restart.
func (e *Engine) saved(ctx context.Context, entry string, write func(context.Context) error) {
	e.waitingFor.Store("the storage")
	err := write(ctx)
	e.waitingFor.Store("")
	if err == nil {
		e.unsaved.remove(entry)
		return
	}
	e.unsaved.add(entry, write)
	e.telemetry.checkpointFailed()
	e.log(e.conditions.Failed("checkpoint", e.parts.Clock(), zap.ErrorLevel,
		"checkpoint write failed; recent changes may be emitted again after a restart", zap.Error(err)))
}
