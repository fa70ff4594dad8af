package poll

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// handleRow handles the next row of the page at hand, or finishes the page after its last row.
func (e *Engine) handleRow(ctx context.Context) {
	row, at, ok := e.feed.NextRow()
	if !ok {
		e.finishPage(ctx)
		return
	}
	e.observeRow(ctx, row, at, e.feed.Ahead(), changes)
}

// worthDiscovering says whether the row of an unknown incident makes the receiver track it. An open incident that was forgotten because
// all its polls failed must not return with the row that had discovered it.
func (e *Engine) worthDiscovering(row defender.Row, at time.Time) bool {
	closed, shownBefore := row.Closed && row.Err == nil, e.feed.ShownBefore(row)
	return e.roster.WorthDiscovering(closed || shownBefore, row.LastUpdate, at)
}

// finishPage continues with the next page, or ends the call.
func (e *Engine) finishPage(ctx context.Context) {
	page, at := e.feed.TakePage()
	if page.Err != nil {
		e.handleListFailure(ctx, page, at)
		return
	}
	e.telemetry.responded(callList, "ok")
	e.apply(e.health.ListAnswered(at), at)
	e.logWarning(page.Warning, at)
	before := e.feed.Boundary()
	if page.LinkErr != nil { // logged once in a run, since other pages may have links that work
		e.log(e.conditions.Failed("list link", at, zap.WarnLevel,
			"cannot follow the list's link to its next page; counting rows instead", zap.Error(page.LinkErr)))
	}
	progress := e.feed.Answered(page, at)
	e.logProgress(progress, at)
	if progress == feed.Complete || !e.feed.Boundary().Equal(before) {
		e.saveFeed(ctx, at)
	}
}

// logProgress logs that changes may have been skipped, because the list does not show all of them.
func (e *Engine) logProgress(p feed.Progress, at time.Time) {
	switch p {
	case feed.GivenUp:
		e.log(e.conditions.Failed("list", at, zap.WarnLevel,
			"list does not show all changes; the change feed continues without those that it does not show"))
	case feed.Complete:
		e.log(e.conditions.Works("list", at, "list shows all changes again"))
	case feed.Continues, feed.Incomplete:
	}
}

// handleListFailure decides what follows from a failed request for a page.
func (e *Engine) handleListFailure(ctx context.Context, page *defender.Page, at time.Time) {
	failure, ok := errors.AsType[*defender.Error](page.Err)
	if !ok {
		return // canceled by Shutdown
	}
	e.telemetry.failed(callList, failure.Kind)
	before := e.feed.Boundary()
	if failure.Kind == defender.Oversize {
		e.apply(e.health.ListAnswered(at), at)
		single, progress := e.feed.TooLarge(page, at)
		if single {
			e.markUnsure(page.First, 0, at.Add(e.oversizeWait(page.First, at)))
		}
		e.progressed(ctx, progress, before, at)
		return
	}
	v := e.health.ListFailed(failure, at)
	e.apply(v, at)
	e.pause(ctx, health.List, failure, v, e.feed.Sent(), at)
	if failure.Kind == defender.Throttled { // the same page is requested again
		return
	}
	e.progressed(ctx, e.feed.Failed(at, v.Retry, refuses(failure)), before, at)
}

// oversizeWait is how long an incident whose row is too large waits for its poll. The change feed leaves the row out from now on, so the
// change that it may show must not be missed because the incident was polled just before.
func (e *Engine) oversizeWait(id int64, at time.Time) time.Duration {
	entry := e.roster.Find(id)
	if entry == nil {
		return 0
	}
	return min(oversizeInterval, max(0, oversizeInterval-at.Round(0).Sub(entry.Summary.Fetched())))
}

// progressed notes what the failure of a page means for its call, and stores the boundary if that has advanced.
func (e *Engine) progressed(ctx context.Context, p feed.Progress, before, at time.Time) {
	e.logProgress(p, at)
	if !e.feed.Boundary().Equal(before) {
		e.saveFeed(ctx, at)
	}
}

// refuses says whether a failure may be about the page that was requested, rather than the network or the sign-in.
func refuses(failure *defender.Error) bool {
	switch failure.Kind {
	case defender.ServerError, defender.Rejected, defender.Malformed:
		return true
	default:
		return false
	}
}

// planAlertFeed says at the start whether changed alerts are listed.
func (e *Engine) planAlertFeed() string {
	switch {
	case e.parts.Client.WholeRows():
		return "not with this api, whose list shows alerts with their incidents"
	case e.settings.Alerts == incident.None:
		return "not needed: alerts are not emitted"
	case !e.settings.Feed.AlertFeed:
		return "off"
	}
	return "on"
}

// planFeed returns the fields about the change feed in the log line of the start.
func (e *Engine) planFeed(spacing time.Duration) []zap.Field {
	if e.feed == nil {
		return nil
	}
	f := e.settings.Feed
	fields := []zap.Field{
		zap.Duration("change_feed_finds_changes_within", max(f.Interval, spacing)),
		zap.Bool("discover", f.Discover),
	}
	if f.Discover {
		fields = append(fields, zap.Duration("lookback", f.Lookback), zap.Duration("lookback_for_closed_incidents", min(f.Lookback, f.ForgetAfter)))
	}
	return fields
}
