package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// account is the quota of one kind of call, with what survives a restart: each
// has limits of its own.
type account struct {
	*quota.Quota
	began          time.Time // since when it is whole
	throttledUntil time.Time // the end of the last wait that the API asked for
}

func newAccount(limits RateLimitConfig) *account {
	return &account{Quota: quota.New(
		quota.Limit{Window: time.Minute, Requests: limits.RequestsPerMinute},
		quota.Limit{Window: time.Hour, Requests: limits.RequestsPerHour})}
}

// stored is what was sent within the windows, and what 429s have shown. It is
// written before a request goes, so that no way to end forgets one: of a request
// whose end was not written, the next run assumes that it has just ended.
func (a *account) stored(now time.Time) checkpoint.Quota {
	q := checkpoint.Quota{
		Since:    stored(a.began, now),
		InFlight: uint16(min(a.InFlight(), math.MaxUint16)),
	}
	ended := a.Ended(now)
	q.Ended = slices.Grow(q.Ended, len(ended))
	for _, end := range ended {
		q.Ended = append(q.Ended, stored(end, now))
	}
	if a.throttledUntil.After(now) {
		q.PausedUntil = stored(a.throttledUntil, now)
	}
	for _, l := range a.Learned(now) {
		q.Learned = append(q.Learned, checkpoint.LearnedLimit{
			WindowSeconds: int64(l.Limit.Window / time.Second), Requests: l.Limit.Requests, Since: stored(l.Since, now),
		})
	}
	return q
}

// restore takes up what earlier runs have sent and learned. What lies in the
// future, since the clock was moved, counts as now.
func (a *account) restore(q checkpoint.Quota, now time.Time) {
	a.began = now
	if q.Since != 0 {
		a.began = now.Add(-age(q.Since, now))
	}
	a.Begin(a.began)

	ages := make([]time.Duration, 0, len(q.Ended)+int(q.InFlight))
	for _, end := range q.Ended {
		ages = append(ages, age(end, now))
	}
	for range q.InFlight {
		ages = append(ages, 0)
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) }) // the oldest end first
	for _, age := range ages {
		a.Done(now.Add(-age), 1)
	}
	for _, l := range q.Learned {
		a.Restore(quota.Learned{
			Limit: quota.Limit{Window: time.Duration(l.WindowSeconds) * time.Second, Requests: l.Requests},
			Since: now.Add(-age(l.Since, now)),
		})
	}
	if wait := time.UnixMilli(q.PausedUntil).Sub(now.Round(0)); wait > 0 {
		a.throttle(now.Add(min(wait, defender.MaxWait)))
	}
}

// throttle has nothing sent before until, since the API asks for it.
func (a *account) throttle(until time.Time) {
	if until.After(a.throttledUntil) {
		a.throttledUntil = until
	}
	a.Pause(until)
}

// stored is a moment by the wall clock, rounded up. How long ago it was is told
// by the monotonic clock, whatever the wall clock did meanwhile.
func stored(moment, now time.Time) int64 {
	return now.Add(-now.Sub(moment)).Round(0).Add(time.Millisecond - 1).UnixMilli()
}

// age is how long ago a stored moment was.
func age(stored int64, now time.Time) time.Duration {
	return max(0, now.Round(0).Sub(time.UnixMilli(stored)))
}
