// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"slices"
	"time"
)

// State is an incident's state for some time. From and Until are times of the
// real clock; those in the state itself are the service's, which may be off.
type State struct {
	From time.Time
	// Until is when the next state began; zero for the current one.
	Until time.Time
	// the API responded with 404
	Removed    bool
	LastUpdate time.Time
	Status     string
	Severity   string // follows the alerts, without LastUpdate if these move quietly
	RedirectID int64  // 0: not merged
	Alerts     []AlertState
}

// AlertState is the state of an alert in an incident: its ID and
// lastUpdatedTime identify its content.
type AlertState struct {
	ID          string
	LastUpdated time.Time
}

// tracked is an incident with its history. The incident's content is replaced
// and never modified, so a copy taken under the mutex may be read without it.
type tracked struct {
	incident Incident
	removed  bool
	states   []State
	dropped  int // states that were forgotten
	opened   int // the state that the last Get showed without alerts that come separately; -1: there was none
}

// live reports whether an incident can still change by itself.
func (t *tracked) live() bool { return !t.removed && !t.incident.redirected() }

// present is the index of the current state in the whole history.
func (t *tracked) present() int { return t.dropped + len(t.states) - 1 }

// row is the current state as lists show it.
func (t *tracked) row() *shown {
	i := t.incident
	return &shown{incident: &i, owner: i.ID, state: t.present(), version: t.present(), removed: t.removed}
}

// apply changes a copy of an incident and makes it the current one. The caller
// holds the mutex.
func (s *Sim) apply(t *tracked, at time.Time, change func(*Incident)) {
	next := t.incident.clone()
	change(&next)
	s.replace(t, next, at)
}

// replace makes next an incident's current content.
func (s *Sim) replace(t *tracked, next Incident, at time.Time) {
	if next.redirected() && !t.incident.redirected() {
		s.merged++
	}
	if !next.redirected() && t.incident.redirected() {
		s.merged--
	}
	t.incident = next
	s.note(t, at)
}

// note adds the current content to the history, which uses the real clock, like
// everything it is compared with.
func (s *Sim) note(t *tracked, at time.Time) {
	at = at.Add(-s.cfg.ClockSkew)
	var before []AlertState
	if n := len(t.states); n > 0 {
		t.states[n-1].Until = at
		before = t.states[n-1].Alerts
	}
	state := State{
		From:       at,
		Removed:    t.removed,
		LastUpdate: t.incident.LastUpdate,
		Status:     t.incident.Status,
		Severity:   t.incident.Severity,
		RedirectID: t.incident.RedirectID,
	}
	for _, a := range t.incident.Alerts {
		state.Alerts = append(state.Alerts, AlertState{a.ID, a.LastUpdated})
	}
	t.states = append(t.states, state)
	row := t.row()
	row.place = s.placeOf(row.key())
	s.xdrList.take(row, at)
	s.graphList.take(row, at)
	s.noteAlerts(t, before, at)
	if kept := s.cfg.StatesKept; kept > 0 && len(t.states) > kept {
		excess := len(t.states) - kept
		t.states = slices.Delete(t.states, 0, excess)
		t.dropped += excess
	}
}

// History returns the states of an incident up to now, oldest first, and the
// index of the first one: more than 0 once old states were forgotten. It
// returns nothing for an unknown id.
func (s *Sim) History(id int64) (states []State, first int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evolve(s.now())
	t, known := s.incidents[id]
	if !known {
		return nil, 0
	}
	states = slices.Clone(t.states)
	for n := range states {
		states[n].Alerts = slices.Clone(states[n].Alerts)
	}
	return states, t.dropped
}

// IDs returns the IDs of all incidents, in the order in which they appeared.
func (s *Sim) IDs() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evolve(s.now())
	return slices.Clone(s.ids)
}

// UnknownID returns an ID that no incident has, and that none gets before a
// million of them have appeared.
func (s *Sim) UnknownID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := max(s.highest+1, s.cfg.FirstID)
	if s.cfg.NewPerHour > 0 {
		id += 1_000_000
	}
	return id
}

// Incident returns an incident's current state, even if it was removed. It
// shares nothing with the simulator.
func (s *Sim) Incident(id int64) (Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evolve(s.now())
	t, known := s.incidents[id]
	if !known {
		return Incident{}, unknown(id)
	}
	return t.incident.deepClone(), nil
}

func unknown(id int64) error { return unknownError(id) }

// unknownError is the ID of an incident that does not exist.
type unknownError int64

func (id unknownError) Error() string { return fmt.Sprintf("there is no incident %d", int64(id)) }
