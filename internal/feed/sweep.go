// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// firstPassReaches is how far back a first pass lists. Incidents that last changed before that are polled by ID.
	firstPassReaches = 180 * 24 * time.Hour
	// A list is worth its requests while its pages poll this many incidents on average, judged after this many pages. Above this many rows
	// that are too large, each one must be offset by as many incidents as well: isolating one takes about that many requests.
	worthwhile  = 10
	judgedAfter = 5
	// A sweep ends after this many consecutive 429s: each of them delays the change feed.
	maxThrottled = 3
	// After a sweep that was not worth it or met only 429s, the next one waits: firstRest, then twice as long each time.
	firstRest = 10 * time.Minute
	maxRest   = 24 * time.Hour
	// A page is tried maxTries times, with twice the wait each time.
	maxTries   = 3
	firstRetry = 5 * time.Second
	// Sweeps run at half their pace for slowFor after two 429s or timeouts within repeats. A single one only causes a wait.
	slowFor = time.Hour
	repeats = 30 * time.Minute
	// maxBacks bounds how often one list steps back, which requests pages again.
	maxBacks = 100
	// lateBy is the fraction of a sweep by which an incident may be late before it is polled by ID: a quarter.
	lateBy = 4
)

// Pace is how fast sweeps may go.
type Pace struct {
	Interval time.Duration // the shortest time from the beginning of one sweep to the beginning of the next
	Gap      time.Duration // the mean time between two pages that the quota allows
	Tracked  int           // incidents that are polled: before the first complete sweep, the estimated number of pages depends on them
}

// SweepProgress is how far sweeps have come. The next run continues from there.
type SweepProgress struct {
	Began     time.Time // when the current or last sweep began
	Completed time.Time // the end of the last sweep that has read its lists to their ends
	Pages     int       // of the last sweep that did not fail
	List      int       // of the current sweep, from 0
	Skip      int       // of its next page
	Done      int       // its pages so far; 0: no sweep is under way
}

// Sweep reads the list page by page to poll many incidents, and returns the current page row by row. A steady sweep lists open incidents, and
// starts again and again; a first pass lists everything once. It belongs to one goroutine. NewSweep makes one.
//
// The list runs from the newest change to the oldest, and moves while it is read. A row that changes moves to the front and pushes the rows
// before it down: they are shown again. A row that no longer matches moves all rows after it up, so each page begins a few rows before the end
// of what was read. If it shows no row that was read, others may have been skipped, and the sweep steps back a page. This way it shows each
// incident that matches throughout the reading of its list and does not change during it. The change feed shows those that change.
type Sweep struct {
	maxTop int // the largest page, in rows
	pace   Pace

	progress  SweepProgress
	started   time.Time // when this run started
	next      time.Time // when the next steady sweep begins
	tracked   int       // incidents that were polled when progress.Pages was counted; 0: not known
	rested    int       // rests since the last complete sweep
	throttled int       // 429s since the last page that succeeded
	struggled time.Time // the last 429 or timeout
	slow      time.Time // sweeps go at half their pace until then

	lists    []scope // of the current sweep; nil: none is under way
	first    bool    // it is a first pass
	list     int     // the current one of its lists
	skip     int
	width    width // of its pages
	token    string
	due      time.Time          // of the next page
	tries    int                // failed attempts at that page
	blind    bool               // it shares no row with the previous page
	read     map[int64]struct{} // the incidents that the list has shown so far
	current  tally              // of the list
	total    tally              // of the sweep
	cutShort bool               // one of its lists was not read to its end
	refused  bool               // the API refused a page of one of them
	stale    bool               // the page in flight or the current one belongs to a sweep that has ended

	currentPage
}

// scope is one of the lists that a sweep reads.
type scope struct {
	status string
	since  time.Time
}

// NewSweep returns a Sweep that continues from an earlier run's progress.
func NewSweep(maxTop int, p SweepProgress, now time.Time) *Sweep {
	s := &Sweep{maxTop: maxTop, progress: p, started: now, next: now}
	if p.Completed.After(now) {
		s.progress.Completed = time.Time{}
	}
	if !plausible(p.Pages) {
		s.progress.Pages = 0
	}
	if p.Done == 0 || !plausible(p.Done) || p.List < 0 || p.List >= len(open()) || p.Began.After(now) {
		s.progress.Done = 0
		return s
	}
	s.begin(open(), p.Began, now)
	s.list, s.skip = p.List, max(0, min(p.Skip, maxPages*maxTop)-s.stride())
	s.total = tally{pages: p.Done, rows: s.maxTop * p.Done, polled: worthwhile * p.Done} // else it would have ended
	return s
}

// plausible reports whether a sweep can have this many pages.
func plausible(pages int) bool { return pages >= 0 && pages <= len(open())*maxPages }

// open are the lists of a steady sweep. The list does not order incidents by status, and "or" was not seen in use.
func open() []scope { return []scope{{status: "Active"}, {status: "InProgress"}} }

// SetPace sets how fast sweeps may go from now on.
func (s *Sweep) SetPace(p Pace) { s.pace = p }

// Period is the time from the beginning of one steady sweep to the beginning of the next.
func (s *Sweep) Period(now time.Time) time.Duration {
	period := max(s.pace.Interval, s.pace.Gap*time.Duration(s.expectedPages()))
	if now.Before(s.slow) {
		period *= 2
	}
	return period
}

// expectedPages is how many pages a steady sweep has: as many as the last complete one. An estimate replaces that if it is larger and the
// number of polled incidents has grown by more than a tenth since.
func (s *Sweep) expectedPages() int {
	pages := s.progress.Pages
	if pages == 0 || s.pace.Tracked*10 > s.tracked*11 {
		pages = max(pages, len(open())+s.pace.Tracked/s.stride())
	}
	if s.lists != nil && !s.first {
		pages = max(pages, s.total.pages)
	}
	return pages
}

// stride is how many new rows a page adds to those of the previous page.
func (s *Sweep) stride() int { return s.maxTop - min(overlap, s.maxTop/2) }

// DueByID is when an incident that a sweep shows now becomes due by ID: a while after the next sweep should have shown it.
func (s *Sweep) DueByID(now time.Time) time.Time {
	period := s.Period(now)
	return now.Add(period + period/lateBy)
}

// Underway reports whether a sweep is under way; first: it is a first pass.
func (s *Sweep) Underway() (underway, first bool) { return s.lists != nil, s.lists != nil && s.first }

// Due is when to request the next page of a sweep. Requesting it begins a sweep if none is under way. Not ok: there is a page in
// flight or a current one.
func (s *Sweep) Due() (at time.Time, ok bool) {
	at = s.next
	if s.lists != nil {
		at = s.due
	}
	return at, !s.requested && s.page == nil
}

// BeginFirst begins a first pass. It ends a steady sweep that is under way.
func (s *Sweep) BeginFirst(now time.Time) {
	s.begin([]scope{{since: now.Round(0).Add(-firstPassReaches)}}, now, now)
	s.first = true
	s.progress.Done = 0
}

// Stop ends the current sweep, if there is one, and continues with the next one on schedule.
func (s *Sweep) Stop() {
	s.lists, s.read = nil, nil
	s.progress.Done = 0
}

func (s *Sweep) begin(lists []scope, began, now time.Time) {
	s.lists, s.first, s.total, s.cutShort, s.refused = lists, false, tally{}, false, false
	s.progress.Began = began.Round(0)
	s.due = now
	s.stale = s.requested || s.page != nil
	s.enter(0)
}

// enter begins the n-th list.
func (s *Sweep) enter(n int) {
	s.list, s.skip, s.width, s.token, s.tries, s.blind = n, 0, newWidth(s.maxTop), "", 0, false
	s.current, s.read = tally{}, map[int64]struct{}{}
}

// Request is the page to request next.
func (s *Sweep) Request(now time.Time) defender.ListRequest {
	if s.lists == nil {
		s.begin(open(), now, now)
		s.next = now.Add(s.Period(now))
	}
	l := s.lists[s.list]
	return defender.ListRequest{Since: l.since, Status: l.status, Top: s.width.top, Skip: s.skip, Token: s.token}
}

// Progress is how far sweeps have come. It is stored, and a later run continues from it.
func (s *Sweep) Progress() SweepProgress { return s.progress }

// Completed is the end of the last complete sweep, including those of an earlier run; before the first, the start.
func (s *Sweep) Completed() time.Time {
	if s.progress.Completed.IsZero() {
		return s.started
	}
	return s.progress.Completed
}

// Cost is what the current or last sweep has taken so far.
func (s *Sweep) Cost() (pages, bytes int) { return s.total.pages, s.total.bytes }
