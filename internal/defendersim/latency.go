// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"time"
)

// drawLatency draws the duration of a response. As with faults, requests for
// one incident have random numbers of their own.
func (x *exchange) drawLatency() {
	s := x.s
	if s.cfg.LatencyMax == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	target := x.target()
	s.latencies[target]++
	d := newDice(s.cfg.Seed, streamLatency, uint64(target)<<24+s.latencies[target])
	x.latency = s.cfg.LatencyMin + time.Duration(d.Int64N(int64(s.cfg.LatencyMax-s.cfg.LatencyMin)+1))
}

// linger waits for half of a response's duration: before the state is read, and
// again before the response is sent.
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
