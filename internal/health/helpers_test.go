// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

const (
	interval = 5 * time.Minute
	spacing  = 600 * time.Millisecond // 100 requests a minute
	feedTick = 30 * time.Second
)

func start() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

func failure(kind defender.Kind) *defender.Error {
	f := &defender.Error{Kind: kind, Err: errors.New("as told")}
	if kind == defender.Throttled {
		f.RetryAfter = 10 * time.Second
	}
	return f
}

// alerts stands for the list of alerts where incident 0 stands for the list.
const alerts int64 = -1

// responses returns the failure of a request; incident 0 is the list. Nil: it succeeds.
type responses func(id int64, now time.Time) *defender.Error

// sim is a poller reduced to what a tracker can see: it obeys each verdict.
type sim struct {
	t         require.TestingT
	tracker   *Tracker
	now       time.Time
	tracked   []int64
	due       map[int64]time.Time // the list is incident 0
	streaks   map[int64]*Streak
	delivered map[int64]bool
	answer    responses

	heldGet, heldList, heldAlerts time.Time
	requests                      map[int64]int
	lines                         []Notice
	statuses                      []error
	pausesLogged                  int
	missing                       int
}

func newSim(t require.TestingT, incidents int, feed bool, answer responses) *sim {
	s := &sim{
		t: t, tracker: New(), now: start(), answer: answer, due: map[int64]time.Time{}, streaks: map[int64]*Streak{},
		delivered: map[int64]bool{}, requests: map[int64]int{},
	}
	for id := range int64(incidents) {
		s.tracked = append(s.tracked, id+1)
		s.due[id+1] = s.now
	}
	if feed {
		s.due[0] = s.now
	}
	return s
}

// withAlerts requests the list of alerts, too.
func (s *sim) withAlerts() *sim {
	s.due[alerts] = s.now
	return s
}

func (s *sim) population() Population {
	return Population{Tracked: len(s.tracked), Delivered: len(s.delivered), Interval: interval}
}

// run goes on for some time.
func (s *sim) run(d time.Duration) {
	for end := s.now.Add(d); ; {
		id, at := s.next()
		if check, ok := s.tracker.NextCheck(); ok && check.Before(at) && !check.After(end) {
			s.now = latest(s.now, check)
			s.obey(s.tracker.Check(s.now))
			again, ok := s.tracker.NextCheck()
			require.False(s.t, ok && !again.After(s.now), "a check leaves nothing to do")
			continue
		}
		if at.After(end) {
			s.now = end
			return
		}
		s.now = at
		s.request(id)
		s.now = s.now.Add(spacing)
	}
}

// next is the request that may be sent first, the longest overdue one first.
func (s *sim) next() (int64, time.Time) {
	best, bestAt, bestDue, found := int64(0), time.Time{}, time.Time{}, false
	for _, id := range append([]int64{0, alerts}, s.tracked...) {
		due, ok := s.due[id]
		if !ok {
			continue
		}
		held := s.heldGet
		switch id {
		case 0:
			held = s.heldList
		case alerts:
			held = s.heldAlerts
		}
		at := latest(latest(s.now, due), held)
		if !found || at.Before(bestAt) || at.Equal(bestAt) && due.Before(bestDue) {
			best, bestAt, bestDue, found = id, at, due, true
		}
	}
	return best, bestAt
}

func (s *sim) request(id int64) {
	s.requests[id]++
	f := s.answer(id, s.now)
	switch id {
	case 0:
		s.requestList(f)
		return
	case alerts:
		s.requestAlerts(f)
		return
	}
	i := Incident{ID: id, Streak: s.streaks[id], Delivered: s.delivered[id]}
	if f == nil {
		s.delivered[id] = true
		s.due[id] = s.now.Add(interval)
		v := s.tracker.IncidentSucceeded(i, s.population(), s.now)
		require.Nil(s.t, v.Streak)
		s.streaks[id] = nil
		s.obey(v)
		return
	}
	v := s.tracker.IncidentFailed(i, f, s.population(), s.now)
	switch {
	case v.Pause:
		s.due[id] = s.now
		s.pause(id, f.RetryAfter)
	case f.Kind != defender.NoToken:
		require.Positive(s.t, v.Retry, "it would be requested at once, and for ever")
		require.NotNil(s.t, v.Streak)
	}
	if v.Missing {
		s.missing++
		delete(s.delivered, id)
	}
	s.streaks[id] = v.Streak
	s.due[id] = s.now.Add(v.Retry)
	s.obeyAt(v, Get)
}

func (s *sim) requestList(f *defender.Error) {
	if f == nil {
		s.due[0] = s.now.Add(feedTick)
		s.obey(s.tracker.ListSucceeded(s.now))
		return
	}
	v := s.tracker.ListFailed(f, s.now)
	if v.Pause {
		s.pause(0, f.RetryAfter)
	}
	s.due[0] = s.now.Add(v.Retry)
	s.obeyAt(v, List)
}

func (s *sim) requestAlerts(f *defender.Error) {
	if f == nil {
		s.due[alerts] = s.now.Add(feedTick)
		s.obey(s.tracker.AlertListSucceeded(s.now))
		return
	}
	v := s.tracker.AlertListFailed(f, s.now)
	require.True(s.t, v.Retry > 0 || v.Pause || f.Kind == defender.NoToken, "it would be requested at once, and for ever")
	if v.Pause {
		s.pause(alerts, f.RetryAfter)
	}
	s.due[alerts] = s.now.Add(v.Retry)
	s.obeyAt(v, AlertList)
}

func (s *sim) pause(id int64, wait time.Duration) {
	switch id {
	case 0:
		s.heldList = latest(s.heldList, s.now.Add(wait))
		return
	case alerts:
		s.heldAlerts = latest(s.heldAlerts, s.now.Add(wait))
		return
	}
	s.heldGet = latest(s.heldGet, s.now.Add(wait))
}

func (s *sim) obeyAt(v Verdict, e Endpoint) {
	require.True(s.t, v.Hold == 0 || v.Held == SignIn || v.Held == e)
	if v.Hold > 0 && (v.Held == SignIn || e == Get) {
		s.heldGet = latest(s.heldGet, s.now.Add(v.Hold))
	}
	if v.Hold > 0 && (v.Held == SignIn || e == List) {
		s.heldList = latest(s.heldList, s.now.Add(v.Hold))
	}
	if v.Hold > 0 && (v.Held == SignIn || e == AlertList) {
		s.heldAlerts = latest(s.heldAlerts, s.now.Add(v.Hold))
	}
	if v.LogPause {
		s.pausesLogged++
	}
	s.obey(v)
}

func (s *sim) obey(v Verdict) {
	for _, id := range v.Release {
		if s.due[id].After(s.now) {
			s.due[id] = s.now
		}
	}
	s.lines = append(s.lines, v.Notices...)
	if v.Status != nil {
		s.statuses = append(s.statuses, v.Status.Err)
	}
}

// status is the one reported last.
func (s *sim) status() error {
	if len(s.statuses) == 0 {
		return nil
	}
	return s.statuses[len(s.statuses)-1]
}

func (s *sim) messages() map[string]int {
	counts := map[string]int{}
	for _, n := range s.lines {
		counts[n.Message]++
	}
	return counts
}

// polls is how many requests for incidents, other than one, were sent.
func (s *sim) polls(except int64) int {
	n := 0
	for id, count := range s.requests {
		if id > 0 && id != except {
			n += count
		}
	}
	return n
}

func well(int64, time.Time) *defender.Error { return nil }

// some makes the first incidents fail permanently.
func some(n int64, kind defender.Kind) responses {
	return func(id int64, _ time.Time) *defender.Error {
		if id <= 0 || id > n {
			return nil
		}
		return failure(kind)
	}
}

// during makes everything fail for some time.
func during(from, to time.Duration, kind defender.Kind) responses {
	return func(_ int64, now time.Time) *defender.Error {
		if passed := now.Sub(start()); passed < from || passed >= to {
			return nil
		}
		return failure(kind)
	}
}

// step is a request by hand: an incident, the list as incident 0, or the list of alerts.
type step struct {
	id   int64
	kind defender.Kind // 0: it succeeds
}

// hand drives a tracker one outcome at a time, a second apart.
type hand struct {
	*Tracker
	t          *testing.T
	now        time.Time
	population Population
	streaks    map[int64]*Streak
	lines      []Notice
	status     *Status
}

func byHand(t *testing.T, tracked int) *hand {
	return &hand{Tracker: New(), t: t, now: start(), population: Population{Tracked: tracked, Interval: interval}, streaks: map[int64]*Streak{}}
}

// do passes outcomes on and returns the last verdict.
func (h *hand) do(steps ...step) (v Verdict) {
	for _, s := range steps {
		h.now = h.now.Add(time.Second)
		v = h.one(s)
		if s.id > 0 {
			h.streaks[s.id] = v.Streak
		}
		h.note(v)
	}
	return v
}

func (h *hand) one(s step) Verdict {
	i := Incident{ID: s.id, Streak: h.streaks[s.id], Delivered: h.population.Delivered > 0}
	switch {
	case s.id == alerts && s.kind == 0:
		return h.AlertListSucceeded(h.now)
	case s.id == alerts:
		return h.AlertListFailed(failure(s.kind), h.now)
	case s.id == 0 && s.kind == 0:
		return h.ListSucceeded(h.now)
	case s.id == 0:
		return h.ListFailed(failure(s.kind), h.now)
	case s.kind == 0:
		return h.IncidentSucceeded(i, h.population, h.now)
	case s.kind == unreadable:
		return h.IncidentUnreadable(i, errors.New("cut off"), h.population, h.now)
	}
	return h.IncidentFailed(i, failure(s.kind), h.population, h.now)
}

func (h *hand) note(v Verdict) {
	h.lines = append(h.lines, v.Notices...)
	if v.Status != nil {
		h.status = v.Status
	}
	require.True(h.t, slices.IsSorted(v.Release))
}

// wait passes time, and checks whenever there is something to check.
func (h *hand) wait(d time.Duration) (released []int64) {
	end := h.now.Add(d)
	for at, ok := h.NextCheck(); ok && !at.After(end); at, ok = h.NextCheck() {
		h.now = latest(h.now, at)
		v := h.Check(h.now)
		h.note(v)
		released = append(released, v.Release...)
	}
	h.now = end
	return released
}

// all lets incidents 1 to n fail once each.
func all(n int64, kind defender.Kind) (steps []step) {
	for id := range n {
		steps = append(steps, step{id + 1, kind})
	}
	return steps
}

func (h *hand) messages() (said []string) {
	for _, n := range h.lines {
		said = append(said, n.Message)
	}
	return said
}

// levels are those of the lines with a message.
func (h *hand) levels(message string) (levels []zapcore.Level) {
	for _, n := range h.lines {
		if n.Message == message {
			levels = append(levels, n.Level)
		}
	}
	return levels
}

func (h *hand) down() bool { return h.status != nil && h.status.Err != nil }
