// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"time"
)

const (
	// AllIncidents sets a fault for every incident.
	AllIncidents int64 = 0
	// TokenRequests sets a fault for the token endpoint.
	TokenRequests int64 = -1
	// ListRequests sets a fault for the List calls. No other fault
	// applies to those.
	ListRequests int64 = -2
	// AlertRequests sets a fault for the pages of alerts. No other fault
	// applies to those.
	AlertRequests int64 = -3
	// AlertListRequests sets a fault for the calls that list the alerts of all
	// incidents. No other fault applies to those.
	AlertListRequests int64 = -4
)

// Rule determines when a fault applies.
type Rule struct {
	Fault Fault
	// Probability, 0 to 1, of applying to a request; 0: always.
	Probability float64
	// Times is how often it applies before it is removed; 0: without end.
	Times int
	// Every is how long it skips requests after it was set and each time it has
	// applied; 0: not at all.
	Every time.Duration
	// OnSkip skips calls of lists that skip no row: the fault applies
	// between the pages.
	OnSkip bool
}

// activeRule is a rule in use.
type activeRule struct {
	Rule
	struck int
	rests  time.Time // until then it skips requests
}

// SetFault applies a fault to requests for one incident, for AllIncidents, for
// TokenRequests, for ListRequests, for AlertRequests or for AlertListRequests,
// under both APIs. It replaces the previous one there; a fault of a single
// incident precedes that of all.
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

// ClearFault removes the fault of one incident, AllIncidents or one
// of the calls.
func (s *Sim) ClearFault(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, id)
}

// ClearFaults removes all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rules)
}

// target is the place of faults for a request to an API.
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

// strike decides whether a fault applies to a request, and records it.
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

// faultDice gives each request for an incident a random number of its own, for
// any rule. So the interleaving of requests for different incidents has no
// influence, and consecutive rules are independent.
func (s *Sim) faultDice(id int64) dice {
	s.throws[id]++
	return newDice(s.cfg.Seed, streamFaults, uint64(id)<<24+s.throws[id])
}
