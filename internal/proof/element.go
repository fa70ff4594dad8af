// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// value is what an element, an incident's own content or one of its alerts, was
// for a while: the time at which the content changed, or one of these.
type value string

const (
	absent value = "absent" // an alert that is not in the incident
	gone   value = "gone"   // the API has no such incident
	merged value = "merged" // of an alert: its incident was merged into another
)

// ownValue is the value of an incident's own content. The severity is part of
// it, unless only times count.
func (r Run) ownValue(at time.Time, severity string, redirected bool) value {
	text := at.UTC().Format(time.RFC3339Nano)
	switch {
	case redirected:
		return value("merged " + text)
	case r.ByTime:
		return value(text)
	}
	if strings.EqualFold(severity, defendersim.SeverityUnspecified) {
		severity = "unknown" // in Graph's words
	}
	return value(text + " " + strings.ToLower(severity))
}

func alertValue(at time.Time) value { return value(at.UTC().Format(time.RFC3339Nano)) }

// version is a value of an element for some time.
type version struct {
	value
	from time.Time
}

// element is an incident's own content or one of its alerts: its versions, and
// how far they were delivered. Indices of versions are -1 if there is none.
type element struct {
	alert    string // empty: the incident's own content
	versions []version

	floor     int // the last version whose delivery was certainly stored
	delivered []step
}

// step is the delivery of a version.
type step struct {
	version int
	at      time.Time
	record  Record // zero: another record implies it
	details string
}

// elementsOf lists the elements of an incident, its own content first.
func (r Run) elementsOf(states []defendersim.State) map[string]*element {
	all := map[string]*element{"": {floor: -1}}
	for _, s := range states {
		for _, a := range s.Alerts {
			if all[a.ID] == nil {
				all[a.ID] = &element{alert: a.ID, floor: -1}
			}
		}
	}
	for _, s := range states {
		at := times(&s)
		for id, e := range all {
			v := absent
			changed, there := at[id]
			switch {
			case s.Removed:
				v = gone
			case id == "":
				v = r.ownValue(s.LastUpdate, s.Severity, s.RedirectID != 0)
			case s.RedirectID != 0:
				v = merged
			case there:
				v = alertValue(changed)
			}
			e.extend(v, s.From)
		}
	}
	return all
}

func (e *element) extend(v value, from time.Time) {
	n := len(e.versions)
	if n == 0 && e.alert != "" && !v.there() || n > 0 && e.versions[n-1].value == v {
		return
	}
	e.versions = append(e.versions, version{v, from})
}

// there reports whether the element was shown, rather than missing.
func (v value) there() bool { return v != absent && v != gone && v != merged }

// delivers reports whether the element exists according to the last delivery,
// or the one before if a kill may have undone the last.
func (e *element) delivers() bool {
	last := e.last()
	return last != nil && e.versions[last.version].there() || e.floor >= 0 && e.versions[e.floor].there()
}

// last is the last delivery; nil: there was none.
func (e *element) last() *step {
	if len(e.delivered) == 0 {
		return nil
	}
	return &e.delivered[len(e.delivered)-1]
}

// is reports whether a version has the given value.
func (e *element) is(n int, v value) bool { return n >= 0 && e.versions[n].value == v }

// find returns the last version with a value that existed by then; -1: there is
// none.
func (e *element) find(v value, by time.Time) int {
	for n := len(e.versions) - 1; n >= 0; n-- {
		if e.versions[n].value == v && !e.versions[n].from.After(by) {
			return n
		}
	}
	return -1
}

// deliver notes a delivery.
func (e *element) deliver(s step) {
	e.floor = s.version
	e.delivered = append(e.delivered, s)
}
