// SPDX-License-Identifier: Apache-2.0

// Package sink hands records to the pipeline and retries until the pipeline accepts them. It owns the one delivery that is pending.
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

// Sink holds at most one delivery. It belongs to one goroutine. Each attempt to deliver runs in a goroutine of its own, so the owner can
// do other work while the pipeline blocks. New makes one.
type Sink struct {
	next     consumer.Logs
	report   *receiverhelper.ObsReport
	records  record.Builder
	attempts chan Attempt

	pending *record.Observation
	sending bool
	since   time.Time // when the current attempt began
	retryAt time.Time
	backoff *backoff.ExponentialBackOff
}

// New returns a sink. It uses records to build log records.
func New(next consumer.Logs, report *receiverhelper.ObsReport, records record.Builder) *Sink {
	return &Sink{next: next, report: report, records: records, attempts: make(chan Attempt, 1)}
}

// Attempt is the result of one attempt to deliver.
type Attempt struct {
	records int
	handed  time.Time
	err     error
}

// Attempts returns the channel of attempts that have ended. Pass each to Settle.
func (s *Sink) Attempts() <-chan Attempt { return s.attempts }

// Busy reports whether a delivery is pending.
func (s *Sink) Busy() bool { return s.pending != nil }

// Sending reports whether an attempt is in progress, and since when.
func (s *Sink) Sending() (since time.Time, sending bool) { return s.since, s.sending }

// RetryAt returns when to call Send. ok is false if nothing is pending, or an attempt is in progress.
func (s *Sink) RetryAt() (at time.Time, ok bool) { return s.retryAt, s.pending != nil && !s.sending }

// Offer makes an observation the pending delivery. Its first attempt is due at once. Nothing else may be pending.
func (s *Sink) Offer(o record.Observation, now time.Time) {
	s.pending, s.retryAt, s.backoff = &o, now, nil
}

// Send begins an attempt. Canceling ctx ends it, if the pipeline respects that. The records are built again for each attempt, since a
// consumer may change them.
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
	// Observation that the pipeline accepted or permanently rejected; nil if it is still pending, and the next attempt is due at RetryAt.
	Observation *record.Observation
	Records     int
	// Handed is when the records were handed to the pipeline.
	Handed time.Time
	// Rejected: the pipeline permanently rejected the records, and they are lost.
	Rejected bool
	Err      error
}

// Settle handles the result of an attempt. The delivery is then settled, or its next attempt is scheduled.
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

// refused schedules the next attempt, with backoff.
func (s *Sink) refused(now time.Time) {
	if s.backoff == nil {
		s.backoff = backoff.NewExponentialBackOff()
		s.backoff.MaxInterval = time.Duration(float64(maxRetry) / (1 + s.backoff.RandomizationFactor))
		s.backoff.InitialInterval = firstRetry
	}
	s.retryAt = now.Add(s.backoff.NextBackOff())
}
