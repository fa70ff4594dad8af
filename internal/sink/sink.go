// Package sink hands records to the pipeline, and again until the pipeline accepts them. It owns the one delivery that is pending.
package sink

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receiverhelper"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

const (
	firstRetry = 500 * time.Millisecond
	maxRetry   = 30 * time.Second
)

// Sink holds at most one delivery. It belongs to one goroutine, but for the attempts, which run beside it: so the owner goes on with
// its other work while the pipeline blocks. New makes one.
type Sink struct {
	next     consumer.Logs
	report   *receiverhelper.ObsReport
	records  record.Builder
	attempts chan Attempt

	pending *record.Observation
	sending bool
	since   time.Time // when the attempt that is under way began
	retryAt time.Time
	backoff *backoff.ExponentialBackOff
}

// New returns a sink whose records are built by records.
func New(next consumer.Logs, report *receiverhelper.ObsReport, records record.Builder) *Sink {
	return &Sink{next: next, report: report, records: records, attempts: make(chan Attempt, 1)}
}

// Attempt is what became of one attempt to deliver.
type Attempt struct {
	records int
	handed  time.Time
	err     error
}

// Attempts receives each attempt that has ended. It is to be passed to Settle.
func (s *Sink) Attempts() <-chan Attempt { return s.attempts }

// Busy says whether a delivery is pending.
func (s *Sink) Busy() bool { return s.pending != nil }

// Sending says whether an attempt is under way, and since when.
func (s *Sink) Sending() (since time.Time, sending bool) { return s.since, s.sending }

// RetryAt is when the pending delivery is to be attempted; not ok: nothing is pending, or an attempt is under way.
func (s *Sink) RetryAt() (at time.Time, ok bool) { return s.retryAt, s.pending != nil && !s.sending }

// Offer makes an observation the pending delivery, to be attempted at once. Nothing may be pending.
func (s *Sink) Offer(o record.Observation, now time.Time) {
	s.pending, s.retryAt, s.backoff = &o, now, nil
}

// Send begins an attempt, which ends when ctx does at the latest, if the pipeline heeds it. The records are built anew each time, since
// a consumer may change them.
func (s *Sink) Send(ctx context.Context, now time.Time) {
	s.sending, s.since = true, now
	logs := s.records.Logs(*s.pending)
	go func() { s.attempts <- s.attempt(ctx, logs, now) }()
}

func (s *Sink) attempt(ctx context.Context, logs plog.Logs, now time.Time) Attempt {
	records := logs.LogRecordCount() // the consumer may change that too
	operation := s.report.StartLogsOp(ctx)
	err := s.next.ConsumeLogs(operation, logs)
	s.report.EndLogsOp(operation, "defender_incidents", records, err)
	return Attempt{records: records, handed: now, err: err}
}

// Result says what an attempt means for the delivery.
type Result struct {
	// Observation that is settled: accepted or rejected permanently; nil: it is still pending, and is attempted again at RetryAt.
	Observation *record.Observation
	Records     int
	// Handed is when the pipeline was given the records.
	Handed time.Time
	// Rejected: no further attempt can help, and the records are lost.
	Rejected bool
	Err      error
}

// Settle takes an attempt that has ended.
func (s *Sink) Settle(a Attempt, now time.Time) Result {
	s.sending = false
	result := Result{Records: a.records, Handed: a.handed, Err: a.err}
	if a.err != nil && !permanent(a.err) {
		s.refused(now)
		return result
	}
	result.Observation, result.Rejected = s.pending, a.err != nil
	s.pending = nil
	return result
}

// refused has the delivery attempted again, later each time.
func (s *Sink) refused(now time.Time) {
	if s.backoff == nil {
		s.backoff = backoff.NewExponentialBackOff()
		s.backoff.MaxInterval = time.Duration(float64(maxRetry) / (1 + s.backoff.RandomizationFactor))
		s.backoff.InitialInterval = firstRetry
	}
	s.retryAt = now.Add(s.backoff.NextBackOff())
}
