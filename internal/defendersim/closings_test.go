// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// closed are the incidents that were resolved while three hours passed, by when.
func closed(t *testing.T, s *Sim) map[time.Duration][]int64 {
	t.Helper()
	start, found := time.Now(), make(map[time.Duration][]int64)
	time.Sleep(3*time.Hour + time.Minute)
	for _, id := range s.IDs() {
		states, _ := s.History(id)
		for n := 1; n < len(states); n++ {
			require.Equal(t, StatusResolved, states[n].Status)
			require.NotEqual(t, StatusResolved, states[n-1].Status)
			require.True(t, states[n].From.Equal(states[n].LastUpdate), "the incident's time moves")
			after := states[n].From.Sub(start)
			found[after] = append(found[after], id)
		}
	}
	return found
}

func TestAPlaybookClosesManyIncidentsAtTheSameMomentEachHour(t *testing.T) {
	day := func(seed uint64) (found map[time.Duration][]int64) {
		synctest.Test(t, func(t *testing.T) {
			found = closed(t, newSim(t, func(c *Config) {
				c.Seed, c.Incidents, c.Statuses, c.MergedShare, c.CloseHourly = seed, 100, StatusMix{Active: 1, InProgress: 1}, 0.1, 30
			}))
		})
		return found
	}
	found := day(1)
	require.Len(t, found, 3)
	for hour := range 3 {
		assert.Len(t, found[time.Duration(hour+1)*time.Hour], 30, hour)
	}
	assert.Equal(t, found, day(1), "the seed decides which")
	assert.NotEqual(t, found, day(2))
}

func TestAPlaybookClosesNoMoreThanAreOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.Incidents, c.Statuses, c.CloseHourly = 100, StatusMix{Active: 1}, 70 })
		require.NoError(t, s.Remove(1001))
		require.NoError(t, s.Merge(1002, 1003))
		time.Sleep(2*time.Hour + time.Minute)
		open := 0
		for _, id := range s.IDs() {
			if i := mustGet(t, s, id); i.Status == StatusActive {
				open++
				assert.EqualValues(t, 1001, id, "what was removed stays as it was")
			}
		}
		assert.Equal(t, 1, open)
	})
}
