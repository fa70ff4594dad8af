package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// keep lists what is to be followed, also as a set, and forgets what is known of
// all else: what the configured ids lead to and, with discover, whatever was
// followed before.
func (p *poller) keep(configured []int64) (kept []int64, stays map[int64]struct{}) {
	p.configured = setOf(configured)
	if feed := p.cfg.ChangeFeed.Get(); feed != nil && feed.Discover {
		configured = slices.Concat(configured, slices.Sorted(maps.Keys(p.known)))
	}
	kept = lineage(configured, p.known)
	stays = setOf(kept)
	maps.DeleteFunc(p.known, func(id int64, _ incident.Summary) bool { _, stay := stays[id]; return !stay })
	return kept, stays
}

func setOf(ids []int64) map[int64]struct{} {
	set := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return set
}

// follows says whether what is shown of an incident is taken up: it is followed,
// was merged into one that is, or whatever is shown is.
func (p *poller) follows(id int64) bool {
	_, known := p.known[id]
	return known || p.tracker.Has(id) || p.feed != nil && p.feed.cfg.Discover
}

// refollow goes on with other ids: what they do not lead to any more is dropped
// with its checkpoint, what is new is due at once.
func (p *poller) refollow(ids []int64, now time.Time) {
	kept, stays := p.keep(ids)
	added, removed := 0, 0
	for _, id := range kept {
		if p.known[id].Followed() && !p.tracker.Has(id) {
			p.tracker.Add(id, now, false)
			added++
		}
	}
	for _, id := range p.tracker.IDs() {
		if _, stay := stays[id]; !stay {
			p.drop(id)
			if p.feed != nil {
				delete(p.feed.named, id)
			}
			removed++
		}
	}
	p.save("index", p.store.Keep(context.Background(), kept))
	p.logger.Info("ids have changed", zap.Int("incidents", p.tracker.Len()), zap.Int("added", added), zap.Int("removed", removed))
	p.warnOfCircles(ids...)
}

// drop follows an incident no more, nor goes on with what was begun of it.
func (p *poller) drop(id int64) {
	p.tracker.Remove(id)
	p.forgetTrouble(id)
	p.further.note(id, 0)
	p.unfinished = slices.DeleteFunc(p.unfinished, func(r *defender.Rest) bool {
		if r.ID() != id {
			return false
		}
		p.tracker.Done(id, tracker.Outcome{})
		return true
	})
}

// follow goes on with an incident that another was merged into. The checkpoint
// need not name it yet: after a restart the merged one leads to it.
func (p *poller) follow(successor int64, now time.Time) {
	if p.tracker.Has(successor) { // adding it again would have it fetched once more
		return
	}
	if _, known := p.known[successor]; !known {
		p.tracker.Add(successor, now, false)
		return
	}
	p.warnOfCircles(successor)
}

// warnOfCircles says so when nothing that ids lead to is followed any more.
func (p *poller) warnOfCircles(ids ...int64) {
	if merged := circles(ids, p.known); len(merged) > 0 {
		p.logger.Warn("incidents are merged in a circle: none of them is followed any more", zap.Int64s("incidents", merged))
	}
}
