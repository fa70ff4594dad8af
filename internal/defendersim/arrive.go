// SPDX-License-Identifier: Apache-2.0

package defendersim

import "time"

// Appear adds a new incident now, generated like all others, and returns its
// ID, which follows the highest.
func (s *Sim) Appear() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.evolve(now)
	return s.appear(s.stamp(now))
}

// appear adds a new incident. The caller holds the mutex.
func (s *Sim) appear(at time.Time) int64 {
	i := s.population.newIncident(max(s.highest+1, s.cfg.FirstID), at)
	s.add(*i, at)
	return i.ID
}

// newIncident generates an incident that appears at the given time.
func (p *population) newIncident(id int64, at time.Time) *Incident {
	d := newDice(p.cfg.Seed, streamIncident, uint64(id))
	i := &Incident{
		ID:             id,
		Name:           pick(d, p.words.incidentNames),
		Created:        at,
		LastUpdate:     at,
		Classification: "Unknown",
		Determination:  "NotAvailable",
		Status:         StatusActive,
	}
	for range p.alertCount(d) {
		i.Alerts = append(i.Alerts, p.newAlert(d, id, at))
	}
	i.raiseSeverity()
	return i
}
