// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

const (
	// firstPassFrom is how many incidents must never have been polled for a first pass through the lists.
	firstPassFrom = 100
	// firstPassPatience is how long requests for those incidents wait for a first pass that cannot go on.
	firstPassPatience = 2 * time.Minute
)

// firstPass is what the engine notes of its first pass, be it of a sweep or through Graph's lists.
type firstPass struct {
	asked bool      // one is to begin, if enough incidents were never polled
	began time.Time // when it did
	went  time.Time // when it last went on, or was asked for
}

// askFirstPass has a first pass begin if enough incidents were never polled, once the one under way has ended.
func (e *Engine) askFirstPass(now time.Time) {
	if e.sweep == nil && e.pass == nil {
		return
	}
	e.first.asked = true
	if !e.showsUnpolled() {
		e.first.began, e.first.went = now, now
	}
}

// beginsFirstPass says whether a first pass is to begin, and notes that it does.
func (e *Engine) beginsFirstPass(now time.Time) bool {
	if !e.first.asked {
		return false
	}
	e.first.asked = false
	if e.roster.Unpolled() <= firstPassFrom {
		return false
	}
	e.first.began, e.first.went = now, now
	return true
}

// showsUnpolled says whether a first pass is under way that shows incidents which were never polled.
func (e *Engine) showsUnpolled() bool {
	if e.pass != nil {
		return e.pass.Underway() && e.pass.Phase() != feed.PhaseAlerts
	}
	_, first := e.sweep.Underway()
	return first
}

// firstPassCovers says until when requests for incidents that were never polled wait for a first pass to show them; zero: they do not.
func (e *Engine) firstPassCovers(now time.Time) (until time.Time) {
	if e.sweep == nil && e.pass == nil {
		return time.Time{}
	}
	until = e.first.went.Add(firstPassPatience)
	if e.pass != nil && e.showsUnpolled() { // it goes on only if that takes fewer requests
		if e.health.ListDown() || !until.After(now) {
			return time.Time{}
		}
		return until
	}
	expected := (e.showsUnpolled() || e.first.asked) && e.roster.Unpolled() > firstPassFrom && !e.health.ListDown()
	byID := e.first.began.Add(time.Duration(e.roster.Unpolled()) * e.gets.Spacing(now, quota.Fresh))
	if byID.Before(until) { // by ID it would be as fast
		until = byID
	}
	if !expected || !until.After(now) {
		return time.Time{}
	}
	return until
}

// logFirstPass logs how a first pass through a list ended.
func (e *Engine) logFirstPass(how feed.Ending, list string, pages, bytes int, reason zap.Field, at time.Time) {
	fields := []zap.Field{
		zap.String("list", list), zap.Int("pages", pages), zap.Int("bytes", bytes), health.Duration("took", at.Sub(e.first.began).Round(time.Second)),
		zap.Int("left_to_poll_by_id", e.roster.Unpolled()),
	}
	switch how {
	case feed.PageFailed, feed.Refused, feed.Disordered, feed.NotShown:
		e.log(e.conditions.Event("first pass ends early", at, zap.WarnLevel,
			"first pass through the list ended early; polling the other incidents by ID", append(fields, reason)...))
	default:
		e.logger.Info("first pass through the list ended", fields...)
	}
}
