// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// incidentsReceiver polls from Start to Shutdown or, with a leader elector, while this collector leads.
type incidentsReceiver struct {
	settings receiver.Settings
	cfg      *Config
	next     consumer.Logs
	clock    func() time.Time // time.Now, except in tests

	// Set by Start, nil before; Start and Shutdown are never called concurrently.
	active  *activity
	term    *term    // without a leader elector
	standby *standby // with one
}

func newReceiver(settings receiver.Settings, cfg *Config, next consumer.Logs) *incidentsReceiver {
	return &incidentsReceiver{settings: settings, cfg: cfg, next: next, clock: time.Now}
}

// Start reads the IDs and the checkpoint and starts the engine, or waits for this collector to lead. It does not call the API:
// failures there are reported and retried while the collector runs.
func (r *incidentsReceiver) Start(ctx context.Context, host component.Host) error {
	active, err := newActivity(r.settings)
	if err != nil {
		return err
	}
	r.active = active
	if r.cfg.LeaderElectorID != nil {
		r.standby, err = r.standBy(ctx, host)
		return err
	}
	deps, err := r.resolve(ctx, host)
	if err != nil {
		return err
	}
	r.term, err = r.begin(ctx, context.Background(), host, deps)
	r.active.set(err == nil)
	return err
}

// Shutdown first ends the requests, then lets the pipeline accept what it was just given, until ctx ends or deliveryGrace has passed.
// What was not accepted is not in the checkpoint and is delivered after the next start.
func (r *incidentsReceiver) Shutdown(ctx context.Context) error {
	if r.active != nil {
		r.active.Shutdown()
	}
	if r.standby != nil {
		return r.standby.shutdown(ctx)
	}
	if r.term != nil {
		return r.term.end(ctx)
	}
	return nil
}

// pollSettings are the settings of the engine.
func (c *Config) pollSettings(host string) poll.Settings {
	s := poll.Settings{
		API: string(c.API), Host: host, Interval: c.CollectionInterval, Limits: c.RateLimit.limits(),
		MaxConcurrentRequests: c.MaxConcurrentRequests,
		Alerts:                incident.AlertsMode(c.Alerts), Snapshots: c.Emit == EmitSnapshots,
		IgnoreChanges: c.IgnoreChanges, IncludeOriginal: c.IncludeOriginal,
	}
	if f := c.ChangeFeed.Get(); f != nil {
		s.Feed = &poll.FeedSettings{
			Interval: f.Interval, Limits: f.RateLimit.limits(), Sweep: f.Sweep, AlertFeed: f.AlertFeed,
			Discover: f.Discover, Lookback: f.Lookback, ForgetAfter: f.ForgetAfter,
		}
	}
	return s
}

func (r RateLimitConfig) limits() []quota.Limit {
	return []quota.Limit{
		{Window: time.Minute, Requests: r.RequestsPerMinute},
		{Window: time.Hour, Requests: r.RequestsPerHour},
	}
}
