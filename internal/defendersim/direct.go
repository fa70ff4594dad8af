// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// direct makes a requested change, at the current moment by the service's clock
// and after everything that has happened before.
func (s *Sim) direct(id int64, change func(t *tracked, at time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.evolve(now)
	t, known := s.incidents[id]
	if !known {
		return unknown(id)
	}
	return change(t, s.stamp(now))
}

// Update changes an incident with the given function and moves its
// lastUpdateTime to now, and that of every alert that the function changed. The
// severity follows the alerts unless the function sets it. The function must
// not call the simulator.
func (s *Sim) Update(id int64, change func(*Incident)) error {
	return s.direct(id, func(t *tracked, at time.Time) error {
		before := t.incident
		next := before.deepClone()
		change(&next)
		next.ID = before.ID
		if !next.LastUpdate.After(before.LastUpdate) {
			next.LastUpdate = later(before.LastUpdate, at)
		}
		touchChanged(next.ID, before.Alerts, next.Alerts, at)
		next.sortAlerts()
		if next.Severity == before.Severity {
			next.raiseSeverity()
		}
		s.replace(t, next, at)
		return nil
	})
}

// touchChanged updates the time of each alert that has changed. New ones
// get the incident's.
func touchChanged(incident int64, before, after []Alert, at time.Time) {
	for n := range after {
		a := &after[n]
		was := slices.IndexFunc(before, func(b Alert) bool { return b.ID == a.ID })
		if was < 0 {
			orDefault(&a.IncidentID, incident)
			continue
		}
		if reflect.DeepEqual(before[was], *a) {
			continue
		}
		if !a.LastUpdated.After(before[was].LastUpdated) {
			a.LastUpdated = later(before[was].LastUpdated, at)
		}
	}
}

// UpdateAlert changes only an alert: its lastUpdatedTime moves to now, the
// incident's does not change, as in the API. Only a change of severity that
// reaches the incident moves the incident's time, too.
func (s *Sim) UpdateAlert(id int64, alertID string, change func(*Alert)) error {
	return s.direct(id, func(t *tracked, at time.Time) error {
		n := t.incident.alert(alertID)
		if n < 0 {
			return fmt.Errorf("incident %d has no alert %s", id, alertID)
		}
		next := t.incident.clone()
		a := next.Alerts[n].deepClone()
		change(&a)
		a.ID = alertID
		if was := t.incident.Alerts[n].LastUpdated; !a.LastUpdated.After(was) {
			a.LastUpdated = later(was, at)
		}
		next.Alerts[n] = a
		next.sortAlerts()
		next.raiseSeverity()
		if next.Severity != t.incident.Severity {
			next.LastUpdate = later(next.LastUpdate, at)
		}
		s.replace(t, next, at)
		return nil
	})
}

// AddAlert adds a new alert to an incident, generated like all others, and
// returns its ID.
func (s *Sim) AddAlert(id int64) (alertID string, err error) {
	err = s.direct(id, func(t *tracked, at time.Time) error {
		s.apply(t, at, func(i *Incident) {
			a := s.population.newAlert(s.evolution.dice, id, at)
			alertID = a.ID
			i.Alerts = append(i.Alerts, a)
			i.sortAlerts()
			i.raiseSeverity()
			i.LastUpdate = later(i.LastUpdate, at)
		})
		return nil
	})
	return alertID, err
}

// RemoveAlert removes an alert from an incident.
func (s *Sim) RemoveAlert(id int64, alertID string) error {
	return s.direct(id, func(t *tracked, at time.Time) error {
		n := t.incident.alert(alertID)
		if n < 0 {
			return fmt.Errorf("incident %d has no alert %s", id, alertID)
		}
		s.apply(t, at, func(i *Incident) {
			i.Alerts = slices.Delete(i.Alerts, n, n+1)
			i.raiseSeverity()
			i.LastUpdate = later(i.LastUpdate, at)
		})
		return nil
	})
}

// MoveAlert moves an alert to another incident. The configuration determines
// which times move with it.
func (s *Sim) MoveAlert(id int64, alertID string, into int64) error {
	return s.direct(id, func(t *tracked, at time.Time) error {
		target, known := s.incidents[into]
		n := t.incident.alert(alertID)
		switch {
		case !known:
			return unknown(into)
		case n < 0:
			return fmt.Errorf("incident %d has no alert %s", id, alertID)
		case t == target || !target.live():
			return fmt.Errorf("incident %d cannot take an alert of incident %d", into, id)
		}
		s.move(t, n, target, at)
		return nil
	})
}

// Change makes a change of the given kind to an incident now.
func (s *Sim) Change(id int64, kind Kind) error {
	if kind < 0 || kind >= changeKinds {
		return fmt.Errorf("unknown kind of change: %v", kind)
	}
	return s.direct(id, func(t *tracked, at time.Time) error {
		if !t.live() {
			return fmt.Errorf("incident %d is merged or removed and no longer changes", id)
		}
		s.change(t, kind, at)
		return nil
	})
}

// Merge merges an incident into another one. Merging into a merged incident
// makes a chain, merging it back a cycle.
func (s *Sim) Merge(from, into int64) error {
	return s.direct(from, func(t *tracked, at time.Time) error {
		target, known := s.incidents[into]
		if !known {
			return unknown(into)
		}
		if from == into {
			return fmt.Errorf("incident %d cannot be merged into itself", from)
		}
		s.merge(t, target, at)
		return nil
	})
}

// Remove makes the API respond with 404 for an incident.
func (s *Sim) Remove(id int64) error { return s.setRemoved(id, true) }

// Restore brings back an incident that was removed, unchanged.
func (s *Sim) Restore(id int64) error { return s.setRemoved(id, false) }

func (s *Sim) setRemoved(id int64, removed bool) error {
	return s.direct(id, func(t *tracked, at time.Time) error {
		if t.removed != removed {
			t.removed = removed
			s.note(t, at)
		}
		return nil
	})
}

// Add adds an incident. Created and LastUpdate default to now; Status,
// Classification and Determination to the API's defaults; Severity follows the
// alerts. An incident without alerts is shown without any.
func (s *Sim) Add(i Incident) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.evolve(now)
	if i.ID < 1 {
		return fmt.Errorf("incident id %d is not positive", i.ID)
	}
	if _, known := s.incidents[i.ID]; known {
		return fmt.Errorf("incident %d already exists", i.ID)
	}
	if i.redirected() != (i.RedirectID != 0) {
		return errors.New("a redirected incident needs a successor, any other must not have one")
	}
	i = i.deepClone()
	i.complete(s.stamp(now))
	s.add(i, s.stamp(now))
	return nil
}

// complete sets the defaults for Add.
func (i *Incident) complete(at time.Time) {
	orDefault(&i.Created, at)
	orDefault(&i.LastUpdate, at)
	orDefault(&i.Status, StatusActive)
	orDefault(&i.Classification, "Unknown")
	orDefault(&i.Determination, "NotAvailable")
	for n := range i.Alerts {
		a := &i.Alerts[n]
		a.IncidentID = i.ID
		orDefault(&a.Created, at)
		orDefault(&a.LastUpdated, a.Created)
		orDefault(&a.FirstActivity, a.Created)
		orDefault(&a.LastActivity, a.Created)
		orDefault(&a.Status, StatusNew)
		orDefault(&a.Severity, SeverityUnspecified)
	}
	i.sortAlerts()
	if i.Severity == "" {
		i.raiseSeverity()
		orDefault(&i.Severity, SeverityUnspecified)
	}
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}
