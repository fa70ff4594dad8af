package tracker_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// sec is the moment so many seconds after the start of a test.
func sec(n int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

// Outcomes as a receiver reports them.
func answered(due time.Time) tracker.Outcome { return tracker.Outcome{Due: due, Answered: true} }
func failed(due time.Time) tracker.Outcome   { return tracker.Outcome{Due: due} }
func hung(due time.Time) tracker.Outcome     { return tracker.Outcome{Due: due, Hung: true} }

// many is more than ever hang.
const many = 99

// fetch is a flight from start to end.
func fetch(tr *tracker.Tracker, id int64, o tracker.Outcome) {
	tr.Start(id)
	tr.Done(id, o)
}

// choose is what a receiver with room for either demand does with the candidates.
func choose(fresh, repeat tracker.Candidate, now time.Time) (id int64, ok bool) {
	freshDue, repeatDue := fresh.OK && !fresh.Due.After(now), repeat.OK && !repeat.Due.After(now)
	switch {
	case freshDue && (!repeatDue || fresh.Ahead || !repeat.Due.Before(fresh.Due)):
		return fresh.ID, true
	case repeatDue:
		return repeat.ID, true
	default:
		return 0, false
	}
}

// drain starts all that are due at now and returns them in that order.
func drain(tr *tracker.Tracker, now time.Time) []int64 {
	var order []int64
	for {
		fresh, repeat := tr.Next(now, many)
		id, ok := choose(fresh, repeat, now)
		if !ok {
			return order
		}
		tr.Start(id)
		order = append(order, id)
	}
}

func TestNamedGoBeforeNeverFetchedBeforeTheLongestOverdue(t *testing.T) {
	tests := map[string]struct {
		follow func(tr *tracker.Tracker)
		want   []int64
	}{
		"named, never fetched, repeats": {
			follow: func(tr *tracker.Tracker) {
				tr.Add(1, sec(0), true)
				tr.Add(2, sec(50), false)
				tr.Add(3, sec(90), true)
				tr.Name(3, sec(95))
			},
			want: []int64{3, 2, 1},
		},
		"the longest overdue first, in each": {
			follow: func(tr *tracker.Tracker) {
				for id, due := range []int{30, 10, 20} {
					tr.Add(int64(1+id), sec(due), true)
					tr.Add(int64(11+id), sec(due), false)
					tr.Add(int64(21+id), sec(due), true)
					tr.Name(int64(21+id), sec(100))
				}
			},
			want: []int64{22, 23, 21, 12, 13, 11, 2, 3, 1},
		},
		"those not due are left out": {
			follow: func(tr *tracker.Tracker) {
				tr.Add(1, sec(101), false)
				tr.Add(2, sec(100), true)
				tr.Add(3, sec(101), true)
			},
			want: []int64{2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New()
			tt.follow(tr)
			assert.Equal(t, tt.want, drain(tr, sec(100)))
		})
	}
}

func TestBothClassesAreAnsweredAtOnce(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(10), true)
	tr.Add(2, sec(20), false)
	fresh, repeat := tr.Next(sec(30), many)
	assert.Equal(t, tracker.Candidate{ID: 2, Due: sec(20), Ahead: true, OK: true}, fresh)
	assert.Equal(t, tracker.Candidate{ID: 1, Due: sec(10), OK: true}, repeat)
}

func TestWithNoneDueTheSoonestIsNamedWithItsDueTime(t *testing.T) {
	tr := tracker.New()
	for id, due := range []int{40, 20, 30} {
		tr.Add(int64(1+id), sec(due), true)
		tr.Add(int64(11+id), sec(due), false)
	}
	fresh, repeat := tr.Next(sec(0), many)
	assert.Equal(t, tracker.Candidate{ID: 12, Due: sec(20), Ahead: true, OK: true}, fresh)
	assert.Equal(t, tracker.Candidate{ID: 2, Due: sec(20), OK: true}, repeat)
}

func TestOfTwoDueAtTheSameLaterTimeTheOneThatGoesFirstThenIsNamed(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	fetch(tr, 1, failed(sec(20)))
	tr.Add(2, sec(20), false)
	for _, now := range []time.Time{sec(0), sec(20)} {
		fresh, _ := tr.Next(now, many)
		assert.Equal(t, int64(2), fresh.ID, "1 failed and gives way")
	}
}

func TestAClassWithNothingToFetchHasNoCandidate(t *testing.T) {
	tr := tracker.New()
	fresh, repeat := tr.Next(sec(0), many)
	assert.Zero(t, fresh)
	assert.Zero(t, repeat)

	tr.Add(1, sec(0), false)
	tr.Start(1)
	fresh, repeat = tr.Next(sec(0), many)
	assert.Zero(t, fresh)
	assert.Zero(t, repeat)
}

func TestAnAnsweredIncidentIsFreshNoMore(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(0), true)
	tr.Name(2, sec(0))
	fetch(tr, 1, answered(sec(60)))
	fetch(tr, 2, answered(sec(70)))
	fresh, repeat := tr.Next(sec(0), many)
	assert.False(t, fresh.OK)
	assert.Equal(t, tracker.Candidate{ID: 1, Due: sec(60), OK: true}, repeat)
}

func TestAFailedFreshIncidentStaysFreshButGivesWay(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(0), true)
	tr.Name(2, sec(0))
	tr.Add(3, sec(8), true)
	tr.Add(4, sec(9), false)
	fetch(tr, 1, failed(sec(6)))
	fetch(tr, 2, failed(sec(7)))

	fresh, _ := tr.Next(sec(8), many)
	assert.Equal(t, tracker.Candidate{ID: 1, Due: sec(6), OK: true}, fresh)
	assert.Equal(t, []int64{4, 1, 2, 3}, drain(tr, sec(10)))
}

func TestAFailedRepeatStaysARepeat(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), true)
	fetch(tr, 1, failed(sec(5)))
	fresh, repeat := tr.Next(sec(5), many)
	assert.False(t, fresh.OK)
	assert.Equal(t, tracker.Candidate{ID: 1, Due: sec(5), OK: true}, repeat)
}

func TestAFailedIncidentLeadsAgainOnceTheFeedNamesIt(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(0), false)
	fetch(tr, 1, failed(sec(60)))
	tr.Name(1, sec(5))
	fresh, _ := tr.Next(sec(5), many)
	assert.Equal(t, tracker.Candidate{ID: 1, Due: sec(5), Ahead: true, OK: true}, fresh)
}

func TestAnOutcomeThatSaysNothingLeavesDueTimeAndPlace(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(1), false)
	tr.Add(3, sec(0), true)
	tr.Name(3, sec(0))
	fetch(tr, 1, tracker.Outcome{})
	fetch(tr, 3, tracker.Outcome{})
	assert.Equal(t, []int64{3, 1, 2}, drain(tr, sec(5)))
}

func TestAddedAgainTheSoonerDueWins(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(50), true)
	tr.Add(1, sec(60), true)
	_, repeat := tr.Next(sec(0), many)
	require.Equal(t, sec(50), repeat.Due)
	tr.Add(1, sec(40), true)
	_, repeat = tr.Next(sec(0), many)
	require.Equal(t, sec(40), repeat.Due)
	require.Equal(t, 1, tr.Len())
}

func TestAddedAgainAnIncidentStaysFetchedOrBecomesIt(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), true)
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(0), false)
	tr.Add(2, sec(0), true)
	tr.Add(3, sec(0), false)
	tr.Add(3, sec(0), false)
	fresh, repeat := tr.Next(sec(0), many)
	assert.Equal(t, int64(3), fresh.ID, "nobody said it was fetched")
	assert.Equal(t, int64(1), repeat.ID)
}

func TestAddedAgainANamedIncidentStaysNamed(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), true)
	tr.Name(1, sec(0))
	tr.Add(1, sec(0), true)
	fresh, _ := tr.Next(sec(0), many)
	assert.Equal(t, int64(1), fresh.ID)
}

func TestAddedAgainInFlightItStaysSoAndIsDueAtTheSoonerTimeAfterwards(t *testing.T) {
	for name, tt := range map[string]struct{ first, second, done, want int }{
		"asked for sooner":  {first: 30, second: 40, done: 60, want: 30},
		"asked for again":   {first: 40, second: 30, done: 60, want: 30},
		"asked for later":   {first: 90, second: 80, done: 60, want: 60},
		"due at the moment": {first: 0, second: 80, done: 60, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New()
			tr.Add(1, sec(0), true)
			tr.Start(1)
			tr.Add(1, sec(tt.first), true)
			tr.Add(1, sec(tt.second), true)
			_, repeat := tr.Next(sec(100), many)
			require.False(t, repeat.OK, "in flight")

			tr.Done(1, answered(sec(tt.done)))
			fresh, repeat := tr.Next(sec(0), many)
			require.False(t, fresh.OK)
			require.Equal(t, sec(tt.want), repeat.Due)
		})
	}
}

func TestNamedInFlightItIsDueAtOnceAgainAfterwards(t *testing.T) {
	for name, o := range map[string]tracker.Outcome{
		"answered": answered(sec(300)),
		"failed":   failed(sec(300)),
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New()
			tr.Add(1, sec(0), true)
			tr.Start(1)
			tr.Name(1, sec(5))
			tr.Add(1, sec(200), true) // asks for less: it stays named
			fresh, repeat := tr.Next(sec(5), many)
			require.False(t, fresh.OK || repeat.OK, "in flight")

			tr.Done(1, o)
			fresh, _ = tr.Next(sec(6), many)
			require.Equal(t, tracker.Candidate{ID: 1, Due: sec(5), Ahead: true, OK: true}, fresh)

			fetch(tr, 1, answered(sec(300)))
			fresh, repeat = tr.Next(sec(6), many)
			require.False(t, fresh.OK, "once named is once fetched")
			require.Equal(t, sec(300), repeat.Due)
		})
	}
}

func TestAnUnknownIncidentIsLeftAlone(t *testing.T) {
	tr := tracker.New()
	tr.Name(1, sec(0))
	tr.Start(1)
	tr.Done(1, answered(sec(0)))
	tr.Remove(1)
	assert.False(t, tr.Has(1))
	assert.Zero(t, tr.Len())
}

func TestADoneWithoutAFlightIsIgnored(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(10), false)
	tr.Done(1, answered(sec(99)))
	fresh, _ := tr.Next(sec(0), many)
	assert.Equal(t, sec(10), fresh.Due)

	fetch(tr, 1, answered(sec(60)))
	tr.Done(1, answered(sec(99)))
	_, repeat := tr.Next(sec(0), many)
	assert.Equal(t, sec(60), repeat.Due)
}

func TestRemovedInFlightItsOutcomeIsIgnored(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), false)
	tr.Add(2, sec(0), false)
	tr.Start(1)
	tr.Remove(1)
	require.False(t, tr.Has(1))
	require.Equal(t, 1, tr.Len())
	tr.Done(1, answered(sec(0)))
	require.False(t, tr.Has(1))
	assert.Equal(t, []int64{2}, drain(tr, sec(0)))
}

func TestRemovedInFlightAndAddedAgainItWaitsForTheOldFlight(t *testing.T) {
	tr := tracker.New()
	tr.Add(1, sec(0), true)
	tr.Start(1)
	tr.Remove(1)
	tr.Add(1, sec(30), false)
	fresh, repeat := tr.Next(sec(100), many)
	require.False(t, fresh.OK || repeat.OK, "one fetch of an incident at a time")
	tr.Start(1) // it is in flight: this changes nothing

	tr.Done(1, answered(sec(90)))
	fresh, _ = tr.Next(sec(100), many)
	require.Equal(t, tracker.Candidate{ID: 1, Due: sec(30), Ahead: true, OK: true}, fresh)

	fetch(tr, 1, answered(sec(200)))
	_, repeat = tr.Next(sec(100), many)
	require.Equal(t, sec(200), repeat.Due)
}

func TestTheOthersAreFoundAfterARemoval(t *testing.T) {
	tr := tracker.New()
	for id := range int64(5) {
		tr.Add(id, sec(int(id)), true)
	}
	tr.Remove(1)
	tr.Remove(4)
	tr.Remove(0)
	tr.Name(3, sec(50))
	assert.Equal(t, 2, tr.Len())
	assert.Equal(t, []int64{3, 2}, drain(tr, sec(50)))
}

func TestHungIncidentsTakeSoManySlotsAtMost(t *testing.T) {
	tr := tracker.New()
	for id := range int64(3) {
		tr.Add(id, sec(0), true)
		fetch(tr, id, hung(sec(1)))
	}
	tr.Add(3, sec(5), true)
	tr.Add(4, sec(90), false)
	tr.Add(5, sec(0), false)
	fetch(tr, 5, hung(sec(1)))

	fresh, repeat := tr.Next(sec(10), 2)
	require.Equal(t, int64(5), fresh.ID)
	require.Less(t, repeat.ID, int64(3))
	tr.Start(repeat.ID)
	_, repeat = tr.Next(sec(10), 2)
	require.Less(t, repeat.ID, int64(3))
	tr.Start(repeat.ID)

	fresh, third := tr.Next(sec(10), 2)
	assert.Equal(t, int64(4), fresh.ID)
	assert.Equal(t, int64(3), third.ID)
	tr.Start(third.ID)
	_, none := tr.Next(sec(10), 2)
	assert.False(t, none.OK)
	tr.Done(repeat.ID, answered(sec(100)))
	_, fourth := tr.Next(sec(10), 2)
	assert.Less(t, fourth.ID, int64(3), "one of them has answered")
}

func TestAnIncidentThatHungIsTrustedAgainOnceAFetchEnds(t *testing.T) {
	for name, o := range map[string]tracker.Outcome{
		"answered": answered(sec(5)),
		"failed":   failed(sec(5)),
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New()
			for id := range int64(2) {
				tr.Add(id, sec(0), true)
				fetch(tr, id, hung(sec(1)))
			}
			fetch(tr, 1, tracker.Outcome{})
			tr.Start(0)
			_, repeat := tr.Next(sec(10), 1)
			require.False(t, repeat.OK, "an outcome that says nothing does not clear it")
			fetch(tr, 1, o)
			_, repeat = tr.Next(sec(10), 1)
			require.Equal(t, int64(1), repeat.ID)
		})
	}
}

func TestNeighboursAmongEqualsAreFetchedFarApart(t *testing.T) {
	tr := tracker.New()
	for id := range int64(1000) {
		tr.Add(id, sec(0), false)
	}
	turns := make([]int, 1000) // when each is fetched
	for turn, id := range drain(tr, sec(0)) {
		turns[id] = turn
	}
	for first := range 990 {
		ten := slices.Sorted(slices.Values(turns[first : first+10]))
		for i := 1; i < len(ten); i++ {
			require.Greater(t, ten[i]-ten[i-1], 40, "of the ten incidents from %d on", first)
		}
	}
}

func TestOverdueCountsThoseWhoseTimeHasPassedAndAreNotInFlight(t *testing.T) {
	tr := tracker.New()
	for id, due := range []int{1, 2, 10, 11} {
		tr.Add(int64(id), sec(due), id%2 == 0)
	}
	require.Equal(t, 2, tr.Overdue(sec(10)))
	tr.Start(0)
	require.Equal(t, 1, tr.Overdue(sec(10)))
	require.Equal(t, 4, tr.Len())
}

func TestIntervalIsTheConfiguredOneOrWhatTheQuotaAllowsForSoMany(t *testing.T) {
	const spacing = 2400 * time.Millisecond
	assert.Equal(t, 5*time.Minute, tracker.Interval(5*time.Minute, spacing, 100))
	assert.Equal(t, 5*time.Minute, tracker.Interval(5*time.Minute, spacing, 125))
	assert.Equal(t, 5*time.Minute+spacing, tracker.Interval(5*time.Minute, spacing, 126))
	assert.Equal(t, 400*time.Minute, tracker.Interval(5*time.Minute, spacing, 10_000))
	assert.Equal(t, time.Minute, tracker.Interval(time.Minute, 0, 100_000))
}

// BenchmarkStep is one decision and what follows from it, among so many incidents of all kinds, at times as time.Now gives them.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			start := time.Now()
			tr := tracker.New()
			for i := range n {
				due := start.Add(time.Duration(rand.IntN(n)) * time.Second)
				tr.Add(int64(i), due, rand.IntN(2) == 0)
				switch rand.IntN(8) {
				case 0:
					fetch(tr, int64(i), hung(due))
				case 1:
					fetch(tr, int64(i), failed(due))
				case 2:
					tr.Name(int64(i), due)
				}
			}
			now := start.Add(time.Duration(n) * time.Second)
			b.ReportAllocs()
			for b.Loop() {
				fresh, repeat := tr.Next(now, 2)
				id, ok := choose(fresh, repeat, now)
				if !ok {
					b.Fatal("none is due")
				}
				now = now.Add(time.Second)
				fetch(tr, id, answered(now.Add(time.Duration(n/2)*time.Second)))
			}
		})
	}
}
