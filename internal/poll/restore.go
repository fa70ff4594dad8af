// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// restore continues from the contents of the checkpoint.
func (e *Engine) restore(ctx context.Context, contents checkpoint.Contents, now time.Time) error {
	if err := e.restoreMeta(ctx, contents); err != nil {
		return err
	}
	e.comparer = incident.NewComparer(e.settings.Alerts, e.settings.Snapshots, incident.Ignore(e.settings.IgnoreChanges...), e.meta.Basis)
	e.quiet = incident.NewComparer(e.settings.Alerts, false, incident.Ignore(e.settings.IgnoreChanges...), e.meta.Basis)
	if err := e.restoreAccounts(ctx, contents, now); err != nil {
		return err
	}
	configured := e.configured(contents.Summaries)
	e.roster.Load(configured, contents.Summaries, now)
	if e.settings.Feed != nil && e.settings.Feed.Sweep && e.parts.Client.WholeRows() {
		e.sweep = feed.NewSweep(e.parts.Client.MaxTop(), feed.SweepProgress(contents.Sweep), now)
		e.requestFirstPass(now)
	}
	if err := e.restoreFeed(ctx, contents, now); err != nil {
		return err
	}
	var swept time.Time
	if e.sweeps(now) {
		e.setPace(now)
		swept = e.sweep.DueByID(now)
	}
	e.roster.Resume(func(s incident.Summary) time.Time { return e.dueAfterRestart(s, swept, now) }, now)
	for _, id := range e.roster.IDs() {
		if e.roster.Find(id).Summary.PollDue {
			e.hasten(id, now)
		}
	}
	if err := e.parts.Store.Keep(ctx, e.roster.IDs()); err != nil {
		return err
	}
	e.announce(now)
	e.announcePause(now)
	for _, cycle := range e.roster.MergeCycles(configured) {
		e.logCycle(cycle)
	}
	return nil
}

// configured returns the configured IDs. If the IDs file has none, a failed job may have emptied it, so the incidents of the checkpoint are
// kept.
func (e *Engine) configured(summaries map[int64]incident.Summary) []int64 {
	ids := e.parts.IDs.IDs()
	if !e.parts.IDs.FileEmpty() || e.discovers() { // discovery keeps incidents itself, and later forgets them
		return ids
	}
	file := zap.String("file", e.parts.IDs.File())
	if len(summaries) == 0 {
		if len(ids) == 0 {
			e.logger.Warn("incident_ids_file has no IDs; polling nothing until it has some", file)
		}
		return ids
	}
	e.logger.Warn("incident_ids_file has no IDs; keeping the incidents of the checkpoint", file, zap.Int("incidents", len(summaries)))
	return append(ids, slices.Sorted(maps.Keys(summaries))...)
}

// restoreMeta records api and ignore_changes, the settings that stored digests depend on. If one of them has changed, each incident is adopted
// as the API shows it next.
func (e *Engine) restoreMeta(ctx context.Context, contents checkpoint.Contents) error {
	e.meta = contents.Receiver
	ignored := digestOf(e.settings.IgnoreChanges)
	if e.meta.API == e.settings.API && e.meta.IgnoreChanges == ignored {
		return nil
	}
	if e.meta.API != "" && e.meta.API != e.settings.API {
		e.logger.Info("api setting changed; incidents that match the checkpoint are adopted silently",
			zap.String("before", e.meta.API), zap.String("api", e.settings.API), zap.Int("incidents", len(contents.Summaries)))
	}
	if e.meta.IgnoreChanges != "" && e.meta.IgnoreChanges != ignored {
		e.meta.Basis++
		e.logger.Info("ignore_changes setting changed; incidents that match the checkpoint are adopted silently",
			zap.Strings("ignore_changes", e.settings.IgnoreChanges), zap.Int("incidents", len(contents.Summaries)))
	}
	e.meta.API, e.meta.IgnoreChanges = e.settings.API, ignored
	return e.parts.Store.SaveReceiver(ctx, e.meta)
}

// digestOf returns a digest of a set of names, whatever their order.
func digestOf(names []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	var text []byte
	for _, name := range sorted {
		text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// dueAfterRestart continues the polling cycle of the earlier run. If the stored time is in the future, the clock was moved, and the incident
// is due now. An incident that sweeps poll is not due before swept, when the first sweep has ended; swept is zero if there are no sweeps.
func (e *Engine) dueAfterRestart(s incident.Summary, swept, now time.Time) time.Time {
	since := now.Round(0).Sub(s.Fetched())
	if since < 0 {
		return now
	}
	due := now.Add(max(0, e.intervalOf(s.Merged, now)-since))
	if _, closed := s.ClosedSince(); !closed && s.Listed() && swept.After(due) {
		return swept
	}
	return due
}

// restoreFeed continues where the earlier run stopped.
func (e *Engine) restoreFeed(ctx context.Context, contents checkpoint.Contents, now time.Time) error {
	stored := contents.Feed
	if e.settings.Feed == nil {
		if stored.Discover == nil || !*stored.Discover {
			return nil
		}
		stored.Discover = new(false) // if discovery is turned on again, the first call looks back
		return e.parts.Store.SaveFeed(ctx, stored)
	}
	lookback := feed.Settling
	if e.settings.Feed.Discover {
		lookback = e.settings.Feed.Lookback
		if !e.discoveredBefore(stored) {
			stored.Boundary = time.Time{} // the first call looks back
		}
	}
	e.openFeeds(stored.Boundary, stored.Alerts, lookback, now)
	if e.alertFeed() != nil {
		e.restoreHolders(ctx)
	}
	e.openPass(contents.Pass, now)
	for _, p := range stored.Pending {
		if e.discovers() || e.roster.Find(p.ID) != nil {
			e.roster.Restore(roster.Pending(p), now)
		}
	}
	return nil
}

// discoveredBefore reports whether discovery was on in the earlier run. Checkpoints before version 3 did not record it; for those, it was on if
// there are discovered incidents.
func (e *Engine) discoveredBefore(stored checkpoint.Feed) bool {
	if stored.Discover != nil {
		return *stored.Discover
	}
	return e.roster.Discovered() > 0
}

// announce logs what is polled, and how often the limits allow it.
func (e *Engine) announce(now time.Time) {
	e.announced = e.roster.Discovered()
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
	if e.discoveredLogged || !e.discovers() || discovered <= e.announced {
		return
	}
	e.discoveredLogged = true
	fields := []zap.Field{zap.Int("incidents", e.roster.Tracked()), zap.Int("discovered", discovered)}
	e.logger.Info("polling discovered incidents", append(fields, e.planPolls(now)...)...)
}

// cycle returns how long it takes to poll each incident once by ID within the limits.
func (e *Engine) cycle(now time.Time) time.Duration {
	return roster.Interval(0, e.gets.Spacing(now, e.routine()), e.roster.Cycle())
}

// meetsInterval reports whether the limits allow polls at the configured interval.
func (e *Engine) meetsInterval(now time.Time) bool {
	if e.sweeps(now) {
		return e.sweepPeriod(now) <= e.settings.Interval
	}
	return e.cycle(now) <= e.settings.Interval
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

// reconfigure adopts a changed list of IDs. Incidents that are neither listed nor the successor of a listed one are forgotten. New ones are due
// at once.
func (e *Engine) reconfigure(ctx context.Context, now time.Time) {
	ids := e.parts.IDs.IDs()
	added, forgotten := e.roster.Configure(ids, now)
	e.forget(ctx, forgotten)
	if added > 0 {
		e.requestFirstPass(now)
	}
	e.logger.Info("incident IDs changed", zap.Int("incidents", e.roster.Tracked()), zap.Int("added", added), zap.Int("removed", len(forgotten)))
	for _, cycle := range e.roster.MergeCycles(ids) {
		e.logCycle(cycle)
	}
}

// forget deletes what is kept about incidents that have left the roster.
func (e *Engine) forget(ctx context.Context, entries []*roster.Entry) {
	if len(entries) == 0 {
		return
	}
	ids := make([]int64, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ID
		e.health.Forget(entry.Streak)
		e.dropPartial(entry.ID)
	}
	if e.holders != nil {
		e.holders.forget(ids)
	}
	e.saved(ctx, entryIncidents, func(ctx context.Context) error { return e.parts.Store.Forget(ctx, ids...) })
}

// dropPartial stops requesting further alerts of an incident.
func (e *Engine) dropPartial(id int64) {
	for i, rest := range e.partials {
		if rest.ID() == id {
			e.partials = slices.Delete(e.partials, i, i+1)
			e.roster.Finish(id, roster.Outcome{})
			return
		}
	}
}
