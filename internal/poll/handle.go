// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// endRequest records in its account that a request has ended, and queues its response.
func (e *Engine) endRequest(r response) {
	e.inFlight--
	if r.page != nil {
		e.telemetry.size(r.page.Size)
		e.telemetry.dated(r.page.Date, r.sent, r.at)
		e.lists.Done(r.at, r.page.Reached)
		if r.page.Err == nil {
			e.lists.Succeeded(r.sent)
		}
		e.pageArrived(r)
		return
	}
	e.telemetry.size(r.result.Size)
	e.telemetry.dated(r.result.Date, r.sent, r.at)
	e.gets.Done(r.at, r.result.Reached)
	if r.result.Err == nil {
		e.gets.Succeeded(r.sent)
	}
	e.responses = append(e.responses, r)
}

// handle decides what the response to a request for an incident means.
func (e *Engine) handle(ctx context.Context, r response) {
	entry := e.roster.Find(r.id)
	e.logWarning(r.result.Warning, r.at)
	e.confirmMerge(&r, entry)
	failure, failed := errors.AsType[*defender.Error](r.result.Err)
	if failed {
		e.telemetry.failed(callIncident, failure.Kind)
	}
	e.noteSeparation(r, failure)
	switch {
	case r.result.Err != nil && !failed: // canceled by Shutdown
		e.roster.Finish(r.id, roster.Outcome{})
	case !entry.Polling(): // not tracked any more
		e.roster.Finish(r.id, roster.Outcome{})
		if failed {
			v := e.health.UntrackedFailed(failure, r.at)
			e.apply(v, r.at)
			e.pause(ctx, health.Get, failure, v, r.sent, r.at)
		}
	case failed:
		e.handleFailure(ctx, r, entry, failure)
	case r.result.Rest != nil: // more pages of alerts follow; the incident is handled after the last one
		e.apply(e.health.IncidentSucceeded(health.Incident{ID: r.id}, e.population(r.at), r.at), r.at)
		e.telemetry.responded(callIncident, "ok")
		e.alertPages = append(e.alertPages, r.result.Rest)
	default:
		e.handleSnapshot(ctx, r, entry)
	}
}

// handleFailure carries out the verdict on a failure: the incident backs off, or its endpoint does, or the incident is missing.
func (e *Engine) handleFailure(ctx context.Context, r response, entry *roster.Entry, failure *defender.Error) {
	failing := subject(entry)
	failing.Shown = r.result.Partial != nil
	v := e.health.IncidentFailed(failing, failure, e.population(r.at), r.at)
	e.apply(v, r.at)
	e.pause(ctx, health.Get, failure, v, r.sent, r.at)
	switch {
	case failure.Kind == defender.NoToken: // nothing was sent: the incident keeps its place
		e.roster.Finish(r.id, roster.Outcome{})
		return
	case v.Missing:
		e.handleMissing(ctx, r, entry, v)
		return
	case r.result.Partial != nil && v.Streak.Repeated() && v.Streak.Failing(): // a 429 fails the incident only if it is the only one
		if e.handlePartial(ctx, r, entry, v) {
			return
		}
	case r.result.Other != nil:
		v.Retry = max(v.Retry, roster.ConfirmMergeAfter)
	}
	// After a pause Retry is usually zero: the incident is due as soon as the pause ends, after those that were due earlier.
	e.roster.Finish(r.id, roster.Outcome{Due: r.at.Add(v.Retry), Hung: v.Hung, Streak: v.Streak})
}

// handleSnapshot handles a response with the whole incident.
func (e *Engine) handleSnapshot(ctx context.Context, r response, entry *roster.Entry) {
	s := r.result.Snapshot
	s.Observed = r.at
	e.roster.DismissMerge(r.id)
	e.learnTenant(ctx, s.TenantID)
	e.roster.SetPages(r.id, r.result.Pages)
	before, err := e.load(ctx, entry)
	if err != nil {
		e.telemetry.responded(callIncident, "ok")
		e.unreadable(entry, err, r.at)
		return
	}
	e.apply(e.health.IncidentSucceeded(subject(entry), e.population(r.at), r.at), r.at)
	e.observe(ctx, observation{id: r.id, at: r.at, snapshot: s, before: before, polled: true})
}

// handlePartial delivers what is known of an incident after its further pages of alerts have failed repeatedly. The incident still counts as
// failing and is retried with backoff. handlePartial returns false if there is nothing to compare with.
func (e *Engine) handlePartial(ctx context.Context, r response, entry *roster.Entry, v health.Verdict) bool {
	before, err := e.load(ctx, entry)
	if err != nil {
		return false
	}
	s := r.result.Partial
	s.Observed = r.at
	e.roster.DismissMerge(r.id)
	e.learnTenant(ctx, s.TenantID)
	e.roster.SetPages(r.id, r.result.Pages)
	e.observe(ctx, observation{
		id:       r.id,
		at:       r.at,
		snapshot: s,
		before:   before,
		polled:   true,
		streak:   v.Streak,
		retry:    v.Retry,
		hung:     v.Hung,
	})
	return true
}

// confirmMerge treats a response that shows another incident as a merge if an earlier response showed the same one. Otherwise it remains a
// failure. While many incidents fail, nothing is treated as a merge, since a proxy may return one incident for every ID.
func (e *Engine) confirmMerge(r *response, entry *roster.Entry) {
	merged := r.result.Other
	if merged == nil || !entry.Polling() || !e.roster.SuspectMerge(r.id, merged.SuccessorID, r.at) || e.health.Down() && e.roster.Tracked() > 1 {
		return
	}
	r.result.Snapshot, r.result.Err = merged, nil
}

// handleMissing handles a response that says that the incident does not exist.
func (e *Engine) handleMissing(ctx context.Context, r response, entry *roster.Entry, v health.Verdict) {
	before, err := e.load(ctx, entry)
	if err != nil {
		e.unreadable(entry, err, r.at)
		return
	}
	e.roster.DismissMerge(r.id)
	e.observe(ctx, observation{id: r.id, at: r.at, before: before, polled: true, streak: v.Streak, retry: v.Retry})
}

// unreadable handles a stored state that cannot be read, so there is nothing to compare with. The incident is polled again later. Until its
// state can be read, nothing is emitted for it, and nothing is lost.
func (e *Engine) unreadable(entry *roster.Entry, err error, at time.Time) {
	v := e.health.IncidentUnreadable(subject(entry), err, e.population(at), at)
	e.apply(v, at)
	e.roster.Finish(entry.ID, roster.Outcome{Due: at.Add(v.Retry), Streak: v.Streak})
}

// subject returns what health needs to know about an incident.
func subject(e *roster.Entry) health.Incident {
	return health.Incident{ID: e.ID, Streak: e.Streak, Delivered: e.Summary.Seen}
}

// population returns what health needs to know about all incidents.
func (e *Engine) population(now time.Time) health.Population {
	return health.Population{Tracked: e.roster.Tracked(), Delivered: e.roster.CountDelivered(), Interval: e.interval(now)}
}

// apartAfterSignIn is how long requests stay spaced out after the pause that follows a failed sign-in.
const apartAfterSignIn = 10 * time.Second

// apply carries out the parts of a verdict that do not concern a single incident: it logs, reports the status, and holds and releases requests.
func (e *Engine) apply(v health.Verdict, now time.Time) {
	for _, n := range v.Notices {
		e.logger.Log(n.Level, n.Message, n.Fields...)
	}
	if v.Status != nil {
		e.report(v.Status)
	}
	if v.Hold > 0 {
		e.holds.hold(v.Held, now.Add(v.Hold))
	}
	if v.Hold > 0 && v.Held == health.SignIn { // each request without a token is an attempt to sign in
		for _, a := range e.accounts() {
			a.KeepApart(now.Add(v.Hold + apartAfterSignIn))
		}
	}
	for _, endpoint := range v.Resume {
		e.holds.resume(endpoint)
	}
	e.roster.Release(v.Release, now)
}

func (e *Engine) report(s *health.Status) {
	if s.Err == nil {
		e.parts.Report(componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
	e.parts.Report(componentstatus.NewRecoverableErrorEvent(s.Err))
}

// pause pauses the requests to an endpoint for as long as the API requested, if the verdict says so. After a 429 it corrects their account,
// which still had room.
func (e *Engine) pause(ctx context.Context, endpoint health.Endpoint, failure *defender.Error, v health.Verdict, sent, at time.Time) {
	if !v.Pause {
		return
	}
	e.throttle(endpoint, failure, at)
	var correction quota.Correction
	if failure.Kind == defender.Throttled && v.Learn {
		reported := quota.Limit{Window: failure.Limit.Window, Requests: failure.Limit.Requests}
		correction = e.accountOf(endpoint).Refused(sent, at, reported, failure.RetryAfter)
	}
	if v.LogPause || correction.New || correction.Assumed > 0 {
		e.logPause(failure, correction)
	}
	e.saveAccounts(ctx, at)
}

// logPause logs how long requests pause, and what was learned about the limit.
func (e *Engine) logPause(failure *defender.Error, correction quota.Correction) {
	fields := []zap.Field{
		health.Duration("wait", failure.RetryAfter), zap.String("wait_from", string(failure.WaitFrom)),
		zap.String("message", failure.Message),
	}
	if failure.Requested > failure.RetryAfter {
		fields = append(fields, health.Duration("requested_wait", failure.Requested))
	}
	level := zapcore.InfoLevel
	if failure.RetryAfter >= health.LongPause {
		level = zapcore.WarnLevel
	}
	if failure.Kind != defender.Throttled {
		e.logger.Log(level, "API requested a delay; pausing requests", append(fields, zap.Int("status", failure.Status))...)
		return
	}
	if limit := correction.Limit; limit.Requests > 0 {
		fields = append(fields, zap.Int("learned_limit", limit.Requests), health.Duration("window", limit.Window),
			health.Duration("ends_after_this_long_without_a_429", quota.LearnedFor(limit.Window)))
	}
	if correction.Assumed > 0 {
		fields = append(fields, zap.Int("assumed_to_have_been_sent_before_the_start", correction.Assumed))
	}
	e.logger.Log(level, "rate limited by the API; pausing requests", fields...)
}

// log logs a notice, if there is one.
func (e *Engine) log(n *health.Notice) {
	if n != nil {
		e.logger.Log(n.Level, n.Message, n.Fields...)
	}
}
