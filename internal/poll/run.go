package poll

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// maxSleep is when to look again if nothing is known to happen before.
const maxSleep = time.Hour

// blockedAfter is how long the pipeline may take to return before that is logged.
const blockedAfter = time.Minute

// expireInterval is the time between two searches for incidents that can be forgotten.
const expireInterval = time.Minute

// response is what came back for one request.
type response struct {
	id     int64
	answer defender.Answer
	page   *defender.Page // of the list, in the place of the answer
	at     time.Time
}

// Run polls until running ends. Then it waits for the requests in flight, which end with it, and for an attempt to deliver, which ends
// with delivering at the latest. Storage calls end with delivering, too.
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
			e.arrived(r)
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
			e.sending(delivering, r, now)
			requests.Go(func() { responses <- e.send(running, r) })
		}
	}
}

// step does one thing that needs no response, and says whether there may be more to do at once.
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
	switch {
	case e.feed != nil && e.feed.AtHand():
		e.handleRow(ctx)
	case len(e.responses) > 0:
		r := e.responses[0]
		e.responses[0] = response{} // or else its snapshot would be kept
		e.responses = e.responses[1:]
		e.handle(ctx, r)
	default:
		return false
	}
	return true
}

// housekeep does what comes due by itself: changed IDs, incidents to forget, health that has lasted, and the gauges.
func (e *Engine) housekeep(ctx context.Context, now time.Time) {
	if e.parts.IDs.Check(now) {
		e.reconfigure(ctx, now)
	}
	if now.Sub(e.expired) >= expireInterval {
		e.expired = now
		e.forget(ctx, e.roster.Expire(now))
	}
	if at, ok := e.health.NextCheck(); ok && !at.After(now) {
		e.apply(e.health.Check(now), nil, now)
	}
	if since, sending := e.sink.Sending(); sending && now.Sub(since) >= blockedAfter {
		e.log(e.conditions.Failed("pipeline", now, zap.WarnLevel, "pipeline has not returned for a minute; polling pauses until it does"))
	}
	e.flush(ctx, now)
	e.publish(now)
}

// wake is when the loop goes on at the latest.
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
		e.arrived(<-responses)
	}
	e.saveAccount(delivering, e.parts.Clock())
	if e.feed != nil {
		e.saveFeed(delivering, e.parts.Clock())
	}
}

// WaitingFor says what the loop cannot go on without, for an error about one that does not end.
func (e *Engine) WaitingFor() string {
	if what, ok := e.waitingFor.Load().(string); ok && what != "" {
		return what
	}
	return "its polling loop"
}
