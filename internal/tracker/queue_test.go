package tracker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireSound holds what the queues show against a look at all incidents.
func requireSound(t *testing.T, tr *Tracker, now time.Time) {
	t.Helper()
	queued, overdue := 0, 0
	var heads [turns]*incident
	for turn := range tr.queues {
		for _, q := range []*queue{&tr.queues[turn].others, &tr.queues[turn].hung} {
			for at, e := range *q {
				require.Equal(t, at, e.at)
				require.Same(t, q, tr.queueOf(e))
				require.Same(t, e, tr.incidents[e.id])
			}
			queued += len(*q)
		}
	}
	withHung := tr.hungInFlight() < 1
	for _, e := range tr.incidents {
		if e.inFlight {
			queued++
			continue
		}
		if e.due.Before(now) {
			overdue++
		}
		if head := heads[e.turn]; (withHung || !e.hung) && (head == nil || e.sooner(head)) {
			heads[e.turn] = e
		}
	}
	require.Len(t, tr.incidents, queued, "each is in flight or in one queue")
	require.Equal(t, overdue, tr.Overdue(now))
	fresh, repeat := tr.Next(now, 1)
	require.Equal(t, pick(now, heads[:turnRepeat]...).candidate(), fresh)
	require.Equal(t, heads[turnRepeat].candidate(), repeat)
}

func TestTheQueuesShowWhatALookAtAllIncidentsShows(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		tr, at := New(), func(most int) time.Time { return start.Add(time.Duration(r.IntN(most)) * time.Second) }
		for range 300 {
			id := r.Int64N(25)
			switch r.IntN(9) {
			case 0, 1:
				tr.Add(id, at(60), r.IntN(2) == 0)
			case 2:
				tr.Remove(id)
			case 3:
				tr.Name(id, at(60))
			case 4:
				tr.Observed(id, at(60))
			case 5, 6:
				tr.Start(id)
			case 7:
				tr.Done(id, Outcome{Due: at(60), Answered: r.IntN(2) == 0, Hung: r.IntN(2) == 0})
			case 8:
				tr.Done(id, Outcome{})
			}
			requireSound(t, tr, at(60))
		}
	}
}
