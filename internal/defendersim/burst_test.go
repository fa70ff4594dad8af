// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// happened is a change that was found in the history.
type happened struct {
	at time.Time
	id int64
}

// happening runs a population of a hundred incidents that does not change
// otherwise for ten hours and returns its changes in order.
func happening(t *testing.T, change func(*Config)) (changes []happened) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.Incidents, c.AlertsPerIncident, c.ChangesPerHour, c.Weights = 100, 1, 600, Weights{ChangeName: 1}
			change(c)
		})
		time.Sleep(10 * time.Hour)
		for _, id := range s.IDs() {
			states, _ := s.History(id)
			for _, state := range states[1:] {
				changes = append(changes, happened{state.From, id})
			}
		}
	})
	slices.SortFunc(changes, func(a, b happened) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	return changes
}

// dispersion is the variance of the changes per minute over their mean: 1 in
// a Poisson process.
func dispersion(changes []happened) float64 {
	perMinute := make([]float64, 601)
	for _, c := range changes {
		perMinute[int(c.at.Sub(changes[0].at)/time.Minute)]++
	}
	mean, variance := 0.0, 0.0
	for _, n := range perMinute {
		mean += n / 601
	}
	for _, n := range perMinute {
		variance += (n - mean) * (n - mean) / 601
	}
	return variance / mean
}

func bursty(c *Config) { c.Bursty = true }

func TestBurstsKeepTheRateAndComeClustered(t *testing.T) {
	even, clustered := happening(t, func(*Config) {}), happening(t, bursty)
	assert.InDelta(t, 6000, len(clustered), 800)
	assert.InDelta(t, 1, dispersion(even), 0.3)
	assert.Greater(t, dispersion(clustered), 3.0)
}

func TestBurstsHitOneIncidentOrMany(t *testing.T) {
	again := func(changes []happened) (share float64) {
		for n := 1; n < len(changes); n++ {
			if changes[n].id == changes[n-1].id {
				share += 1 / float64(len(changes))
			}
		}
		return share
	}
	slowly := func(c *Config) { c.ChangesPerHour, c.Bursty = 60, true } // so that bursts hardly overlap
	assert.InDelta(t, 0.4, again(happening(t, slowly)), 0.12, "half of what follows within a burst, some five in six")
	assert.Less(t, again(happening(t, func(*Config) {})), 0.03)
}

func TestABurstOverSeveralIncidentsIsOneKindOfChange(t *testing.T) {
	s := newSim(t, nil)
	comments, touched := 0, 0
	of := &burst{kind: ChangeComment, next: time.Now()}
	s.bursts = []*burst{of}
	for of.left = 20; of.left > 0; {
		s.goOn(of, s.stamp(of.next))
	}
	for _, id := range s.IDs() {
		states, _ := s.History(id)
		touched += min(1, len(states)-1)
		comments += len(mustGet(t, s, id).Comments) - len(mustGet(t, newSim(t, nil), id).Comments)
	}
	assert.Equal(t, 20, comments)
	assert.Greater(t, touched, 3)
	assert.Empty(t, s.bursts)
}

func TestTheNewestIncidentsChangeMost(t *testing.T) {
	newestTenth, olderHalf := 0.0, 0.0
	changes := happening(t, bursty)
	for _, c := range changes {
		if c.id > 1090 {
			newestTenth += 1 / float64(len(changes))
		}
		if c.id <= 1050 {
			olderHalf += 1 / float64(len(changes))
		}
	}
	assert.InDelta(t, 0.46, newestTenth, 0.08)
	assert.InDelta(t, 0.17, olderHalf, 0.06)
}

func TestIncidentsAgeAsNewOnesAppear(t *testing.T) {
	first, last := 0, 0
	for n, changes := 0, happening(t, func(c *Config) { c.Bursty, c.NewPerHour = true, 30 }); n < len(changes); n++ {
		switch at := changes[n].at.Sub(changes[0].at); {
		case changes[n].id <= 1090 || changes[n].id > 1100: // the newest ten of the start
		case at < 2*time.Hour:
			first++
		case at > 8*time.Hour:
			last++
		}
	}
	assert.Greater(t, first, 3*last)
}

func TestIncidentsAppearAtTheRateThatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.NewPerHour = 20 })
		start, unknown := time.Now(), s.UnknownID()
		time.Sleep(10 * time.Hour)
		fresh := s.IDs()[10:]
		assert.InDelta(t, 200, len(fresh), 45)
		assert.EqualValues(t, 1011, fresh[0])
		assert.EqualValues(t, 1010+len(fresh), fresh[len(fresh)-1])
		resp, _ := get(t, s, unknown)
		assert.Equal(t, 404, resp.StatusCode)
		for _, id := range fresh {
			i := mustGet(t, s, id)
			states, _ := s.History(id)
			require.Equal(t, i.Created, i.LastUpdate)
			require.Equal(t, states[0].From, i.Created)
			require.True(t, i.Created.After(start))
			require.NotEmpty(t, i.Alerts)
			require.Equal(t, StatusActive, i.Status)
		}
		assert.Equal(t, fresh[len(fresh)-1], list(t, s).ids(t)[0])
	})
}

func TestAnIncidentAppearsOnDemand(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 0 })
	require.NoError(t, s.Add(Incident{ID: 2000}))
	id := s.Appear()
	assert.EqualValues(t, 2001, id)
	resp, _ := get(t, s, id)
	assert.Equal(t, 200, resp.StatusCode)
	assert.EqualValues(t, 2002, s.Appear())
	assert.EqualValues(t, 1001, newSim(t, func(c *Config) { c.Incidents = 0 }).Appear())
}
