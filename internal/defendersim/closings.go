// SPDX-License-Identifier: Apache-2.0

package defendersim

import "time"

// closeSome resolves randomly chosen open incidents, all at the same moment,
// like a playbook that runs every hour.
func (s *Sim) closeSome(at time.Time) {
	var open []*tracked
	for _, id := range s.ids {
		if t := s.incidents[id]; t.live() && t.incident.Status != StatusResolved {
			open = append(open, t)
		}
	}
	d := s.closings.dice
	d.Shuffle(len(open), func(a, b int) { open[a], open[b] = open[b], open[a] })
	for _, t := range open[:min(s.cfg.CloseHourly, len(open))] {
		s.apply(t, at, func(i *Incident) {
			s.resolve(d, i)
			i.LastUpdate = later(i.LastUpdate, at)
		})
	}
	s.closings.next = s.closings.next.Add(time.Hour)
}

// resolve closes an incident with a verdict.
func (s *Sim) resolve(d dice, i *Incident) {
	i.Status = StatusResolved
	i.Classification = pick(d, s.population.words.classifications)
	i.Determination = pick(d, s.population.words.determinations)
}
