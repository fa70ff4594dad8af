// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"math"
	"slices"
	"time"
)

const (
	// meanBurst is how many changes a burst has on average.
	meanBurst = 6
	// withinBurst is the mean time between two changes of a burst.
	withinBurst = 10 * time.Second
)

// burst is a series of changes in quick succession: an attack that shows in one
// incident after another, or somebody who tidies up.
type burst struct {
	next  time.Time
	left  int      // changes to come
	alone bool     // all happen to one incident
	of    *tracked // that incident; nil: not chosen yet
	kind  Kind     // of all changes of a burst that goes over several incidents
}

// startBurst begins a burst, whose first change is due at once.
func (s *Sim) startBurst(time.Time) {
	d := s.evolution.dice
	b := &burst{next: s.evolution.next, left: 1, alone: d.chance(0.5), kind: s.cfg.Weights.roll(d)}
	for d.chance(1 - 1.0/meanBurst) {
		b.left++
	}
	s.bursts = append(s.bursts, b)
	s.evolution.advance()
}

// goOn makes the next change of a burst.
func (s *Sim) goOn(b *burst, at time.Time) {
	if !b.alone || b.of == nil || !s.changing(b.of, at) {
		b.of = s.choose(s.youngOne, func(t *tracked) bool { return s.changing(t, at) })
	}
	if b.of != nil {
		kind := b.kind
		if b.alone {
			kind = s.cfg.Weights.roll(s.evolution.dice)
		}
		s.change(b.of, kind, at)
	}
	b.next = b.next.Add(s.evolution.gap(withinBurst))
	b.left--
	if b.left == 0 {
		s.bursts = slices.DeleteFunc(s.bursts, func(o *burst) bool { return o == b })
	}
}

// youngOne draws an incident, newer ones more often: in a population of any
// size, the newest 2 % get 18 % of the draws, the newest tenth 46 % and the
// older half 17 %.
func (s *Sim) youngOne() int64 {
	count := float64(len(s.ids))
	rank := int(count / 50 * (math.Pow(51, s.evolution.dice.Float64()) - 1))
	return s.ids[max(0, len(s.ids)-1-rank)]
}
