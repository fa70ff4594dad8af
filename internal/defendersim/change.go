// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"slices"
	"time"
)

// maxComments bounds the comments that an incident gets by itself.
const maxComments = 40

// change makes one change of the given kind. If the incident has no room for it
// (no alert to lose, nothing to merge with), it is reassigned instead, so the
// number of changes is as requested. The caller holds the mutex.
func (s *Sim) change(t *tracked, kind Kind, at time.Time) {
	d := s.evolution.dice
	switch {
	case kind == ChangeMerge && s.mergeSomewhere(t, at):
	case kind == ChangeAlertLeaves && s.moveAlert(t, at):
	case kind == ChangeAlertAlone && len(t.incident.Alerts) > 0:
		s.apply(t, at, func(i *Incident) {
			a := &i.Alerts[d.IntN(len(i.Alerts))]
			s.workOnAlert(a, at)
		})
	default:
		s.apply(t, at, func(i *Incident) {
			s.changeIncident(i, kind, at)
			i.LastUpdate = later(i.LastUpdate, at)
		})
	}
}

// changeIncident makes the changes that concern a single incident and
// update its lastUpdateTime.
func (s *Sim) changeIncident(i *Incident, kind Kind, at time.Time) {
	d, words := s.evolution.dice, s.population.words
	switch {
	case kind == ChangeStatus:
		s.changeStatus(i)
	case kind == ChangeComment && len(i.Comments) < maxComments:
		i.Comments = append(i.Comments, Comment{pick(d, words.remarks), pick(d, words.analysts), at})
	case kind == ChangeVerdict:
		i.Classification = other(d, words.classifications, i.Classification)
		i.Determination = pick(d, words.determinations)
	case kind == ChangeTags:
		tag := pick(d, words.tags)
		if n := slices.Index(i.Tags, tag); n >= 0 {
			i.Tags = slices.Delete(i.Tags, n, n+1)
		} else {
			i.Tags = append(i.Tags, tag)
		}
	case kind == ChangeName:
		i.Name = other(d, words.incidentNames, i.Name)
	case kind == ChangeNewAlert && len(i.Alerts) < maxAlerts:
		i.Alerts = append(i.Alerts, s.population.newAlert(d, i.ID, at))
		i.sortAlerts()
		i.raiseSeverity()
	case kind == ChangeAlert && len(i.Alerts) > 0:
		a := &i.Alerts[d.IntN(len(i.Alerts))]
		a.Severity = alertSeverity(d)
		s.workOnAlert(a, at)
		i.raiseSeverity()
	default:
		i.AssignedTo = other(d, words.analysts, i.AssignedTo)
	}
}

func (s *Sim) changeStatus(i *Incident) {
	d, words, back := s.evolution.dice, s.population.words, s.cfg.BackToActive
	switch {
	case i.Status == StatusResolved, back > 0 && i.Status == StatusInProgress && d.chance(back):
		i.Status = StatusActive
	case i.Status == StatusActive && d.chance(0.5):
		i.Status = StatusInProgress
		i.AssignedTo = pick(d, words.analysts)
	default:
		s.resolve(d, i)
	}
}

// workOnAlert changes an alert without changing its severity.
func (s *Sim) workOnAlert(a *Alert, at time.Time) {
	d, words := s.evolution.dice, s.population.words
	a.LastUpdated = later(a.LastUpdated, at)
	switch {
	case d.chance(0.3):
		a.LastActivity = at
	case a.Status == StatusResolved:
		a.Status, a.Resolved = StatusInProgress, time.Time{}
	case d.chance(0.5):
		a.InvestigationState = other(d, words.investigation, a.InvestigationState)
	default:
		a.Status, a.Resolved = StatusResolved, a.LastUpdated
		a.Classification, a.Determination = pick(d, words.classifications), pick(d, words.determinations)
	}
}

// newAlert generates an alert that appears at the given time.
func (p *population) newAlert(d dice, incident int64, at time.Time) Alert {
	a := p.alert(d, incident, at, at)
	a.Created, a.LastUpdated = at, at
	if !a.Resolved.IsZero() {
		a.Resolved = at
	}
	return a
}

// mergeSomewhere merges an incident into another one that has room. At most
// half of the population is merged by itself.
func (s *Sim) mergeSomewhere(from *tracked, at time.Time) bool {
	if s.merged*2 >= len(s.ids) {
		return false
	}
	into := s.chooseOther(from, len(from.incident.Alerts))
	if into == nil {
		return false
	}
	s.merge(from, into, at)
	return true
}

// moveAlert moves one of several alerts of an incident to another incident.
func (s *Sim) moveAlert(from *tracked, at time.Time) bool {
	if len(from.incident.Alerts) < 2 {
		return false
	}
	into := s.chooseOther(from, 1)
	if into == nil {
		return false
	}
	s.move(from, s.evolution.dice.IntN(len(from.incident.Alerts)), into, at)
	return true
}

// move moves an alert to another incident, and updates the times of all three
// unless configured otherwise.
func (s *Sim) move(from *tracked, n int, into *tracked, at time.Time) {
	moved := from.incident.Alerts[n]
	moveTime := func(i *Incident) {
		if !s.cfg.QuietAlertMoves && !s.cfg.SilentAlertMoves {
			i.LastUpdate = later(i.LastUpdate, at)
		}
	}
	// The other incident comes first, so that the alert is never in none.
	s.apply(into, at, func(i *Incident) {
		i.adopt([]Alert{moved}, at)
		if s.cfg.SilentAlertMoves {
			i.Alerts[i.alert(moved.ID)].LastUpdated = moved.LastUpdated
		}
		moveTime(i)
	})
	s.apply(from, at, func(i *Incident) {
		i.Alerts = slices.Delete(i.Alerts, n, n+1)
		i.raiseSeverity()
		moveTime(i)
	})
}

// chooseOther picks another incident with room for some more alerts.
func (s *Sim) chooseOther(than *tracked, room int) *tracked {
	return s.choose(s.anyOf, func(t *tracked) bool {
		return t != than && t.live() && len(t.incident.Alerts)+room <= maxAlerts
	})
}

// merge merges one incident into another and records both.
func (s *Sim) merge(from, into *tracked, at time.Time) {
	source, target := from.incident.clone(), into.incident.clone()
	merge(&source, &target, at)
	s.replace(into, target, at) // first, so that the alerts are never in no incident
	s.replace(from, source, at)
}

// merge empties one incident into another. The times of both move to the same
// moment, or to just after their own if that is later. A target that is merged
// itself has no alerts, so the source's alerts are gone.
func merge(from, into *Incident, at time.Time) {
	if !into.redirected() {
		into.adopt(from.Alerts, at)
	}
	into.LastUpdate = later(into.LastUpdate, at)
	from.Alerts = nil
	from.Status = StatusRedirected
	from.RedirectID = into.ID
	from.LastUpdate = later(from.LastUpdate, at)
}

// adopt takes alerts from another incident. They contain the incident's ID, so
// they change as well.
func (i *Incident) adopt(alerts []Alert, at time.Time) {
	for _, a := range alerts {
		a.IncidentID = i.ID
		a.LastUpdated = later(a.LastUpdated, at)
		i.Alerts = append(i.Alerts, a)
	}
	i.sortAlerts()
	i.raiseSeverity()
}

// later returns the given time, or the first one after the previous time that
// the API can show: no two states share a time.
func later(previous, at time.Time) time.Time {
	if at.After(previous) {
		return at
	}
	return previous.Add(100 * time.Nanosecond)
}

// other picks any word except the current one.
func other(d dice, words []string, present string) string {
	n := d.IntN(len(words))
	if words[n] == present {
		n = (n + 1) % len(words)
	}
	return words[n]
}
