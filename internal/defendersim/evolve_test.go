// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestChangesComeAtTheRateThatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.Incidents, c.ChangesPerHour = 100, 600
			c.Weights = Weights{ChangeName: 1}
		})
		time.Sleep(10 * time.Hour)
		changes := 0
		for _, id := range s.IDs() {
			states, _ := s.History(id)
			changes += len(states) - 1
		}
		assert.InDelta(t, 6000, changes, 300)
	})
}

func TestNothingChangesWithoutChangesPerHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		_, before := get(t, s, 1001)
		time.Sleep(24 * time.Hour)
		_, after := get(t, s, 1001)
		assert.Equal(t, string(before), string(after))
	})
}

func TestLookingOftenDoesNotChangeWhatHappens(t *testing.T) {
	end := func(looks int, bursty bool) (all []Incident) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) { c.ChangesPerHour, c.Bursty, c.NewPerHour = 500, bursty, 10 })
			for range looks {
				time.Sleep(2 * time.Hour / time.Duration(looks))
				s.Summaries()
			}
			for _, id := range s.IDs() {
				i, err := s.Incident(id)
				require.NoError(t, err)
				all = append(all, i)
			}
		})
		return all
	}
	assert.Equal(t, end(1, false), end(720, false))
	assert.Equal(t, end(1, true), end(720, true))
}

// watch looks at every incident again and again.
func watch(s *Sim, steps int, step time.Duration) map[int64][]Incident {
	seen := make(map[int64][]Incident)
	for range steps {
		time.Sleep(step)
		for _, id := range s.IDs() {
			i, _ := s.Incident(id)
			seen[id] = append(seen[id], i)
		}
	}
	return seen
}

func TestATimeIdentifiesAState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed, incidents := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 8).Draw(rt, "incidents")
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) {
				c.Seed, c.Incidents, c.AlertsPerIncident = seed, incidents, 2
				c.ChangesPerHour, c.MergedShare = 7200, 0.2
			})
			for id, versions := range watch(s, 40, time.Second) {
				for n := 1; n < len(versions); n++ {
					checkStep(t, versions[n-1], versions[n])
				}
				states, first := s.History(id)
				require.Zero(t, first)
				checkHistory(t, states)
			}
		})
	})
}

// checkStep compares two looks at an incident.
func checkStep(t *testing.T, before, after Incident) {
	t.Helper()
	own := func(i Incident) Incident { i.Alerts = nil; return i }
	require.False(t, after.LastUpdate.Before(before.LastUpdate))
	if after.LastUpdate.Equal(before.LastUpdate) {
		require.Equal(t, own(before), own(after), "own content changed, lastUpdateTime did not")
	}
	for _, a := range after.Alerts {
		require.Equal(t, after.ID, a.IncidentID)
		if n := before.alert(a.ID); n >= 0 && a.LastUpdated.Equal(before.Alerts[n].LastUpdated) {
			require.Equal(t, before.Alerts[n], a, "an alert changed, lastUpdatedTime did not")
		}
	}
	require.Equal(t, after.redirected(), after.RedirectID != 0)
	if before.redirected() {
		require.Equal(t, before, after, "merged incidents change no more")
	}
	if after.redirected() {
		require.Empty(t, after.Alerts)
		return
	}
	severity := after.Severity
	after.raiseSeverity()
	require.Equal(t, after.Severity, severity)
}

func checkHistory(t *testing.T, states []State) {
	t.Helper()
	for n := range states {
		last := n == len(states)-1
		require.Equal(t, last, states[n].Until.IsZero())
		if !last {
			require.Equal(t, states[n+1].From, states[n].Until)
			require.False(t, states[n].Until.Before(states[n].From))
		}
	}
}

// changedOnce returns an incident before and after one change of a kind.
func changedOnce(t *testing.T, kind Kind) (s *Sim, before, after Incident) {
	t.Helper()
	s = newSim(t, func(c *Config) { c.AlertsPerIncident = 3 })
	before, err := s.Incident(1001)
	require.NoError(t, err)
	time.Sleep(time.Minute)
	require.NoError(t, s.Change(1001, kind))
	after, err = s.Incident(1001)
	require.NoError(t, err)
	return s, before, after
}

func TestEachKindChangesWhatItsNameSays(t *testing.T) {
	changed := map[Kind]func(before, after Incident) bool{
		ChangeStatus:      func(b, a Incident) bool { return b.Status != a.Status },
		ChangeAssignment:  func(b, a Incident) bool { return b.AssignedTo != a.AssignedTo },
		ChangeComment:     func(b, a Incident) bool { return len(a.Comments) == len(b.Comments)+1 },
		ChangeVerdict:     func(b, a Incident) bool { return b.Classification != a.Classification },
		ChangeTags:        func(b, a Incident) bool { return len(b.Tags) != len(a.Tags) },
		ChangeName:        func(b, a Incident) bool { return b.Name != a.Name },
		ChangeNewAlert:    func(b, a Incident) bool { return len(a.Alerts) == len(b.Alerts)+1 },
		ChangeAlert:       func(b, a Incident) bool { return movedAlerts(b, a) == 1 },
		ChangeAlertAlone:  func(b, a Incident) bool { return movedAlerts(b, a) == 1 },
		ChangeAlertLeaves: func(b, a Incident) bool { return len(a.Alerts) == len(b.Alerts)-1 },
		ChangeMerge:       func(_, a Incident) bool { return a.redirected() && len(a.Alerts) == 0 },
	}
	for kind := range Kind(changeKinds) {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, before, after := changedOnce(t, kind)
				assert.True(t, changed[kind](before, after))
				assert.Equal(t, kind != ChangeAlertAlone, after.LastUpdate.After(before.LastUpdate), "lastUpdateTime")
			})
		})
	}
}

// movedAlerts counts the alerts whose lastUpdatedTime moved.
func movedAlerts(before, after Incident) int {
	moved := 0
	for _, a := range after.Alerts {
		if n := before.alert(a.ID); n >= 0 && a.LastUpdated.After(before.Alerts[n].LastUpdated) {
			moved++
		}
	}
	return moved
}

func TestStatusesChangeInBothDirections(t *testing.T) {
	steps := func(back float64) map[string]int {
		seen := map[string]int{}
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) {
				c.Incidents, c.AlertBytes, c.ChangesPerHour, c.Weights, c.BackToActive = 50, 1, 600, Weights{ChangeStatus: 1}, back
			})
			time.Sleep(10 * time.Hour)
			for _, id := range s.IDs() {
				states, _ := s.History(id)
				for n := 1; n < len(states); n++ {
					seen[states[n-1].Status+" to "+states[n].Status]++
				}
			}
		})
		return seen
	}
	seen := steps(0.5)
	both := seen["InProgress to Active"] + seen["InProgress to Resolved"]
	assert.InDelta(t, 0.5, float64(seen["InProgress to Active"])/float64(both), 0.1)
	assert.Greater(t, seen["Active to InProgress"], 100)
	assert.Greater(t, seen["Resolved to Active"], 100)
	assert.Zero(t, steps(0)["InProgress to Active"])
}

func TestMergeMovesTheAlertsAndBothTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, before, source := changedOnce(t, ChangeMerge)
		target, err := s.Incident(source.RedirectID)
		require.NoError(t, err)

		assert.Equal(t, source.LastUpdate, target.LastUpdate)
		assert.True(t, time.Now().Equal(target.LastUpdate))
		for _, a := range before.Alerts {
			n := target.alert(a.ID)
			require.GreaterOrEqual(t, n, 0)
			assert.Equal(t, target.ID, target.Alerts[n].IncidentID)
			assert.True(t, target.Alerts[n].LastUpdated.After(a.LastUpdated))
		}
	})
}

func TestResolvedIncidentsThatLieStillChangeNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.ChangesPerHour, c.QuietAfter = 3600, time.Hour
			c.Weights = Weights{ChangeName: 1}
		})
		require.NoError(t, s.Update(1001, func(i *Incident) { i.Status, i.LastUpdate = StatusResolved, time.Now() }))
		old := time.Now().Add(-2 * time.Hour)
		s.incidents[1002].incident.Status, s.incidents[1002].incident.LastUpdate = StatusResolved, old
		time.Sleep(10 * time.Minute)

		quiet, _ := s.History(1002)
		lively, _ := s.History(1001)
		assert.Len(t, quiet, 1)
		assert.Greater(t, len(lively), 10)
	})
}

func TestNoMoreThanHalfOfThePopulationIsMergedAwayByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ChangesPerHour, c.Weights = 3600, Weights{ChangeMerge: 1} })
		time.Sleep(time.Hour)
		merged := 0
		for _, id := range s.IDs() {
			if i, _ := s.Incident(id); i.redirected() {
				merged++
			}
		}
		assert.Equal(t, 5, merged)
	})
}

func TestDemoShowsEveryKindOfEventWithinTwoMinutes(t *testing.T) {
	for _, offset := range []time.Duration{0, 1234567*time.Hour + 89*time.Nanosecond} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(offset)
			s, err := New(DemoConfig())
			require.NoError(t, err)
			time.Sleep(2 * time.Minute)
			var seen []string
			for _, id := range s.IDs() {
				states, _ := s.History(id)
				for n := 1; n < len(states); n++ {
					seen = append(seen, event(states[n-1], states[n]))
				}
			}
			for _, want := range []string{StatusResolved, StatusActive, StatusRedirected, "new alert", "alert alone"} {
				assert.True(t, slices.Contains(seen, want), want)
			}
		})
	}
}

func event(before, after State) string {
	switch {
	case after.Status != before.Status:
		return after.Status
	case after.LastUpdate.Equal(before.LastUpdate):
		return "alert alone"
	case len(after.Alerts) > len(before.Alerts):
		return "new alert"
	default:
		return ""
	}
}

// alone counts the states that an alert alone led to.
func alone(t *testing.T, s *Sim) (count int) {
	t.Helper()
	for _, id := range s.IDs() {
		states, _ := s.History(id)
		for n := 1; n < len(states); n++ {
			if states[n].LastUpdate.Equal(states[n-1].LastUpdate) {
				require.NotEqual(t, states[n-1].Alerts, states[n].Alerts, "the alert's own time moves")
				count++
			}
		}
	}
	return count
}

func TestOneInSixOfAllChangesCanBeOfAnAlertAlone(t *testing.T) {
	for _, bursty := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			weights, err := DefaultWeights().WithShares(map[Kind]float64{ChangeAlertAlone: 1.0 / 6})
			require.NoError(t, err)
			s := newSim(t, func(c *Config) {
				c.Incidents, c.AlertBytes, c.ChangesPerHour, c.Weights, c.Bursty = 200, 1, 600, weights, bursty
			})
			time.Sleep(20 * time.Hour)
			assert.InDelta(t, 12000.0/6, alone(t, s), 300)
		})
	}
}

func TestSharesLeaveTheOtherKindsTheirProportions(t *testing.T) {
	before := DefaultWeights()
	after, err := before.WithShares(map[Kind]float64{ChangeAlertAlone: 0.3, ChangeMerge: 0})
	require.NoError(t, err)
	assert.InDelta(t, 1, after.total(), 1e-9)
	assert.InDelta(t, 0.3, after[ChangeAlertAlone], 1e-9)
	assert.Zero(t, after[ChangeMerge])
	assert.InDelta(t, before[ChangeStatus]/before[ChangeTags], after[ChangeStatus]/after[ChangeTags], 1e-9)

	all, err := before.WithShares(map[Kind]float64{ChangeAlertAlone: 1})
	require.NoError(t, err)
	assert.Equal(t, Weights{ChangeAlertAlone: 1}, all)
	for _, wrong := range []map[Kind]float64{{ChangeName: -0.1}, {ChangeName: 0.6, ChangeTags: 0.6}} {
		_, err := before.WithShares(wrong)
		require.Error(t, err)
	}
	_, err = Weights{ChangeName: 1}.WithShares(map[Kind]float64{ChangeName: 0.5})
	require.Error(t, err, "nothing takes the rest")
}

func TestAnAlertMayMoveWithoutMovingTheTimeOfEitherIncident(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.QuietAlertMoves = 3, quiet })
			before := make(map[int64]Incident)
			for _, id := range s.IDs() {
				before[id] = mustGet(t, s, id)
			}
			time.Sleep(time.Hour)
			require.NoError(t, s.Change(1001, ChangeAlertLeaves))

			touched := 0
			for id, was := range before {
				is := mustGet(t, s, id)
				if len(is.Alerts) == 3 {
					require.Equal(t, was, is)
					continue
				}
				touched++
				assert.Equal(t, !quiet, is.LastUpdate.After(was.LastUpdate))
				for _, a := range is.Alerts {
					if was.alert(a.ID) < 0 {
						n := before[1001].alert(a.ID)
						require.GreaterOrEqual(t, n, 0)
						assert.Equal(t, id, a.IncidentID)
						assert.True(t, time.Now().Equal(a.LastUpdated), "the alert's own time moves")
					}
				}
			}
			assert.Equal(t, 2, touched)
			assert.Len(t, mustGet(t, s, 1001).Alerts, 2)
		})
	}
}

func TestParseKindReadsWhatStringWrites(t *testing.T) {
	for kind := range Kind(changeKinds) {
		got, err := ParseKind(kind.String())
		require.NoError(t, err)
		assert.Equal(t, kind, got)
	}
	_, err := ParseKind("earthquake")
	assert.ErrorContains(t, err, "earthquake")
}
