// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustGet(t *testing.T, s *Sim, id int64) Incident {
	t.Helper()
	i, err := s.Incident(id)
	require.NoError(t, err)
	return i
}

func TestUpdateMovesTheTimesOfWhatItChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.AlertsPerIncident = 2 })
		before := mustGet(t, s, 1001)
		time.Sleep(time.Hour)

		require.NoError(t, s.Update(1001, func(i *Incident) {
			i.Tags = []string{"new"}
			i.Alerts[0].Title = "renamed"
		}))

		after := mustGet(t, s, 1001)
		assert.True(t, time.Now().Equal(after.LastUpdate))
		assert.True(t, time.Now().Equal(after.Alerts[0].LastUpdated))
		assert.Equal(t, before.Alerts[1], after.Alerts[1])
		assert.Equal(t, []string{"new"}, after.Tags)
	})
}

func TestTwoUpdatesInTheSameInstantHaveDifferentTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		time.Sleep(time.Second)
		require.NoError(t, s.Update(1001, func(i *Incident) { i.Name = "a" }))
		first := mustGet(t, s, 1001)
		require.NoError(t, s.Update(1001, func(i *Incident) { i.Name = "b" }))
		assert.True(t, mustGet(t, s, 1001).LastUpdate.After(first.LastUpdate))
	})
}

func TestUpdateAlertLeavesTheIncidentsTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		before := mustGet(t, s, 1001)
		alert := before.Alerts[0].ID
		time.Sleep(time.Minute)

		require.NoError(t, s.UpdateAlert(1001, alert, func(a *Alert) { a.Title = "renamed" }))

		after := mustGet(t, s, 1001)
		assert.Equal(t, before.LastUpdate, after.LastUpdate)
		assert.Equal(t, "renamed", after.Alerts[0].Title)
		assert.True(t, time.Now().Equal(after.Alerts[0].LastUpdated))
	})
}

func TestSeverityFollowsTheAlertsAndMovesTheIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		require.NoError(t, s.Add(Incident{ID: 5, Alerts: []Alert{{ID: "a", Severity: SeverityLow}, {ID: "b", Severity: SeverityMedium}}}))
		require.Equal(t, SeverityMedium, mustGet(t, s, 5).Severity)
		time.Sleep(time.Minute)

		require.NoError(t, s.UpdateAlert(5, "a", func(a *Alert) { a.Severity = SeverityHigh }))

		assert.Equal(t, SeverityHigh, mustGet(t, s, 5).Severity)
		assert.True(t, time.Now().Equal(mustGet(t, s, 5).LastUpdate))
		require.NoError(t, s.RemoveAlert(5, "a"))
		assert.Equal(t, SeverityMedium, mustGet(t, s, 5).Severity)
	})
}

func TestAlertsComeAndGo(t *testing.T) {
	s := newSim(t, nil)
	before := len(mustGet(t, s, 1001).Alerts)
	id, err := s.AddAlert(1001)
	require.NoError(t, err)
	assert.Len(t, mustGet(t, s, 1001).Alerts, before+1)
	assert.GreaterOrEqual(t, mustGet(t, s, 1001).alert(id), 0)

	require.NoError(t, s.RemoveAlert(1001, id))
	assert.Len(t, mustGet(t, s, 1001).Alerts, before)
	assert.Error(t, s.RemoveAlert(1001, id))
}

func TestMergersCanBeChainedAndLooped(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Merge(1001, 1002))
	require.NoError(t, s.Merge(1002, 1003))
	assert.EqualValues(t, 1002, mustGet(t, s, 1001).RedirectID)
	assert.EqualValues(t, 1003, mustGet(t, s, 1002).RedirectID)

	require.NoError(t, s.Merge(1003, 1001))
	assert.Empty(t, mustGet(t, s, 1001).Alerts)
	assert.EqualValues(t, 1001, mustGet(t, s, 1003).RedirectID)
}

func TestWhatIsGivenOutSharesNothingWithTheSimulator(t *testing.T) {
	s := newSim(t, func(c *Config) { c.AlertsPerIncident = 1 })
	_, before := get(t, s, 1001)
	given := mustGet(t, s, 1001)
	given.Alerts[0].Title = "mine"
	given.Alerts[0].Entities[0].Verdict = "mine"
	given.Alerts[0].Entities[0].Fields = append(given.Alerts[0].Entities[0].Fields[:0], Field{"mine", "mine"})
	states, _ := s.History(1001)
	states[0].Alerts[0].ID = "mine"

	_, after := get(t, s, 1001)
	assert.Equal(t, string(before), string(after))
	again, _ := s.History(1001)
	assert.NotEqual(t, "mine", again[0].Alerts[0].ID)
}

func TestWhatCannotBeDoneIsAnError(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Merge(1005, 1006))
	for name, err := range map[string]error{
		"update unknown":       s.Update(9, func(*Incident) {}),
		"unknown alert":        s.UpdateAlert(1001, "x", func(*Alert) {}),
		"merge into unknown":   s.Merge(1001, 9),
		"merge into itself":    s.Merge(1001, 1001),
		"remove unknown":       s.Remove(9),
		"add without id":       s.Add(Incident{}),
		"add twice":            s.Add(Incident{ID: 1001}),
		"redirected to nobody": s.Add(Incident{ID: 9, Status: StatusRedirected}),
		"change of merged":     s.Change(1005, ChangeName),
		"unknown kind":         s.Change(1001, Kind(99)),
	} {
		assert.Error(t, err, name)
	}
}

func TestHistoryTellsWhichStateWasServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		start := time.Now()
		get(t, s, 1001)
		time.Sleep(time.Minute)
		require.NoError(t, s.Update(1001, func(i *Incident) { i.Status = StatusResolved }))
		time.Sleep(time.Minute)
		require.NoError(t, s.Remove(1001))
		get(t, s, 1001) // 404: nothing served
		require.NoError(t, s.Restore(1001))
		get(t, s, 1001)

		states, first := s.History(1001)
		require.Len(t, states, 4)
		assert.Zero(t, first)
		assert.Equal(t, StatusResolved, states[1].Status)
		assert.True(t, start.Add(time.Minute).Equal(states[1].From))
		assert.True(t, start.Add(2*time.Minute).Equal(states[1].Until))
		assert.Equal(t, []bool{false, false, true, false}, []bool{states[0].Removed, states[1].Removed, states[2].Removed, states[3].Removed})
		served := s.Served(1001)
		require.Len(t, served, 2)
		assert.Equal(t, []int{0, 3}, []int{served[0].State, served[1].State})
		assert.True(t, start.Add(2*time.Minute).Equal(served[1].At))
	})
}

func TestHistoryAndJournalCanBeBounded(t *testing.T) {
	s := newSim(t, func(c *Config) { c.StatesKept, c.RequestsKept = 3, 5 })
	for range 9 {
		require.NoError(t, s.Change(1001, ChangeName))
		get(t, s, 1001)
	}
	states, first := s.History(1001)
	assert.Len(t, states, 3)
	assert.Equal(t, 7, first)
	journal := s.Journal()
	require.Len(t, journal, 5)
	assert.Equal(t, 8, journal[4].Number)
	assert.Equal(t, 9, journal[4].State)
}
