// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"cmp"
	"strings"
)

// Description is what records say about an incident that their observation does not
// show, because it is gone or because only one of its alerts has changed. A value that
// the API did not provide is empty. The zero Description means that none is known.
type Description struct {
	Name       string `json:"name,omitzero"`
	Severity   string `json:"severity,omitzero"`
	AssignedTo string `json:"assigned_to,omitzero"`
	URL        string `json:"url,omitzero"`
}

// maxDescribed is how many bytes of a text a state keeps. The API's own texts are
// shorter. A state must not grow with what somebody writes into an incident.
const maxDescribed = 256

// kept returns a copy of the text, as a state keeps it. The text in a snapshot is part
// of the response, and a state must not keep the whole response in memory. last is the
// text that the state already has.
func kept(text, last string) string {
	if text = Cut(text, maxDescribed); text == last {
		return last
	}
	return strings.Clone(text)
}

// describe takes the description from the snapshot. last is the previous one.
//
// For a merged incident, the API shows little, or nothing if it shows the
// successor instead. Values that it does not show stay as they were. The same
// holds for an incomplete snapshot.
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

// noSeverity reports whether a severity means that there is none: UnSpecified under
// Defender XDR, unknown under Graph.
func noSeverity(word string) bool {
	return word == "" || strings.EqualFold(word, "unspecified") || strings.EqualFold(word, "unknown")
}

// sameSeverity ignores case, which differs between the APIs.
func sameSeverity(a, b string) bool {
	return strings.EqualFold(a, b) || noSeverity(a) && noSeverity(b)
}
