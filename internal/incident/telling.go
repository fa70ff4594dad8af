package incident

import "slices"

// Telling is what was about to be delivered of what comes and goes. It is kept
// from before the delivery until it is accepted, and outlives a process that
// ends in between: nobody knows then whether it was told. What changes while it
// stays shows by its content; but what has gone and is back, or has come and is
// gone again, looks as if nothing had been. So what is kept here is told once
// more, with the same identity, as it is by then.
type Telling struct {
	// Gone numbers the disappearance of the incident; 0: it has not gone.
	Gone uint64 `json:"gone,omitzero"`
	// Back: the incident is there again, after that or after one of before.
	Back bool `json:"back,omitzero"`
	// Came are the ids of alerts that were not there before.
	Came []string `json:"came,omitzero"`
	// Left are alerts that were not there any more.
	Left []Leaving `json:"left,omitzero"`
	// Embedded: an alert came or left within the incident's own record.
	Embedded bool `json:"embedded,omitzero"`
	// Disappearances is the state's count once it is told.
	Disappearances uint64 `json:"disappearances,omitzero"`
}

// Leaving is an alert that has left.
type Leaving struct {
	ID            string `json:"id"`
	Disappearance uint64 `json:"n"`
}

// Telling returns what is to be kept while the change from before to after is
// delivered; nil: nothing comes or goes.
func (c *Comparer) Telling(change Change, before, after State) *Telling {
	t := Telling{
		Embedded:       c.alerts == Embedded && before.Seen && !sameAlerts(before.Alerts, after.Alerts),
		Disappearances: after.Disappearances,
	}
	for _, a := range change.Alerts {
		switch a.Kind {
		case FirstSeen:
			t.Came = append(t.Came, a.ID)
		case Removed:
			t.Left = append(t.Left, Leaving{ID: a.ID, Disappearance: a.Disappearance})
		}
	}
	t.add(before.Telling)
	switch change.Kind {
	case NotFound:
		t.Gone, t.Back = after.Disappearances, false
	case FirstSeen:
		t.Back = before.Missing || t.Gone != 0
	}
	if t.Gone == 0 && !t.Back && !t.Embedded && t.Came == nil && t.Left == nil {
		return nil
	}
	return &t
}

// add keeps what an earlier process may have told: that is not settled before
// this telling is accepted.
func (t *Telling) add(earlier *Telling) {
	if earlier == nil {
		return
	}
	t.Gone, t.Back = earlier.Gone, earlier.Back
	t.Embedded = t.Embedded || earlier.Embedded
	t.Disappearances = max(t.Disappearances, earlier.Disappearances)
	for _, id := range earlier.Came {
		if !slices.Contains(t.Came, id) {
			t.Came = append(t.Came, id)
		}
	}
	for _, l := range earlier.Left {
		if !slices.ContainsFunc(t.Left, func(now Leaving) bool { return now.ID == l.ID }) {
			t.Left = append(t.Left, l)
		}
	}
}

// sameAlerts compares the ids of two sorted lists.
func sameAlerts(before, after []AlertState) bool {
	if len(before) != len(after) {
		return false
	}
	for i := range before {
		if before[i].ID != after[i].ID {
			return false
		}
	}
	return true
}

// unsure is what may have been told of the alerts: those that may have come
// beside the delivered ones, and those that may have left, with their numbers.
func (t *Telling) unsure() (came []AlertState, left map[string]uint64) {
	if t == nil {
		return nil, nil
	}
	for _, id := range t.Came {
		came = append(came, AlertState{ID: id})
	}
	left = make(map[string]uint64, len(t.Left))
	for _, l := range t.Left {
		left[l.ID] = l.Disappearance
	}
	return came, left
}

// nextDisappearance numbers a disappearance of the incident. One that was
// perhaps told keeps its number.
func (s State) nextDisappearance() uint64 {
	switch t := s.Telling; {
	case t == nil:
		return s.Disappearances + 1
	case t.Gone != 0 && !t.Back:
		return t.Gone
	}
	return max(s.Disappearances, s.Telling.Disappearances) + 1
}

// base is what a snapshot is compared with: after a disappearance of the
// incident that was perhaps told, with nothing.
func (s State) base() State {
	switch t := s.Telling; {
	case t == nil:
		return s
	case t.Gone != 0:
		return State{Disappearances: t.Disappearances, Telling: t}
	}
	s.Disappearances = max(s.Disappearances, s.Telling.Disappearances)
	return s
}
