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
	// firstPassFrom is the number of never polled incidents above which a first pass through the lists begins.
	firstPassFrom = 100
	// firstPassPatience is how long requests for those incidents wait for a first pass that makes no progress.
	firstPassPatience = 2 * time.Minute
)

// firstPass is what the engine records about its first pass, which is a sweep or reads Graph's lists.
type firstPass struct {
	requested    bool      // a pass is to begin, if enough incidents were never polled
	began        time.Time // when it began, or was requested
	lastProgress time.Time // when it last made progress, or was requested
	failure      error     // of the last failed page of Graph's lists; for a sweep, see sweeping
}

// requestFirstPass requests a first pass. It begins once the current one has ended, if enough incidents were never polled.
func (e *Engine) requestFirstPass(now time.Time) {
	if e.sweep == nil && e.pass == nil {
		return
	}
	e.first.requested = true
	if !e.showsUnpolled() {
		e.first.began, e.first.lastProgress = now, now
	}
}

// beginsFirstPass reports whether a first pass begins now, and records that it does.
func (e *Engine) beginsFirstPass(now time.Time) bool {
	if !e.first.requested {
		return false
	}
	e.first.requested = false
	if e.roster.Unpolled() <= firstPassFrom {
		return false
	}
	e.first.began, e.first.lastProgress = now, now
	return true
}

// showsUnpolled reports whether a first pass is in progress that shows incidents which were never polled.
func (e *Engine) showsUnpolled() bool {
	if e.pass != nil {
		return e.pass.Underway() && e.pass.Phase() != feed.PhaseAlerts
	}
	_, first := e.sweep.Underway()
	return first
}

// firstPassCovers returns until when requests for never polled incidents wait for a first pass to show them; zero if they do not wait.
func (e *Engine) firstPassCovers(now time.Time) (until time.Time) {
	if e.sweep == nil && e.pass == nil {
		return time.Time{}
	}
	until = e.first.lastProgress.Add(firstPassPatience)
	if e.pass != nil && e.showsUnpolled() { // it continues only while it takes fewer requests than polling by ID
		if e.health.ListDown() || !until.After(now) {
			return time.Time{}
		}
		return until
	}
	expected := (e.showsUnpolled() || e.first.requested) && e.roster.Unpolled() > firstPassFrom && !e.health.ListDown()
	byID := e.first.began.Add(time.Duration(e.roster.Unpolled()) * e.gets.Spacing(now, quota.Fresh))
	if byID.Before(until) { // polling by ID would be faster
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
