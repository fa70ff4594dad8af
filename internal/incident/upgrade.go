// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// formerState has the members of states that only checkpoint versions 1 and 2 wrote.
// They counted disappearances instead of revisions.
type formerState struct {
	MissingSince   time.Time     `json:"missing_since"`
	Disappearances uint64        `json:"disappearances"`
	Intent         *formerIntent `json:"telling"`
}

// formerIntent is the Intent of version 2.
type formerIntent struct {
	Gone           uint64   `json:"gone"` // number of the disappearance
	Back           bool     `json:"back"`
	Came           []string `json:"came"`
	Left           []former `json:"left"`
	Embedded       bool     `json:"embedded"`
	Disappearances uint64   `json:"disappearances"`
}

// former is an alert that left with the numbered disappearance.
type former struct {
	ID            string `json:"id"`
	Disappearance uint64 `json:"n"`
}

// plainState is a State without its method.
type plainState State

// UnmarshalJSONFrom reads the states of all checkpoint versions. Absent members keep
// their values, so a state can be read from several objects.
func (s *State) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	read := struct {
		plainState
		formerState
	}{plainState: plainState(*s)}
	if err := json.UnmarshalDecode(from, &read); err != nil {
		return err
	}
	*s = State(read.plainState)
	read.upgrade(s)
	return nil
}

func (f formerState) upgrade(s *State) {
	s.RetiredRevision = max(s.RetiredRevision, f.Disappearances)
	if f.Intent != nil {
		s.Intent = f.Intent.intent(*s)
	}
	if s.ClosedSince.IsZero() && s.closed() {
		s.ClosedSince = f.closedSince(*s)
	}
}

func (f formerState) closedSince(s State) time.Time {
	switch {
	case s.Missing && !f.MissingSince.IsZero():
		return f.MissingSince
	case s.Missing || instantOf(s.LastUpdate) == 0:
		return s.Fetched
	}
	return s.LastUpdate
}

// intent keeps the numbers of alerts that left as their revisions. They are higher than
// the revisions of alerts that were there at that time, which were 0.
func (t formerIntent) intent(s State) *Intent {
	i := &Intent{Embedded: t.Embedded}
	if t.Gone != 0 || t.Back {
		i.Revision, i.Gone = s.Revision+1, !t.Back
	}
	left := make([]AlertChange, 0, len(t.Left))
	for _, a := range t.Left {
		left = append(left, AlertChange{Kind: Removed, ID: a.ID, Revision: a.Disappearance})
	}
	came := make([]AlertIntent, 0, len(t.Came))
	for _, id := range t.Came {
		came = append(came, AlertIntent{ID: id, Revision: t.Disappearances + 1})
	}
	i.Alerts = mergeIntents(came, left)
	return i
}
