// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// claim is what a delivery says about one element.
type claim struct {
	alert  string
	value  value
	step   step
	unsure bool // after a kill: a row may report an alert as removed
}

// player processes one delivery.
type player struct {
	Run
	*subject
	d        Delivery
	killed   bool // a kill may have undone the incident's last delivery
	problems []string
}

func (p *player) wrong(format string, values ...any) {
	p.problems = append(p.problems, fmt.Sprintf("incident %d at %s: ", p.id, p.d.Observed.Format(time.TimeOnly))+fmt.Sprintf(format, values...))
}

func (p *player) take() {
	if p.killed {
		for id, e := range p.elements {
			e.floor = p.floors[id]
		}
		p.unchanged = time.Time{}
	}
	p.at, p.floors = p.d.Observed, map[string]int{}
	for id, e := range p.elements {
		p.floors[id] = e.floor
	}
	own, alerts := p.claims()
	p.checkShown(append(own, alerts...))
	if p.Alerts == Embedded {
		p.accept(append(own, alerts...))
	} else {
		p.accept(own)
		for _, c := range alerts {
			p.accept([]claim{c})
		}
	}
	if p.d.Own == nil {
		return
	}
	switch p.d.Own.Change {
	case "not_found":
		p.follow(gone)
	case "merged":
		p.follow(merged)
	case "snapshot":
		p.checkInterval()
	}
}

// claims lists what the delivery says about the incident's own content and about
// its alerts.
func (p *player) claims() (own, alerts []claim) {
	if p.d.Own != nil {
		own = []claim{{value: p.shownOwn(), step: p.step(*p.d.Own)}}
	}
	for _, a := range p.d.Alerts {
		if p.Alerts != Split {
			p.wrong("alert %s has a record", a.Alert)
		}
		c := claim{alert: a.Alert, value: alertValueOf(a), step: p.step(a)}
		e := p.elements[a.Alert]
		c.unsure = c.value == absent && e != nil && e.last() != nil && e.is(e.last().version, absent) // a repeat
		alerts = append(alerts, c)
	}
	if p.d.Own != nil && p.Alerts == Embedded && p.d.Embedded != nil {
		alerts = append(alerts, p.embedded()...)
	}
	return own, alerts
}

// embedded lists what the incident's own record says about its alerts,
// including those that it no longer has.
func (p *player) embedded() (claims []claim) {
	for id, changed := range p.d.Embedded {
		claims = append(claims, claim{alert: id, value: alertValue(changed), step: step{at: p.d.Observed}})
	}
	known := 0
	for id, e := range p.elements {
		if id == "" || !e.delivers() {
			continue
		}
		known++
		if _, shown := p.d.Embedded[id]; !shown && !p.d.Merged {
			unsure := e.floor < 0 || !e.versions[e.floor].there() || !e.versions[e.last().version].there()
			claims = append(claims, claim{alert: id, value: absent, step: step{at: p.d.Observed}, unsure: unsure})
		}
	}
	if max(known, len(p.d.Embedded)) >= alertsCap || p.d.Partial { // the list may have been cut off
		claims = slices.DeleteFunc(claims, func(c claim) bool { return c.value == absent })
	}
	return claims
}

func (p *player) step(r Record) step {
	s := step{at: p.d.Observed, record: r}
	if r.Alert == "" {
		s.details = p.d.details
	}
	return s
}

// shownOwn is the value of the incident's own content that was delivered.
func (p *player) shownOwn() value {
	if p.d.Own.Change == "not_found" {
		return gone
	}
	return p.ownValue(p.d.Own.Time, p.d.Severity, p.d.Merged)
}

func alertValueOf(r Record) value {
	if r.Change == "removed" {
		return absent
	}
	return alertValue(r.Time)
}

// checkShown requires that one response or row had shown all of it.
func (p *player) checkShown(claims []claim) {
	if p.d.Own != nil && p.d.Own.Change == "not_found" {
		if !slices.ContainsFunc(p.missing, func(at time.Time) bool { return !at.After(p.d.Observed) }) {
			p.wrong("no response said that it is missing")
		}
		return
	}
	for _, s := range slices.Backward(p.shown) {
		if !s.at.After(p.d.Observed) && p.shows(s, claims) {
			return
		}
	}
	p.wrong("nothing has shown this: %s", describe(claims))
}

func (p *player) shows(s showing, claims []claim) bool {
	if s.some != nil {
		return !slices.ContainsFunc(claims, func(c claim) bool { return s.some[c.alert] != c.value })
	}
	if p.Alerts == Embedded && p.d.Own != nil && s.last < 0 {
		return false // the record needs the alerts
	}
	if p.d.Embedded != nil && p.Alerts == Embedded && !p.d.Partial && s.state == s.last && len(p.d.Embedded) != len(p.states[s.state].Alerts) {
		return false
	}
	for _, c := range claims {
		state := p.states[s.state]
		if c.alert == "" && c.value != p.ownValue(state.LastUpdate, state.Severity, state.RedirectID != 0) {
			return false
		}
		if c.alert != "" && (c.value == absent && s.row && !c.unsure || !p.showsAlert(s, c)) {
			return false
		}
	}
	return true
}

// showsAlert reports whether a page of the alerts may have shown the claim.
func (p *player) showsAlert(s showing, c claim) bool {
	for n := s.state; n <= s.last; n++ {
		shown := absent
		if changed, there := times(&p.states[n])[c.alert]; there {
			shown = alertValue(changed)
		}
		if shown == c.value {
			return true
		}
	}
	return false
}

func describe(claims []claim) (all []string) {
	for _, c := range claims {
		all = append(all, fmt.Sprintf("%q %s", c.alert, c.value))
	}
	return all
}

// accept processes what one record says. At least one element must be new,
// unless the record says that it is unchanged.
func (p *player) accept(claims []claim) {
	if len(claims) == 0 {
		return
	}
	isNew, unchanged := false, claims[0].step.record.Change == "snapshot"
	for _, c := range claims {
		e := p.elements[c.alert]
		n := -1
		if e != nil {
			n = e.find(c.value, p.d.Observed)
		}
		switch {
		case n < 0:
			p.wrong("alert %q was never %s", c.alert, c.value)
			continue
		case e.is(e.floor, c.value) && e.is(e.last().version, c.value):
			n = e.floor
			isNew = isNew || p.ByTime && c.alert == "" && strings.Contains(p.d.Fields, `"severity"`)
		case unchanged && !e.is(e.floor, c.value) && (e.last() == nil || !e.is(e.last().version, c.value)):
			p.wrong("alert %q is delivered as unchanged, but was not %s", c.alert, c.value)
		case n < e.floor:
			p.wrong("older after newer: alert %q %s after %s", c.alert, c.value, e.versions[e.floor].value)
		default:
			isNew = true
		}
		if p.killed {
			p.checkRepeat(e, n, c.step)
		}
		c.step.version = n
		e.deliver(c.step)
	}
	if !isNew && !unchanged {
		p.wrong("delivered twice: %s", describe(claims))
	}
}

// checkRepeat requires that a repeat after a kill has the same identity as
// before.
func (p *player) checkRepeat(e *element, n int, again step) {
	first := e.last()
	if p.Renderings || first == nil || first.version != n || first.details != again.details || again.record.Change == "snapshot" {
		return
	}
	if first.record.Change == again.record.Change && first.record.UID != again.record.UID {
		p.wrong("repeated with another identity: alert %q %s", e.alert, e.versions[n].value)
	}
}

// follow processes what the incident's own record says about its alerts.
func (p *player) follow(v value) {
	for id, e := range p.elements {
		if n := e.find(v, p.d.Observed); id != "" && n > e.floor {
			e.deliver(step{version: n, at: p.d.Observed})
		}
	}
}

func (p *player) checkInterval() {
	if !p.unchanged.IsZero() && p.d.Observed.Sub(p.unchanged) < p.Interval-p.Interval/10 || p.Interval == 0 {
		p.wrong("unchanged content after %v", p.d.Observed.Sub(p.unchanged))
	}
	p.unchanged = p.d.Observed
}

// identitySet holds the records by their identity.
type identitySet map[string]identified

type identified struct {
	what string
	at   time.Time
}

// take requires that each record has an identity, and that an earlier record
// has the same identity only if it is the same and the receiver was killed in
// between.
func (known identitySet) take(d Delivery, kills []time.Time) (problems []string) {
	records := d.Alerts
	if d.Own != nil {
		records = append([]Record{*d.Own}, records...)
	}
	for _, r := range records {
		what := r.key() + " " + r.Change
		first, again := known[r.UID]
		repeat := first.what == what && mayRepeat(kills, first.at, d.Observed)
		if again && !repeat || r.UID == "" {
			problems = append(problems, fmt.Sprintf("the same log.record.uid for %s and %s", first.what, what))
		}
		known[r.UID] = identified{what, d.Observed}
	}
	return problems
}
