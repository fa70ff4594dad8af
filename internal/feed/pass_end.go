// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// finish returns the page that was taken, and its place in the queue. Not ok: the page is no longer needed.
func (p *Pass) finish() (q *passPage, place int, ok bool) {
	q, p.taken = p.taken, nil
	place = slices.Index(p.queue, q)
	if place < 0 {
		return q, place, false
	}
	if q.stale {
		p.queue = slices.Delete(p.queue, place, place+1)
		return q, place, false
	}
	return q, place, true
}

// goOn plans the next page, and makes one that has arrived the current page.
func (p *Pass) goOn(now time.Time) {
	p.plan(now)
	p.pull()
}

func (q *passPage) requestAgain(due time.Time) { q.state, q.page, q.due = planned, nil, due }

// FinishPage continues after a page whose rows were all handled. The result says how the phase has ended, if it has. Then Underway reports
// whether another one follows.
func (p *Pass) FinishPage(page *defender.Page, now time.Time) Ending {
	q, place, ok := p.finish()
	defer p.goOn(now)
	if !ok {
		return Ongoing
	}
	p.countPage(page)
	if q.counts {
		p.queue = slices.Delete(p.queue, place, place+1)
		if total, known := totalOf(page); known {
			p.alertTotal = total
		}
		return Ongoing
	}
	if page.Partial {
		return p.retry(q, NotShown, now)
	}
	if p.progress.Phase == PhaseCount {
		p.count(page)
	}
	if q.request.Count {
		p.step.count(page)
		if p.alertsOnly && p.expected == 0 && p.step.totalKnown {
			p.expected = p.settings.requests(p.step.total, p.settings.MaxAlertTop)
		}
	}
	ordered := p.step.note(page)
	rows := rowsOf(page)
	if rows == 0 && p.expectsMore(page) && p.last(q) { // the count may be newer than the page
		return p.retry(q, NotShown, now)
	}
	p.current.rows += rows
	p.step.width.fits(q.skip+rows, page.Size)
	p.queue = slices.Replace(p.queue, place, place+1, p.missing(q, page, now)...)
	if !ordered || p.step.barren > maxBarren {
		return p.endPhase(Disordered, now)
	}
	p.progress.Since = p.step.last
	return p.proceed(leadsOn(page), now)
}

// countPage counts a page that succeeded or was too large. The API responds to such requests, so earlier 429s no longer count.
func (p *Pass) countPage(page *defender.Page) {
	p.throttled = 0
	for _, t := range []*tally{&p.current, &p.total} {
		t.pages++
		t.bytes += page.Size
	}
}

// expectsMore reports whether the list has rows after those that the step has read, despite an empty page.
func (p *Pass) expectsMore(page *defender.Page) bool {
	return leadsOn(page) || p.step.totalKnown && !p.step.complete()
}

// last reports whether this is the only unfinished page of the step.
func (p *Pass) last(q *passPage) bool {
	return !slices.ContainsFunc(p.queue, func(other *passPage) bool { return other != q && !other.stale && !other.counts })
}

// missing is a page with the rows that a short page lacks. If none is planned after it, the next one begins there.
func (p *Pass) missing(q *passPage, page *defender.Page, now time.Time) []*passPage {
	rows := rowsOf(page)
	if rows == 0 || rows >= q.top {
		return nil
	}
	if end := q.skip + q.top; end < p.step.planned {
		return p.subpage(q.skip+rows, q.top-rows, now)
	}
	p.step.planned = q.skip + rows
	return nil
}

// subpage is a part of a page as a page of its own, if $skip reaches it. Otherwise the next step has its rows.
func (p *Pass) subpage(skip, top int, now time.Time) []*passPage {
	if skip > p.settings.MaxSkip {
		return nil
	}
	return []*passPage{{skip: skip, top: top, due: now}}
}

// proceed goes on to the next page or step, or ends the phase. leadsOn: the last page links to a next one, or did not arrive.
func (p *Pass) proceed(leadsOn bool, now time.Time) Ending {
	s := &p.step
	switch {
	case s.complete():
		return p.endPhase(AllRead, now)
	case p.current.pages >= maxPages:
		return p.endPhase(NotShown, now)
	case p.unfinished():
		return Ongoing
	case !s.totalKnown && !leadsOn:
		return p.endPhase(AllRead, now)
	case s.planned <= p.settings.MaxSkip:
		return Ongoing
	}
	next, ok := s.next()
	if !ok {
		return p.endPhase(NotShown, now)
	}
	p.step = next
	return Ongoing
}

// endPhase ends the phase, and begins the next one or ends the pass.
func (p *Pass) endPhase(how Ending, now time.Time) Ending {
	if p.progress.Phase == PhaseAlerts {
		if how == AllRead {
			p.progress.AlertsShown = p.progress.AlertsFrom
		}
		p.Stop()
		return how
	}
	p.progress.IncidentsRead = how == AllRead
	if p.noAlerts {
		p.Stop()
		return how
	}
	p.abandon()
	p.progress.Phase, p.progress.Since, p.progress.AlertsFrom = PhaseAlerts, time.Time{}, now.Round(0)
	p.enter(time.Time{}, max(0, p.alertTotal), now)
	return how
}

// Failed notes that the page failed, which may end the phase or the pass.
func (p *Pass) Failed(failure defender.Kind, now time.Time) Ending {
	q, place, ok := p.finish()
	defer p.goOn(now)
	if !ok {
		return Ongoing
	}
	switch {
	case failure == defender.Throttled: // its quota waits
		q.requestAgain(now)
		if !q.sent.Before(p.throttledAt) {
			p.throttled++
			p.throttledAt = now
		}
		if p.throttled >= maxThrottled {
			p.Stop()
			return PageFailed
		}
		return Ongoing
	case failure == defender.NoToken: // nothing was requested
		q.requestAgain(now)
		return Ongoing
	case failure == defender.Rejected, q.request.Alerts && failure == defender.Forbidden:
		if q.counts {
			p.queue = slices.Delete(p.queue, place, place+1)
			p.noAlerts = true
			return Refused
		}
		return p.endPhase(Refused, now)
	}
	return p.retry(q, PageFailed, now)
}

// retry schedules the page to be requested again. If it has failed too often, the phase ends, or the pass if it is PageFailed.
func (p *Pass) retry(q *passPage, how Ending, now time.Time) Ending {
	if q.tries++; q.tries < maxTries {
		q.requestAgain(now.Add(firstRetry << (q.tries - 1)))
		return Ongoing
	}
	if how == PageFailed {
		p.Stop()
		return how
	}
	return p.endPhase(how, now)
}

// TooLarge notes that the page exceeds the size limit for responses. Its rows are requested in two halves; a single row is left out. A list
// with too many such rows is not worth its requests.
func (p *Pass) TooLarge(page *defender.Page, now time.Time) Ending {
	q, place, ok := p.finish()
	defer p.goOn(now)
	if !ok {
		return Ongoing
	}
	p.countPage(page)
	if q.counts {
		p.queue = slices.Delete(p.queue, place, place+1)
		return Ongoing
	}
	if !p.step.width.tooLarge(q.skip, q.top) {
		half := q.top / 2
		p.queue = slices.Replace(p.queue, place, place+1, append(p.subpage(q.skip, half, now), p.subpage(q.skip+half, q.top-half, now)...)...)
		return p.proceed(true, now)
	}
	p.queue = slices.Delete(p.queue, place, place+1)
	p.step.read++
	if p.current.large++; p.current.large > judgedAfter && p.current.rows < worthwhile*p.current.large {
		return p.endPhase(NotWorth, now)
	}
	return p.proceed(true, now)
}
