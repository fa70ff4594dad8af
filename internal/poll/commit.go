// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/sink"
)

// settle handles the end of an attempt to deliver. What the pipeline accepted or rejected permanently is committed; the sink retries the rest.
func (e *Engine) settle(ctx context.Context, a sink.Attempt) {
	now := e.parts.Clock()
	r := e.sink.Settle(a, now)
	if r.Err != nil && ctx.Err() != nil {
		return // canceled by Shutdown; delivered after the next start
	}
	if r.Observation == nil {
		e.log(e.conditions.Failed("pipeline", now, zap.WarnLevel, "pipeline does not accept records; polling pauses until it does", zap.Error(r.Err)))
		return
	}
	e.log(e.conditions.Succeeded("pipeline", now, "pipeline accepts records again"))
	d := e.pending
	e.pending = delivery{}
	if r.Rejected {
		e.telemetry.rejected(r.Records)
		e.log(e.conditions.Failed("rejection", now, zap.ErrorLevel, "pipeline rejected records permanently; dropping them",
			zap.Int("records", r.Records), zap.Error(r.Err)))
	} else {
		e.log(e.conditions.Succeeded("rejection", now, ""))
		e.telemetry.delivered(d, r.Handed)
	}
	e.logMerge(d)
	e.commit(ctx, d)
}

func (e *Engine) logMerge(d delivery) {
	if d.change.Kind != incident.Merged {
		return
	}
	if d.after.Successor == 0 {
		e.logger.Warn("incident was merged, but the API does not say into which; polling it hourly", zap.Int64("incident", d.id))
		return
	}
	e.log(e.conditions.Event("merged", d.at, zap.InfoLevel, "incident was merged; polling its successor",
		zap.Int64("incident", d.id), zap.Int64("successor", d.after.Successor)))
}

// accepts reports whether the incident of an observation is still tracked, or is discovered by it.
func (e *Engine) accepts(o observation) bool {
	entry := e.roster.Find(o.id)
	if o.polled {
		return entry.Polling()
	}
	return entry != nil || e.discovers()
}

// commit stores what was delivered, or found unchanged, and ends the poll.
func (e *Engine) commit(ctx context.Context, d delivery) {
	if !e.accepts(d.observation) {
		e.roster.Finish(d.id, roster.Outcome{})
		return
	}
	partial, next := e.partial(d.observation), leave
	if partial {
		next = e.followUp(d)
		d.after.PollDue = d.after.PollDue || next != leave
	}
	switch {
	case d.change.Stale:
		if !d.change.Empty() {
			e.saveState(ctx, d.id, d.after)
		}
		if !d.polled {
			e.doubtStale(d)
			return
		}
		e.roster.Finish(d.id, roster.Outcome{Due: d.due, Responded: true, Hung: d.hung, Streak: d.streak})
		return
	case d.polled || !d.change.Empty() || partial || d.before.Doubt != d.after.Doubt || !d.before.Summary().Equal(d.after.Summary()):
		// an unchanged row costs no write
		e.saveState(ctx, d.id, d.after)
	}
	if e.holders != nil {
		e.holders.delivered(d.id, d.before.Alerts, d.after.Alerts)
	}
	cycle := e.roster.Delivered(roster.Delivery{
		ID:       d.id,
		Summary:  d.after.Summary(),
		Polled:   d.polled,
		Partial:  partial,
		Doubt:    d.change.Doubt,
		Streak:   d.streak,
		Hung:     d.hung,
		Again:    d.change.Again > 0,
		Refuted:  d.refuted,
		Due:      d.due,
		Interval: e.interval(d.at),
	}, d.at)
	if cycle != nil {
		e.logCycle(cycle)
	}
	switch {
	case next == hasten:
		e.hasten(d.id, d.at)
	case next == mark && d.change.Doubt && e.settings.Alerts == incident.Embedded: // the request delivers the change
		e.roster.Mark(d.id, d.snapshot.LastUpdate, d.at)
	case next == mark:
		e.roster.Mark(d.id, time.Time{}, d.at)
	case partial:
	case !d.change.Doubt:
	case incident.Later(d.snapshot.LastUpdate, d.before.LastUpdate): // the row itself is new, not only the doubt
		e.roster.Mark(d.id, d.snapshot.LastUpdate, d.at)
	default:
		e.markUnsure(d.id, unsureInterval, d.at)
	}
}

// followUp is the request by ID that follows a row.
type followUp uint8

// The follow-ups. The state records that one is due, so a restart does not lose it.
const (
	leave  followUp = iota // none
	hasten                 // ahead of routine polls
	mark                   // at once
)

// followUp decides which request by ID follows a row that showed only a part of an incident.
func (e *Engine) followUp(d delivery) followUp {
	ownFields := d.snapshot.Shows == incident.OwnFields
	later := ownFields && incident.Later(d.snapshot.LastUpdate, d.before.LastUpdate)
	switch {
	case d.change.Stale:
		return leave
	case d.change.Doubt && (e.settings.Alerts == incident.Embedded || mayBeNew(d)):
		return mark
	case d.change.Doubt:
		return hasten
	case ownFields && !d.before.Seen:
		if e.passShowsAlerts() || e.lookBack.underway {
			return leave
		}
		return mark
	case !later && d.change.Empty(), !ownFields:
		return leave
	case !e.rowsShowAll(d.at):
		return mark
	default: // even for a change that a person made: an alert may have left since the previous row
		return hasten
	}
}

// doubtStale makes an incident due by ID if rows still show an older state long after it changed and was delivered.
func (e *Engine) doubtStale(d delivery) {
	if e.passed(staleLimit, d.before.Fetched) && e.passed(staleLimit, d.before.LastUpdate) {
		e.markUnsure(d.id, unsureInterval, d.at)
	}
}

func (e *Engine) logCycle(cycle []int64) {
	e.logger.Warn("incidents are merged into each other in a cycle; not polling any of them", zap.Int64s("incidents", cycle))
}
