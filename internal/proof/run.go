package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// The values of Run.Alerts.
const (
	Split    = "split"
	Embedded = "embedded"
	None     = "none"
)

// Run is what a receiver delivered, whichever responses showed it: those to
// Gets, or rows of lists. It may have been started several times with the same
// storage. The simulator must not have forgotten anything.
type Run struct {
	Sim        *defendersim.Sim
	Deliveries []Delivery // in order
	// Alerts is the setting alerts: Split, Embedded or None.
	Alerts string
	// Interval is collection_interval with emit: snapshots, 0 with emit: changes.
	Interval time.Duration
	// Kills are the moments when the receiver was killed. It was started again
	// later than that.
	Kills []time.Time
	// Renderings: lists render content differently from Get, and so the same
	// change may have another identity after a kill.
	Renderings bool
	// ByTime: a change of severity that moves no time need not be delivered, and may
	// be delivered with another change and once more by itself. Where lists show
	// incidents, nobody can tell it from another rendering.
	ByTime bool
}

// Problems returns what is wrong with the deliveries; nothing, if every one of
// these is so:
//
//   - What is delivered was shown before, all of one delivery by the same
//     response or row. That an alert has left was shown by a Get.
//   - The incident's own content and each alert never go back to an older
//     version.
//   - No version is delivered twice. With an interval, unchanged content may be
//     delivered as such, as it was delivered last, at most once per incident and
//     interval, less a tenth.
//   - An identity stands for one record.
//
// A kill may take back the last delivery of each incident, if that was observed
// within the minute before: it may be repeated, and then with the same identity.
func (r Run) Problems() []string {
	_, problems := r.play()
	return problems
}

// play takes in all deliveries.
func (r Run) play() (map[int64]*subject, []string) {
	var problems []string
	subjects := r.subjects()
	uids := identitySet{}
	for _, d := range r.Deliveries {
		s := subjects[d.Incident]
		if s == nil {
			problems = append(problems, fmt.Sprintf("incident %d: there is no such incident", d.Incident))
			continue
		}
		p := player{Run: r, subject: s, d: d, killed: mayRepeat(r.Kills, s.at, d.Observed)}
		p.take()
		problems = append(problems, p.problems...)
		problems = append(problems, uids.take(d, r.Kills)...)
	}
	return subjects, problems
}

// mayRepeat reports whether a kill may have taken back a delivery before one that
// was observed later.
func mayRepeat(kills []time.Time, before, later time.Time) bool {
	const stored = time.Minute
	return !before.IsZero() && slices.ContainsFunc(kills, func(k time.Time) bool {
		return !k.Before(before) && k.Sub(before) < stored && k.Before(later)
	})
}

// subject is an incident: what it was, what was shown of it, and what was
// delivered.
type subject struct {
	id       int64
	states   []defendersim.State
	shown    []showing
	get      int         // the state that the last Get showed
	missing  []time.Time // when a Get was answered that there is no such incident
	elements map[string]*element

	at        time.Time      // of the last delivery
	floors    map[string]int // of the elements before that
	unchanged time.Time      // when unchanged content was delivered last; zero: nobody knows
}

// showing is a state of an incident that a response or a row showed.
type showing struct {
	at    time.Time
	state int
	// last is the state that the last page of the alerts was of; -1: there are
	// no alerts.
	last int
	row  bool
}

func (r Run) subjects() map[int64]*subject {
	all := map[int64]*subject{}
	for _, id := range r.Sim.IDs() {
		states, _ := r.Sim.History(id)
		all[id] = &subject{id: id, states: states, elements: r.elementsOf(states)}
	}
	for _, request := range r.Sim.Journal() {
		if s := all[request.ID]; s != nil {
			s.note(request)
		}
		for _, row := range request.Rows {
			if row.State < 0 {
				continue
			}
			seen := showing{request.Served, row.State, row.State, true}
			if request.API == defendersim.APIGraph { // whose rows are without alerts
				seen.last = -1
			}
			all[row.ID].shown = append(all[row.ID].shown, seen)
		}
	}
	return all
}

// note takes in what a request about the incident was answered.
func (s *subject) note(r defendersim.Request) {
	switch {
	case notFound(r):
		s.missing = append(s.missing, r.Time)
	case showsOwn(r):
		s.get = r.Shown
		s.shown = append(s.shown, showing{at: r.Served, state: r.Shown, last: r.State})
	case r.Endpoint == defendersim.EndpointAlerts && r.Shown >= 0:
		s.shown = append(s.shown, showing{at: r.Served, state: s.get, last: r.Shown})
	}
}

// claim is what a delivery says about one element.
type claim struct {
	alert  string
	value  value
	step   step
	unsure bool // after a kill: a row may say so of an alert that is not there
}

// player takes in one delivery.
type player struct {
	Run
	*subject
	d        Delivery
	killed   bool // a kill may have taken back the incident's last delivery
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

// embedded lists what the incident's own record says about its alerts, those
// included that it does not have any more.
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

// checkShown requires that a response or a row had shown all of that at once.
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

// accept takes in what one record says. At least one element has to be new,
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

// checkRepeat requires that what is delivered again after a kill has the
// identity that it had.
func (p *player) checkRepeat(e *element, n int, again step) {
	first := e.last()
	if p.Renderings || first == nil || first.version != n || first.details != again.details || again.record.Change == "snapshot" {
		return
	}
	if first.record.Change == again.record.Change && first.record.UID != again.record.UID {
		p.wrong("repeated with another identity: alert %q %s", e.alert, e.versions[n].value)
	}
}

// follow takes in what the incident's own record says about its alerts.
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

// identitySet has the records by their identity.
type identitySet map[string]identified

type identified struct {
	what string
	at   time.Time
}

// take requires that each record has an identity, which an earlier one has only
// if it is the same and the receiver was killed in between.
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

// Late lists what was not delivered within the given time. Every version of the
// incidents' own content and of their alerts that stood at the given moment or
// came about later has to be delivered by then, or one that superseded it. An
// alert that leaves within that time need not be delivered at all.
func (r Run) Late(ids []int64, since time.Time, within time.Duration) (late []string) {
	now := time.Now()
	subjects, _ := r.play()
	for _, id := range ids {
		s := subjects[id]
		for _, alert := range slices.Sorted(maps.Keys(s.elements)) {
			if alert != "" && (r.Alerts == None || s.cutOff()) {
				continue
			}
			e := s.elements[alert]
			for n, v := range e.versions {
				if n+1 < len(e.versions) && !e.versions[n+1].from.After(since) {
					continue
				}
				begin := v.from
				if begin.Before(since) {
					begin = since
				}
				if !e.settled(n, begin, within, now) {
					late = append(late, fmt.Sprintf("incident %d alert %q: %s was not delivered within %v of %s", id, alert, v.value, within, begin.Format(time.TimeOnly)))
				}
			}
		}
	}
	return late
}

// cutOff reports whether a list of the incident's alerts may have been cut off,
// so that nobody can tell which have left.
func (s *subject) cutOff() bool {
	return slices.ContainsFunc(s.states, func(s defendersim.State) bool { return len(s.Alerts) >= alertsCap })
}

// settled reports whether a version, or one that superseded it, was delivered
// within the given time, or need not be delivered, or not yet.
func (e *element) settled(n int, begin time.Time, within time.Duration, now time.Time) bool {
	v := e.versions[n].value
	if v == merged || v == gone && e.alert != "" {
		return true // the incident's own record says so
	}
	if v == absent { // which only matters once it was delivered that it is there
		before := slices.IndexFunc(e.delivered, func(s step) bool { return s.version < n })
		if before < 0 {
			return true
		}
		for _, s := range e.delivered {
			if s.version < n && s.at.After(begin) {
				begin = s.at
			}
		}
	}
	deadline := begin.Add(within)
	if deadline.After(now) {
		return true
	}
	reached, last := -1, -1
	for _, s := range e.delivered {
		if !s.at.After(deadline) {
			reached, last = max(reached, s.version), s.version
		}
	}
	if reached >= n {
		return true
	}
	for k := n; k < len(e.versions) && !e.versions[k].from.After(deadline); k++ {
		if e.is(last, e.versions[k].value) || e.alert != "" && k > n && !e.versions[k].there() {
			return true
		}
	}
	return false
}

// Silent lists the incidents, neither merged nor missing, of which nothing was
// delivered for longer than the given time since the given moment, as emit:
// snapshots must not be.
func (r Run) Silent(ids []int64, since time.Time, longest time.Duration) (silent []string) {
	last := map[int64]time.Time{}
	for _, id := range ids {
		last[id] = since
	}
	note := func(id int64, at time.Time) {
		if before, asked := last[id]; asked && at.Sub(before) > longest {
			silent = append(silent, fmt.Sprintf("incident %d: nothing for %v", id, at.Sub(before)))
		}
	}
	for _, d := range r.Deliveries {
		if d.Own == nil || d.Observed.Before(since) {
			continue
		}
		note(d.Incident, d.Observed)
		last[d.Incident] = d.Observed
	}
	for _, id := range ids {
		states, _ := r.Sim.History(id)
		if now := states[len(states)-1]; !now.Removed && now.RedirectID == 0 {
			note(id, time.Now())
		}
	}
	return silent
}
