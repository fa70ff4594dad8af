// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"math"
	"time"
)

// noteAlerts updates the list of alerts after a change of an incident. The
// caller has added its current state to the history; before are the alerts of
// the previous state.
func (s *Sim) noteAlerts(t *tracked, before []AlertState, at time.Time) {
	var alerts []Alert
	if !t.removed {
		alerts = t.incident.Alerts
	}
	stayed := 0
	for n := range alerts {
		a := &alerts[n]
		was, known := s.alerts[a.ID]
		if known && !was.removed && was.owner == t.incident.ID {
			stayed++
			if was.alert.LastUpdated.Equal(a.LastUpdated) {
				continue
			}
		}
		if len(before) > 0 { // do not keep all alerts of a state for the sake of one
			one := *a
			a = &one
		}
		s.noteAlert(shown{alert: a, owner: t.incident.ID, state: t.present()}, at)
	}
	if stayed == len(before) {
		return
	}
	for _, b := range before {
		was, known := s.alerts[b.ID]
		if known && !was.removed && was.owner == t.incident.ID && (t.removed || t.incident.alert(b.ID) < 0) {
			s.noteAlert(shown{alert: was.alert, owner: was.owner, state: t.present(), removed: true}, at)
		}
	}
}

// noteAlert adds the next version of an alert.
func (s *Sim) noteAlert(row shown, at time.Time) {
	row.place = s.placeOf(row.key())
	if was, known := s.alerts[row.alert.ID]; known {
		row.version = was.version + 1
	}
	s.alerts[row.alert.ID] = &row
	s.alertList.take(&row, at)
}

// loosen adds the alerts that are in no incident, in proportion to those that
// are in one. They do not change.
func (s *Sim) loosen() {
	d := newDice(s.cfg.Seed, streamLoose, 0)
	for range int(math.Round(s.cfg.LooseAlerts * float64(len(s.alerts)))) {
		created := d.between(s.population.start.Add(-oldest), s.population.start)
		a := s.population.alert(d, 0, created, d.between(created, s.population.start))
		s.noteAlert(shown{alert: &a, state: -1}, s.population.start)
	}
}

// AddLooseAlert adds a new alert that is in no incident, generated like all
// others, and returns its ID. Only the list of alerts shows it.
func (s *Sim) AddLooseAlert() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.evolve(now)
	at := s.stamp(now)
	a := s.population.newAlert(newDice(s.cfg.Seed, streamLoose, uint64(len(s.alerts))+1), 0, at)
	s.noteAlert(shown{alert: &a, state: -1}, at.Add(-s.cfg.ClockSkew))
	return a.ID
}
