// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"time"
)

// drawLatency decides how long the answer to a request takes. As with faults,
// requests for one incident have throws of their own.
func (x *exchange) drawLatency() {
	s := x.s
	if s.cfg.LatencyMax == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	target := x.target()
	s.answers[target]++
	d := newDice(s.cfg.Seed, streamLatency, uint64(target)<<24+s.answers[target])
	x.latency = s.cfg.LatencyMin + time.Duration(d.Int64N(int64(s.cfg.LatencyMax-s.cfg.LatencyMin)+1))
}

// linger takes half of the time that an answer takes: before things are looked
// at, and again before the answer is sent.
func (x *exchange) linger() {
	if x.latency == 0 {
		return
	}
	timer := time.NewTimer(x.latency / 2)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
