package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// staleRetry is when to ask again after an answer older than what was
// delivered: a replica that lags catches up within seconds.
const staleRetry = 30 * time.Second

// judge decides what an answer means for its incident and for everybody. It
// returns what is to be delivered; nil: nothing, and all else is done.
func (p *poller) judge(a arrival) *delivery {
	failure, failed := asFailure(a.answer.Err)
	if failed {
		p.countFailure(callIncident, failure.Kind)
	}
	gaveUp := a.answer.Err != nil && !failed               // since the receiver is being shut down
	forAll := failed && failure.Kind == defender.Throttled // whomever it was the answer for
	if gaveUp || !p.tracker.Has(a.id) && !forAll {         // not followed any more
		p.tracker.Done(a.id, tracker.Outcome{})
		return nil
	}
	switch {
	case failed:
		return p.judgeFailure(a, failure)
	case a.answer.Rest != nil:
		p.serviceAnswered(a.at)
		p.count(callIncident, "ok")
		p.unfinished = append(p.unfinished, a.answer.Rest)
		return nil
	}
	return p.judgeSnapshot(a)
}

// judgeFailure decides what it means that there is no incident to look at.
func (p *poller) judgeFailure(a arrival, failure *defender.Error) *delivery {
	switch failure.Kind {
	case defender.NotFound:
		if p.mayBeElsewhere(a.id) {
			p.everybodysTrouble(a, misplaced, failure)
			p.tracker.Done(a.id, tracker.Outcome{Due: a.at.Add(staleRetry)})
			return nil
		}
		return p.judgeMissing(a, failure)
	case defender.Throttled:
		p.tracker.Done(a.id, tracker.Outcome{Due: a.at}) // at once when the wait is over, but behind those that are due already
		p.throttled(p.gets, failure, a.at)
	case defender.NoToken:
		p.tracker.Done(a.id, tracker.Outcome{})
		p.everybodysTrouble(a, signInFailed, failure)
	default:
		p.everybodysTrouble(a, classOf(failure.Kind), failure)
		p.ownTrouble(a, failure)
	}
	return nil
}

// judgeSnapshot compares an incident with what was delivered of it.
func (p *poller) judgeSnapshot(a arrival) *delivery {
	p.unproven = false
	p.serviceAnswered(a.at)
	s := a.answer.Snapshot
	s.Observed = a.at
	p.learnTenant(s.TenantID)
	p.further.note(a.id, a.answer.Pages)
	before, err := p.delivered(a.id)
	if err != nil {
		p.count(callIncident, "ok")
		p.cannotCompare(a, err)
		return nil
	}
	p.recovered(a)

	change, after := p.comparer.Compare(before, s)
	p.countAnswer(change, after)
	due := a.at.Add(p.intervalOf(after.Merged, p.round(), a.at))
	if change.Stale {
		due = a.at.Add(staleRetry)
	}
	switch {
	case change.Stale && change.Empty():
		p.tracker.Done(a.id, tracker.Outcome{Due: a.at.Add(staleRetry), Answered: true})
		return nil
	case change.Empty():
		p.commit(a.id, after, due)
		return nil
	}
	return p.newDelivery(a, s, change, before, after, due)
}

// judgeMissing takes an incident that the API does not have, or not any more.
func (p *poller) judgeMissing(a arrival, failure *defender.Error) *delivery {
	if p.outage.class != misplaced { // one more that is not found does not end that
		p.serviceAnswered(a.at)
	}
	before, err := p.delivered(a.id)
	if err != nil {
		p.cannotCompare(a, err)
		return nil
	}
	wait := p.noteTrouble(a, failure)
	change, after := p.comparer.Missing(before, a.at)
	if change.Empty() {
		p.commit(a.id, after, a.at.Add(wait))
		return nil
	}
	return p.newDelivery(a, nil, change, before, after, a.at.Add(wait))
}

func (p *poller) newDelivery(a arrival, s *incident.Snapshot, change incident.Change, before, after incident.State, due time.Time) *delivery {
	p.recordIntent(a.id, change, before, after)
	tenant := p.about.Tenant
	if s != nil && s.TenantID != "" {
		tenant = s.TenantID
	}
	return &delivery{before: before, due: due, observation: record.Observation{
		ID: a.id, Tenant: tenant, Observed: a.at, Snapshot: s, Change: change, After: after,
	}}
}

// recordIntent stores what is about to be delivered about what appears and
// disappears: if the process ends before it is accepted, the next one emits it
// again.
func (p *poller) recordIntent(id int64, change incident.Change, before, after incident.State) {
	if before.Intent = p.comparer.Intent(change, before, after); before.Intent != nil {
		p.save("incidents", p.store.Save(context.Background(), id, before))
	}
}

// asFailure is what the API's client says of an answer; not ok: it was given
// up, since the receiver is being shut down.
func asFailure(err error) (*defender.Error, bool) { return errors.AsType[*defender.Error](err) }

// throttled makes all calls of a kind wait as long as the API asks to, or all
// there are where they have one budget, and corrects the account of that kind,
// which had seen room.
func (p *poller) throttled(calls *quota.Account, failure *defender.Error, at time.Time) {
	until := at.Add(failure.RetryAfter)
	calls.Throttle(until)
	if p.client.OneBudget() && p.feed != nil {
		p.gets.Throttle(until)
		p.feed.lists.Throttle(until)
	}
	said := quota.Limit{Window: failure.Limit.Window, Requests: failure.Limit.Requests}
	correction := calls.Refused(at, said, failure.RetryAfter)
	if !p.throttling {
		p.throttling = true
		p.logThrottled(failure, correction)
	}
	p.saveAccounts(at)
}

// logThrottled says how long nothing is sent, and what was learned.
func (p *poller) logThrottled(failure *defender.Error, correction quota.Correction) {
	fields := []zap.Field{
		zap.Duration("wait", failure.RetryAfter), zap.String("wait_from", string(failure.WaitFrom)),
		zap.String("message", failure.Message),
	}
	if failure.Asked > failure.RetryAfter {
		fields = append(fields, zap.Duration("asked_for_but_capped", failure.Asked))
	}
	if limit := correction.Limit; limit.Requests > 0 {
		fields = append(fields, zap.Int("requests_from_now_on", limit.Requests), zap.Duration("in_any", limit.Window))
	}
	if correction.Assumed > 0 {
		fields = append(fields, zap.Int("assumed_to_have_been_sent_before_the_start", correction.Assumed))
	}
	p.logger.Info("throttled by the API: nothing is sent meanwhile", fields...)
}

// learnTenant keeps the tenant's id for the records of incidents that do not
// show it.
func (p *poller) learnTenant(id string) {
	if id == "" || id == p.about.Tenant {
		return
	}
	p.about.Tenant = id
	p.save("receiver", p.store.SaveReceiver(context.Background(), p.about))
}
