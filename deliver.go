package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

// delivery is an observation on its way into the pipeline.
type delivery struct {
	observation record.Observation
	before      incident.State // what was delivered of the incident until now
	due         time.Time      // when it is due again

	refusals int
	since    time.Time // of the first refusal
	backoff  *backoff.ExponentialBackOff
	wait     time.Duration // after the last refusal
	retry    time.Time     // the end of that wait; zero: it has not begun
}

// retryAt is when the next attempt may be made. The wait begins with the first
// call after a refusal.
func (d *delivery) retryAt(now time.Time) time.Time {
	if d.retry.IsZero() {
		d.retry = now.Add(d.wait)
		if d.refusals == 1 {
			d.since = now
		}
	}
	return d.retry
}

// deliver hands the pending records to the pipeline, built anew each time, since
// a consumer may change them. It says whether they are off the table: accepted,
// or refused for good, which no further attempt would mend.
func (p *poller) deliver(ctx context.Context, now time.Time) (settled bool) {
	d := p.pending
	logs := p.records.Logs(d.observation)
	records := logs.LogRecordCount() // the consumer may change that too
	operation := p.report.StartLogsOp(ctx)
	err := p.consumer.ConsumeLogs(operation, logs)
	p.report.EndLogsOp(operation, "defender_incidents", records, err)

	if ctx.Err() != nil && err != nil {
		return false // abandoned by Shutdown: it comes again after the next start
	}
	if err != nil && !permanent(err) {
		p.refused(d, err)
		return false
	}
	p.reportPermanent(err, records)
	if err == nil {
		p.countRecords(d.observation.Change)
		p.measureFreshness(d.observation, d.before, now)
	}
	if d.refusals > 0 {
		p.logger.Info("pipeline accepts records again",
			zap.Int("attempts_refused", d.refusals), zap.Time("since", d.since))
	}
	p.pending = nil
	p.logMerge(d.observation)
	p.commit(d.observation.ID, d.observation.After, d.due)
	return true
}

// refused has the delivery tried again, later each time.
func (p *poller) refused(d *delivery, err error) {
	if d.backoff == nil {
		d.backoff = newBackoff(500*time.Millisecond, 30*time.Second)
		p.logger.Warn("pipeline does not accept records: nothing is fetched until it does", zap.Error(err))
	}
	d.refusals++
	d.wait, d.retry = d.backoff.NextBackOff(), time.Time{}
}

// reportPermanent says once that records are lost, and why.
func (p *poller) reportPermanent(err error, records int) {
	if err != nil && !p.permanentFailing {
		p.logger.Error("pipeline refused records for good: they are lost", zap.Int("records", records), zap.Error(err))
	}
	p.permanentFailing = err != nil
}

// permanent says that no further attempt can help. Of several pipelines each
// has to have refused for good: while one may still accept, it is tried again.
func permanent(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return consumererror.IsPermanent(err)
	}
	for _, each := range joined.Unwrap() {
		if !permanent(each) {
			return false
		}
	}
	return true
}

func (p *poller) logMerge(o record.Observation) {
	if o.Change.Kind != incident.Merged {
		return
	}
	if o.After.Successor == 0 {
		p.logger.Warn("incident was merged, but its successor is not named", zap.Int64("incident", o.ID))
		return
	}
	p.logger.Info("incident was merged: its successor is followed",
		zap.Int64("incident", o.ID), zap.Int64("successor", o.After.Successor))
}
