// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

// configured returns the configured IDs. If the IDs file has none, a failed
// job may have emptied it, so the incidents of the checkpoint are kept.
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

// reconfigure adopts a changed list of IDs. Incidents that are neither listed
// nor the successor of a listed one are forgotten. New ones are due at once.
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
		e.dropAlertPages(entry.ID)
	}
	if e.holders != nil {
		e.holders.forget(ids)
	}
	e.saved(ctx, entryIncidents, func(ctx context.Context) error { return e.parts.Store.Forget(ctx, ids...) })
}

// dropAlertPages stops requesting further alerts of an incident.
func (e *Engine) dropAlertPages(id int64) {
	for i, rest := range e.alertPages {
		if rest.ID() == id {
			e.alertPages = slices.Delete(e.alertPages, i, i+1)
			e.roster.Finish(id, roster.Outcome{})
			return
		}
	}
}
