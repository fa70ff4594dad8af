// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"sort"
	"time"
)

// limits counts the requests that share a budget in two sliding windows,
// separately for every key. A window is half-open: a request leaves it exactly
// one window after its arrival.
type limits struct {
	windows        []window
	foreignEvery   time.Duration // between the requests of another program; 0: there is none
	countThrottled bool
	start          time.Time
	accounts       map[quotaKey]*account
}

// window allows at most limit requests within any span.
type window struct {
	limit int
	span  time.Duration
}

// quotaKey is what the service counts by, besides the endpoint or the API.
type quotaKey struct {
	tenant, application string
}

// account holds what one key has spent within the longest span.
type account struct {
	spent   []time.Time // ascending
	foreign time.Time   // when the other program sends its next request
}

// rates are the limits of a budget and the share that another program uses.
type rates struct {
	perMinute, perHour, foreign int
}

// rates returns the limits of a budget: of Get and List of Defender XDR by
// their endpoints, of Graph by its name.
func (c Config) rates(budget string) rates {
	switch budget {
	case APIGraph:
		return rates{c.GraphPerMinute, c.GraphPerHour, c.GraphForeignPerMinute}
	case EndpointList:
		return rates{c.ListPerMinute, c.ListPerHour, c.ListForeignPerMinute}
	}
	return rates{c.PerMinute, c.PerHour, c.ForeignPerMinute}
}

// refusal says which window was full and how long until it has room again.
type refusal struct {
	window
	wait time.Duration
}

func newLimits(c Config, budget string) *limits {
	r := c.rates(budget)
	l := &limits{
		countThrottled: c.CountThrottled,
		start:          c.Start,
		accounts:       make(map[quotaKey]*account),
	}
	for _, w := range []window{{r.perMinute, time.Minute}, {r.perHour, time.Hour}} {
		if w.limit > 0 {
			l.windows = append(l.windows, w)
		}
	}
	if r.foreign > 0 {
		l.foreignEvery = time.Minute / time.Duration(r.foreign)
	}
	return l
}

// arrive counts a request; a refusal means that it exceeded a limit.
func (l *limits) arrive(key quotaKey, now time.Time) *refusal {
	a, known := l.accounts[key]
	if !known {
		a = &account{foreign: l.start.Add(l.foreignEvery)}
		l.accounts[key] = a
	}
	l.spendForeign(a, now)
	return l.spend(a, now)
}

// spendForeign catches up with the other program. It skips requests more than
// an hour ago, which are in no window.
func (l *limits) spendForeign(a *account, now time.Time) {
	if l.foreignEvery == 0 {
		return
	}
	if behind := now.Add(-time.Hour).Sub(a.foreign); behind > 0 {
		a.foreign = a.foreign.Add(behind.Truncate(l.foreignEvery))
	}
	for ; !a.foreign.After(now); a.foreign = a.foreign.Add(l.foreignEvery) {
		l.spend(a, a.foreign)
	}
}

func (l *limits) spend(a *account, now time.Time) *refusal {
	a.forget(now.Add(-time.Hour))
	refused := l.refuse(a, now)
	if refused == nil || l.countThrottled {
		a.spent = append(a.spent, now)
	}
	return refused
}

// refuse returns the full window that stays full longest, nil if all have room.
func (l *limits) refuse(a *account, now time.Time) *refusal {
	var longest *refusal
	for _, w := range l.windows {
		if len(a.spent) < w.limit {
			continue
		}
		// The window has room once the limit-th newest request has left it.
		wait := a.spent[len(a.spent)-w.limit].Add(w.span).Sub(now)
		if wait > 0 && (longest == nil || wait > longest.wait) {
			longest = &refusal{window: w, wait: wait}
		}
	}
	return longest
}

// forget drops what was spent at the given time or before.
func (a *account) forget(until time.Time) {
	first := sort.Search(len(a.spent), func(n int) bool { return a.spent[n].After(until) })
	a.spent = a.spent[first:]
}

// maxInWindow returns the most arrivals, given in ascending order, that lie
// within any half-open window of the given length.
func maxInWindow(arrivals []time.Time, length time.Duration) int {
	most, first := 0, 0
	for last := range arrivals {
		for arrivals[last].Sub(arrivals[first]) >= length {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
