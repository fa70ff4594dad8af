// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// rereadInterval is how often a re-read begins, and rereadReaches how far back it lists.
	rereadInterval = 30 * time.Minute
	rereadReaches  = time.Hour
)

// reread is how far re-reads have come.
type reread struct {
	due     time.Time // of the next one
	floor   time.Time // changes before it were listed by an earlier run and are not known
	windows []*window // of the current one
	also    []*window // to be read in the next one as well
}

// RereadDue is when to request the next page of a re-read. Requesting it begins a re-read if none is under way. Not ok: there is a page in
// flight or a current one, a call has not ended, or there is nothing to read again. Calls have priority: check Due first.
func (f *Windows) RereadDue() (at time.Time, ok bool) {
	if f.requested || f.page != nil || f.tail.begun || len(f.backlog) > 0 {
		return time.Time{}, false
	}
	if w := f.nextReread(); w != nil {
		return w.due, true
	}
	return time.Time{}, false
}

// nextReread is the window to read again next; nil: there is none.
func (f *Windows) nextReread() *window {
	windows := f.reread.windows
	if len(windows) == 0 {
		windows = f.planReread()
	}
	if len(windows) == 0 {
		return nil
	}
	return slices.MinFunc(windows, func(a, b *window) int {
		switch {
		case a.begun == b.begun:
			return a.due.Compare(b.due)
		case a.begun:
			return -1
		default:
			return 1
		}
	})
}

// planReread are the windows of the next re-read: the last hour up to where the next call begins, and those that were given up.
func (f *Windows) planReread() (windows []*window) {
	since, before := f.date.Add(-rereadReaches), f.reached.Add(-windowOverlap)
	if since.Before(f.reread.floor) {
		since = f.reread.floor
	}
	for _, w := range f.reread.also {
		switch {
		case !f.refusals.allows(bounding): // one window has to cover everything
			since = earliest(since, w.since)
		case w.since.Before(since) || w.before.After(before):
			windows = append(windows, w.copy())
		}
	}
	if since.Before(before) {
		windows = append(windows, &window{since: since, before: before, reread: true})
	}
	for _, w := range windows {
		f.restart(w, f.reread.due)
	}
	return windows
}

// RereadRequest is the page of a re-read to request next.
func (f *Windows) RereadRequest() defender.ListRequest { return f.requestOf(f.nextReread()) }

// RereadRequested notes that RereadRequest was requested.
func (f *Windows) RereadRequested(now time.Time) {
	if len(f.reread.windows) == 0 {
		f.reread.windows, f.reread.also = f.planReread(), nil
		f.reread.due = now.Add(rereadInterval)
	}
	f.current = f.nextReread()
	f.send(f.requestOf(f.current), now)
}

// Rereading reports whether the page in flight or the current one belongs to a re-read.
func (f *Windows) Rereading() bool { return f.current != nil && f.current.reread }

// ended ends a window. An incomplete one is read again at the next interval, maxIncomplete times in all.
func (r *reread) ended(w *window, how windowResult, f *Windows, at time.Time) {
	if w.tries++; how == windowIncomplete && w.tries < maxIncomplete {
		f.restart(w, at.Add(f.settings.Interval))
		return
	}
	r.windows = slices.DeleteFunc(r.windows, func(other *window) bool { return other == w })
}

// cover adds a window that was given up to the next re-read.
func (r *reread) cover(w *window) {
	c := w.copy()
	c.reread, c.tries, c.lastTry = true, 0, false
	if c.before.IsZero() {
		c.before = w.date
	}
	r.also = append(r.also, c)
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
