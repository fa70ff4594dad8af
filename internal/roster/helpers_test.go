// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

const (
	day = 24 * time.Hour
	// anyHung is more than the number of incidents that ever hang.
	anyHung = 99
	// interval is the polling interval of deliveries.
	interval = 6 * time.Hour
	// forgetAfter is the ForgetAfter of rosters that discover.
	forgetAfter = 7 * day
)

// sec returns the time that many seconds after the start of a test.
func sec(n int) time.Time { return start().Add(time.Duration(n) * time.Second) }

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// discovering returns a roster that discovers incidents.
func discovering() *Roster { return New(Rules{Discover: true, ForgetAfter: forgetAfter}) }

// Summaries of incidents that were polled at the start of the test.

func open() incident.Summary { return openSince(start()) }

func openSince(changed time.Time) incident.Summary {
	return incident.State{Seen: true, Status: "Active", LastUpdate: changed, Fetched: start()}.Summary()
}

func resolved(since time.Time) incident.Summary {
	return incident.State{Seen: true, Status: "Resolved", LastUpdate: since, ClosedSince: since, Fetched: start()}.Summary()
}

func missing(since time.Time) incident.Summary {
	return incident.State{Missing: true, ClosedSince: since, Fetched: start()}.Summary()
}

func merged(successor int64, since time.Time) incident.Summary {
	return incident.State{Seen: true, Merged: true, Successor: successor, LastUpdate: since, ClosedSince: since, Fetched: start()}.Summary()
}

// unpolled adds an incident that was never polled.
func unpolled(r *Roster, id int64, due time.Time) *Entry { return r.add(id, due) }

// polled adds an open incident that was polled before.
func polled(r *Roster, id int64, due time.Time) *Entry {
	e := r.add(id, due)
	r.leave(e)
	r.load(e, open(), true)
	return e
}

// load loads summaries, with the given IDs configured.
func load(r *Roster, summaries map[int64]incident.Summary, configured ...int64) {
	r.Load(configured, summaries, start())
}

// Outcomes as the engine reports them.
func succeeded(due time.Time) Outcome { return Outcome{Due: due, Responded: true} }
func failed(due time.Time) Outcome    { return Outcome{Due: due, Streak: &health.Streak{}} }
func hung(due time.Time) Outcome      { return Outcome{Due: due, Hung: true, Streak: &health.Streak{}} }

// poll is a poll from start to end.
func poll(r *Roster, id int64, o Outcome) {
	r.Start(id)
	r.Finish(id, o)
}

// deliver is a poll that shows an incident.
func deliver(r *Roster, id int64, s incident.Summary, now time.Time) (cycle []int64) {
	r.Start(id)
	return r.Delivered(Delivery{ID: id, Summary: s, Polled: true, Due: now.Add(interval), Interval: interval}, now)
}

// row is a row of a list that shows a whole incident.
func row(r *Roster, id int64, s incident.Summary, now time.Time) (cycle []int64) {
	return r.Delivered(Delivery{ID: id, Summary: s, Due: now.Add(interval), Interval: interval}, now)
}

// choose returns the incident to poll now: marked, never polled, then the longest overdue of the others.
func choose(heads [Classes]Candidate, now time.Time) (id int64, ok bool) {
	order := []Class{Marked, Unpolled, Retry, Routine}
	if heads[Routine].OK && heads[Routine].Due.Before(heads[Retry].Due) {
		order = []Class{Marked, Unpolled, Routine, Retry}
	}
	for _, class := range order {
		if head := heads[class]; head.OK && !head.Due.After(now) {
			return head.ID, true
		}
	}
	return 0, false
}

// drain starts all that are due and returns them in that order.
func drain(r *Roster, now time.Time) []int64 {
	var order []int64
	for {
		id, ok := choose(r.Next(anyHung), now)
		if !ok {
			return order
		}
		r.Start(id)
		order = append(order, id)
	}
}

// requireHeads requires that there is a candidate of the given classes only.
func requireHeads(t *testing.T, r *Roster, want map[Class]Candidate) {
	t.Helper()
	var heads [Classes]Candidate
	for class, c := range want {
		c.OK = true
		heads[class] = c
	}
	require.Equal(t, heads, r.Next(anyHung))
}

// ids returns the IDs of entries.
func ids(entries []*Entry) []int64 {
	var ids []int64
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// failure returns the streak of an incident that the API permanently refuses.
func failure(id int64, now time.Time) *health.Streak {
	return health.New().IncidentFailed(health.Incident{ID: id},
		&defender.Error{Kind: defender.ServerError}, health.Population{Tracked: 9, Interval: interval}, now).Streak
}
