// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// server refuses what exceeds its limits. It may refuse more, and another program may use them, too.
type server struct {
	limits  []quota.Limit
	arrived []time.Time // and were not refused
	others  time.Duration
	next    time.Time // when the other program sends its next request
	fails   bool      // refuse everything
}

// request returns how long a request has to wait, and which limit it has exceeded. Zero: it succeeds.
func (s *server) request(now time.Time) (wait time.Duration, named quota.Limit) {
	for ; s.others > 0 && !s.next.After(now); s.next = s.next.Add(s.others) {
		if wait, _ := s.full(s.next); wait == 0 {
			s.arrived = append(s.arrived, s.next)
		}
	}
	if wait, named = s.full(now); wait == 0 && s.fails {
		return 5 * time.Second, quota.Limit{}
	}
	if wait == 0 {
		s.arrived = append(s.arrived, now)
	}
	return wait, named
}

func (s *server) full(now time.Time) (wait time.Duration, named quota.Limit) {
	for _, l := range s.limits {
		if n := len(s.arrived) - l.Requests; n >= 0 && s.arrived[n].Add(l.Window).Sub(now) > wait {
			wait, named = s.arrived[n].Add(l.Window).Sub(now), l
		}
	}
	return wait, named
}

// client sends as soon as it may, and obeys the server.
type client struct {
	*quota.Account
	t       *testing.T
	rand    *rand.Rand
	limits  []quota.Limit
	server  *server
	named   bool // the server states its limit
	now     time.Time
	until   time.Time // until when the server requested a pause
	sent    []time.Time
	refused []time.Time
}

func newClient(t *testing.T, r *rand.Rand, s *server, limits ...quota.Limit) *client {
	c := &client{Account: quota.NewAccount(limits...), t: t, rand: r, limits: limits, server: s, now: after(0)}
	c.Restore(quota.Stored{}, maxWait, c.now)
	return c
}

// run sends for some time. Demand is how much later than it may a request is sent, at most.
func (c *client) run(d, demand time.Duration) {
	for end := c.now.Add(d); ; {
		at, ok := c.Next(c.now, quota.Demand(c.rand.IntN(2)))
		require.True(c.t, ok)
		if demand > 0 {
			at = at.Add(time.Duration(c.rand.Int64N(int64(demand))))
		}
		if at.After(end) {
			c.now = end
			return
		}
		c.now = at
		c.one()
	}
}

// one sends up to four requests at the same moment.
func (c *client) one() {
	sent := c.now
	inFlight := 0
	for range 1 + c.rand.IntN(4) {
		if at, ok := c.Next(sent, quota.Fresh); !ok || at.After(sent) {
			break
		}
		require.False(c.t, sent.Before(c.until), "earlier than the server asked for")
		c.Send(sent)
		c.sent = append(c.sent, sent)
		inFlight++
	}
	for range inFlight {
		wait, named := c.server.request(sent)
		c.now = c.now.Add(time.Duration(c.rand.IntN(300)) * time.Millisecond)
		c.Done(c.now, 1)
		if wait == 0 {
			c.Succeeded(sent)
			continue
		}
		if !c.named {
			named = quota.Limit{}
		}
		c.refused = append(c.refused, c.now)
		wait = (wait + time.Second - 1).Truncate(time.Second)
		c.Throttle(c.now.Add(wait))
		c.until = later(c.until, c.now.Add(wait))
		c.Refused(sent, c.now, named, wait)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// restart continues with what a later run knows.
func (c *client) restart() {
	stored := c.Stored(c.now)
	c.Account = quota.NewAccount(c.limits...)
	c.Restore(stored, maxWait, c.now)
}

func (c *client) requireWithinLimits() {
	c.t.Helper()
	for _, l := range c.limits {
		for i := l.Requests; i < len(c.sent); i++ {
			require.GreaterOrEqual(c.t, c.sent[i].Sub(c.sent[i-l.Requests]), l.Window)
		}
	}
}

// requireHalf requires that no learned limit is below half of the configured one.
func (c *client) requireHalf() {
	c.t.Helper()
	for _, learned := range c.Stored(c.now).Learned {
		i := slices.IndexFunc(c.limits, func(l quota.Limit) bool { return l.Window == learned.Limit.Window })
		require.GreaterOrEqual(c.t, 2*learned.Limit.Requests, c.limits[i].Requests)
	}
}

func inManySeeds(t *testing.T, test func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range uint64(25) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// Whatever the server's own limits are, whoever uses them, and however often the receiver is restarted.
func TestSharedQuotaIsUsedWithinAllBounds(t *testing.T) {
	inManySeeds(t, func(t *testing.T, r *rand.Rand) {
		minute, hour := 20+r.IntN(200), 400+r.IntN(2000)
		s := &server{limits: []quota.Limit{perMinute(minute), perHour(hour)}, others: time.Duration(1+r.IntN(10)) * time.Second, next: after(0)}
		c := newClient(t, r, s, perMinute(minute), perHour(hour))
		c.named = r.IntN(2) == 0
		for range 12 {
			s.fails = r.IntN(6) == 0
			c.run(time.Duration(r.Int64N(int64(30*time.Minute))), time.Duration(r.IntN(3))*3*time.Second)
			c.requireHalf()
			if r.IntN(3) == 0 {
				c.restart()
			}
		}
		c.requireWithinLimits()
	})
}

func TestEveryLimitComesBackWithinTenQuietWindows(t *testing.T) {
	inManySeeds(t, func(t *testing.T, r *rand.Rand) {
		l := quota.Limit{Window: time.Duration(1+r.IntN(60)) * time.Minute, Requests: 20 + r.IntN(200)}
		s := &server{limits: []quota.Limit{{Window: l.Window, Requests: l.Requests / (1 + r.IntN(6))}}, next: after(0)}
		c := newClient(t, r, s, l)
		c.named = r.IntN(2) == 0
		c.run(time.Duration(5+r.IntN(20))*l.Window, 0)
		s.limits = nil // whatever it was, it is over
		last := c.now
		if n := len(c.refused); n > 0 {
			last = c.refused[n-1]
		}
		require.Empty(t, c.Stored(last.Add(10*l.Window)).Learned)
		c.now = later(c.now, last.Add(10*l.Window))
		c.run(3*l.Window, 0)
		require.GreaterOrEqual(t, 100*most(c.sent, l.Window), 95*l.Requests, "a request occupies the window a little longer than it is in it")
	})
}

// most is how many moments lie within a window.
func most(moments []time.Time, window time.Duration) int {
	n, first := 0, 0
	for i, at := range moments {
		for at.Sub(moments[first]) >= window {
			first++
		}
		n = max(n, i-first+1)
	}
	return n
}

// With other limits than those that are documented, too.
func TestFewRequestsAreRefusedWhileAnotherProgramTakesHalf(t *testing.T) {
	for name, limits := range map[string][]quota.Limit{
		"of a minute": {perMinute(100)},
		"of an hour":  {perMinute(100), perHour(1500)},
		"of five":     {{Window: 5 * time.Minute, Requests: 300}},
	} {
		t.Run(name, func(t *testing.T) {
			inManySeeds(t, func(t *testing.T, r *rand.Rand) {
				half := limits[len(limits)-1]
				s := &server{limits: limits, others: 2 * half.Window / time.Duration(half.Requests), next: after(0)}
				c := newClient(t, r, s, limits...)
				c.named = r.IntN(2) == 0
				c.run(30*half.Window, 0)
				require.Less(t, 100*len(c.refused), len(c.sent), "%d of %d", len(c.refused), len(c.sent))
				require.Greater(t, 100*len(c.sent), 43*30*half.Requests, "what is left is used")
				c.requireHalf()
			})
		})
	}
}
