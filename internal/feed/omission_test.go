// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// feeder runs a feed through a list.
type feeder struct {
	*Feed
	list     *register
	requests []defender.ListRequest // of the current call
	tooLarge int                    // pages of the current call
	shown    map[int64]time.Time    // the newest change of each incident that a row has shown
	fetched  map[int64]time.Time    // when an incident was to be fetched by ID
}

// newFeeder returns a feed through a list of n incidents, one of which changed every ten seconds up to now.
func newFeeder(n int) *feeder {
	r := newRegister(0, statusActive)
	for range n {
		r.now = r.now.Add(10 * time.Second)
		r.add(statusActive)
	}
	r.moves = 0
	f := &feeder{list: r, shown: map[int64]time.Time{}, fetched: map[int64]time.Time{}}
	f.Feed = New(Settings{Interval: interval, Lookback: lookback, MaxTop: largest, Boundary: noon}, r.now)
	return f
}

// call runs one call to its end, beginning when it is due; between is called after each page.
func (f *feeder) call(between func()) CallResult {
	f.requests, f.tooLarge = nil, 0
	for {
		if at, ok := f.Due(); ok && at.After(f.list.now) {
			f.list.now = at
		}
		f.requests = append(f.requests, f.Request())
		page := f.list.page(f.Request())
		f.Requested(f.list.now)
		f.Arrived(page, f.list.now)
		f.TakePage()
		var p CallResult
		if page.Err != nil {
			f.tooLarge++
			var single bool
			if single, p = f.TooLarge(page, f.list.now); single {
				f.fetched[page.First] = f.list.now
			}
		} else {
			for _, row := range page.Rows {
				if row.LastUpdate.After(f.shown[row.ID]) {
					f.shown[row.ID] = row.LastUpdate
				}
			}
			p = f.FinishPage(page, f.list.now)
		}
		if p != Continues {
			return p
		}
		between()
	}
}

func TestFeedIsolatesATooLargeRowOnceAndThenSkipsIt(t *testing.T) {
	for _, down := range []int{0, 1, 39, 99, 100, 149} {
		t.Run(fmt.Sprintf("%d rows down", down), func(t *testing.T) {
			f := newFeeder(0)
			for range 150 {
				f.list.add(statusActive)
			}
			fat := f.list.entries[down].id
			f.list.fat[fat] = true
			f.list.now = f.list.now.Add(5 * time.Second)
			require.Equal(t, Complete, f.call(nothing))
			require.Equal(t, 7, f.tooLarge, "100, 50, 25, 12, 6, 3 rows and 1")
			require.LessOrEqual(t, len(f.requests), 24)
			require.Len(t, f.shown, 149)
			require.Len(t, f.fetched, 1)
			require.Contains(t, f.fetched, fat)
			boundary := f.Boundary()

			f.fetched = map[int64]time.Time{}
			for range 10 {
				require.Equal(t, Complete, f.call(nothing))
				require.Zero(t, f.tooLarge)
				require.LessOrEqual(t, len(f.requests), 4, "%v", f.requests)
			}
			other := fat%150 + 1
			f.list.set(other, statusActive)
			require.Equal(t, Complete, f.call(nothing))
			require.Equal(t, f.list.entries[0].changed, f.shown[other])
			require.Zero(t, f.tooLarge)
			require.Empty(t, f.fetched)

			f.list.set(fat, statusActive)
			require.Equal(t, Complete, f.call(nothing))
			require.Contains(t, f.fetched, fat, "it has changed")
			require.LessOrEqual(t, f.tooLarge, 7)
			f.list.now = f.list.now.Add(10 * time.Minute)
			f.list.set(other, statusActive)
			require.Equal(t, Complete, f.call(nothing))
			require.Equal(t, f.list.now.Truncate(time.Second).Add(-Settling), f.Boundary())
			require.True(t, f.Boundary().After(boundary))
			require.Equal(t, Complete, f.call(nothing))
			require.Len(t, f.requests, 1, "it is behind the boundary")
		})
	}
}

func TestBoundaryAvoidsTheRangeOfTimesThatATooLargeRowMayHave(t *testing.T) {
	f := newFeeder(0)
	set := func(id int64, after time.Duration) {
		f.list.now = f.list.now.Add(after)
		f.list.set(id, statusActive)
	}
	set(1, 0)
	below := f.list.now
	set(2, time.Minute) // too large, and a minute after that of the row behind it
	f.list.fat[2] = true
	set(3, 5*time.Minute) // the boundary could follow to three minutes before that
	require.Equal(t, Complete, f.call(nothing))
	require.Equal(t, below, f.Boundary())
	reached := f.list.now.Truncate(time.Second) // as the service's clock shows it
	require.True(t, f.ShownBefore(defender.Row{LastUpdate: reached}))
	require.False(t, f.ShownBefore(defender.Row{LastUpdate: reached.Add(1)}))

	// An incident that shows up late between the two is not taken for the one that is left out.
	f.list.entries = append(f.list.entries[:1:1], append([]entry{{id: 4, changed: f.list.now.Add(-time.Minute)}}, f.list.entries[1:]...)...)
	require.Equal(t, Complete, f.call(nothing))
	require.Contains(t, f.shown, int64(4))
	require.Equal(t, Complete, f.call(nothing))
	require.Zero(t, f.tooLarge)

	set(5, 10*time.Minute)
	require.Equal(t, Complete, f.call(nothing))
	require.Equal(t, f.list.now.Truncate(time.Second).Add(-Settling), f.Boundary())
}

func TestTooLargeRowThatMovesDownByOneIsNotIsolatedAgain(t *testing.T) {
	f := newFeeder(200)
	fat := f.list.entries[50].id
	f.list.fat[fat] = true
	require.Equal(t, Complete, f.call(func() {
		if f.tooLarge == 7 && len(f.fetched) == 1 && f.list.moves == 0 {
			f.list.set(1, statusActive)
		}
	}))
	require.Equal(t, 8, f.tooLarge)
	require.Len(t, f.fetched, 1)
	require.Len(t, f.shown, 198, "the one that changed was not read yet")
	require.Equal(t, Complete, f.call(nothing))
	require.Len(t, f.shown, 199)
	require.Zero(t, f.tooLarge)
}

func TestCallEndsIfAllResponsesAreTooLarge(t *testing.T) {
	c := listing()
	var p CallResult
	requests := 0
	for ; p == Continues && requests < 1000; requests++ {
		_, p = c.tooLarge(noon, oversize{})
	}
	require.Equal(t, Incomplete, p)
	require.Less(t, requests, 60)
	require.Equal(t, noon.Add(-time.Hour), c.boundary)
}

func TestCallAfterAFailureDuringIsolationHasFullPages(t *testing.T) {
	c := listing()
	for range 4 {
		require.False(t, tooLarge(c, noon, 1))
	}
	c.failed(noon, time.Minute, false)
	require.Equal(t, defender.ListRequest{Since: noon.Add(-time.Hour), Top: largest}, c.request())
}

// Whatever changes is shown or, if its row is too large, fetched by ID, however the list moves between the pages. While it rests, no page is too large.
func TestFeedShowsOrFetchesEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lowest, highest int, label string) int { return rapid.IntRange(lowest, highest).Draw(t, label) }
		f := newFeeder(draw(2, 150, "incidents"))
		some := rapid.Custom(func(t *rapid.T) int64 {
			return f.list.entries[rapid.IntRange(0, len(f.list.entries)-1).Draw(t, "at")].id
		})
		for range draw(0, 3, "too large") {
			f.list.fat[some.Draw(t, "id")] = true
		}
		change := func(most int) {
			for range draw(0, most, "changes") {
				f.list.now = f.list.now.Add(time.Duration(draw(0, 3000, "ms")) * time.Millisecond)
				f.list.set(some.Draw(t, "id"), statusActive)
			}
		}
		for range draw(1, 8, "calls") {
			f.call(func() { change(2) })
			f.list.now = f.list.now.Add(time.Duration(draw(0, 100, "seconds")) * time.Second)
			change(30)
		}
		for range 6 {
			require.Equal(t, Complete, f.call(nothing))
		}
		for _, e := range f.list.entries {
			if f.list.fat[e.id] {
				require.False(t, f.fetched[e.id].Before(e.changed), "incident %d", e.id)
			} else {
				require.Equal(t, e.changed, f.shown[e.id], "incident %d", e.id)
			}
		}
		require.Zero(t, f.tooLarge, "%v", f.requests)
		require.LessOrEqual(t, len(f.requests), 3*len(f.list.fat)+5, "%v", f.requests)
	})
}
