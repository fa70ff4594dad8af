// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Kind is a kind of change that happens to an incident.
type Kind int

// The kinds of change. Those that move alerts between incidents or merge them
// also affect a second, random incident.
const (
	ChangeStatus      Kind = iota // in progress, resolved, reopened
	ChangeAssignment              // assignedTo
	ChangeComment                 // one more comment
	ChangeVerdict                 // classification and determination
	ChangeTags                    // a tag comes or goes
	ChangeName                    // the name is regenerated
	ChangeNewAlert                // one more alert
	ChangeAlert                   // an alert and its incident
	ChangeAlertAlone              // an alert; the incident's lastUpdateTime does not change
	ChangeAlertLeaves             // an alert moves to another incident
	ChangeMerge                   // merged into another incident
	changeKinds       = iota
)

// Weights sets how often each [Kind] of change comes, relative to the others:
//
//	defendersim.Weights{defendersim.ChangeMerge: 1, defendersim.ChangeAlertAlone: 9}
type Weights [changeKinds]float64

// DefaultWeights favors changes of alerts and makes mergers rare.
func DefaultWeights() Weights {
	return Weights{
		ChangeStatus:      18,
		ChangeAssignment:  8,
		ChangeComment:     8,
		ChangeVerdict:     8,
		ChangeTags:        6,
		ChangeName:        4,
		ChangeNewAlert:    14,
		ChangeAlert:       10,
		ChangeAlertAlone:  18,
		ChangeAlertLeaves: 2,
		ChangeMerge:       4,
	}
}

// WithShares gives kinds of change the given shares of all changes, 0 to 1. The
// others share the rest in their previous proportions.
func (w Weights) WithShares(shares map[Kind]float64) (Weights, error) {
	left, others := 1.0, 0.0
	for k, weight := range w {
		share, given := shares[Kind(k)]
		switch {
		case !given:
			others += weight
		case !(share >= 0 && share <= 1):
			return w, fmt.Errorf("share of %v: %v is not between 0 and 1", Kind(k), share)
		default:
			left -= share
		}
	}
	const rounding = 1e-9
	if left < -rounding {
		return w, errors.New("shares of changes: they add up to more than 1")
	}
	if left > rounding && others == 0 {
		return w, errors.New("shares of changes: they add up to less than 1, and there is no other kind of change")
	}
	for k := range w {
		if share, given := shares[Kind(k)]; given {
			w[k] = share
		} else if others > 0 {
			w[k] *= max(0, left) / others
		}
	}
	return w, nil
}

// kindNames are the names that ParseKind reads, in the order of the kinds.
func kindNames() [changeKinds]string {
	return [...]string{
		ChangeStatus: "status", ChangeAssignment: "assignment", ChangeComment: "comment",
		ChangeVerdict: "verdict", ChangeTags: "tags", ChangeName: "name",
		ChangeNewAlert: "new-alert", ChangeAlert: "alert", ChangeAlertAlone: "alert-alone",
		ChangeAlertLeaves: "alert-leaves", ChangeMerge: "merge",
	}
}

func (k Kind) String() string {
	if k < 0 || k >= changeKinds {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames()[k]
}

// ParseKind reads the name of a kind of change, such as "alert-alone".
func ParseKind(name string) (Kind, error) {
	for k, known := range kindNames() {
		if name == known {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of change %q: one of %v", name, kindNames())
}

func (w Weights) total() float64 {
	sum := 0.0
	for _, weight := range w {
		sum += weight
	}
	return sum
}

func (w Weights) check() error {
	for k, weight := range w {
		if !(weight >= 0) || math.IsInf(weight, 0) {
			return fmt.Errorf("weight of %v: %v is not a number of 0 or more", Kind(k), weight)
		}
	}
	if w.total() == 0 {
		return errors.New("weights: all are 0")
	}
	return nil
}

// roll draws a kind according to the weights.
func (w Weights) roll(d dice) Kind {
	at := d.Float64() * w.total()
	last := Kind(0)
	for k, weight := range w {
		if weight == 0 {
			continue
		}
		last = Kind(k)
		if at < weight {
			return last
		}
		at -= weight
	}
	return last // only rounding leads here
}

// process is a stream of spontaneous events: exponentially distributed gaps
// make it a Poisson process.
type process struct {
	dice    dice
	between time.Duration // mean time between two events; 0: there are none
	next    time.Time
}

// newProcess starts a stream of chance of the given kind.
func newProcess(c Config, stream uint64, perHour float64) process {
	p := process{dice: newDice(c.Seed, stream, 0), next: c.Start}
	if perHour > 0 {
		p.between = time.Duration(float64(time.Hour) / perHour)
		p.advance()
	}
	return p
}

// advance draws when the next event comes.
func (p *process) advance() { p.next = p.next.Add(p.gap(p.between)) }

func (p *process) gap(mean time.Duration) time.Duration {
	return time.Duration(p.dice.ExpFloat64() * float64(mean))
}

// evolve applies everything that has happened up to now, in order. The caller
// holds the mutex.
func (s *Sim) evolve(now time.Time) {
	for {
		at, happen := s.upcoming()
		if happen == nil || at.After(now) {
			break
		}
		happen(s.stamp(at))
	}
	for _, l := range s.lists() {
		l.catchUp(now)
	}
}

// upcoming returns the next spontaneous event, and when it happens; nil:
// there is none.
func (s *Sim) upcoming() (at time.Time, happen func(at time.Time)) {
	consider := func(when time.Time, what func(at time.Time)) {
		if happen == nil || when.Before(at) {
			at, happen = when, what
		}
	}
	if s.evolution.between > 0 && s.cfg.Bursty {
		consider(s.evolution.next, s.startBurst)
	} else if s.evolution.between > 0 {
		consider(s.evolution.next, s.changeOne)
	}
	for _, b := range s.bursts {
		consider(b.next, func(at time.Time) { s.goOn(b, at) })
	}
	if s.arrivals.between > 0 {
		consider(s.arrivals.next, func(at time.Time) {
			s.appear(at)
			s.arrivals.advance()
		})
	}
	if s.cfg.CloseHourly > 0 {
		consider(s.closings.next, s.closeSome)
	}
	return at, happen
}

// changeOne changes any incident.
func (s *Sim) changeOne(at time.Time) {
	if t := s.chooseChanging(at); t != nil {
		s.change(t, s.cfg.Weights.roll(s.evolution.dice), at)
	}
	s.evolution.advance()
}

// chooseChanging picks an incident that can still change; nil if it finds none.
func (s *Sim) chooseChanging(at time.Time) *tracked {
	return s.choose(s.anyOf, func(t *tracked) bool { return s.changing(t, at) })
}

// changing reports whether an incident can still change by itself.
func (s *Sim) changing(t *tracked, at time.Time) bool {
	i := &t.incident
	quiet := s.cfg.QuietAfter > 0 && i.Status == StatusResolved && at.Sub(i.LastUpdate) > s.cfg.QuietAfter
	return t.live() && !quiet
}

// choose draws incidents until one fits. It draws often enough to find one if
// one in a few dozen does.
func (s *Sim) choose(draw func() int64, fits func(*tracked) bool) *tracked {
	if len(s.ids) == 0 {
		return nil
	}
	for range 200 {
		if t := s.incidents[draw()]; fits(t) {
			return t
		}
	}
	return nil
}

// anyOf draws any incident.
func (s *Sim) anyOf() int64 { return pick(s.evolution.dice, s.ids) }
