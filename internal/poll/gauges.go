// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// gaugeInterval is the time between two copies of what the gauges show.
const gaugeInterval = 15 * time.Second

// gauges is a copy of what the gauges show. It never changes once it is published.
type gauges struct {
	tracked    map[roster.State]int
	discovered int
	overdue    int
	accounts   []accountGauge
	feeds      []feedGauge
	sweeps     bool
	swept      time.Time      // the end of the last complete sweep, or the start
	ahead      *time.Duration // how far the API's clock is ahead; nil if not known yet
}

// feedGauge says when a feed's last complete call ended, or when the receiver started.
type feedGauge struct {
	call      string
	completed time.Time
}

// accountGauge is an account's remaining requests, its learned limits, and the time until which it pauses.
type accountGauge struct {
	call      string
	remaining []quota.Remaining
	learned   []quota.Limit
	throttled time.Time
}

// publish makes a new copy for the gauges if one is due.
func (e *Engine) publish(now time.Time) {
	t := e.telemetry
	if t.due().After(now) {
		return
	}
	t.published = now
	g := &gauges{
		tracked:    e.roster.Counts(),
		discovered: e.roster.Discovered(),
		overdue:    e.roster.Overdue(now),
		accounts:   e.accountGauges(now),
		ahead:      t.ahead,
	}
	e.logEndedLimits(t.gauges.Load().accounts, g.accounts, now)
	for _, f := range e.feeds {
		g.feeds = append(g.feeds, feedGauge{f.call(), f.Completed()})
	}
	if g.sweeps = e.sweeps(now); g.sweeps {
		g.swept = e.sweep.Completed()
	}
	t.gauges.Store(g)
}

// accountGauges returns the values of each account.
func (e *Engine) accountGauges(now time.Time) []accountGauge {
	if e.oneAccount() {
		return []accountGauge{{
			call:      callAll,
			remaining: e.gets.Remaining(now),
			learned:   e.gets.LearnedLimits(now),
			throttled: latest(e.gets.ThrottledUntil(), e.holds.longest()),
		}}
	}
	shown := []accountGauge{{callIncident, e.gets.Remaining(now), e.gets.LearnedLimits(now), e.gets.ThrottledUntil()}}
	if e.lists != nil {
		shown = append(shown, accountGauge{callList, e.lists.Remaining(now), e.lists.LearnedLimits(now), e.lists.ThrottledUntil()})
	}
	return shown
}

// logEndedLimits logs which learned limits no longer apply.
func (e *Engine) logEndedLimits(before, after []accountGauge, now time.Time) {
	for i, account := range before { // the accounts never change
		for _, was := range account.learned {
			applies := slices.ContainsFunc(after[i].learned, func(l quota.Limit) bool { return l.Window == was.Window && l.Requests > 0 })
			if was.Requests > 0 && !applies {
				e.log(e.conditions.Event("limit ended", now, zap.InfoLevel, "learned rate limit no longer applies",
					zap.String("requests_of", account.call), zap.Int("learned_limit", was.Requests), health.Duration("window", was.Window)))
			}
		}
	}
}

// due returns when to make the next copy.
func (t *telemetry) due() time.Time { return t.published.Add(gaugeInterval) }

// registerGauges registers the callbacks that the collector calls when it exports.
func (t *telemetry) registerGauges() error {
	return errors.Join(
		t.RegisterReceiverDefenderIncidentsTrackedCallback(func(_ context.Context, o metric.Int64Observer) error {
			for state, n := range t.gauges.Load().tracked {
				o.Observe(int64(n), t.with("state", stateName(state)))
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsOverdueCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(t.gauges.Load().overdue), t.with())
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsDiscoveredCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(t.gauges.Load().discovered), t.with())
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsQuotaRemainingCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, a := range t.gauges.Load().accounts {
				for _, left := range a.remaining {
					o.Observe(int64(left.Requests), t.with("call", a.call, "window", health.FormatDuration(left.Window)))
				}
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsLearnedLimitCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, a := range t.gauges.Load().accounts {
				for _, l := range a.learned {
					o.Observe(int64(l.Requests), t.with("call", a.call, "window", health.FormatDuration(l.Window)))
				}
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsClockDifferenceCallback(func(_ context.Context, o metric.Float64Observer) error {
			if ahead := t.gauges.Load().ahead; ahead != nil {
				o.Observe(ahead.Seconds(), t.with())
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsThrottleWaitCallback(func(_ context.Context, o metric.Float64Observer) error {
			for _, a := range t.gauges.Load().accounts {
				o.Observe(max(0, a.throttled.Sub(t.clock())).Seconds(), t.with("call", a.call))
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsFeedAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
			for _, f := range t.gauges.Load().feeds {
				o.Observe(t.clock().Sub(f.completed).Seconds(), t.with("call", f.call))
			}
			return nil
		}),
		t.RegisterReceiverDefenderIncidentsSweepAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
			if g := t.gauges.Load(); g.sweeps {
				o.Observe(t.clock().Round(0).Sub(g.swept.Round(0)).Seconds(), t.with())
			}
			return nil
		}),
	)
}

// stateName returns the name of a state in the metrics.
func stateName(s roster.State) string {
	switch s {
	case roster.Waiting:
		return "waiting"
	case roster.Failing:
		return "failing"
	case roster.NotFound:
		return "not_found"
	case roster.Resolved:
		return "resolved"
	default:
		return "open"
	}
}
