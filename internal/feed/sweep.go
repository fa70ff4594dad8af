package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	// firstPassReaches is how far back a first pass lists. What changed last before that is polled by ID.
	firstPassReaches = 180 * 24 * time.Hour
	// A list is worth its requests while its pages poll so many incidents on average, judged from so many pages on. Beyond as many rows that
	// are too large, each must be made up for by so many incidents as well: it takes about that many requests to isolate one.
	worthwhile  = 10
	judgedAfter = 5
	// A sweep ends after so many 429s in a row: each of them holds up the change feed.
	maxThrottled = 3
	// After a sweep that was not worth it or met 429s only, the next one waits: firstRest, then twice as long each time.
	firstRest = 10 * time.Minute
	maxRest   = 24 * time.Hour
	// A page is tried maxTries times, with twice the wait each time.
	maxTries   = 3
	firstRetry = 5 * time.Second
	// Sweeps go at half their pace for slowFor after two 429s or timeouts within repeats: one alone is waited out.
	slowFor = time.Hour
	repeats = 30 * time.Minute
	// maxBacks bounds how often one list steps back, which requests pages again.
	maxBacks = 100
	// lateBy is the part of a sweep by which an incident may be late before it is polled by ID: a quarter.
	lateBy = 4
)

// Pace says how fast sweeps may go.
type Pace struct {
	Interval time.Duration // the shortest time from the beginning of one sweep to that of the next
	Gap      time.Duration // the mean time between two pages that the quota allows
	Tracked  int           // incidents that are polled: without a complete sweep, they decide how many pages one has
}

// SweepProgress is how far sweeps have come. The next run continues from there.
type SweepProgress struct {
	Began     time.Time // of the sweep under way; else of the last one
	Completed time.Time // the end of the last complete sweep
	Pages     int       // of that sweep
	List      int       // of the sweep under way, from 0
	Skip      int       // of its next page
	Done      int       // its pages so far; 0: no sweep is under way
}

// Ending is how a sweep ended.
type Ending uint8

// The endings.
const (
	Goes       Ending = iota // the sweep goes on
	Swept                    // it has shown all that it lists
	NotWorth                 // too few of the incidents on its pages are polled
	PageFailed               // a page failed again and again
	Refused                  // the API does not answer such a request
	Disordered               // the list does not keep an order in which it can be read page by page
)

// Sweep goes through the list to poll many incidents, page by page, and returns the page at hand row by row. A steady sweep lists what is
// open, and begins again and again; a first pass lists everything once. It belongs to one goroutine. NewSweep makes one.
//
// The list runs from the newest change to the oldest, and moves while it is read. A row that changes moves to the front, and the rows
// before it down: they are shown again. A row that no longer matches moves all rows behind it up: so each page begins a few rows before
// the end of what was read. Where it shows no row that was read, others may have been skipped, and the sweep steps back a page. So it shows
// each incident that matches from the beginning of its list to the end and does not change meanwhile. The change feed shows those that change.
type Sweep struct {
	maxTop int // the most rows of a page
	pace   Pace

	progress  SweepProgress
	since     time.Time // the start
	next      time.Time // when the next steady sweep begins
	tracked   int       // incidents that were polled when progress.Pages was counted; 0: not known
	rested    int       // rests since the last complete sweep
	throttled int       // 429s since the last page that was answered
	trouble   time.Time // the last 429 or timeout
	slow      time.Time // sweeps go at half their pace until then

	lists   []scope // of the sweep under way; nil: none is
	first   bool    // it is a first pass
	list    int     // which of its lists
	skip    int
	width   width // of its pages
	token   string
	due     time.Time          // of the next page
	tries   int                // of that page that failed
	blind   bool               // it shares no row with the page before
	read    map[int64]struct{} // the incidents that the list has shown up to here
	current tally              // of the list
	total   tally              // of the sweep
	cut     bool               // one of its lists was not read to its end
	refused bool               // because the API refused a page
	stale   bool               // the page on its way or at hand belongs to a sweep that has ended

	hand
}

// scope is one of the lists that a sweep reads.
type scope struct {
	status string
	since  time.Time
}

// tally is what the pages of a sweep have brought.
type tally struct {
	pages    int // with those that were too large
	rows     int // that pages with any could have had, and those that were too large
	large    int // rows that were too large
	fruitful int // pages with an incident that the list had not shown
	barren   int // pages in a row, up to the last, without
	backs    int // steps back
	polled   int // incidents that are tracked
	bytes    int
}

// worth says whether full pages of so many rows poll enough incidents, also for the rows that are too large.
func (t tally) worth(full int) bool {
	if t.large > judgedAfter && t.polled < worthwhile*t.large {
		return false
	}
	return t.rows < judgedAfter*full || t.polled*full >= worthwhile*t.rows
}

// NewSweep returns a Sweep that continues from an earlier run's progress.
func NewSweep(maxTop int, p SweepProgress, now time.Time) *Sweep {
	s := &Sweep{maxTop: maxTop, progress: p, since: now, next: now}
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

// plausible says whether a sweep can have so many pages.
func plausible(pages int) bool { return pages >= 0 && pages <= len(open())*maxPages }

// open are the lists of a steady sweep. The list does not order incidents by status, and "or" was not seen in use.
func open() []scope { return []scope{{status: "Active"}, {status: "InProgress"}} }

// SetPace says how fast sweeps may go from now on.
func (s *Sweep) SetPace(p Pace) { s.pace = p }

// Period is the time from the beginning of one steady sweep to that of the next.
func (s *Sweep) Period(now time.Time) time.Duration {
	period := max(s.pace.Interval, s.pace.Gap*time.Duration(s.Pages()))
	if now.Before(s.slow) {
		period *= 2
	}
	return period
}

// Pages is how many pages a steady sweep has: as many as the last complete one. An estimate replaces that if it is larger and the number of
// incidents that are polled has grown by more than a tenth since.
func (s *Sweep) Pages() int {
	pages := s.progress.Pages
	if pages == 0 || s.pace.Tracked*10 > s.tracked*11 {
		pages = max(pages, len(open())+s.pace.Tracked/s.stride())
	}
	if s.lists != nil && !s.first {
		pages = max(pages, s.total.pages)
	}
	return pages
}

// stride is how many rows a page brings that the one before did not.
func (s *Sweep) stride() int { return s.maxTop - min(overlap, s.maxTop/2) }

// Shown is when an incident that a sweep shows now is due by ID: a while after the next sweep should have shown it.
func (s *Sweep) Shown(now time.Time) time.Time {
	period := s.Period(now)
	return now.Add(period + period/lateBy)
}

// Underway says whether a sweep is under way; first: it is a first pass.
func (s *Sweep) Underway() (underway, first bool) { return s.lists != nil, s.lists != nil && s.first }

// Rests says that the last sweeps were not worth it or met 429s only, and the next one waits longer.
func (s *Sweep) Rests() bool { return s.rested > 0 }

// Due is when to request the next page of a sweep, which begins one if none is under way. Not ok: a page is on its way or at hand.
func (s *Sweep) Due() (at time.Time, ok bool) {
	at = s.next
	if s.lists != nil {
		at = s.due
	}
	return at, !s.requested && s.page == nil
}

// BeginFirst begins a first pass. A steady sweep that is under way ends.
func (s *Sweep) BeginFirst(now time.Time) {
	s.begin([]scope{{since: now.Round(0).Add(-firstPassReaches)}}, now, now)
	s.first = true
	s.progress.Done = 0
}

// Stop ends the sweep under way, if there is one, and continues with the next in its turn.
func (s *Sweep) Stop() {
	s.lists, s.read = nil, nil
	s.progress.Done = 0
}

func (s *Sweep) begin(lists []scope, began, now time.Time) {
	s.lists, s.first, s.total, s.cut, s.refused = lists, false, tally{}, false, false
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

// Answered continues after a page whose rows were all handled, of which polled were incidents that are tracked.
func (s *Sweep) Answered(page *defender.Page, polled int, now time.Time) Ending {
	if s.ignores() {
		return Goes
	}
	s.tries, s.throttled = 0, 0
	for _, t := range []*tally{&s.current, &s.total} {
		t.pages++
		t.polled += polled
		t.bytes += page.Size
		if len(page.Rows) > 0 {
			t.rows += s.width.top
		}
	}
	leadsOn := page.Next > 0 || page.Token != ""
	if !s.joins(page, leadsOn) {
		return s.stepBack(now)
	}
	s.note(page)
	if !leadsOn || s.stuck() {
		return s.endList(now)
	}
	if !s.current.worth(s.maxTop) || s.current.pages >= maxPages {
		s.cut = true
		return s.endList(now)
	}
	s.advance(page)
	s.proceed(now)
	return Goes
}

// ignores says that a page is of no use: its sweep has ended meanwhile.
func (s *Sweep) ignores() bool {
	stale := s.stale
	s.stale = false
	return stale || s.lists == nil
}

// joins says whether a page joins what was read of the list. It does if it has a row that was read: the rows before that one were read too,
// or have changed. An empty page at the end does not: the list was longer.
func (s *Sweep) joins(page *defender.Page, leadsOn bool) bool {
	empty := len(page.Rows)+page.Nameless == 0
	if s.skip == 0 || s.token != "" || s.blind || empty && leadsOn || !empty && len(s.read) == 0 {
		return true
	}
	for _, row := range page.Rows {
		if _, read := s.read[row.ID]; read {
			return true
		}
	}
	return false
}

// stepBack has the rows before a page requested again that does not join. What that page has shown does not count as read.
func (s *Sweep) stepBack(now time.Time) Ending {
	if s.current.backs++; s.current.backs > maxBacks {
		return s.end(Disordered, now)
	}
	s.skip, s.token, s.blind = max(0, s.skip-s.stride()), "", false
	if len(s.read) == 0 { // an earlier run has read the list before here
		s.skip = 0
	}
	s.proceed(now)
	return Goes
}

// note notes the incidents on a page as read.
func (s *Sweep) note(page *defender.Page) {
	known := len(s.read)
	for _, row := range page.Rows {
		s.read[row.ID] = struct{}{}
	}
	if s.current.barren++; len(s.read) > known {
		s.current.barren = 0
		s.current.fruitful++
	}
}

// stuck says that the last pages have shown nothing new, and are too many to be those that were read before and have moved down.
func (s *Sweep) stuck() bool { return s.current.barren > maxBarren+s.current.fruitful }

// advance goes on to the page behind one that leads on.
func (s *Sweep) advance(page *defender.Page) {
	if s.token = page.Token; s.token != "" {
		return
	}
	top := s.width.top
	next := min(page.Next, s.skip+top) // a link beyond that would skip rows
	s.width.fits(next, page.Size)
	end := s.skip + len(page.Rows) + page.Nameless
	s.skip = max(s.skip+1, next-min(overlap, top/2))
	s.blind = s.skip >= end
}

// proceed sets when the next page is due: the pages of a steady sweep are spread evenly over its period.
func (s *Sweep) proceed(now time.Time) {
	s.progress.List, s.progress.Skip = s.list, s.skip
	if s.first {
		s.due = now
		return
	}
	s.progress.Done = s.total.pages
	s.due = s.due.Add(s.Period(now) / time.Duration(s.Pages()))
	if s.due.Before(now) { // pages that are late are not made up for
		s.due = now
	}
}

// endList goes on to the next list, or ends the sweep.
func (s *Sweep) endList(now time.Time) Ending {
	if s.list+1 < len(s.lists) {
		s.enter(s.list + 1)
		s.proceed(now)
		return Goes
	}
	if s.cut && !s.total.worth(s.maxTop) {
		return s.end(NotWorth, now)
	}
	if s.refused {
		return s.end(Refused, now)
	}
	return s.end(Swept, now)
}

// end ends the sweep.
func (s *Sweep) end(how Ending, now time.Time) Ending {
	first := s.first
	if how == Swept && !first {
		s.progress.Completed, s.progress.Pages, s.tracked = now.Round(0), s.total.pages, s.pace.Tracked
		s.rested = 0
	}
	s.Stop()
	switch {
	case s.throttled >= maxThrottled, !first && (how == NotWorth || how == Refused && s.total.polled == 0):
		s.next = now.Add(min(maxRest, firstRest<<min(s.rested, 16)))
		s.rested++
	case first: // the first steady sweep follows at once
		s.next = now
	default:
		period := s.Period(now)
		s.next = now.Add(min(period, max(0, s.progress.Began.Add(period).Sub(now.Round(0))))) // the clock may have been moved
	}
	return how
}

// Failed notes that the page failed, which may end the sweep.
func (s *Sweep) Failed(failure defender.Kind, now time.Time) Ending {
	if s.ignores() {
		return Goes
	}
	switch failure {
	case defender.Throttled: // its account waits
		s.struggle(now)
		if s.throttled++; s.throttled >= maxThrottled {
			return s.end(PageFailed, now)
		}
		return Goes
	case defender.NoToken: // nothing was requested
		return Goes
	case defender.Rejected:
		if s.skip > 0 && s.list+1 < len(s.lists) { // a skip that is too large for this list: the next one can be read up to there
			s.refused = true
			return s.endList(now)
		}
		return s.end(Refused, now)
	case defender.Timeout:
		s.struggle(now)
	default:
	}
	if s.tries++; s.tries >= maxTries {
		return s.end(PageFailed, now)
	}
	s.due = now.Add(firstRetry << (s.tries - 1))
	return Goes
}

// struggle notes a 429 or a timeout.
func (s *Sweep) struggle(now time.Time) {
	if !s.trouble.IsZero() && now.Sub(s.trouble) < repeats {
		s.slow = now.Add(slowFor)
	}
	s.trouble = now
}

// TooLarge notes that the page exceeds the size limit for responses: it is requested again with half the rows. A single row is left out,
// since its incident is polled by ID, and full pages follow. A list with too many such rows is not worth its requests.
func (s *Sweep) TooLarge(page *defender.Page, now time.Time) Ending {
	if s.ignores() {
		return Goes
	}
	s.tries, s.throttled = 0, 0
	single := s.width.tooLarge(s.skip, s.width.top)
	for _, t := range []*tally{&s.current, &s.total} {
		t.pages++
		t.bytes += page.Size
		if single {
			t.rows++
			t.large++
		}
	}
	if single {
		s.note(&defender.Page{Rows: []defender.Row{{ID: page.First}}})
		s.skip, s.token, s.blind = s.skip+1, "", true
	}
	if !s.current.worth(s.maxTop) {
		s.cut = true
		return s.endList(now)
	}
	if s.stuck() {
		return s.end(PageFailed, now)
	}
	s.proceed(now)
	return Goes
}

// EndFirst ends a first pass that has shown all that it was for.
func (s *Sweep) EndFirst(now time.Time) Ending { return s.end(Swept, now) }

// Progress is how far sweeps have come. It is stored, and a later run continues from it.
func (s *Sweep) Progress() SweepProgress { return s.progress }

// Completed is the end of the last complete sweep, of an earlier run too; before the first, the start.
func (s *Sweep) Completed() time.Time {
	if s.progress.Completed.IsZero() {
		return s.since
	}
	return s.progress.Completed
}

// Cost is what the sweep under way, or the last one, took so far.
func (s *Sweep) Cost() (pages, bytes int) { return s.total.pages, s.total.bytes }
