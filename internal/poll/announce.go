// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// announced is what the log says about discovered incidents.
type announced struct {
	discovered int  // how many were polled at the start
	more       bool // whether it says that there are more now
}

// announce logs what is polled, and how often the limits allow it.
func (e *Engine) announce(now time.Time) {
	e.announced.discovered = e.roster.Discovered()
	fields := []zap.Field{
		zap.Int("incidents", e.roster.Tracked()),
		zap.Int("known_from_checkpoint", e.roster.Tracked()-e.roster.Unpolled()), zap.Int("new", e.roster.Unpolled()),
	}
	fields = append(fields, e.planPolls(now)...)
	switch {
	case len(e.feeds) > 0:
		fields = append(fields, e.planFeed(e.lists.Spacing(now, quota.Fresh))...)
		fields = append(fields, zap.String("alert_feed", e.planAlertFeed()))
		if e.oneAccount() {
			fields = append(fields, zap.String("change_feed_rate_limit", "not used with this api: rate_limit counts all requests"))
		}
	case !e.meetsInterval(now) && e.parts.Client.WholeRows():
		fields = append(fields, zap.String("advice", "set change_feed: it polls up to 100 incidents with each request instead of one"))
	}
	e.logger.Info("polling incidents", fields...)
}

// announceDiscovered logs what is polled, and how many of these incidents were discovered, once there are more of them than at the start.
func (e *Engine) announceDiscovered(now time.Time) {
	discovered := e.roster.Discovered()
	if e.announced.more || !e.discovers() || discovered <= e.announced.discovered {
		return
	}
	e.announced.more = true
	fields := []zap.Field{zap.Int("incidents", e.roster.Tracked()), zap.Int("discovered", discovered)}
	e.logger.Info("polling discovered incidents", append(fields, e.planPolls(now)...)...)
}

// announcePause logs that a pause which the API requested in the earlier run is not over.
func (e *Engine) announcePause(now time.Time) {
	var wait time.Duration
	for _, a := range e.accounts() {
		wait = max(wait, a.ThrottledUntil().Sub(now))
	}
	if wait > 0 {
		e.logger.Warn("API requested a delay before the restart; requests stay paused", health.Duration("wait", wait.Round(time.Second)))
	}
}

// planPolls returns log fields that describe the planned polls; none if there is nothing to poll.
func (e *Engine) planPolls(now time.Time) []zap.Field {
	if e.roster.Cycle() == 0 {
		return nil
	}
	fields := []zap.Field{
		health.Duration("collection_interval", e.settings.Interval),
		health.Duration("shortest_cycle_within_limits", e.cycle(now).Round(time.Second)),
		zap.Bool("interval_can_be_met", e.meetsInterval(now)),
	}
	if len(e.feeds) > 0 {
		fields = append(fields, zap.String("sweep", e.planSweep(now)))
	}
	return fields
}

// planSweep describes for the log how sweeps of the list poll incidents.
func (e *Engine) planSweep(now time.Time) string {
	switch {
	case !e.parts.Client.WholeRows():
		return "not used with this api, whose list of incidents has no alerts"
	case e.sweep == nil:
		return "off"
	case !e.sweeps(now):
		return "not needed: polling by ID meets collection_interval"
	}
	return fmt.Sprintf("every %s, for all open incidents; the others are polled by ID", health.FormatDuration(e.sweepPeriod(now).Round(time.Second)))
}

// planAlertFeed describes in the log line of the start whether changed alerts are listed.
func (e *Engine) planAlertFeed() string {
	switch {
	case e.parts.Client.WholeRows():
		return "not used with this api, whose list has the alerts with their incidents"
	case e.settings.Alerts == incident.None:
		return "not needed: alerts are not emitted"
	case !e.settings.Feed.AlertFeed:
		return "off"
	}
	return "on"
}

// planFeed returns the fields about the change feed in the log line of the start.
func (e *Engine) planFeed(spacing time.Duration) []zap.Field {
	f := e.settings.Feed
	fields := []zap.Field{
		health.Duration("change_feed_finds_changes_within", max(f.Interval, spacing)),
		zap.Bool("discover", f.Discover),
	}
	if f.Discover {
		fields = append(fields, health.Duration("lookback", f.Lookback), health.Duration("lookback_for_closed_incidents", min(f.Lookback, f.ForgetAfter)))
	}
	return fields
}

// meetsInterval reports whether the limits allow polls at the configured interval.
func (e *Engine) meetsInterval(now time.Time) bool {
	if e.sweeps(now) {
		return e.sweepPeriod(now) <= e.settings.Interval
	}
	return e.cycle(now) <= e.settings.Interval
}
