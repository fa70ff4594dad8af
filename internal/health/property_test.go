// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// kinds are all that an incident can fail with.
func kinds() []defender.Kind {
	var all []defender.Kind
	for kind := defender.NoToken; kind <= defender.Rejected; kind++ {
		all = append(all, kind)
	}
	return all
}

// outages are the kinds that all incidents together can fail with.
func outages() []defender.Kind {
	return slices.DeleteFunc(kinds(), func(kind defender.Kind) bool {
		return kind == defender.NotFound || kind == defender.Throttled || kind == defender.Oversize
	})
}

func TestAConstantFaultCostsAHandfulOfLinesADay(t *testing.T) {
	const day = 24 * time.Hour
	for _, kind := range kinds() {
		for _, share := range []int64{1, 9, 20} {
			t.Run(fmt.Sprint(kind, share), func(t *testing.T) {
				s := newSim(t, 20, true, some(share, kind)).withAlerts()
				s.run(day)
				require.LessOrEqual(t, len(s.lines), 30, "%v", s.messages())
				require.LessOrEqual(t, len(s.statuses), 6, "%v", s.statuses)
				require.LessOrEqual(t, s.pausesLogged, 2)
			})
		}
		if kind == defender.NoToken || kind == defender.Throttled { // not the list's own
			continue
		}
		t.Run(fmt.Sprint(kind, "list"), func(t *testing.T) {
			s := newSim(t, 20, true, func(id int64, _ time.Time) *defender.Error {
				if id == 0 {
					return failure(kind)
				}
				return nil
			})
			s.run(day)
			require.LessOrEqual(t, len(s.lines), 6, "%v", s.messages())
			require.LessOrEqual(t, len(s.statuses), 6, "%v", s.statuses)
			require.Less(t, s.requests[0], 3000)
			require.Greater(t, s.polls(0), 20*(24*12-2)*9/10, "the incidents are polled as ever")
		})
	}
}

func TestIncidentsThatFailAndSucceedInTurnCostAHandfulOfLines(t *testing.T) {
	for _, kind := range []defender.Kind{defender.Forbidden, defender.ServerError, defender.Rejected, defender.NotFound} {
		for _, share := range []int64{1, 7, 20} {
			t.Run(fmt.Sprint(kind, share), func(t *testing.T) {
				polls := map[int64]int64{}
				s := newSim(t, 20, true, func(id int64, _ time.Time) *defender.Error {
					polls[id]++
					if id == 0 || id > share || (polls[id]+id)%2 == 0 {
						return nil
					}
					return failure(kind)
				})
				s.run(6 * time.Hour)
				named := s.messages()
				require.LessOrEqual(t, named[msgIncidentFailed]+named[msgIncidentDenied]+named[msgIncidentNotFound], maxNamed)
				require.LessOrEqual(t, named[msgIncidentRecovered], maxNamed)
				require.LessOrEqual(t, named[msgMoreIncidents], 1)
				require.LessOrEqual(t, len(s.lines), 30, "%v", named)
			})
		}
	}
}

func TestAnHourOfAlternatingFaultsCostsAHandfulOfLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom(outages()).Draw(t, "first")
		second := rapid.SampledFrom(outages()).Draw(t, "second")
		down := time.Duration(rapid.IntRange(1, 300).Draw(t, "down")) * time.Second
		up := time.Duration(rapid.IntRange(0, 100).Draw(t, "up")) * time.Second
		s := newSim(t, rapid.IntRange(1, 20).Draw(t, "incidents"), rapid.Bool().Draw(t, "feed"), func(_ int64, now time.Time) *defender.Error {
			passed := now.Sub(start()) % (2 * (down + up))
			switch {
			case passed < down:
				return failure(first)
			case passed >= down+up && passed < 2*down+up:
				return failure(second)
			}
			return nil
		})
		s.run(time.Hour)
		states := 0
		for message, n := range s.messages() {
			if message != msgIncidentFailed && message != msgIncidentDenied && message != msgIncidentRecovered {
				states += n
			}
		}
		require.LessOrEqual(t, states, 30, "%v", s.messages())
		require.LessOrEqual(t, len(s.lines), 30+4*maxNamed, "%v", s.messages())
		require.LessOrEqual(t, len(s.statuses), 24, "%v", s.statuses)
	})
}

func TestWhereAllFailTheStatusIsAnErrorSoon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		incidents := rapid.IntRange(1, 30).Draw(t, "incidents")
		mix := rapid.SliceOfN(rapid.SampledFrom(outages()), 1, 4).Draw(t, "mix")
		calm := time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes before")) * time.Minute
		if calm > 0 {
			calm += interval / 2 // between two cycles
		}
		flaky := int64(rapid.IntRange(0, 1).Draw(t, "flaky") * rapid.IntRange(0, incidents).Draw(t, "of them"))
		polls := map[int64]int{}
		s := newSim(t, incidents, false, func(id int64, now time.Time) *defender.Error {
			polls[id]++
			if calm > 0 && now.Sub(start()) <= calm {
				if id <= flaky && polls[id]%2 == 0 {
					return failure(defender.Forbidden)
				}
				return nil
			}
			return failure(mix[rapid.IntRange(0, len(mix)-1).Draw(t, "which")])
		})
		if calm > 0 {
			s.run(calm)
		}
		before := s.polls(0)
		for s.status() == nil {
			s.run(time.Second)
			require.LessOrEqual(t, s.polls(0)-before, 2*incidents+20)
		}
		s.run(time.Hour)
		require.Less(t, s.polls(0)-before, 40*30, "little is requested meanwhile")
		for s.status() == nil { // one state has just ended, and the next is not known yet
			s.run(time.Minute)
			require.Less(t, s.now.Sub(start()), calm+2*time.Hour, "it stays one")
		}
	})
}

func TestAllFailedIncidentsAreRequestedSoonAfterAnOutage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		incidents := rapid.IntRange(1, 30).Draw(t, "incidents")
		length := time.Duration(rapid.IntRange(2, 100).Draw(t, "minutes")) * time.Minute
		kind := rapid.SampledFrom(outages()).Draw(t, "kind")
		s := newSim(t, incidents, rapid.Bool().Draw(t, "feed"), during(0, length, kind))
		s.run(length)
		if !s.tracker.get.isDown() && !s.tracker.signIn.isDown() {
			return // it was too short to be an outage
		}
		clear(s.requests)
		for s.heldGet.After(s.now) || s.heldList.After(s.now) {
			s.run(time.Second)
		}
		s.run(3 * time.Minute)
		if s.tracker.get.isDown() { // an incident that recovered early was not due yet
			s.run(interval + time.Minute)
		}
		for _, id := range s.tracked {
			require.Positive(t, s.requests[id], id)
		}
		s.run(11 * time.Minute)
		require.NoError(t, s.status())
		require.False(t, s.heldGet.After(s.now))
		require.False(t, s.heldList.After(s.now))
		require.False(t, slices.ContainsFunc(slices.Collect(maps.Values(s.streaks)), (*Streak).Failing))
		require.Empty(t, s.tracker.get.failing)
		require.Zero(t, s.tracker.get.alone)
	})
}

func TestIncidentsThatFailForGoodAreAnOutageOnceAtMost(t *testing.T) {
	for _, kind := range outages() {
		if kind == defender.NoToken {
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			s := newSim(t, 40, false, some(12, kind))
			s.run(12 * time.Hour)
			require.LessOrEqual(t, len(s.statuses), 2, "%v", s.statuses)
			require.NoError(t, s.status())
			require.Greater(t, s.polls(0), 28*12*12*95/100)
		})
	}
}

func TestOneIncidentThatIsAlwaysThrottledCostsTheOthersLittle(t *testing.T) {
	healthy := newSim(t, 20, false, well)
	healthy.run(24 * time.Hour)
	s := newSim(t, 20, false, some(1, defender.Throttled))
	s.run(24 * time.Hour)
	require.Greater(t, s.polls(1), healthy.polls(1)*95/100)
	require.Less(t, s.requests[1], 24*60)
	require.Equal(t, 1, s.messages()[msgIncidentFailed])
	require.Empty(t, s.statuses)
}

func TestMemoryDependsOnWhatFailsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, 20, false, func(int64, time.Time) *defender.Error {
			switch kind := defender.Kind(rapid.IntRange(-4, int(defender.Rejected)).Draw(t, "kind")); {
			case kind <= 0:
				return nil
			default:
				return failure(kind)
			}
		})
		s.run(10 * time.Minute)
		alone := 0
		for id, since := range s.tracker.get.failing {
			require.True(t, s.streaks[id].run.failing, id)
			if since < s.tracker.get.successes {
				alone++
			}
		}
		require.Equal(t, alone, s.tracker.get.alone)
		require.LessOrEqual(t, len(s.tracker.get.run.latest), 20)
		for _, streak := range s.streaks {
			s.tracker.Forget(streak)
		}
		require.Empty(t, s.tracker.get.failing)
		require.Empty(t, s.tracker.get.run.latest)
		require.Empty(t, s.tracker.found.held)
		require.Zero(t, s.tracker.get.alone)
	})
}
