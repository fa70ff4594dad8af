// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// passInFlight is how many pages of a pass may be in flight.
	passInFlight = 2
	// passInMemory is how many may be in flight or have arrived.
	passInMemory = 3
)

// passPage is a page of a pass, from when it is planned until it is finished.
type passPage struct {
	counts    bool // it is requested only for the number of alerts
	skip, top int
	due       time.Time
	tries     int // failed ones

	state   pageState
	stale   bool // the pass no longer needs it
	request defender.ListRequest
	sent    time.Time
	page    *defender.Page
	arrived time.Time
}

// pageState is how far a page has come.
type pageState uint8

const (
	planned pageState = iota
	onItsWay
	hasArrived
)

// plan plans the next page of the step, unless one is planned. If the number of rows is not known, or if pages are planned for all of them,
// it waits for the rows of the earlier pages.
func (p *Pass) plan(now time.Time) {
	s := &p.step
	if !p.Underway() || p.next() != nil || s.planned > p.settings.MaxSkip || s.planned >= s.total && p.unfinished() {
		return
	}
	p.queue = append(p.queue, &passPage{skip: s.planned, top: s.width.top, due: now})
	s.planned += s.width.top
}

// next is the page to request next; nil: none is planned.
func (p *Pass) next() *passPage {
	for _, q := range p.queue {
		if q.state == planned {
			return q
		}
	}
	return nil
}

// unfinished reports whether the step has unfinished pages.
func (p *Pass) unfinished() bool {
	return slices.ContainsFunc(p.queue, func(q *passPage) bool { return !q.stale && !q.counts })
}

// abandon gives up all pages of the phase.
func (p *Pass) abandon() {
	p.queue = slices.DeleteFunc(p.queue, func(q *passPage) bool { return q.state == planned })
	for _, q := range p.queue {
		q.stale = true
	}
}

// Due is when to request the next page. Not ok: none may be requested now, because enough are in flight, because the current ones decide
// what follows, or because no pass is under way.
func (p *Pass) Due() (at time.Time, ok bool) {
	next := p.next()
	if next == nil {
		return time.Time{}, false
	}
	var inFlight, inMemory int
	for _, q := range p.queue {
		switch q.state {
		case planned:
		case onItsWay:
			inFlight++
			inMemory++
		case hasArrived:
			inMemory++
		}
	}
	return next.due, inFlight < passInFlight && inMemory < passInMemory
}

// Request is the page to request next, once one is due.
func (p *Pass) Request() defender.ListRequest {
	q := p.next()
	if q == nil {
		return defender.ListRequest{}
	}
	if q.counts {
		return defender.ListRequest{Alerts: true, Count: true, Top: q.top}
	}
	return defender.ListRequest{
		Alerts: p.progress.Phase == PhaseAlerts, CreatedSince: p.step.since, ByCreation: true,
		Count: !p.step.totalRequested && p.first() == q, Top: q.top, Skip: q.skip,
	}
}

// first is the next page to return rows from; nil: there is none.
func (p *Pass) first() *passPage {
	for _, q := range p.queue {
		if !q.stale && !q.counts {
			return q
		}
	}
	return nil
}

// Requested notes that the page was requested.
func (p *Pass) Requested(now time.Time) {
	q := p.next()
	if q == nil {
		return
	}
	q.request = p.Request()
	q.state, q.sent = onItsWay, now
	p.plan(now)
}

// Arrived takes the response to a request. Responses may come in any order.
func (p *Pass) Arrived(request defender.ListRequest, page *defender.Page, at time.Time) {
	for _, q := range p.queue {
		if q.state == onItsWay && q.request == request {
			q.state, q.page, q.arrived = hasArrived, page, at
			break
		}
	}
	p.pull()
}

// pull makes a response the current page, if there is none. Rows are returned in the order of the list. A page without rows for the pass
// does not wait for other responses.
func (p *Pass) pull() {
	if p.taken != nil {
		return
	}
	waits := false
	for _, q := range p.queue {
		if q.state == hasArrived && (!waits || q.stale || q.page.Err != nil) {
			p.taken, p.sent = q, q.sent
			p.currentPage.Arrived(q.page, q.arrived)
			p.currentPage.rows = p.newRows(q)
			return
		}
		waits = waits || !q.stale
	}
}

// newRows are the rows of a page to return: for alerts, those that are in an incident, grouped by incident.
func (p *Pass) newRows(q *passPage) (rows []defender.Row) {
	if q.stale || q.counts || q.page.Partial {
		return nil
	}
	position := map[int64]int{} // of the incident on the page
	for _, row := range q.page.Rows {
		if row.ID == 0 || !p.step.isNew(row) {
			continue
		}
		if _, known := position[row.ID]; !known {
			position[row.ID] = len(position)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b defender.Row) int { return position[a.ID] - position[b.ID] })
	return rows
}

// HasPage reports whether there is a current page.
func (p *Pass) HasPage() bool { return p.currentPage.HasPage() }

// NextRows returns the next row of a page of incidents, or all rows of the next incident on a page of alerts, and when the page arrived.
// It leaves out rows that were returned before. Not ok: there are no more; call TakePage.
func (p *Pass) NextRows() (rows []defender.Row, arrived time.Time, ok bool) {
	first, arrived, ok := p.currentPage.NextRow()
	if !ok {
		return nil, arrived, false
	}
	rows = []defender.Row{first}
	for first.Alert != "" && len(p.currentPage.rows) > 0 && p.currentPage.rows[0].ID == first.ID {
		row, _, _ := p.currentPage.NextRow()
		rows = append(rows, row)
	}
	return rows, arrived, true
}

// TakePage removes and returns the current page and its request, once all its rows were handled. Then call FinishPage, Failed or TooLarge.
func (p *Pass) TakePage() (request defender.ListRequest, page *defender.Page, arrived time.Time) {
	if p.taken != nil {
		request = p.taken.request
	}
	page, arrived = p.currentPage.TakePage()
	return request, page, arrived
}

// Sent is when the current page, or the last one, was requested.
func (p *Pass) Sent() time.Time { return p.sent }

// Ahead is how far the service's clock was ahead of ours when the current page arrived, to the second; negative: behind. It is also zero
// if the page has no date.
func (p *Pass) Ahead() time.Duration { return p.currentPage.Ahead() }
