// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// state is an incident or alert since one change, which the list shows from visible on.
type state struct {
	changed, visible time.Time
}

// item is an incident or alert and its states, the newest change last.
type item struct {
	id      int64
	created time.Time
	states  []state
}

// at is the state that the list shows at a time.
func (i *item) at(now time.Time) (s state, ok bool) {
	for n := len(i.states) - 1; n >= 0; n-- {
		if !i.states[n].visible.After(now) {
			return i.states[n], true
		}
	}
	return state{}, false
}

// service plays a list of Microsoft Graph.
type service struct {
	now     time.Time
	items   []*item
	sorted  map[bool][]*item // by creation or not; see inOrder
	maxSkip int
	maxTop  int
	refuses option
	ignores option // ordering, counting
	tokens  bool   // links have a $skiptoken
	fat     map[int64]bool
	hidden  map[int64]bool // counted, never shown
	holder  int64          // the incident of the alerts; 0: each is in one of its own
	edit    func(p *defender.Page, q defender.ListRequest)
}

func newService() *service {
	return &service{now: noon, maxSkip: 500, maxTop: 1000, fat: map[int64]bool{}, hidden: map[int64]bool{}, sorted: map[bool][]*item{}}
}

// add adds an item that has changed at a time.
func (s *service) add(created, changed time.Time) *item {
	i := &item{id: int64(len(s.items) + 1), created: created, states: []state{{changed, changed}}}
	s.items = append(s.items, i)
	return i
}

// spread adds n items that were created and have changed one after another.
func (s *service) spread(n int, from time.Time, step time.Duration) {
	for i := range n {
		at := from.Add(step * time.Duration(i))
		s.add(at, at)
	}
}

// change makes an item change now and appear that much later.
func (s *service) change(i *item, late time.Duration) {
	i.states = append(i.states, state{s.now, s.now.Add(late)})
}

func hash(id int64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatInt(id, 10)))
	return h.Sum64()
}

// inOrder are the items in the order of a list. It stays until an item is added.
func (s *service) inOrder(byCreation bool) []*item {
	if len(s.sorted[byCreation]) == len(s.items) {
		return s.sorted[byCreation]
	}
	sorted := slices.Clone(s.items)
	slices.SortStableFunc(sorted, func(a, b *item) int {
		if byCreation {
			return a.created.Compare(b.created)
		}
		return cmp.Compare(hash(a.id), hash(b.id))
	})
	s.sorted[byCreation] = sorted
	return sorted
}

// matching are the items of a list, in its order.
func (s *service) matching(q defender.ListRequest) (items []*item) {
	for _, i := range s.inOrder(q.ByCreation && s.ignores&ordering == 0) {
		if i.created.Before(q.CreatedSince) || !q.CreatedBefore.IsZero() && !i.created.Before(q.CreatedBefore) {
			continue
		}
		if shown, ok := i.at(s.now); ok && !shown.changed.Before(q.Since) && (q.Before.IsZero() || shown.changed.Before(q.Before)) {
			items = append(items, i)
		}
	}
	return items
}

// rows are what a page shows of items.
func (s *service) rows(items []*item, q defender.ListRequest) []defender.Row {
	rows := make([]defender.Row, 0, len(items))
	for _, i := range items {
		shown, _ := i.at(s.now)
		row := defender.Row{ID: i.id, LastUpdate: shown.changed, Created: i.created}
		if q.Alerts {
			row.ID, row.Alert = 0, strconv.FormatInt(i.id, 10)
		}
		if !q.Narrow {
			row.Snapshot = &incident.Snapshot{}
		}
		rows = append(rows, row)
	}
	return rows
}

// number is the ID of an item.
func number(row defender.Row) int64 {
	if row.Alert != "" {
		id, _ := strconv.ParseInt(row.Alert, 10, 64)
		return id
	}
	return row.ID
}

// page responds to a request.
func (s *service) page(q defender.ListRequest) *defender.Page {
	p := &defender.Page{Date: s.now.Truncate(time.Second)}
	from := q.Skip
	if q.Token != "" {
		from, _ = strconv.Atoi(q.Token)
	}
	if optionsOf(q)&s.refuses != 0 || q.Token == "" && q.Skip > s.maxSkip {
		p.Err = &defender.Error{Kind: defender.Rejected}
		return p
	}
	items := s.matching(q)
	if q.Count && s.ignores&counting == 0 {
		p.Total = len(items)
	}
	items = slices.DeleteFunc(items, func(i *item) bool { return s.hidden[i.id] })
	to := min(from+min(q.Top, s.maxTop), len(items))
	p.Rows = s.rows(items[min(from, len(items)):max(to, min(from, len(items)))], q)
	p.Size = 1000 * len(p.Rows)
	if slices.ContainsFunc(p.Rows, func(row defender.Row) bool { return s.fat[number(row)] }) {
		first := cmp.Or(s.holder, number(p.Rows[0]))
		return &defender.Page{First: first, FirstAlert: p.Rows[0].Alert, Date: p.Date, Err: &defender.Error{Kind: defender.Oversize}}
	}
	if to < len(items) {
		p.Next = to
		if s.tokens {
			p.Token = strconv.Itoa(to)
		}
	}
	if s.edit != nil {
		s.edit(p, q)
	}
	return p
}

// lister runs Windows against a service, as the engine does.
type lister struct {
	*Windows
	s        *service
	latency  time.Duration // of a page
	requests []defender.ListRequest
	times    []time.Time // of the requests
	rereads  int
	late     int // rows that only re-reads have found
	returned []defender.Row
	found    map[int64][]time.Time // the changes returned, by item
	progress []CallResult
	toFetch  []int64 // incidents of rows that are too large
	fails    func() (kind defender.Kind, fails bool)
}

func newLister(s *service, settings WindowSettings) *lister {
	l := &lister{s: s, found: map[int64][]time.Time{}, latency: 300 * time.Millisecond}
	if settings.MaxTop == 0 {
		settings.MaxTop = 50
	}
	settings.Interval, settings.MaxSkip = interval, 500
	if settings.Lookback == 0 {
		settings.Lookback = lookback
	}
	l.Windows = NewWindows(settings, s.now)
	return l
}

// listingFrom returns a lister that continues from a boundary.
func listingFrom(s *service, boundary time.Time) *lister {
	return newLister(s, WindowSettings{Boundary: boundary})
}

// turn is when the next page is due, of a call or a re-read.
func (l *lister) turn(t require.TestingT) (at time.Time, reread bool) {
	at, ok := l.Due()
	require.True(t, ok)
	if at.Before(l.s.now) {
		at = l.s.now
	}
	if due, ok := l.RereadDue(); ok && due.Before(at) {
		if due.Before(l.s.now) {
			due = l.s.now
		}
		return due, true
	}
	return at, false
}

// step requests the next page once it is due, and handles the response.
func (l *lister) step(t require.TestingT) CallResult {
	at, reread := l.turn(t)
	require.False(t, reread && l.tail.begun, "within a call")
	l.s.now = at
	var q defender.ListRequest
	if reread {
		q = l.RereadRequest()
		require.Equal(t, l.refusals.allows(narrowing), q.Narrow)
		l.RereadRequested(at)
		l.rereads++
	} else {
		q = l.Request()
		require.False(t, q.Narrow)
		l.Requested(at)
	}
	require.Equal(t, reread, l.Rereading())
	_, ok := l.Due()
	require.False(t, ok)
	_, ok = l.RereadDue()
	require.False(t, ok)
	require.GreaterOrEqual(t, q.Top, 1)
	require.GreaterOrEqual(t, q.Skip, 0)
	if q.Token == "" {
		require.LessOrEqual(t, q.Skip, 500)
	}
	l.requests, l.times = append(l.requests, q), append(l.times, at)
	before := l.Boundary()
	page := l.s.page(q)
	if l.fails != nil {
		if kind, fails := l.fails(); fails {
			page = failing(kind)
		}
	}
	l.s.now = l.s.now.Add(l.latency)
	p := l.handle(t, page)
	require.False(t, l.Boundary().Before(before), "the boundary went back")
	l.progress = append(l.progress, p)
	return p
}

// handle delivers a page and handles its rows.
func (l *lister) handle(t require.TestingT, page *defender.Page) (p CallResult) {
	l.Arrived(page, l.s.now)
	for row, _, ok := l.NextRow(); ok; row, _, ok = l.NextRow() {
		l.returned = append(l.returned, row)
		if l.Rereading() {
			l.late++
		}
		l.found[number(row)] = append(l.found[number(row)], row.LastUpdate)
	}
	taken, _ := l.TakePage()
	require.Same(t, page, taken)
	failure, failed := errors.AsType[*defender.Error](page.Err)
	if !failed {
		return l.FinishPage(page, l.s.now)
	}
	switch failure.Kind {
	case defender.Oversize:
		single, p := l.TooLarge(page, l.s.now)
		if single {
			l.toFetch = append(l.toFetch, page.First)
		}
		return p
	case defender.Throttled:
		l.s.now = l.s.now.Add(90 * time.Second)
		return Continues
	case defender.Rejected:
		if handled, p := l.Rejected(l.s.now); handled {
			return p
		}
		return l.Failed(l.s.now, 5*time.Second, true)
	default:
		return l.Failed(l.s.now, 5*time.Second, failure.Kind == defender.ServerError)
	}
}

// call runs until a call ends. It must do so within a bounded number of pages.
func (l *lister) call(t require.TestingT) CallResult {
	for range 3000 {
		if p := l.step(t); p != Continues {
			return p
		}
	}
	require.Fail(t, "the call does not end")
	return Continues
}

// until runs until a time.
func (l *lister) until(t require.TestingT, end time.Time) {
	for {
		if at, _ := l.turn(t); at.After(end) {
			l.s.now = end
			return
		}
		l.step(t)
	}
}
