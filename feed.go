package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// changeFeed finds changed incidents by listing. It belongs to the poller; nil:
// it is off.
type changeFeed struct {
	cfg    *ChangeFeedConfig
	cursor *feed.Cursor
	lists  *quota.Account // of its own requests

	inFlight bool
	page     *defender.Page // the page at hand; nil: none
	at       time.Time      // when that had arrived
	rows     []defender.Row // of it, still to be looked at
	// named are the incidents that it has shown to have changed, but not how,
	// and that were not answered for since, with when that was; zero: not known.
	named map[int64]time.Time

	completed time.Time // the end of the last complete call; before the first, the start

	failures int       // of calls, in a row
	since    time.Time // when that was said; zero: it was not
	backoff  *backoff.ExponentialBackOff
}

// restoreFeed goes on where an earlier run has come to.
func (p *poller) restoreFeed(stored checkpoint.Feed, now time.Time) {
	cfg := p.cfg.ChangeFeed.Get()
	if cfg == nil {
		return
	}
	lookback := feed.Settling
	if cfg.Discover {
		lookback = cfg.Lookback
	}
	p.feed = &changeFeed{
		cfg: cfg, lists: newAccount(cfg.RateLimit), named: map[int64]time.Time{}, completed: now,
		cursor: feed.New(cfg.Interval, lookback, p.client.MaxTop(), stored.Boundary, now),
	}
	p.feed.lists.Restore(stored.Quota, now)
	for _, pending := range stored.Pending {
		if p.follows(pending.ID) {
			p.name(pending.ID, pending.Changed, now)
		}
	}
}

// saveFeed stores how far the feed has come. Its boundary moves on only after
// all rows of a call were dealt with.
func (p *poller) saveFeed(now time.Time) {
	var pending []checkpoint.Pending
	for _, id := range slices.Sorted(maps.Keys(p.feed.named)) {
		pending = append(pending, checkpoint.Pending{ID: id, Changed: p.feed.named[id]})
	}
	p.save("feed", p.store.SaveFeed(context.Background(), checkpoint.Feed{
		Boundary: p.feed.cursor.Boundary(), Pending: pending, Quota: p.feed.lists.Stored(now),
	}))
}

// when is the moment at which the next page may be asked for. Not ok: the feed
// is off, or busy.
func (f *changeFeed) when(now time.Time) (at time.Time, ok bool) {
	if f == nil || f.inFlight || f.page != nil {
		return time.Time{}, false
	}
	at, ok = f.lists.Next(now, quota.Fresh)
	if due := f.cursor.Due(); due.After(at) {
		at = due
	}
	return at, ok
}

// listing notes that a page is about to be asked for.
func (p *poller) listing(now time.Time) {
	p.feed.lists.Send(now)
	p.feed.inFlight = true
	p.saveFeed(now)
}

// listed notes that the call for a page has ended.
func (p *poller) listed(page *defender.Page, at time.Time) {
	p.feed.lists.Done(at, page.Reached)
	p.feed.inFlight = false
	p.feed.page, p.feed.at, p.feed.rows = page, at, page.Rows
	if p.feed.cursor.Boundary().IsZero() { // it was asked for its time only
		p.feed.rows = nil
	}
}

// nextRow looks at one row of the page at hand, or turns the page after the
// last. It returns what is to be delivered.
func (p *poller) nextRow() *delivery {
	f := p.feed
	if len(f.rows) == 0 {
		page := f.page
		f.page = nil
		p.turn(page, f.at)
		return nil
	}
	row := f.rows[0]
	f.rows = f.rows[1:]
	return p.judgeRow(row, f.at)
}

// judgeRow takes up what a row shows to be new. Of an incident that cannot be
// had from the row, or of which an answer is on its way, it makes the fetch due.
func (p *poller) judgeRow(r defender.Row, at time.Time) *delivery {
	known := p.known[r.ID]
	switch {
	case !p.follows(r.ID) || !p.tracker.Has(r.ID) && !known.Seen && !p.worthDiscovering(r, at):
		return nil // not followed
	case known.Missing || known.Seen && r.LastUpdate.IsZero():
		p.nameUnsure(r.ID, at) // a list that lags still shows what has gone
		return nil
	case known.Seen && !r.LastUpdate.After(known.LastUpdate()):
		return nil // not new
	case p.tracker.InFlight(r.ID) || r.Snapshot == nil:
		p.name(r.ID, r.LastUpdate, at)
		return nil
	}
	before, err := p.delivered(r.ID)
	if err != nil { // its fetch will show whether that lasts
		p.name(r.ID, r.LastUpdate, at)
		return nil
	}
	s := r.Snapshot
	s.Observed = at
	p.learnTenant(s.TenantID)
	change, after := p.comparer.Compare(before, s)
	due := at.Add(p.intervalOf(after.Merged, p.round(), at))
	if change.Empty() {
		p.commit(r.ID, after, due)
		return nil
	}
	return p.newDelivery(arrival{id: r.ID, at: at}, s, change, before, after, due)
}

// worthDiscovering says whether an incident that the list shows is not one that
// would be let go at once.
func (p *poller) worthDiscovering(r defender.Row, at time.Time) bool {
	open := r.Err == nil && !r.Closed
	return open || at.Round(0).Sub(r.LastUpdate) < p.feed.cfg.ForgetAfter
}

// nameUnsure makes an incident due at once of which it is not known whether its
// row shows a change; so it is not named more often than each minute.
func (p *poller) nameUnsure(id int64, now time.Time) {
	if id > 0 && p.follows(id) && now.Round(0).Sub(p.known[id].Fetched()) >= time.Minute {
		p.name(id, time.Time{}, now)
	}
}

// name makes an incident due at once, ahead of all others, for a row shows that
// it changed at a time. One that was named for that already has its own backoff,
// if its fetch has failed since.
func (p *poller) name(id int64, changed, now time.Time) {
	if before, named := p.feed.named[id]; named && !changed.After(before) {
		return
	}
	if !p.tracker.Has(id) {
		p.tracker.Add(id, now, false)
	}
	p.tracker.Name(id, now)
	p.feed.named[id] = changed
}

// answered notes that an incident was shown as it was at a time: that it changed
// then, or before, need not be remembered any more.
func (f *changeFeed) answered(id int64, known incident.Summary) {
	if changed := f.named[id]; known.Missing || !known.LastUpdate().Before(changed) {
		delete(f.named, id)
	}
}

// turn goes on to the next page, or ends the call.
func (p *poller) turn(page *defender.Page, at time.Time) {
	f := p.feed
	if page.Err != nil {
		p.judgeListFailure(page, at)
		return
	}
	p.count(callList, "ok")
	p.serviceAnswered(at)
	p.feedRecovered(at)
	var newest time.Time
	for _, r := range page.Rows {
		if r.LastUpdate.After(newest) {
			newest = r.LastUpdate
		}
	}
	if f.cursor.Answered(at, feed.Page{Newest: newest, Next: page.Next, Date: page.Date}) {
		f.completed = at
		p.saveFeed(at)
	}
}

// letGo forgets a discovered incident that has been resolved, merged away or
// not found for long: when the feed shows it again, it is back.
func (p *poller) letGo(id int64, known incident.Summary) {
	if p.feed == nil || !p.feed.cfg.Discover {
		return
	}
	since, closed := known.ClosedSince()
	if _, configured := p.configured[id]; configured || !closed || known.Fetched().Sub(since) < p.feed.cfg.ForgetAfter {
		return
	}
	p.drop(id)
	delete(p.known, id)
	delete(p.feed.named, id)
	p.save("incidents", p.store.Forget(context.Background(), id))
}

// judgeListFailure decides what a call without a page means.
func (p *poller) judgeListFailure(page *defender.Page, at time.Time) {
	failure, ok := asFailure(page.Err)
	if !ok {
		return // given up, since the receiver is being shut down
	}
	p.countFailure(callList, failure.Kind)
	switch failure.Kind {
	case defender.Oversize:
		if p.feed.cursor.TooLarge(at, page.Date) {
			p.nameUnsure(page.First, at)
		}
	case defender.Throttled:
		p.throttled(p.feed.lists, failure, at)
	default:
		p.everybodysTrouble(arrival{at: at}, classOf(failure.Kind), failure)
		p.feedFails(failure, at)
		p.feed.cursor.Failed(at, p.feed.wait(failure.Kind))
	}
}

// wait is how long the feed pauses after a failure.
func (f *changeFeed) wait(kind defender.Kind) time.Duration {
	if f.backoff == nil {
		longest := 5 * time.Minute
		if kind == defender.Rejected || kind == defender.Redirect {
			longest = time.Hour
		}
		f.backoff = newBackoff(10*time.Second, max(longest, f.cfg.Interval))
	}
	return f.backoff.NextBackOff()
}

// feedFails says once that changes are found by the round only, unless it was
// said that nothing works.
func (p *poller) feedFails(failure *defender.Error, at time.Time) {
	if p.feed.failures++; p.feed.since.IsZero() && p.ailing.IsZero() {
		p.feed.since = at
		p.logger.Warn("change feed fails: changes are found by the round only",
			append([]zap.Field{zap.Error(failure)}, refusal(failure)...)...)
	}
}

// feedRecovered says so when it works again.
func (p *poller) feedRecovered(at time.Time) {
	f := p.feed
	if !f.since.IsZero() {
		p.logger.Info("change feed works again", zap.Int("failures", f.failures), zap.Duration("after", at.Sub(f.since).Round(time.Second)))
	}
	f.failures, f.since, f.backoff = 0, time.Time{}, nil
}
