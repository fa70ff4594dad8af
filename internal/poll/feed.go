// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
)

// handleFeeds handles the next row of a feed's current page, or finishes the page after its last row. It returns false if no feed has a page.
func (e *Engine) handleFeeds(ctx context.Context) bool {
	for _, f := range e.feeds {
		if f.HasPage() {
			e.handleRow(ctx, f)
			return true
		}
	}
	return false
}

func (e *Engine) handleRow(ctx context.Context, f *changeFeed) {
	row, at, ok := f.NextRow()
	if !ok {
		e.finishPage(ctx, f)
		return
	}
	l := f.listing
	if f.rereading() {
		l = l.again()
	}
	if f.listing == alertChanges {
		e.observeAlerts(ctx, []defender.Row{row}, at, f.Ahead(), l)
		return
	}
	if l == rereads && e.isLate(row) {
		e.telemetry.late()
	}
	e.observeRow(ctx, row, at, f.Ahead(), l)
}

// isLate reports whether a row of a re-read shows a change that the feed has missed.
func (e *Engine) isLate(row defender.Row) bool {
	entry := e.roster.Find(row.ID)
	return entry != nil && entry.Summary.Seen && !entry.Knows(row.LastUpdate)
}

// worthDiscovering reports whether a row of an unknown incident makes the receiver track it. An open incident that was forgotten because all
// its polls failed must not return with the row that had discovered it. A re-read returns only rows that no call has shown.
func (e *Engine) worthDiscovering(row defender.Row, at time.Time, from listing) bool {
	switch from {
	case changes:
		closed, shownBefore := row.Closed && row.Err == nil, e.feeds[0].ShownBefore(row)
		return e.roster.WorthDiscovering(closed || shownBefore, row.LastUpdate, at)
	case rereads:
		return e.roster.WorthDiscovering(false, row.LastUpdate, at)
	default:
		return false
	}
}

// finishPage continues with the next page, or ends the call.
func (e *Engine) finishPage(ctx context.Context, f *changeFeed) {
	page, at := f.TakePage()
	if page.Err != nil {
		e.handleListFailure(ctx, f, page, at)
		return
	}
	e.telemetry.responded(f.call(), "ok")
	e.listSucceeded(f, at)
	e.logWarning(page.Warning, at)
	before := f.Boundary()
	if page.LinkErr != nil { // logged once per run, since other pages may have links that work
		e.log(e.conditions.Failed("list link", at, zap.WarnLevel,
			"cannot follow the list's link to the next page; continuing with $skip", zap.Error(page.LinkErr)))
	}
	progress := f.FinishPage(page, at)
	e.logProgress(f, progress, at)
	if f.listing == changes {
		e.lookBack.lastProgress = at
		if progress == feed.Complete {
			e.endLookBack(at)
			e.announceDiscovered(at)
		}
	}
	if progress == feed.Complete || !f.Boundary().Equal(before) {
		e.saveFeed(ctx, at)
	}
}

// listSucceeded reports to health that a list works. A re-read does not show that, since its requests differ from the feed's.
func (e *Engine) listSucceeded(f *changeFeed, at time.Time) {
	switch {
	case f.rereading():
	case f.endpoint() == health.AlertList:
		e.apply(e.health.AlertListSucceeded(at), at)
	default:
		e.apply(e.health.ListSucceeded(at), at)
	}
}

// listFailed returns health's verdict on a failed request for a page of a list.
func (e *Engine) listFailed(endpoint health.Endpoint, failure *defender.Error, at time.Time) health.Verdict {
	if endpoint == health.AlertList {
		return e.health.AlertListFailed(failure, at)
	}
	return e.health.ListFailed(failure, at)
}

// logProgress logs that changes may have been skipped, because the list does not show all of them.
func (e *Engine) logProgress(f *changeFeed, p feed.CallResult, at time.Time) {
	list := zap.String("list", f.call())
	switch p {
	case feed.GivenUp:
		e.log(e.conditions.Failed(f.call(), at, zap.WarnLevel,
			"list did not return all changes; the change feed continues without the missing ones", list))
	case feed.Complete:
		e.log(e.conditions.Succeeded(f.call(), at, "list returns all changes again", list))
	case feed.Continues, feed.Incomplete:
	}
	if f.windows == nil {
		return
	}
	for _, option := range f.windows.Degraded() {
		e.log(e.conditions.Failed(f.call()+" "+option, at, zap.WarnLevel,
			"API does not support a list option; the change feed continues without it", list, zap.String("option", option)))
	}
}

// handleListFailure decides what follows from a failed request for a page.
func (e *Engine) handleListFailure(ctx context.Context, f *changeFeed, page *defender.Page, at time.Time) {
	failure, ok := errors.AsType[*defender.Error](page.Err)
	if !ok {
		return // canceled by Shutdown
	}
	e.telemetry.failed(f.call(), failure.Kind)
	before := f.Boundary()
	switch {
	case failure.Kind == defender.Oversize:
		e.listSucceeded(f, at)
		single, progress := f.TooLarge(page, at)
		if single && (f.listing == changes || e.roster.Find(page.First) != nil) { // alerts discover nothing
			e.markUnsure(page.First, 0, at.Add(e.oversizeWait(page.First, at)))
		}
		e.progressed(ctx, f, progress, before, at)
		return
	case failure.Kind == defender.Rejected && f.windows != nil:
		if handled, progress := f.windows.Rejected(at); handled {
			e.pauseIfRequested(ctx, f.endpoint(), failure, f.Sent(), at)
			e.progressed(ctx, f, progress, before, at)
			return
		}
	case f.rereading() && failure.Kind != defender.Throttled && failure.Kind != defender.NoToken:
		e.pauseIfRequested(ctx, f.endpoint(), failure, f.Sent(), at)
		wait := max(rereadRetry, failure.RetryAfter)
		e.progressed(ctx, f, f.Failed(at, wait, refuses(failure)), before, at)
		return
	}
	v := e.listFailed(f.endpoint(), failure, at)
	e.apply(v, at)
	e.pause(ctx, f.endpoint(), failure, v, f.Sent(), at)
	if failure.Kind == defender.Throttled { // the same page is requested again
		return
	}
	e.progressed(ctx, f, f.Failed(at, v.Retry, refuses(failure)), before, at)
}

// pauseIfRequested pauses all requests to a list for the requested delay of a failure that says nothing else about the list.
func (e *Engine) pauseIfRequested(ctx context.Context, endpoint health.Endpoint, failure *defender.Error, sent, at time.Time) {
	if failure.RetryAfter > 0 {
		e.pause(ctx, endpoint, failure, e.health.ListRetryAfter(failure, at), sent, at)
	}
}

// rereadRetry is the time until a failed page of a re-read is retried. Health
// does not learn of the failure, since the feed's own requests differ.
const rereadRetry = 5 * time.Second

// oversizeWait returns how long an incident waits for its poll after its row was too large. The change feed skips the row from now on, so the
// poll must not be omitted because the incident was polled just before the change that the row may show.
func (e *Engine) oversizeWait(id int64, at time.Time) time.Duration {
	entry := e.roster.Find(id)
	if entry == nil {
		return 0
	}
	return min(oversizeInterval, max(0, oversizeInterval-at.Round(0).Sub(entry.Summary.Fetched())))
}

// progressed logs what the failure of a page means for its call, and stores the boundary if it has advanced.
func (e *Engine) progressed(ctx context.Context, f *changeFeed, p feed.CallResult, before, at time.Time) {
	e.logProgress(f, p, at)
	if !f.Boundary().Equal(before) {
		e.saveFeed(ctx, at)
	}
}

// refuses reports whether a failure may be caused by the requested page rather than by the network or the sign-in.
func refuses(failure *defender.Error) bool {
	switch failure.Kind {
	case defender.ServerError, defender.Rejected, defender.Malformed:
		return true
	default:
		return false
	}
}
