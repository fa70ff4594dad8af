// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// leastShare is the minimum share of the list's quota for sweeps, however much the change feed uses: one tenth.
const leastShare = 10

// sweeping is what the engine records about its sweeps.
type sweeping struct {
	polled    int   // incidents that the rows of the current page polled
	costKnown bool  // the cost of a sweep was logged
	failure   error // of the last failed page
}

// sweeps reports whether incidents are polled by pages of the list, because requests by ID cannot keep to the interval.
func (e *Engine) sweeps(now time.Time) bool {
	return e.sweep != nil && e.cycle(now) > e.settings.Interval
}

// nextSweep returns the next page of a sweep, and when it may be requested. ok is false if no page is needed, or one is in flight.
func (e *Engine) nextSweep(now time.Time) (r request, at time.Time, ok bool) {
	if e.sweep == nil || !e.feedsBegan() { // first, the feed must be ready to show what changes meanwhile
		return request{}, time.Time{}, false
	}
	e.setPace(now)
	if !e.continuesSweep(now) {
		return request{}, time.Time{}, false
	}
	at, ok = e.sweep.Due()
	free, hasRoom := e.room(now, health.List, quota.Sweep)
	if !ok || !hasRoom {
		return request{}, time.Time{}, false
	}
	if free.After(at) {
		at = free
	}
	if at.After(now) {
		return request{}, at, true
	}
	page := e.sweep.Request(now)
	return request{page: &page, listing: sweepPages}, now, true
}

// continuesSweep begins a first pass or ends a sweep if that is due. It reports whether there is a page to request, now or later.
func (e *Engine) continuesSweep(now time.Time) bool {
	underway, first := e.sweep.Underway()
	if !first && e.beginsFirstPass(now) {
		e.sweeping.polled = 0
		e.sweep.BeginFirst(now)
		first = true
	}
	switch {
	case first || e.sweeps(now):
		return true
	case underway:
		e.sweep.Stop()
	}
	return false
}

// setPace sets how fast sweeps may go.
func (e *Engine) setPace(now time.Time) {
	e.sweep.SetPace(feed.Pace{Interval: e.settings.Interval, Gap: e.sweepGap(now), Tracked: e.roster.Tracked()})
}

// sweepPeriod returns the time from one sweep to the next.
func (e *Engine) sweepPeriod(now time.Time) time.Duration {
	e.setPace(now)
	return e.sweep.Period(now)
}

// sweepGap returns the mean time between two pages of sweeps, using what the change feed leaves of the list's quota.
func (e *Engine) sweepGap(now time.Time) time.Duration {
	spacing := e.lists.Spacing(now, quota.Sweep)
	if spacing <= 0 {
		return 0
	}
	possible := 1 / spacing.Seconds() // pages a second
	return time.Duration(float64(time.Second) / max(possible-1/e.feeds[0].Spacing().Seconds(), possible/leastShare))
}

// handleSweepRow handles the next row of a sweep's page, or finishes the page after its last row.
func (e *Engine) handleSweepRow(ctx context.Context) {
	row, at, ok := e.sweep.NextRow()
	if !ok {
		e.finishSweepPage(ctx)
		return
	}
	if e.observeRow(ctx, row, at, e.sweep.Ahead(), sweepPages) {
		e.sweeping.polled++
	}
}

// finishSweepPage continues with the next page, or ends the sweep. Health does not learn of the result: whether the list works is judged by the
// requests of the change feed, which differ.
func (e *Engine) finishSweepPage(ctx context.Context) {
	page, at := e.sweep.TakePage()
	_, first := e.sweep.Underway()
	var how feed.Ending
	if page.Err != nil {
		how = e.sweepFailed(ctx, page, at)
	} else {
		e.telemetry.responded(callList, "ok")
		e.logWarning(page.Warning, at)
		how = e.sweep.FinishPage(page, e.sweeping.polled, at)
		e.sweeping.polled, e.first.lastProgress = 0, at
		if first && how == feed.Ongoing && e.roster.Unpolled() == 0 {
			how = e.sweep.EndFirst(at)
		}
	}
	e.saveSweep(ctx)
	switch {
	case how == feed.Ongoing:
	case first:
		pages, bytes := e.sweep.Cost()
		e.logFirstPass(how, callList, pages, bytes, e.reason(how), at)
	default:
		e.logSweep(how, at)
	}
}

// sweepFailed decides what follows from a failed request for a page.
func (e *Engine) sweepFailed(ctx context.Context, page *defender.Page, at time.Time) feed.Ending {
	failure, ok := errors.AsType[*defender.Error](page.Err)
	if !ok {
		return feed.Ongoing // canceled by Shutdown
	}
	e.telemetry.failed(callList, failure.Kind)
	e.sweeping.failure = failure
	switch failure.Kind {
	case defender.Oversize:
		return e.sweep.TooLarge(page, at)
	case defender.NoToken, defender.Throttled:
		v := e.health.ListFailed(failure, at)
		e.apply(v, at)
		e.pause(ctx, health.List, failure, v, e.sweep.Sent(), at)
	default:
		e.pauseIfRequested(ctx, health.List, failure, e.sweep.Sent(), at)
	}
	return e.sweep.Failed(failure.Kind, at)
}

// logSweep logs the cost of the first sweep, and sweeps that do not show all incidents.
func (e *Engine) logSweep(how feed.Ending, at time.Time) {
	switch how {
	case feed.PageFailed, feed.Refused, feed.Disordered:
		e.log(e.conditions.Failed("sweep ends early", at, zap.WarnLevel,
			"sweep of the list ended early; polling the incidents it missed by ID", e.reason(how)))
		return
	case feed.NotWorth:
		e.log(e.conditions.Failed("sweep worth", at, zap.InfoLevel,
			"few of the listed incidents are tracked; polling those by ID and sweeping the list less often"))
	default:
		e.log(e.conditions.Succeeded("sweep ends early", at, "sweep of the list covers all open incidents again"))
		e.log(e.conditions.Succeeded("sweep worth", at, ""))
	}
	if e.sweeping.costKnown || how != feed.AllRead {
		return
	}
	e.sweeping.costKnown = true
	pages, bytes := e.sweep.Cost()
	period := e.sweep.Period(at)
	perHour := float64(time.Hour) / float64(period)
	e.logger.Info("first sweep of the list ended; a longer collection_interval makes sweeps rarer, change_feed::sweep: false turns them off",
		zap.Int("pages", pages), zap.Int("bytes", bytes), health.Duration("sweep_every", period.Round(time.Second)),
		zap.Int("requests_per_hour", int(float64(pages)*perHour)), zap.Int("bytes_per_hour", int(float64(bytes)*perHour)))
}

// reason returns why a sweep ended early.
func (e *Engine) reason(how feed.Ending) zap.Field {
	if how == feed.Disordered {
		return zap.String("error", "the order of the list changed between pages")
	}
	return zap.Error(e.sweeping.failure)
}

// saveSweep stores the progress of sweeps.
func (e *Engine) saveSweep(ctx context.Context) {
	e.saved(ctx, entrySweep, func(ctx context.Context) error {
		return e.parts.Store.SaveSweep(ctx, checkpoint.Sweep(e.sweep.Progress()))
	})
}
