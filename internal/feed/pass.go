// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// Phase is what a pass is doing. It is stored.
type Phase = string

// The phases, in their order.
const (
	PhaseNone      Phase = ""          // no pass has begun
	PhaseCount     Phase = "count"     // the first incidents, and how many rows each list has
	PhaseIncidents Phase = "incidents" // the other incidents
	PhaseAlerts    Phase = "alerts"    // all alerts
	PhaseDone      Phase = "done"      // the pass has ended or was stopped
)

// PassSettings are the settings of a Pass.
type PassSettings struct {
	MaxTop      int  // the largest page of incidents, in rows
	MaxAlertTop int  // the largest page of alerts, in rows
	MaxSkip     int  // the most rows that may precede a page; 0: none, so each step has one page
	Alerts      bool // whether to read the list of alerts, too
}

// PassProgress is how far a pass has come. The next run continues from there.
type PassProgress struct {
	Phase Phase
	// Since is the creation time of the last row that the current phase has shown; zero: it has shown none.
	Since time.Time
	// IncidentsRead: the last pass has read the list of incidents to its end. It has shown all rows except those that were too large.
	IncidentsRead bool
	// AlertsFrom is when the current pass began to read the list of alerts; zero: it has not.
	AlertsFrom time.Time
	// AlertsShown is when the last pass that read the list of alerts to its end began to read it; zero: there was none. That pass has shown all
	// alerts except those that were too large. A later pass that reads no alerts, or not all, does not change it.
	AlertsShown time.Time
}

// Pass reads the lists of incidents and of alerts once, from the oldest row to the newest by creation, and returns the current page row by
// row. It belongs to one goroutine. NewPass makes one.
//
// It is for Graph, which supports no order except by creation (measured by others). A list is read in steps. A step lists everything created
// at or after a moment, page by page, as far as $skip reaches; the next step begins at the creation time of its last row. Rows created in the
// meantime come last and move no other row, so two pages are requested at once, and returned in the order of the list. A Pass does not notice
// when a row that it has shown disappears and moves another one up, out of the remaining pages.
type Pass struct {
	settings PassSettings
	progress PassProgress

	alertTotal  int         // rows in the list of alerts; negative: not known
	noAlerts    bool        // the API refuses that list
	alertsOnly  bool        // the pass was begun by BeginAlerts
	expected    int         // number of requests for listing; 0: not known
	total       tally       // of the pass
	throttled   int         // 429s since the last page that succeeded
	throttledAt time.Time   // the last of them: a 429 to a request sent before it is not counted
	current     tally       // of the phase
	step        step        // of the phase
	queue       []*passPage // unfinished pages, in the order of the list
	taken       *passPage   // the current page, or taken and not finished; nil: none
	currentPage currentPage // its rows
	sent        time.Time   // when the current page, or the last one, was requested
}

// NewPass returns a Pass that continues from an earlier run's progress.
func NewPass(settings PassSettings, progress PassProgress) *Pass {
	p := &Pass{settings: settings, progress: progress, alertTotal: -1, noAlerts: !settings.Alerts}
	switch progress.Phase {
	case PhaseCount:
		p.Begin(time.Time{})
	case PhaseAlerts:
		if !settings.Alerts {
			p.Stop()
			break
		}
		p.enter(progress.Since, 0, time.Time{})
	case PhaseIncidents:
		p.enter(progress.Since, 0, time.Time{})
	case PhaseDone:
		p.Stop()
	default:
		p.progress = PassProgress{AlertsShown: progress.AlertsShown}
	}
	return p
}

// Begin begins a pass, and ends the current one.
func (p *Pass) Begin(now time.Time) {
	p.abandon()
	p.progress = PassProgress{Phase: PhaseCount, AlertsShown: p.progress.AlertsShown}
	p.alertTotal, p.noAlerts, p.alertsOnly, p.expected, p.total, p.throttled = -1, !p.settings.Alerts, false, 0, tally{}, 0
	if p.settings.Alerts {
		p.queue = append(p.queue, &passPage{counts: true, top: 1, due: now})
	}
	p.enter(time.Time{}, 0, now)
}

// BeginAlerts begins a pass that reads only the list of alerts, beginning with those created at or after a moment, and ends the current pass.
// Expected is known after its first page.
func (p *Pass) BeginAlerts(since, now time.Time) {
	p.abandon()
	p.progress = PassProgress{
		Phase: PhaseAlerts, Since: since, IncidentsRead: p.progress.IncidentsRead, AlertsFrom: now.Round(0), AlertsShown: p.progress.AlertsShown,
	}
	p.alertTotal, p.noAlerts, p.alertsOnly, p.expected, p.total, p.throttled = -1, false, true, 0, tally{}, 0
	p.enter(since, 0, now)
}

// SkipAlerts makes the current pass read only the list of incidents, because the list of alerts does not work. It changes nothing once the pass
// has begun to read that list.
func (p *Pass) SkipAlerts(now time.Time) {
	if p.noAlerts || !p.Underway() || p.progress.Phase == PhaseAlerts {
		return
	}
	p.noAlerts = true
	p.queue = slices.DeleteFunc(p.queue, func(q *passPage) bool { return q.counts && q.state == planned })
	p.plan(now)
}

// Stop ends the current pass, if there is one.
func (p *Pass) Stop() {
	p.abandon()
	if p.progress.Phase != PhaseNone {
		p.progress.Phase, p.progress.Since, p.progress.AlertsFrom = PhaseDone, time.Time{}, time.Time{}
	}
}

// Underway reports whether a pass is under way.
func (p *Pass) Underway() bool { return p.progress.Phase != PhaseNone && p.progress.Phase != PhaseDone }

// Phase is the current phase.
func (p *Pass) Phase() Phase { return p.progress.Phase }

// Progress is how far the pass has come. It is stored after each page, and a later run continues from it.
func (p *Pass) Progress() PassProgress { return p.progress }

// Expected is about how many requests a pass takes. It is known after PhaseCount, or after the first page of a pass that reads alerts only, if
// the service returns the number of rows in the lists and this run has begun the pass.
func (p *Pass) Expected() (requests int, known bool) { return p.expected, p.expected > 0 }

// Cost is what the current or last pass took in this run, including pages that were too large.
func (p *Pass) Cost() (pages, bytes int) { return p.total.pages, p.total.bytes }

// enter begins a phase with everything created at or after a moment. total is the number of those rows; 0: not known.
func (p *Pass) enter(since time.Time, total int, now time.Time) {
	p.current = tally{}
	top := p.settings.MaxTop
	if p.progress.Phase == PhaseAlerts {
		top = p.settings.MaxAlertTop
	}
	p.step = newStep(since, total, newWidth(top))
	p.plan(now)
}

// count notes the number of incidents from the first page, which ends PhaseCount.
func (p *Pass) count(page *defender.Page) {
	p.progress.Phase = PhaseIncidents
	incidents, known := totalOf(page)
	if !known || !p.noAlerts && p.alertTotal < 0 {
		return
	}
	p.expected = p.settings.requests(incidents, p.settings.MaxTop)
	if !p.noAlerts {
		p.expected += 1 + p.settings.requests(p.alertTotal, p.settings.MaxAlertTop)
	}
}

// requests is how many pages of top rows a list has. Each step repeats a row of the one before.
func (s PassSettings) requests(total, top int) int {
	step := s.MaxSkip/top*top + top
	return max(1, (total+total/step+top-1)/top)
}

// totalOf is the number of rows in the list according to the page.
func totalOf(page *defender.Page) (total int, known bool) {
	return page.Total, page.Total > 0 || rowsOf(page) == 0 && !leadsOn(page)
}
