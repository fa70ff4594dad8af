// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

const (
	// successorInterval is the shortest time between two polls of a merged incident whose successor is not known yet.
	successorInterval = time.Hour
	// staleLimit is how long the API may return an older state than was delivered before that state is accepted.
	staleLimit = 10 * time.Minute
)

// observation is an incident as the API shows it, in the response to a request for it or in a row of a list.
type observation struct {
	id       int64
	at       time.Time
	snapshot *incident.Snapshot // nil: the API has no such incident
	before   incident.State     // what was last delivered
	polled   bool               // from a poll, which ends with this observation
	from     listing            // what the row's page was requested for
	// streak, retry and hung are the verdict on an incident that is missing or could not be fetched completely. For others, streak is nil.
	streak *health.Streak
	retry  time.Duration
	hung   bool
}

// partial reports whether an observation shows only some of what is compared.
func (e *Engine) partial(o observation) bool {
	if o.snapshot == nil {
		return false
	}
	return o.snapshot.Shows != incident.Everything && e.settings.Alerts != incident.None
}

// delivery is an observation and its outcome, which is committed once the records are accepted, or at once if there are none.
type delivery struct {
	observation
	change incident.Change
	after  incident.State
	due    time.Time // when the incident is polled again
	// refuted is the lastUpdateTime of what was delivered, if an older snapshot was accepted instead; otherwise zero.
	refuted time.Time
}

// observe compares an observation with what was last delivered and delivers the difference.
func (e *Engine) observe(ctx context.Context, o observation) {
	d := delivery{observation: o}
	if o.snapshot == nil {
		d.change, d.after = e.comparer.Missing(o.before, o.at)
		d.due = o.at.Add(o.retry)
	} else {
		e.compare(&d)
	}
	if d.change.Empty() {
		e.commit(ctx, d)
		return
	}
	e.offer(ctx, d)
}

// compare compares a snapshot with what was last delivered.
func (e *Engine) compare(d *delivery) {
	comparer := e.comparer
	if d.before.Seen && !e.emitsUnchanged(d.before.Summary()) {
		comparer = e.quiet
	}
	d.change, d.after = comparer.Compare(d.before, d.snapshot)
	if d.change.Doubt { // what looks unchanged may be the part in doubt
		d.change, d.after = e.quiet.Compare(d.before, d.snapshot)
	}
	if d.change.Stale && d.polled {
		e.observeStale(d)
	}
	if d.polled && d.streak == nil {
		e.telemetry.returned(d.change, d.after)
	}
	switch {
	case d.change.Stale:
		return
	case d.streak != nil:
		d.due = d.at.Add(d.retry)
		return
	case d.polled:
		d.due = d.at.Add(e.intervalOf(d.after.Merged, d.at))
		if d.change.Again > 0 {
			d.due = earlier(d.due, d.at.Add(d.change.Again))
		}
		e.telemetry.countPoll(fromGet)
	case e.partial(d.observation):
		d.due = d.at.Add(e.intervalOf(d.after.Merged, d.at)) // if it was never polled
	default:
		d.due = e.listedDue(d.after.Merged, d.at)
		if !d.change.Doubt {
			e.telemetry.countPoll(fromList)
		}
	}
}

// observeStale handles a snapshot that is older than what was delivered. Usually a replica lags and catches up. If it does not within
// staleLimit, the incident may have been restored from a backup, and the snapshot is accepted.
func (e *Engine) observeStale(d *delivery) {
	interval := e.interval(d.at)
	since, wait := e.roster.Stale(d.id, interval, d.at)
	if d.at.Sub(since) < staleLimit {
		d.due = d.at.Add(wait)
		return
	}
	d.change, d.after = e.comparer.Accept(d.before, d.snapshot)
	d.refuted = d.before.LastUpdate
	e.log(e.conditions.Event("older accepted", d.at, zap.WarnLevel,
		"API has returned an older state of an incident for 10 minutes; accepting it", zap.Int64("incident", d.id),
		zap.Time("delivered", d.before.LastUpdate), zap.Time("shown", d.snapshot.LastUpdate)))
}

// intervalOf returns how long after a response an incident is due again.
func (e *Engine) intervalOf(merged bool, now time.Time) time.Duration {
	interval := e.interval(now)
	if merged {
		return max(interval, successorInterval)
	}
	return interval
}

// offer stores the intent to deliver a change and passes the change to the sink.
func (e *Engine) offer(ctx context.Context, d delivery) {
	e.recordIntent(ctx, d)
	tenant := e.meta.Tenant
	if d.snapshot != nil && d.snapshot.TenantID != "" {
		tenant = d.snapshot.TenantID
	}
	e.pending = d
	e.sink.Offer(record.Observation{
		ID: d.id, Tenant: tenant, Observed: d.at, Snapshot: d.snapshot, Change: d.change, After: d.after,
	}, e.parts.Clock())
}
