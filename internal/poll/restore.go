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
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// restore takes up what the checkpoint holds.
func (e *Engine) restore(ctx context.Context, contents checkpoint.Contents, now time.Time) error {
	if err := e.restoreMeta(ctx, contents); err != nil {
		return err
	}
	e.comparer = incident.NewComparer(e.settings.Alerts, e.settings.Snapshots, incident.Ignore(e.settings.IgnoreChanges...), e.meta.Basis)
	e.gets.Restore(contents.Quota, now)
	configured := e.configured(contents.Summaries)
	e.roster.Load(configured, contents.Summaries, now)
	e.roster.Resume(func(s incident.Summary) time.Time { return e.dueAfterRestart(s, now) }, now)
	if err := e.parts.Store.Keep(ctx, e.roster.IDs()); err != nil {
		return err
	}
	if err := e.restoreFeed(ctx, contents, now); err != nil {
		return err
	}
	e.announce(len(contents.Summaries), now)
	for _, cycle := range e.roster.MergeCycles(configured) {
		e.logCycle(cycle)
	}
	return nil
}

// configured returns the configured IDs. When the IDs file has none, a failed job may have emptied it: then the incidents of the checkpoint
// go on.
func (e *Engine) configured(summaries map[int64]incident.Summary) []int64 {
	ids := e.parts.IDs.IDs()
	if !e.parts.IDs.FileEmpty() || len(summaries) == 0 || e.discovers() { // discovery keeps them, and forgets them in time
		return ids
	}
	e.logger.Warn("incident_ids_file has no IDs; keeping the incidents of the checkpoint", zap.Int("incidents", len(summaries)))
	return append(ids, slices.Sorted(maps.Keys(summaries))...)
}

// restoreMeta notes what states are compared by: the API, and the names in ignore_changes. Where one of them is another than before, each
// incident is adopted as it is shown next.
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

// digestOf stands for a set of names, in any order.
func digestOf(names []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	var text []byte
	for _, name := range sorted {
		text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// dueAfterRestart goes on with the cycle of the earlier run. A stored time that lies in the future, since the clock was moved, says
// nothing: then the incident is due.
func (e *Engine) dueAfterRestart(s incident.Summary, now time.Time) time.Time {
	since := now.Round(0).Sub(s.Fetched())
	if since < 0 {
		return now
	}
	return now.Add(max(0, e.intervalOf(s.Merged, now)-since))
}

// restoreFeed continues where the earlier run has stopped.
func (e *Engine) restoreFeed(ctx context.Context, contents checkpoint.Contents, now time.Time) error {
	stored := contents.Feed
	if e.settings.Feed == nil {
		if stored.Discover == nil || !*stored.Discover {
			return nil
		}
		stored.Discover = new(false) // should the feed be turned on again, its first call looks back
		return e.parts.Store.SaveFeed(ctx, stored)
	}
	e.lists.Restore(stored.Quota, now)
	settings := feed.Settings{
		Interval: e.settings.Feed.Interval, Lookback: feed.Settling, MaxTop: e.parts.Client.MaxTop(), Boundary: stored.Boundary,
	}
	if e.settings.Feed.Discover {
		settings.Lookback = e.settings.Feed.Lookback
		if !e.discoveredBefore(stored) {
			settings.Boundary = time.Time{} // so that the first call looks back
		}
	}
	e.feed = feed.New(settings, now)
	for _, p := range stored.Pending {
		if e.discovers() || e.roster.Find(p.ID) != nil {
			e.roster.Restore(roster.Pending(p), now)
		}
	}
	return nil
}

// discoveredBefore says whether discovery was on in the earlier run. Where that was not recorded, it follows from what is known.
func (e *Engine) discoveredBefore(stored checkpoint.Feed) bool {
	if stored.Discover != nil {
		return *stored.Discover
	}
	return e.roster.Discovered() > 0
}

// announce logs the plan.
func (e *Engine) announce(stored int, now time.Time) {
	cycle := roster.Interval(0, e.gets.Spacing(now, quota.Repeat), e.roster.Cycle())
	fields := []zap.Field{
		zap.Int("incidents", e.roster.Len()),
		zap.Int("known_from_checkpoint", stored),
		zap.Duration("collection_interval", e.settings.Interval),
		zap.Duration("shortest_cycle_within_limits", cycle.Round(time.Second)),
		zap.Bool("interval_can_be_met", cycle <= e.settings.Interval),
	}
	if e.feed != nil {
		fields = append(fields, e.planFeed(e.lists.Spacing(now, quota.Fresh))...)
	}
	e.logger.Info("polling incidents", fields...)
}

// reconfigure goes on with a changed list of IDs: what it does not lead to any more is forgotten with its state, what is new is due at
// once.
func (e *Engine) reconfigure(ctx context.Context, now time.Time) {
	ids := e.parts.IDs.IDs()
	added, forgotten := e.roster.Configure(ids, now)
	e.forget(ctx, forgotten)
	e.logger.Info("incident IDs changed", zap.Int("incidents", e.roster.Len()), zap.Int("added", added), zap.Int("removed", len(forgotten)))
	for _, cycle := range e.roster.MergeCycles(ids) {
		e.logCycle(cycle)
	}
}

// forget cleans up after incidents that have left the roster.
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
	e.saved(ctx, "incidents", func(ctx context.Context) error { return e.parts.Store.Forget(ctx, ids...) })
}

// dropPartial goes no further with an incident of which alerts are missing.
func (e *Engine) dropPartial(id int64) {
	for i, rest := range e.partials {
		if rest.ID() == id {
			e.partials = slices.Delete(e.partials, i, i+1)
			e.roster.Finish(id, roster.Outcome{})
			return
		}
	}
}
