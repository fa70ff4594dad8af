// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
)

// maxSleep is how long the loop sleeps if it knows of nothing that will be due.
const maxSleep = time.Hour

// blockedAfter is how long the pipeline may block before that is logged.
const blockedAfter = time.Minute

// expireInterval is the time between two searches for incidents that can be forgotten.
const expireInterval = time.Minute

// response is the result of one request.
type response struct {
	id     int64
	result defender.Result
	extent extent         // what the request was for
	page   *defender.Page // a page of a list, instead of result
	// request and listing say what page was requested for.
	request defender.ListRequest
	listing listing
	sent    time.Time // when the request was sent
	at      time.Time
}

// extent is how much of an incident a request is for.
type extent uint8

// The extents.
const (
	whole         extent = iota // the incident, with its alerts unless they are not needed
	withoutAlerts               // the incident; its alerts follow
	alertPage                   // a page of its alerts
)

// Run polls until running is canceled, which also cancels the requests in flight. Then it waits for them to end, and for the current attempt
// to deliver. Canceling delivering ends that attempt and storage calls.
func (e *Engine) Run(running, delivering context.Context) {
	responses := make(chan response, e.settings.MaxConcurrentRequests) // room for all: no request waits here
	var requests sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-running.Done():
			e.finish(delivering, &requests, responses)
			return
		case r := <-responses:
			e.endRequest(r)
		case a := <-e.sink.Attempts():
			e.settle(delivering, a)
		case <-timer.C:
		}
		for running.Err() == nil && e.step(delivering) {
		}
		for running.Err() == nil {
			now := e.parts.Clock()
			r, ok, wake := e.next(now)
			if !ok {
				timer.Reset(e.wake(wake, now).Sub(now))
				break
			}
			e.beginRequest(delivering, r, now)
			requests.Go(func() { responses <- e.send(running, r, now) })
		}
	}
}

// step handles one row or response, or begins an attempt to deliver. It reports whether there may be more to do at once.
func (e *Engine) step(ctx context.Context) (more bool) {
	now := e.parts.Clock()
	e.housekeep(ctx, now)
	if at, ok := e.sink.RetryAt(); ok && !at.After(now) {
		e.sink.Send(ctx, now)
		return false
	}
	if e.sink.Busy() {
		return false
	}
	if e.handleFeeds(ctx) || e.releaseHeld(ctx) {
		return true
	}
	switch {
	case e.sweep != nil && e.sweep.HasPage():
		e.handleSweepRow(ctx)
	case e.pass != nil && e.pass.HasPage():
		e.handlePassRows(ctx)
	case len(e.responses) > 0:
		r := e.responses[0]
		e.responses[0] = response{} // frees its snapshot
		e.responses = e.responses[1:]
		e.handle(ctx, r)
	default:
		return false
	}
	return true
}

// housekeep does what is due by time alone: it reads changed IDs, forgets expired incidents, checks health, retries failed writes and
// publishes the gauges.
func (e *Engine) housekeep(ctx context.Context, now time.Time) {
	if e.parts.IDs.Check(now) {
		e.reconfigure(ctx, now)
	}
	if now.Sub(e.expired) >= expireInterval {
		e.expired = now
		e.forget(ctx, e.roster.Expire(now))
	}
	if at, ok := e.health.NextCheck(); ok && !at.After(now) {
		e.apply(e.health.Check(now), now)
	}
	if since, sending := e.sink.Sending(); sending && now.Sub(since) >= blockedAfter {
		e.log(e.conditions.Failed("pipeline", now, zap.WarnLevel, "pipeline has not returned for a minute; polling pauses until it does"))
	}
	e.flush(ctx, now)
	e.publish(now)
}

// wake returns when the loop next has something to do, no later than next.
func (e *Engine) wake(next, now time.Time) time.Time {
	candidates := []time.Time{e.telemetry.due()}
	if at, ok := e.parts.IDs.NextCheck(); ok {
		candidates = append(candidates, at)
	}
	if at, ok := e.health.NextCheck(); ok {
		candidates = append(candidates, at)
	}
	if since, sending := e.sink.Sending(); sending && now.Sub(since) < blockedAfter {
		candidates = append(candidates, since.Add(blockedAfter))
	}
	if at, ok := e.sink.RetryAt(); ok {
		candidates = append(candidates, at)
	}
	for _, at := range candidates {
		if at.Before(next) {
			next = at
		}
	}
	if next.Before(now) {
		return now
	}
	return next
}

// finish ends a run.
func (e *Engine) finish(delivering context.Context, requests *sync.WaitGroup, responses <-chan response) {
	if _, sending := e.sink.Sending(); sending {
		e.waitingFor.Store("the pipeline")
		e.settle(delivering, <-e.sink.Attempts())
	}
	e.waitingFor.Store("requests in flight")
	requests.Wait()
	for len(responses) > 0 {
		e.endRequest(<-responses)
	}
	e.applyUnhandledDelays()
	e.saveAccount(delivering, e.parts.Clock())
	if len(e.feeds) > 0 {
		e.saveFeed(delivering, e.parts.Clock())
	}
}

// applyUnhandledDelays applies the requested delays of responses that this run no longer handles, so that the next run keeps to them.
func (e *Engine) applyUnhandledDelays() {
	for _, r := range e.responses {
		e.throttleIfRequested(health.Get, r.result.Err, r.at)
	}
	for _, f := range e.feeds {
		if f.HasPage() {
			page, at := f.TakePage()
			e.throttleIfRequested(f.endpoint(), page.Err, at)
		}
	}
	if e.sweep != nil && e.sweep.HasPage() {
		page, at := e.sweep.TakePage()
		e.throttleIfRequested(health.List, page.Err, at)
	}
	for e.pass != nil && e.pass.HasPage() {
		request, page, at := e.pass.TakePage()
		e.throttleIfRequested(endpointOf(request), page.Err, at)
		e.pass.Stop()
	}
}

// throttleIfRequested pauses the requests to an endpoint if a response requested a delay.
func (e *Engine) throttleIfRequested(endpoint health.Endpoint, err error, at time.Time) {
	if failure, ok := errors.AsType[*defender.Error](err); ok && failure.RetryAfter > 0 {
		e.throttle(endpoint, failure, at)
	}
}

// WaitingFor returns what the loop is waiting for. Shutdown reports it if the loop does not end. It may be called from any goroutine.
func (e *Engine) WaitingFor() string {
	if what, ok := e.waitingFor.Load().(string); ok && what != "" {
		return what
	}
	return "its polling loop"
}
