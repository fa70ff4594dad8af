// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// holds say until when no request goes to an endpoint. They are kept apart from the accounts, since endpoints may share an account.
type holds struct {
	failing   map[health.Endpoint]time.Time // the endpoint fails; this hold may end early
	requested map[health.Endpoint]time.Time // the endpoint requested a delay, and shares its account
}

// hold holds requests to an endpoint until a time, or all requests if the sign-in fails. It never shortens a hold.
func (h *holds) hold(endpoint health.Endpoint, until time.Time) {
	if endpoint != health.SignIn {
		extend(&h.failing, endpoint, until)
		return
	}
	for _, each := range []health.Endpoint{health.Get, health.List, health.AlertList} {
		extend(&h.failing, each, until)
	}
}

// wait holds requests to an endpoint for a delay that it requested.
func (h *holds) wait(endpoint health.Endpoint, until time.Time) {
	extend(&h.requested, endpoint, until)
}

// resume ends the hold of an endpoint that works again. A requested delay continues.
func (h *holds) resume(endpoint health.Endpoint) { delete(h.failing, endpoint) }

// until returns when the holds of an endpoint end; zero if it was never held.
func (h *holds) until(endpoint health.Endpoint) time.Time {
	return latest(h.requested[endpoint], h.failing[endpoint])
}

// longest returns when the last requested delay ends; zero if no endpoint ever requested one.
func (h *holds) longest() (end time.Time) {
	for _, until := range h.requested {
		end = latest(end, until)
	}
	return end
}

func extend(ends *map[health.Endpoint]time.Time, endpoint health.Endpoint, until time.Time) {
	if *ends == nil {
		*ends = map[health.Endpoint]time.Time{}
	}
	(*ends)[endpoint] = latest((*ends)[endpoint], until)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// room returns the earliest time at which a request with this demand may be sent to an endpoint. If ok is false, that depends on when a
// request in flight ends.
func (e *Engine) room(now time.Time, endpoint health.Endpoint, d quota.Demand) (at time.Time, ok bool) {
	at, ok = e.accountOf(endpoint).Next(now, d)
	return latest(at, e.holds.until(endpoint)), ok
}

// oneAccount reports whether one account counts all requests, as the API then does too.
func (e *Engine) oneAccount() bool { return e.lists == e.gets }

// ahead returns the demand of requests that go ahead of routine polls. If pages of the feed share their account, they leave a part to those.
func (e *Engine) ahead() quota.Demand {
	if e.oneAccount() && e.settings.Feed != nil {
		return quota.AfterFeed
	}
	return quota.Fresh
}

// routine returns the demand of routine polls. While rows of lists show every change, routine polls find little and use half of the account.
func (e *Engine) routine() quota.Demand {
	switch {
	case e.rowsShowAll(e.parts.Clock()):
		return quota.Half
	case e.ahead() == quota.AfterFeed:
		return quota.RepeatAfterFeed
	}
	return quota.Repeat
}

// openAccounts makes the accounts, with nothing sent yet.
func (e *Engine) openAccounts() {
	e.gets = quota.NewAccount(e.settings.Limits...)
	switch {
	case e.parts.Client.OneBudget():
		e.lists = e.gets
	case e.settings.Feed != nil:
		e.lists = quota.NewAccount(e.settings.Feed.Limits...)
	}
}

// accountOf returns the account of an endpoint's requests.
func (e *Engine) accountOf(endpoint health.Endpoint) *quota.Account {
	if endpoint == health.Get {
		return e.gets
	}
	return e.lists
}

// accounts returns all accounts, each once.
func (e *Engine) accounts() []*quota.Account {
	if e.lists == nil || e.oneAccount() {
		return []*quota.Account{e.gets}
	}
	return []*quota.Account{e.gets, e.lists}
}

// throttle pauses requests for the delay that a failed response requested. A 429 pauses all requests of the endpoint's account. With one
// account for all requests, other failures pause only requests to the endpoint.
func (e *Engine) throttle(endpoint health.Endpoint, failure *defender.Error, at time.Time) {
	account, until := e.accountOf(endpoint), at.Add(failure.RetryAfter)
	if failure.Kind == defender.Throttled || !e.oneAccount() {
		account.Throttle(until)
		return
	}
	e.holds.wait(endpoint, until)
	account.KeepApart(until.Add(quota.ApartAfterPause))
}

// stored returns what to store of the account of requests for single incidents, or of all requests. A delay that one endpoint requested is
// stored as a pause of the whole account: after a restart, all its requests wait.
func (e *Engine) stored(now time.Time) quota.Stored {
	s := e.gets.Stored(now)
	if wait := e.holds.longest().Sub(now); wait > 0 {
		s.PausedUntil = latest(s.PausedUntil, now.Add(wait).Round(0).UTC())
	}
	return s
}

// restoreAccounts continues the accounts of the earlier run. Where one account counts all requests, an earlier version may have stored two.
// It merges them, stores the result, and only then empties the second: at no time does the storage hold less than was sent.
func (e *Engine) restoreAccounts(ctx context.Context, contents checkpoint.Contents, now time.Time) error {
	ofGets, ofLists := contents.Quota, contents.Feed.Quota
	if !e.oneAccount() {
		e.gets.Restore(ofGets, defender.MaxWait, now)
		if e.lists != nil {
			e.lists.Restore(ofLists, defender.MaxWait, now)
		}
		return nil
	}
	merged := quota.Merge(ofGets, ofLists)
	e.gets.Restore(merged, defender.MaxWait, now)
	if ofLists.Empty() {
		return nil
	}
	if err := e.parts.Store.SaveQuota(ctx, merged); err != nil {
		return err
	}
	return e.parts.Store.SaveListQuota(ctx, quota.Stored{})
}
