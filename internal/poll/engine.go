// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/sink"
)

// Engine polls incidents. Open makes one; all its other state belongs to the goroutine of Run.
type Engine struct {
	settings  Settings
	parts     Parts
	logger    *zap.Logger
	telemetry *telemetry

	roster     *roster.Roster
	health     *health.Tracker
	conditions health.Conditions
	first      firstPass
	lookBack   lookBack
	sweeping   sweeping
	gets       *quota.Account // of requests for single incidents
	lists      *quota.Account // of requests for lists; the same account if the API counts all requests together; nil: no list is read
	holds      holds
	feeds      []*changeFeed // of incidents, then of alerts; none: the change feed is off
	sweep      *feed.Sweep   // nil: there are no sweeps
	pass       *feed.Pass    // nil: Graph's lists are not read as a whole
	holders    *holders      // nil: there is no feed of alerts
	comparer   *incident.Comparer
	quiet      *incident.Comparer // the same without emit: snapshots
	sink       *sink.Sink
	meta       checkpoint.Receiver

	turns      turns
	inFlight   int
	shown      uint64           // successful requests for incidents, not counting pages of alerts
	responses  []response       // not handled yet, oldest first
	alertPages []*defender.Rest // pages of alerts that are left to request, one item for each incident, oldest first
	held       []heldRows       // rows that wait until the request for their incident has ended
	pending    delivery         // what the sink was offered last
	unsaved    unsaved
	expired    time.Time // when expired incidents were last searched for
	announced  announced
	warnings   map[string]struct{} // the API's warnings that were logged

	waitingFor atomic.Value // a string: what the loop is waiting for
}

// Open restores an engine from the contents of the checkpoint. Configured incidents, and those they were merged into, continue their
// polling cycle. The states of all others are deleted, unless discovery keeps them. ctx is used only until Open returns.
func Open(ctx context.Context, s Settings, p Parts, contents checkpoint.Contents) (*Engine, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: p.Receiver.ID, Transport: "http", LongLivedCtx: true, ReceiverCreateSettings: p.Receiver,
	})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		settings: s, parts: p, logger: p.Receiver.Logger,
		health: health.New(),
		sink: sink.New(p.Next, report, record.Builder{
			Alerts: s.Alerts, Original: s.IncludeOriginal, Host: s.Host,
			Scope: metadata.ScopeName, ScopeVersion: p.Receiver.BuildInfo.Version,
		}),
	}
	e.openAccounts()
	rules := roster.Rules{}
	if s.Feed != nil {
		rules = roster.Rules{Discover: s.Feed.Discover, ForgetAfter: s.Feed.ForgetAfter}
	}
	e.roster = roster.New(rules)
	if err := e.restore(ctx, contents, p.Clock()); err != nil {
		return nil, err
	}
	e.telemetry, err = newTelemetry(p.Receiver, p.Clock)
	if err != nil {
		return nil, err
	}
	e.publish(p.Clock())
	return e, nil
}

// Close ends the telemetry. Run must have returned, or never have been called.
func (e *Engine) Close() { e.telemetry.Shutdown() }

// interval returns the time between two requests for an incident that the quota allows. Incidents that sweeps poll do not count.
func (e *Engine) interval(now time.Time) time.Duration {
	cycle := e.roster.Cycle()
	if e.sweeps(now) {
		cycle = e.roster.CycleByID()
	}
	return roster.Interval(e.settings.Interval, e.gets.Spacing(now, e.routine()), cycle)
}

// cycle returns how long it takes to poll each incident once by ID within the limits.
func (e *Engine) cycle(now time.Time) time.Duration {
	return roster.Interval(0, e.gets.Spacing(now, e.routine()), e.roster.Cycle())
}

// discovers reports whether incidents that are not configured are tracked too.
func (e *Engine) discovers() bool { return e.settings.Feed != nil && e.settings.Feed.Discover }
