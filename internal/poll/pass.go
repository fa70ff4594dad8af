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
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// openPass makes the first pass through Graph's lists, or continues that of the earlier run. With embedded alerts there is none, since a row of
// an incident cannot deliver it.
func (e *Engine) openPass(stored checkpoint.Pass, now time.Time) {
	client := e.parts.Client
	if client.WholeRows() || e.settings.Alerts == incident.Embedded {
		e.roster.PollUnseen(time.Time{}, now)
		return
	}
	e.pass = feed.NewPass(feed.PassSettings{
		MaxTop: client.MaxTop(), MaxAlertTop: client.MaxAlertTop(), MaxSkip: client.MaxSkip(), Alerts: e.listsAlerts(),
	}, restoredPass(stored, now))
	e.lookBack = lookBack{underway: e.discovers() && e.listsAlerts(), lastProgress: now}
	e.lookBack.began = e.roster.Unseen(e.pass.Progress().AlertsShown) > 0 // discovered by the earlier run
	if e.pass.Underway() {
		e.first = firstPass{requested: true, began: now, lastProgress: now} // IDs may have been added since
		return
	}
	e.requestFirstPass(now)
	if !e.lookBack.underway {
		e.pollUnseen(now)
	}
}

// restoredPass returns the progress of the earlier run's pass. A version that did not record when a pass began to read alerts polled by ID all
// incidents whose alerts the pass may not have shown.
func restoredPass(stored checkpoint.Pass, now time.Time) feed.PassProgress {
	p := feed.PassProgress{
		Phase: stored.Phase, Since: stored.Since, IncidentsRead: stored.IncidentsRead, AlertsFrom: stored.AlertsFrom, AlertsShown: stored.AlertsShown,
	}
	if stored.AlertsRead && p.AlertsShown.IsZero() {
		p.AlertsShown = now.Round(0)
	}
	if p.Phase == feed.PhaseAlerts && p.AlertsFrom.IsZero() { // it is unknown for which incidents the alerts were shown: start over
		p.Since, p.AlertsFrom = time.Time{}, now.Round(0)
	}
	return p
}

// nextPass returns the next page of the first pass, and when it may be requested.
// ok is false if no page is needed, or if as many as allowed are in flight.
func (e *Engine) nextPass(now time.Time) (r request, at time.Time, ok bool) {
	e.checkLookBack(now)
	if e.pass == nil || !e.feedsBegan() { // first, the feeds must be ready to show what changes meanwhile
		return request{}, time.Time{}, false
	}
	if !e.pass.Underway() && e.beginsFirstPass(now) {
		e.pass.Begin(now)
	}
	if e.health.AlertListDown() {
		e.pass.SkipAlerts(now)
	}
	at, ok = e.pass.Due()
	if !ok {
		return request{}, time.Time{}, false
	}
	page := e.pass.Request()
	free, hasRoom := e.room(now, endpointOf(page), e.ahead())
	if !hasRoom {
		return request{}, time.Time{}, false
	}
	return request{page: &page, listing: passPages}, latest(at, free), true
}

// passShowsAlerts reports whether the first pass will show the alerts of an incident that a row has just shown. Once the pass reads alerts, it
// may be past them already.
func (e *Engine) passShowsAlerts() bool {
	return e.pass != nil && e.pass.Underway() && e.pass.Phase() != feed.PhaseAlerts && e.listsAlerts()
}

// handlePassRows handles the next rows of the first pass's page, or finishes the page after its last rows.
func (e *Engine) handlePassRows(ctx context.Context) {
	rows, at, ok := e.pass.NextRows()
	switch {
	case !ok:
		e.finishPassPage(ctx)
	case rows[0].Alert != "":
		e.observeAlerts(ctx, rows, at, e.pass.Ahead(), passPages)
	default:
		e.observeRow(ctx, rows[0], at, e.pass.Ahead(), passPages)
	}
}

// finishPassPage continues with the next page, or ends a phase. As with sweeps, health does not learn of the result.
func (e *Engine) finishPassPage(ctx context.Context) {
	req, page, at := e.pass.TakePage()
	phase := e.pass.Phase()
	var how feed.Ending
	if page.Err != nil {
		how = e.passPageFailed(ctx, req, page, at)
	} else {
		e.telemetry.responded(callOf(endpointOf(req)), "ok")
		e.logWarning(page.Warning, at)
		how = e.pass.FinishPage(page, at)
		e.first.lastProgress = at
		e.checkAlertsCost()
	}
	if continues := phase == feed.PhaseCount && req.Alerts && e.pass.Underway(); how != feed.Ongoing && !continues { // continues without the count
		e.logPass(phase, how, at)
	}
	if phase == feed.PhaseCount && e.pass.Phase() == feed.PhaseIncidents {
		e.checkPassCost()
	}
	if !e.pass.Underway() {
		e.lookBack.costUnknown = false
		e.pollUnseen(at)
	}
	e.savePass(ctx)
}

// checkPassCost ends the first pass if polling by ID takes no more requests.
func (e *Engine) checkPassCost() {
	requests, known := e.pass.Expected()
	if unpolled := e.roster.Unpolled(); known && requests >= unpolled {
		e.stopPass(requests, unpolled)
	}
}

// stopPass ends a pass that is not worth its requests.
func (e *Engine) stopPass(requests, incidents int) {
	e.pass.Stop()
	e.logger.Info("polling new incidents by ID, since reading the lists would take more requests",
		zap.Int("requests", requests), zap.Int("incidents", incidents))
}

// logPass logs how a phase of the first pass ended.
func (e *Engine) logPass(phase feed.Phase, how feed.Ending, at time.Time) {
	reason := zap.Error(e.first.failure)
	if how == feed.Disordered || how == feed.NotShown {
		reason = zap.String("error", "the list is not ordered by creation time throughout")
	}
	pages, bytes := e.pass.Cost()
	list := callList
	if phase == feed.PhaseAlerts {
		list = callAlerts
	}
	e.logFirstPass(how, list, pages, bytes, reason, at)
}

// passPageFailed decides what follows from a failed request for a page.
func (e *Engine) passPageFailed(ctx context.Context, req defender.ListRequest, page *defender.Page, at time.Time) feed.Ending {
	failure, ok := errors.AsType[*defender.Error](page.Err)
	if !ok {
		return feed.Ongoing // canceled by Shutdown
	}
	endpoint := endpointOf(req)
	e.telemetry.failed(callOf(endpoint), failure.Kind)
	e.first.failure = failure
	switch {
	case failure.Kind == defender.Oversize:
		if req.Top == 1 && e.roster.Find(page.First) != nil {
			e.markUnsure(page.First, 0, at)
		}
		return e.pass.TooLarge(page, at)
	case failure.Kind == defender.NoToken, failure.Kind == defender.Throttled, failure.Kind == defender.Forbidden && req.Alerts:
		v := e.listFailed(endpoint, failure, at)
		e.apply(v, at)
		e.pause(ctx, endpoint, failure, v, e.pass.Sent(), at)
	default:
		e.pauseIfRequested(ctx, endpoint, failure, e.pass.Sent(), at)
	}
	return e.pass.Failed(failure.Kind, at)
}

// pollUnseen makes incidents due by ID if nothing has shown their alerts. A pass that has read the list of alerts to its end has shown the
// alerts of all incidents that were delivered when it began reading them. From then on, the feed of alerts shows what changes.
func (e *Engine) pollUnseen(now time.Time) {
	if e.settings.Alerts != incident.None {
		e.roster.PollUnseen(e.pass.Progress().AlertsShown, now)
	}
}

// savePass stores the progress of the first pass.
func (e *Engine) savePass(ctx context.Context) {
	e.saved(ctx, entryPass, func(ctx context.Context) error {
		p := e.pass.Progress()
		return e.parts.Store.SavePass(ctx, checkpoint.Pass{
			Phase: p.Phase, Since: p.Since, IncidentsRead: p.IncidentsRead, AlertsFrom: p.AlertsFrom, AlertsShown: p.AlertsShown,
		})
	})
}
