// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheListStaysInOrderWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) {
				c.Seed, c.ChangesPerHour, c.MergedShare, c.AlertsPerIncident, c.AlertBytes = seed, 3600, 0.2, 1, 1
			})
			for range 4 {
				time.Sleep(30 * time.Second)
				want := newestFirst(t, s)
				rows := s.xdrList.sorted(byUpdate)
				for n, row := range rows {
					require.Equal(t, want[len(want)-1-n], row.incident.ID)
				}
				require.Len(t, rows, len(want))
			}
		})
	})
}

func TestListShowsAChangeLaterThanGetAsMuchAsItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.Incidents, c.AlertsPerIncident, c.ListDelay, c.ListLag = 50, 1, 10*time.Minute, time.Second
		})
		require.Len(t, list(t, s).Value, 50, "what is there at the start is no news")
		time.Sleep(time.Hour)
		changed := time.Now()
		for _, id := range s.IDs() {
			touch(t, s, id)
		}
		seen := make(map[int64]time.Duration)
		for range 62 {
			for _, id := range list(t, s, "$filter", "lastUpdateTime ge "+changed.UTC().Format(timeForm)).ids(t) {
				if _, known := seen[id]; !known {
					seen[id] = time.Since(changed)
				}
			}
			time.Sleep(10 * time.Second)
		}
		require.Len(t, seen, 50, "all are visible after the delay")
		var sum time.Duration
		for id, after := range seen {
			require.LessOrEqual(t, s.ListDelayOf(id), after)
			require.Less(t, after-s.ListDelayOf(id), 11*time.Second)
			sum += after
		}
		assert.InDelta(t, 5, (sum / 50).Minutes(), 1.5)
	})
}

func TestNewIncidentsBecomeVisibleLateToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ListLag = time.Minute })
		time.Sleep(time.Hour)
		require.NoError(t, s.Add(Incident{ID: 5}))
		require.NoError(t, s.Remove(1001))
		time.Sleep(time.Minute - time.Nanosecond)
		assert.NotContains(t, list(t, s).ids(t), int64(5))
		assert.Contains(t, list(t, s).ids(t), int64(1001))
		time.Sleep(time.Nanosecond)
		assert.Contains(t, list(t, s).ids(t), int64(5))
		assert.NotContains(t, list(t, s).ids(t), int64(1001))
	})
}

func TestALaggingListShowsStatesThatGetIsPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ListLag = 5 * time.Minute })
		for range 3 {
			time.Sleep(2 * time.Minute)
			touch(t, s, 1001)
		}
		time.Sleep(3 * time.Minute) // 9 minutes: as it stood after 4, with two changes
		get(t, s, 1001)
		page := list(t, s)

		assert.EqualValues(t, 1001, page.ids(t)[0])
		served := s.Served(1001)
		require.Len(t, served, 2)
		assert.Equal(t, 3, served[0].State)
		assert.Equal(t, 2, served[1].State)
		states, _ := s.History(1001)
		assert.Contains(t, string(page.Value[0]), states[2].LastUpdate.Format(timeForm))
	})
}

func TestALaggingListKeepsChangesOfTheSameInstantInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ListLag = time.Minute })
		time.Sleep(time.Hour)
		touch(t, s, 1001)
		touch(t, s, 1001)
		time.Sleep(time.Minute)
		list(t, s)
		assert.Equal(t, 2, s.Served(1001)[0].State)
	})
}

func TestRowsOfTheSameTimeComeByIDDescending(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 0 })
	moment := at(t, "2026-03-01T10:00:00Z")
	for _, id := range []int64{5, 9, 7} {
		require.NoError(t, s.Add(Incident{ID: id, Created: moment, LastUpdate: moment}))
	}
	assert.Equal(t, []int64{9, 7, 5}, list(t, s).ids(t))
}

func TestAChangeOfAnAlertAloneDoesNotMoveItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		last := newestFirst(t, s)[9]
		time.Sleep(time.Hour)
		require.NoError(t, s.UpdateAlert(last, mustGet(t, s, last).Alerts[0].ID, func(a *Alert) { a.Title = "renamed" }))
		page := list(t, s)
		assert.Equal(t, last, page.ids(t)[9])
		assert.Contains(t, string(page.Value[9]), "renamed")
	})
}
