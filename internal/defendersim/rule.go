// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"time"
)

const (
	// AllIncidents stands for every incident where a fault is set.
	AllIncidents int64 = 0
	// TokenRequests stands for the token endpoint where a fault is set.
	TokenRequests int64 = -1
	// ListRequests stands for the List calls where a fault is set. No other
	// fault strikes those.
	ListRequests int64 = -2
	// AlertRequests stands for the pages of alerts where a fault is set. No
	// other fault strikes those.
	AlertRequests int64 = -3
	// AlertListRequests stands for the calls that list the alerts of all incidents
	// where a fault is set. No other fault strikes those.
	AlertListRequests int64 = -4
)

// Rule says when a fault strikes.
type Rule struct {
	Fault Fault
	// Probability, 0 to 1, of striking a request; 0: always.
	Probability float64
	// Times is how often it strikes before it goes away; 0: without end.
	Times int
	// Every is how long it spares requests after it was set and each time it has
	// struck; 0: not at all.
	Every time.Duration
	// OnSkip spares calls of lists that skip no row: the fault strikes between the
	// pages.
	OnSkip bool
}

// activeRule is a rule at work.
type activeRule struct {
	Rule
	struck int
	rests  time.Time // until then it spares requests
}

// SetFault lets a fault strike requests for one incident, for AllIncidents, for
// TokenRequests, for ListRequests, for AlertRequests or for AlertListRequests, under
// both APIs. It takes the place of the one that was set there before; that of a
// single incident goes before that of all.
func (s *Sim) SetFault(id int64, r Rule) error {
	if _, known := findFault(r.Fault.Name); !known {
		return fmt.Errorf("unknown fault %q", r.Fault.Name)
	}
	if err := r.Fault.Fits(id); err != nil {
		return err
	}
	if id != ListRequests && id != AlertListRequests && r.OnSkip {
		return fmt.Errorf("fault %s: sparing first pages applies to List requests only", r.Fault.Name)
	}
	if !(r.Probability >= 0 && r.Probability <= 1) {
		return fmt.Errorf("fault %s: probability %v is not between 0 and 1", r.Fault.Name, r.Probability)
	}
	if r.Times < 0 {
		return fmt.Errorf("fault %s: %d times is negative", r.Fault.Name, r.Times)
	}
	if r.Every < 0 {
		return fmt.Errorf("fault %s: every %v is negative", r.Fault.Name, r.Every)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules[id] = &activeRule{Rule: r, rests: s.now().Add(r.Every)}
	return nil
}

// ClearFault takes away the fault that was set for one incident, AllIncidents or
// one of the calls.
func (s *Sim) ClearFault(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, id)
}

// ClearFaults takes away all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rules)
}

// target is where a fault is set that strikes a request to an API.
func (x *exchange) target() int64 {
	switch x.endpoint {
	case EndpointList:
		return ListRequests
	case EndpointAlerts:
		return AlertRequests
	case EndpointAlertList:
		return AlertListRequests
	}
	return x.id
}

// strike decides whether a fault strikes a request, and takes it down.
func (s *Sim) strike(x *exchange, id int64) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule, set := s.rules[id]
	where := id
	if !set && id > 0 {
		where = AllIncidents
		rule, set = s.rules[AllIncidents]
	}
	if !set || rule.OnSkip && x.query.skip == 0 {
		return Fault{}, false
	}
	now := s.now()
	if now.Before(rule.rests) {
		return Fault{}, false
	}
	if rule.Probability > 0 && !s.faultDice(id).chance(rule.Probability) {
		return Fault{}, false
	}
	rule.struck++
	rule.rests = now.Add(rule.Every)
	if rule.Times > 0 && rule.struck >= rule.Times {
		delete(s.rules, where)
	}
	s.journal.amend(x.number, func(r *Request) { r.Fault = rule.Fault.String() })
	return rule.Fault, true
}

// faultDice gives each request for an incident a throw of its own, whichever rule
// asks. So how the requests for different incidents interleave has no say in it,
// and of rules one after another each has its own luck.
func (s *Sim) faultDice(id int64) dice {
	s.throws[id]++
	return newDice(s.cfg.Seed, streamFaults, uint64(id)<<24+s.throws[id])
}
