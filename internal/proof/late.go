// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// Late lists what was not delivered within the given time. Every version of the
// incidents' own content and of their alerts that existed at the given moment
// or later must be delivered by then, or one that superseded it. An alert that
// leaves within that time need not be delivered at all. The removal of an alert
// may take Run.Unlisted longer.
func (r Run) Late(ids []int64, since time.Time, within time.Duration) (late []string) {
	now := time.Now()
	subjects, _ := r.play()
	for _, id := range ids {
		s := subjects[id]
		for _, alert := range slices.Sorted(maps.Keys(s.elements)) {
			if alert != "" && (r.Alerts == None || s.cutOff()) {
				continue
			}
			e := s.elements[alert]
			for n, v := range e.versions {
				if n+1 < len(e.versions) && !e.versions[n+1].from.After(since) {
					continue
				}
				begin := v.from
				if begin.Before(since) {
					begin = since
				}
				deadline := within
				if v.value == absent {
					deadline += r.Unlisted
				}
				if !e.settled(n, begin, deadline, now) {
					late = append(late, fmt.Sprintf("incident %d alert %q: %s was not delivered within %v of %s", id, alert, v.value, deadline, begin.Format(time.TimeOnly)))
				}
			}
		}
	}
	return late
}

// cutOff reports whether a list of the incident's alerts may have been cut off,
// so that it is unknown which have left.
func (s *subject) cutOff() bool {
	return slices.ContainsFunc(s.states, func(s defendersim.State) bool { return len(s.Alerts) >= alertsCap })
}

// settled reports whether a version, or one that superseded it, was delivered
// within the given time, or need not be delivered, or not yet.
func (e *element) settled(n int, begin time.Time, within time.Duration, now time.Time) bool {
	v := e.versions[n].value
	if v == merged || v == gone && e.alert != "" {
		return true // the incident's own record implies it
	}
	if v == absent { // which only matters if the alert was delivered as present
		before := slices.IndexFunc(e.delivered, func(s step) bool { return s.version < n })
		if before < 0 {
			return true
		}
		for _, s := range e.delivered {
			if s.version < n && s.at.After(begin) {
				begin = s.at
			}
		}
	}
	deadline := begin.Add(within)
	if deadline.After(now) {
		return true
	}
	reached, last := -1, -1
	for _, s := range e.delivered {
		if !s.at.After(deadline) {
			reached, last = max(reached, s.version), s.version
		}
	}
	if reached >= n {
		return true
	}
	for k := n; k < len(e.versions) && !e.versions[k].from.After(deadline); k++ {
		if e.is(last, e.versions[k].value) || e.alert != "" && k > n && !e.versions[k].there() {
			return true
		}
	}
	return false
}

// Silent lists the incidents, neither merged nor missing, without a delivery
// for longer than the given time since the given moment, which must not happen
// with emit: snapshots.
func (r Run) Silent(ids []int64, since time.Time, longest time.Duration) (silent []string) {
	last := map[int64]time.Time{}
	for _, id := range ids {
		last[id] = since
	}
	note := func(id int64, at time.Time) {
		if before, asked := last[id]; asked && at.Sub(before) > longest {
			silent = append(silent, fmt.Sprintf("incident %d: nothing for %v", id, at.Sub(before)))
		}
	}
	for _, d := range r.Deliveries {
		if d.Own == nil || d.Observed.Before(since) {
			continue
		}
		note(d.Incident, d.Observed)
		last[d.Incident] = d.Observed
	}
	for _, id := range ids {
		states, _ := r.Sim.History(id)
		if now := states[len(states)-1]; !now.Removed && now.RedirectID == 0 {
			note(id, time.Now())
		}
	}
	return silent
}
