// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
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
