// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// missing are the changes since a time that the list has shown for a while and that were not returned.
func (l *lister) missing(since, until time.Time, shownFor time.Duration) (missing []int64) {
	for _, i := range l.s.items {
		shown, ok := i.at(l.s.now.Add(-shownFor))
		if latest, _ := i.at(l.s.now); !ok || latest != shown {
			continue
		}
		if !shown.changed.Before(since) && shown.changed.Before(until) && !slices.ContainsFunc(l.found[i.id], shown.changed.Equal) {
			missing = append(missing, i.id)
		}
	}
	return missing
}

// Whatever the service refuses and however the list moves: every change that stays is returned within a bounded time, nothing before the
// boundary is skipped, and every call ends.
func TestWindowsReturnEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lowest, highest int, label string) int { return rapid.IntRange(lowest, highest).Draw(t, label) }
		s := newService()
		s.maxTop = rapid.SampledFrom([]int{1000, 100, 20}).Draw(t, "largest page")
		s.maxSkip = rapid.SampledFrom([]int{500, 500, 200}).Draw(t, "largest skip")
		s.tokens = rapid.Bool().Draw(t, "tokens")
		refuses := []option{0, 0, 0, ordering, bounding, counting, creation, narrowing, ordering | counting, bounding | counting | narrowing}
		s.refuses = rapid.SampledFrom(refuses).Draw(t, "refuses")
		s.ignores = rapid.SampledFrom([]option{0, 0, counting, ordering}).Draw(t, "ignores")
		ordered := (s.refuses|s.ignores)&ordering == 0
		settings := WindowSettings{Alerts: rapid.Bool().Draw(t, "alerts"), Boundary: noon.Add(-6 * time.Hour)}
		if settings.Alerts {
			settings.MaxTop = 200
		}
		atOnce := rapid.SampledFrom([]int{0, 1, 1, 1}).Draw(t, "seconds between changes")
		if s.refuses&creation != 0 {
			atOnce = 1
		}
		most := 2000
		if !ordered && s.refuses&bounding != 0 { // more cannot be reached
			most = 150
		}
		for i := range draw(0, most, "items") {
			at := noon.Add(-time.Duration(draw(1, 8, "hours ago")) * time.Hour).Add(time.Duration(i%1000*atOnce) * time.Second)
			s.add(at.Add(-time.Duration(i)*time.Minute), earliest(at, noon.Add(-30*time.Second)))
		}
		l := newLister(s, settings)
		failing := draw(0, 20, "percent of pages that fail")
		l.fails = func() (defender.Kind, bool) {
			if draw(0, 99, "fails") >= failing {
				return 0, false
			}
			return rapid.SampledFrom([]defender.Kind{defender.Timeout, defender.Throttled, defender.ServerError, defender.NoToken}).Draw(t, "failure"), true
		}
		most = 100
		if !ordered { // without an order, only the overlap of pages shows that rows have moved up
			most = 5
		}
		check := func() {
			if !slices.Contains(l.progress, GivenUp) {
				require.Empty(t, l.missing(settings.Boundary, l.Boundary().Add(-time.Minute), 0), "skipped")
			}
		}
		for range draw(1, 60, "pages") {
			l.step(t)
			check()
			if draw(0, 3, "quiet") > 0 {
				continue
			}
			for range draw(1, most, "changes") {
				late := time.Duration(draw(0, 20, "seconds late")) * time.Second
				if len(s.items) == 0 || draw(0, 4, "new") == 0 {
					i := s.add(s.now, s.now)
					i.states[0].visible = s.now.Add(late)
				} else {
					s.change(s.items[draw(0, len(s.items)-1, "which")], late)
				}
				s.now = s.now.Add(time.Duration(draw(0, 500, "ms")) * time.Millisecond)
			}
		}
		l.fails = nil
		l.until(t, s.now.Add(20*time.Second+2*interval+20*time.Second)) // with the pages of a backlog
		require.Empty(t, l.missing(noon, s.now, 2*interval))
		for range 12 {
			l.call(t)
			check()
		}
		l.until(t, s.now.Add(2*time.Minute))
		require.Empty(t, l.missing(settings.Boundary, s.now, time.Minute))
		require.Equal(t, Complete, l.call(t))
	})
}
