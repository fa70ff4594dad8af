// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// senderHeader is a request header that says which collector sends.
const senderHeader = "X-Collector"

// senders is a middleware in front of the simulator that notes who sends when.
type senders struct {
	notifier *harness.Notifier
	api      http.Handler

	mu   sync.Mutex // guards sent
	sent []sent     // in the order of arrival
}

// sent is a request.
type sent struct {
	by      string
	arrived time.Time
	ended   time.Time // when the response was written, or the client had gone; zero: not yet
}

func (s *senders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.begin(r.Header.Get(senderHeader))
	defer s.end(n)
	s.api.ServeHTTP(w, r)
}

func (s *senders) begin(by string) int {
	defer s.notifier.Notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, sent{by: by, arrived: time.Now()})
	return len(s.sent) - 1
}

func (s *senders) end(n int) {
	defer s.notifier.Notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[n].ended = time.Now()
}

// all returns the requests so far.
func (s *senders) all() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// turn is a time in which only one collector sent.
type turn struct {
	by          string
	first, last time.Time // arrival of its first request, and end of its last one
	requests    int
}

// sendersOf returns whose turns these were.
func sendersOf(turns []turn) []string {
	senders := make([]string, len(turns))
	for n, turn := range turns {
		senders[n] = turn.by
	}
	return senders
}

// turns returns who sent one after another, and every case in which the requests of
// two collectors overlap.
func turns(all []sent) (turns []turn, overlaps []string) {
	for _, s := range all {
		n := len(turns) - 1
		if n < 0 || turns[n].by != s.by {
			if n >= 0 && turns[n].last.After(s.arrived) {
				overlaps = append(overlaps, fmt.Sprintf("%s sends %v before the last request of %s has ended", s.by, turns[n].last.Sub(s.arrived), turns[n].by))
			}
			turns = append(turns, turn{by: s.by, first: s.arrived})
			n++
		}
		if s.ended.After(turns[n].last) {
			turns[n].last = s.ended
		}
		turns[n].requests++
	}
	return turns, overlaps
}

// shortestPause returns the least time between the turns of two collectors.
func shortestPause(turns []turn) time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for n := range turns[1:] {
		shortest = min(shortest, turns[n+1].first.Sub(turns[n].last))
	}
	return shortest
}

func TestOverlappingRequestsOfTwoCollectorsAreFound(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	apart := []sent{{"a1", at(1), at(4)}, {"a1", at(2), at(3)}, {"b1", at(4), at(5)}, {"a1", at(6), at(7)}}
	all, overlaps := turns(apart)
	require.Empty(t, overlaps)
	require.Equal(t, []turn{{"a1", at(1), at(4), 2}, {"b1", at(4), at(5), 1}, {"a1", at(6), at(7), 1}}, all)

	_, overlaps = turns([]sent{{"a1", at(1), at(4)}, {"b1", at(3), at(5)}})
	require.Equal(t, []string{"b1 sends 1s before the last request of a1 has ended"}, overlaps)
}
