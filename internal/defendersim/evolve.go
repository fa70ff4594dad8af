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
// touch a second incident, which chance picks.
const (
	ChangeStatus      Kind = iota // in progress, resolved, reopened
	ChangeAssignment              // assignedTo
	ChangeComment                 // a comment more
	ChangeVerdict                 // classification and determination
	ChangeTags                    // a tag comes or goes
	ChangeName                    // the name is regenerated
	ChangeNewAlert                // an alert more
	ChangeAlert                   // an alert and its incident
	ChangeAlertAlone              // an alert; the incident's lastUpdateTime stands still
	ChangeAlertLeaves             // an alert moves to another incident
	ChangeMerge                   // merged into another incident
	changeKinds       = iota
)

// Weights says how often each [Kind] of change comes, relative to the others:
//
//	defendersim.Weights{defendersim.ChangeMerge: 1, defendersim.ChangeAlertAlone: 9}
type Weights [changeKinds]float64

// DefaultWeights favours what goes on in alerts and leaves mergers rare.
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
			return fmt.Errorf("weight of %v: %v is not a number from 0 up", Kind(k), weight)
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

// evolution is the stream of changes that happen by themselves.
type evolution struct {
	dice    dice
	between time.Duration // mean time between two changes; 0: there are none
	next    time.Time
}

func newEvolution(c Config) evolution {
	e := evolution{dice: newDice(c.Seed, streamEvolution, 0), next: c.Start}
	if c.ChangesPerHour > 0 {
		e.between = time.Duration(float64(time.Hour) / c.ChangesPerHour)
		e.advance()
	}
	return e
}

// advance draws when the next change comes: exponentially distributed gaps
// make a Poisson process.
func (e *evolution) advance() {
	e.next = e.next.Add(time.Duration(e.dice.ExpFloat64() * float64(e.between)))
}

// evolve applies whatever has happened up to now. The caller holds the mutex.
func (s *Sim) evolve(now time.Time) {
	defer s.listing.catchUp(now)
	if s.evolution.between == 0 {
		return
	}
	for ; !s.evolution.next.After(now); s.evolution.advance() {
		at := tick(s.evolution.next)
		if t := s.chooseChanging(at); t != nil {
			s.change(t, s.cfg.Weights.roll(s.evolution.dice), at)
		}
	}
}

// chooseChanging picks an incident that can still change, nil if it finds none.
func (s *Sim) chooseChanging(at time.Time) *tracked {
	return s.choose(func(t *tracked) bool {
		i := &t.incident
		quiet := s.cfg.QuietAfter > 0 && i.Status == StatusResolved && at.Sub(i.LastUpdate) > s.cfg.QuietAfter
		return t.live() && !quiet
	})
}

// choose picks an incident that fits, trying often enough to find one where
// one in a few dozen does.
func (s *Sim) choose(fits func(*tracked) bool) *tracked {
	if len(s.ids) == 0 {
		return nil
	}
	for range 200 {
		if t := s.incidents[pick(s.evolution.dice, s.ids)]; fits(t) {
			return t
		}
	}
	return nil
}
