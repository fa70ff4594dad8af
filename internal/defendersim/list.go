package defendersim

import "net/http"

// listIncidents answers GET /api/incidents. As with Get, the limits come first;
// they are List's own, since the service counts by endpoint.
func (s *Sim) listIncidents(x *exchange) {
	if refused := s.spend(x); refused != nil {
		x.throttle(s.cfg.ThrottleForm, *refused)
		return
	}
	if x.r.Method != http.MethodGet {
		x.methodNotAllowed(http.MethodGet)
		return
	}
	if !s.authorize(x) {
		return
	}
	q, wrong := parseQuery(x.r.URL.RawQuery)
	if wrong != "" {
		x.fail(http.StatusBadRequest, "BadRequest", wrong)
		return
	}
	x.query = q
	if fault, struck := s.strike(x, ListRequests); struck && fault.answer(x) {
		return
	}
	x.sendRegular(jsonType)
}

// page finds the rows that a query asks for as things stand now. Each page is
// found anew: what changes between two pages moves to the top, and rows that
// were on the first one are on the second one again.
func (x *exchange) page(q query) page {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := page{at: s.now(), next: -1}
	s.evolve(p.at)
	more := false
	if p.rows, more = s.listing.page(q); more {
		p.next = q.skip + len(p.rows)
	}
	return p
}
