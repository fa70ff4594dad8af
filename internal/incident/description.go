// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"cmp"
	"strings"
)

// Description is what records say of an incident that their own observation does not
// show: that it is gone, or that one of its alerts has changed. A value that the API
// did not give is empty. The zero Description: not known.
type Description struct {
	Name       string `json:"name,omitzero"`
	Severity   string `json:"severity,omitzero"`
	AssignedTo string `json:"assigned_to,omitzero"`
	URL        string `json:"url,omitzero"`
}

// maxDescribed is the most bytes of a text that a state keeps. Texts of the API are
// shorter; a state must not grow with what somebody writes into an incident.
const maxDescribed = 256

// kept is a copy of the text as a state keeps it: the text in a snapshot is a part of
// the whole response, which no state may keep alive. last is the one that the state
// has already.
func kept(text, last string) string {
	if text = Cut(text, maxDescribed); text == last {
		return last
	}
	return strings.Clone(text)
}

// describe takes the description from the snapshot. last is the one before.
//
// Of a merged incident the API shows little, or nothing if it shows the successor
// instead. What it does not show stays as it was, as it does where the snapshot may
// not show all of the incident.
func (after *State) describe(last Description, s *Snapshot) {
	shown := Description{
		Name: kept(s.Name, last.Name), Severity: kept(s.Severity, last.Severity),
		AssignedTo: kept(s.AssignedTo, last.AssignedTo), URL: kept(s.URL, last.URL),
	}
	if after.Merged || s.Incomplete {
		shown.Name, shown.URL = cmp.Or(shown.Name, last.Name), cmp.Or(shown.URL, last.URL)
		shown.AssignedTo = cmp.Or(shown.AssignedTo, last.AssignedTo)
		if noSeverity(shown.Severity) {
			shown.Severity = cmp.Or(last.Severity, shown.Severity)
		}
	}
	after.Description = shown
}

// noSeverity reports whether a severity says nothing. UnSpecified is Defender XDR's
// word, and unknown is Graph's.
func noSeverity(word string) bool {
	return word == "" || strings.EqualFold(word, "unspecified") || strings.EqualFold(word, "unknown")
}

// sameSeverity ignores case, in which the APIs differ.
func sameSeverity(a, b string) bool {
	return strings.EqualFold(a, b) || noSeverity(a) && noSeverity(b)
}
