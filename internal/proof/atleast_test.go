// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// story simulates a collector that is killed once: it requests incidents, emits
// what has changed, and stores that.
type story struct {
	t       *testing.T
	api     string
	sim     *defendersim.Sim
	lives   []time.Time
	noted   map[int64]*defendersim.State
	records []Record
}

// playStory runs a story in simulated time: a life in which something changes, a kill,
// meanwhile, and a last life with a merger.
func playStory(t *testing.T, meanwhile func(*story)) *story {
	t.Helper()
	return playStoryOf(t, defendersim.APIDefenderXDR, meanwhile)
}

// playStoryOf is playStory for one of the APIs. Graph shows one alert at a time.
func playStoryOf(t *testing.T, api string, meanwhile func(*story)) *story {
	t.Helper()
	s := &story{t: t, api: api, noted: map[int64]*defendersim.State{}}
	synctest.Test(t, func(t *testing.T) {
		cfg := defendersim.DefaultConfig()
		cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour, cfg.AlertsPage = 6, 2, 0, 0, 1
		sim, err := defendersim.New(cfg)
		require.NoError(t, err)
		s.sim = sim
		s.live(func() {
			s.cycle()
			time.Sleep(time.Second)
			s.assign(1001)
			require.NoError(t, sim.RemoveAlert(1002, s.alert(1002)))
			s.cycle()
			s.cycle()
		})
		meanwhile(s)
		s.live(func() {
			s.cycle()
			require.NoError(t, sim.Merge(1003, 1001))
			s.cycle()
		})
	})
	return s
}

func nothing(*story) {}

// live is a life of a minute in which what happens.
func (s *story) live(what func()) {
	s.lives = append(s.lives, time.Now())
	what()
	time.Sleep(time.Minute)
}

// cycle requests each incident and emits what has changed.
func (s *story) cycle() {
	for _, id := range s.sim.IDs() {
		s.request(id)
		s.note(id)
	}
}

func (s *story) request(id int64) {
	s.t.Helper()
	link := fmt.Sprintf("/api/incidents/%d", id)
	if s.api == defendersim.APIGraph {
		link = fmt.Sprintf("/v1.0/security/incidents/%d?$expand=alerts", id)
	}
	for link != "" {
		link = s.send(link)
	}
}

// send returns the response's link to more alerts.
func (s *story) send(target string) string {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Authorization", "Bearer "+s.sim.TokenOf(s.api))
	w := httptest.NewRecorder()
	s.sim.ServeHTTP(w, r)
	require.Equal(s.t, http.StatusOK, w.Code)
	var response struct {
		Link   string `json:"@odata.nextLink"`
		Alerts string `json:"alerts@odata.nextLink"`
	}
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &response))
	return response.Link + response.Alerts
}

// note emits how an incident differs from what was noted, and notes it.
func (s *story) note(id int64) {
	states, _ := s.sim.History(id)
	now, before := states[len(states)-1], s.noted[id]
	s.noted[id] = &now
	if before == nil || !before.LastUpdate.Equal(now.LastUpdate) {
		change := "updated"
		if now.RedirectID != 0 {
			change = "merged"
		}
		s.record(Record{Incident: id, Change: change, Time: now.LastUpdate})
	}
	known := times(before)
	for _, a := range now.Alerts {
		if !known[a.ID].Equal(a.LastUpdated) {
			s.record(Record{Incident: id, Alert: a.ID, Change: "updated", Time: a.LastUpdated})
		}
		delete(known, a.ID)
	}
	for gone := range known {
		if now.RedirectID == 0 {
			s.record(Record{Incident: id, Alert: gone, Change: "removed"})
		}
	}
}

func (s *story) record(r Record) {
	r.UID = "uid of " + r.key()
	s.records = append(s.records, r)
}

// assign gives an incident a state that it never had.
func (s *story) assign(id int64) {
	s.t.Helper()
	to := time.Now().String()
	require.NoError(s.t, s.sim.Update(id, func(i *defendersim.Incident) { i.AssignedTo = to }))
}

// alert is the id of an incident's first alert.
func (s *story) alert(id int64) string {
	s.t.Helper()
	i, err := s.sim.Incident(id)
	require.NoError(s.t, err)
	return i.Alerts[0].ID
}

func (s *story) problems() []string { return AtLeast(s.sim, s.lives, s.records) }

func TestWhatIsToldAsItWasServedIsFine(t *testing.T) {
	s := playStory(t, nothing)
	require.Empty(t, s.problems())
	require.Zero(t, Repeats(s.records))
	require.Len(t, s.records, 6*3+1+2+4, "each with its alerts; an assignment with nothing else, an incident that lost an alert; a merger")
}

func TestEachRecordThatIsLostIsFound(t *testing.T) {
	for _, api := range []string{defendersim.APIDefenderXDR, defendersim.APIGraph} {
		s := playStoryOf(t, api, nothing)
		all := s.records
		require.Empty(t, s.problems())
		require.Empty(t, Exactly(s.sim, all))
		for i, lost := range all {
			s.records = slices.Delete(slices.Clone(all), i, i+1)
			require.Equal(t, []string{"lost: " + lost.key()}, s.problems())
			require.Equal(t, []string{"missing 1 time(s): " + lost.key()}, Exactly(s.sim, s.records))
		}
	}
}

func TestAlertsThatAreMissingAreNoAnswerYet(t *testing.T) {
	s := playStoryOf(t, defendersim.APIGraph, func(s *story) {
		s.live(func() {
			s.assign(1004)
			s.send("/v1.0/security/incidents/1004?$expand=alerts")
			time.Sleep(time.Second)
			s.assign(1004)
			s.send("/v1.0/security/incidents/1004/alerts?$skip=1")
		})
	})
	require.Empty(t, s.problems())
	require.Empty(t, Exactly(s.sim, s.records))
}

func TestAPageOfAlertsDoesNotTellThatAnIncidentIsMissing(t *testing.T) {
	s := playStoryOf(t, defendersim.APIGraph, nothing)
	require.NoError(t, s.sim.Remove(1004))
	r := httptest.NewRequest(http.MethodGet, "/v1.0/security/incidents/1004/alerts", nil)
	r.Header.Set("Authorization", "Bearer "+s.sim.TokenOf(s.api))
	w := httptest.NewRecorder()
	s.sim.ServeHTTP(w, r)
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Empty(t, s.problems())
	require.Empty(t, Exactly(s.sim, s.records))
}

func TestAPageOfAlertsDoesNotTellThatTheAnswerBeforeWasDealtWith(t *testing.T) {
	s := playStoryOf(t, defendersim.APIGraph, func(s *story) {
		s.live(func() { // killed before it could emit
			s.assign(1004)
			s.request(1004)
			s.send("/v1.0/security/incidents/1004/alerts?$skip=1")
		})
		s.assign(1004)
	})
	require.Empty(t, s.problems())
}

func TestAStateThatStoodForTwoRoundsAndWasNotAskedForIsFound(t *testing.T) {
	for requests, wanted := range map[int]int{2*6 - 1: 0, 2 * 6: 1} {
		s := playStory(t, func(s *story) {
			s.live(func() {
				s.assign(1004)
				for range requests {
					s.request(1001)
				}
				time.Sleep(time.Second)
				s.assign(1004)
			})
		})
		require.Len(t, s.problems(), wanted)
		for _, problem := range s.problems() {
			require.Contains(t, problem, "lost: incident 1004 alert \"\" state")
		}
	}
}

func TestTwoRoundsAreOneLifes(t *testing.T) {
	s := playStory(t, func(s *story) {
		s.assign(1004)
		for range 2 {
			s.live(func() {
				for range 2*6 - 1 {
					s.request(1001)
				}
			})
		}
		s.assign(1004)
	})
	require.Empty(t, s.problems())
}

func TestWhatAKillCutShortIsNotMissed(t *testing.T) {
	s := playStory(t, func(s *story) {
		s.live(func() { // killed before it could emit
			s.assign(1004)
			s.request(1004)
		})
		s.assign(1004)
	})
	require.Empty(t, s.problems())
}

func TestWhatWasNeverServedIsFound(t *testing.T) {
	s := playStory(t, nothing)
	for _, invented := range []Record{
		{Incident: 1001, Change: "updated", Time: s.records[0].Time.Add(time.Second)},
		{Incident: 1005, Alert: s.alert(1005), Change: "removed"},
		{Incident: 1005, Change: "not_found"},
		{Incident: 1005, Change: "merged", Time: s.noted[1005].LastUpdate},
		{Incident: 4711, Change: "updated", Time: s.records[0].Time},
	} {
		emitted := s.records
		s.record(invented)
		require.Equal(t, []string{"never served: " + invented.key()}, s.problems())
		s.records = emitted
	}
}

func TestARepeatIsFineAndOneInTwentyIsFound(t *testing.T) {
	s := playStory(t, nothing)
	s.records = append(s.records, s.records[0])
	require.Empty(t, s.problems())
	s.records = append(s.records, s.records[1])
	require.Equal(t, []string{"2 of 27 records are repeats"}, s.problems())
	require.Equal(t, 2, Repeats(s.records))
}

func TestARepeatUnderAnotherIdentityIsFound(t *testing.T) {
	s := playStory(t, nothing)
	for _, r := range s.records {
		emitted := s.records
		again := r
		again.UID = "another"
		s.records = append(slices.Clone(emitted), again)
		require.Equal(t, []string{"emitted under 2 identities: " + r.key()}, s.problems())
		s.records = emitted
	}
}

func TestTwoStatesUnderOneIdentityAreFound(t *testing.T) {
	s := playStory(t, nothing)
	s.records[1].UID = s.records[0].UID
	require.Contains(t, s.problems(), fmt.Sprintf("the same log.record.uid for %s updated and %s updated", s.records[0].key(), s.records[1].key()))
	s.records[1] = s.records[0]
	s.records[1].Change = "first_seen"
	require.Contains(t, s.problems(), fmt.Sprintf("the same log.record.uid for %s updated and %s first_seen", s.records[0].key(), s.records[0].key()))
	s.records[1].UID = ""
	require.Contains(t, s.problems(), "without a log.record.uid: "+s.records[1].key())
}
