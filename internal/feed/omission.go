// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"
)

// sighting is an incident as a row shows it.
type sighting struct {
	id      int64
	changed time.Time // its lastUpdateTime
}

// omission is a row that is too large to read, and its place in the list: while the incident does not change, the row stays behind
// the rows that were ahead of it, except those that change in the meantime. So later calls can leave it out.
type omission struct {
	id    int64               // of the incident; 0: not known
	ahead map[int64]time.Time // the rows between it and the omission before it
	seen  map[int64]struct{}  // those that the current call has shown
	since time.Time           // when it was found, by the service's clock, which shows whole seconds
	above time.Time           // the incident changed at or before that time
	below time.Time           // and at or after that time
}

// missing is how many of the rows ahead the current call has not shown yet. The row is at least that far down.
func (o *omission) missing() int { return len(o.ahead) - len(o.seen) }

// joins reports whether the omission directly follows that row: the row was
// ahead, and has not changed.
func (o *omission) joins(s sighting) bool {
	before, ahead := o.ahead[s.id]
	return ahead && before.Equal(s.changed)
}

// omissions are the rows of a list that are too large, the newest change first. A call begins with what has changed since they were found,
// continues with the rows ahead of the first omission, leaves that out, and continues after it.
type omissions struct {
	all     []omission
	probed  bool // whether the changes since then were listed
	skipped int  // by the current call
	// assumed omissions were skipped last, but the page after them has not been read: they may have moved.
	assumed int
	loose   int // of the last ones skipped, the row behind is not known

	shown  []sighting // the rows that the current call has shown
	from   int        // where those behind the last skipped omission begin
	before int        // and those behind the one before it
}

// restart prepares for a new call.
func (o *omissions) restart() {
	for i := range o.all {
		clear(o.all[i].seen)
	}
	*o = omissions{all: o.all}
}

// next is the next omission of the call; nil: there is none.
func (o *omissions) next() *omission {
	if o.skipped == len(o.all) {
		return nil
	}
	return &o.all[o.skipped]
}

// probe is the time from which to list what has changed since the rows were found. Not ok: that was done. It is repeated when no
// unchanged row leads to the next omission, because all rows ahead of it have changed.
func (o *omissions) probe() (since time.Time, ok bool) {
	next := o.next()
	switch {
	case next == nil:
		return time.Time{}, false
	case !o.probed:
		return o.all[0].since, true
	default:
		return next.since, next.missing() == 0
	}
}

// note notes the rows of a page.
func (o *omissions) note(rows []sighting) {
	o.assumed = 0
	if len(rows) == 0 {
		return
	}
	for i := range o.all {
		each := &o.all[i]
		for _, s := range rows {
			if _, ahead := each.ahead[s.id]; ahead {
				each.seen[s.id] = struct{}{}
			}
		}
	}
	for ; o.loose > 0; o.loose-- {
		if each := &o.all[o.skipped-o.loose]; rows[0].changed.After(each.below) && rows[0].changed.Before(each.above) {
			each.below = rows[0].changed
		}
	}
	o.shown = append(o.shown, rows...)
}

// last is the last row that the call has shown.
func (o *omissions) last() (s sighting) {
	if len(o.shown) > 0 {
		s = o.shown[len(o.shown)-1]
	}
	return s
}

// reached reports whether the next omission comes now.
func (o *omissions) reached() bool {
	next := o.next()
	return next != nil && o.probed && next.missing() == 0 && next.joins(o.last())
}

// skipReached ends a probe and skips the omissions that the call has reached. It returns their number.
func (o *omissions) skipReached() int {
	o.probed, o.assumed = true, 0
	for next := o.next(); next != nil && next.missing() == 0; next = o.next() {
		o.skipped++
		o.assumed++
	}
	if o.assumed > 0 {
		o.before, o.from = o.from, len(o.shown)
	}
	return o.assumed
}

// misplaced notes that a page is too large, perhaps because it contains an earlier omission. It forgets the omissions ahead, and those
// that were only assumed to come before the page. It returns the number of the latter.
func (o *omissions) misplaced() (assumed int) {
	assumed, o.assumed = o.assumed, 0
	if assumed > 0 {
		o.skipped -= assumed
		o.from = o.before
	}
	o.all = o.all[:o.skipped]
	return assumed
}

// moved reports whether the last row that was found too large is this incident's, and has moved down by one.
func (o *omissions) moved(id int64) bool {
	return id != 0 && o.loose > 0 && o.all[o.skipped-1].id == id
}

// add adds a row that turned out to be too large at a time of the service's clock.
func (o *omissions) add(id int64, boundary, date time.Time) {
	each := omission{
		id: id, ahead: map[int64]time.Time{}, seen: map[int64]struct{}{},
		since: date, above: o.last().changed, below: boundary,
	}
	if each.above.IsZero() {
		each.above = date.Add(time.Second)
	}
	for _, s := range o.shown[o.from:] {
		each.ahead[s.id] = s.changed
		each.seen[s.id] = struct{}{}
	}
	o.all = append(o.all, each)
	o.skipped++
	o.loose++
	o.before, o.from = o.from, len(o.shown)
	o.forgetFirst(id)
}

// forgetFirst forgets the earlier place of an incident that has moved and was found again.
func (o *omissions) forgetFirst(id int64) {
	at := slices.IndexFunc(o.all, func(each omission) bool { return each.id == id })
	if id == 0 || at == len(o.all)-1 {
		return
	}
	following := &o.all[at+1]
	for id, changed := range o.all[at].ahead {
		following.ahead[id] = changed
		following.seen[id] = struct{}{}
	}
	o.loose = min(o.loose, len(o.all)-at-1)
	o.all = slices.Delete(o.all, at, at+1)
	o.skipped--
}

// forgetUnreached forgets the omissions that a finished call did not reach.
func (o *omissions) forgetUnreached() { o.all = o.all[:o.skipped] }

// advance returns the boundary for the next call, moved away from times where an omitted row might be on either side of it, and forgets
// the omissions before it.
func (o *omissions) advance(boundary time.Time) time.Time {
	for _, each := range o.all {
		if boundary.After(each.below) && !boundary.After(each.above) {
			boundary = each.below
		}
	}
	if at := slices.IndexFunc(o.all, func(each omission) bool { return boundary.After(each.above) }); at >= 0 {
		o.all = o.all[:at]
	}
	return boundary
}
