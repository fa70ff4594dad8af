package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// saveAccount stores what was sent within the windows of the quota, and what
// 429s have shown. It is written before a request goes, so that no way to end
// forgets one: of a request whose end was not written, the next run assumes that
// it has just ended.
func (p *poller) saveAccount(now time.Time) {
	account := checkpoint.Quota{
		Since:    stored(p.accountBegan, now),
		InFlight: uint16(min(p.quota.InFlight(), math.MaxUint16)),
	}
	for _, end := range p.quota.Ended(now) {
		account.Ended = append(account.Ended, stored(end, now))
	}
	if p.throttledUntil.After(now) {
		account.PausedUntil = stored(p.throttledUntil, now)
	}
	for _, l := range p.quota.Learned(now) {
		account.Learned = append(account.Learned, checkpoint.LearnedLimit{
			WindowSeconds: int64(l.Limit.Window / time.Second), Requests: l.Limit.Requests, Since: stored(l.Since, now),
		})
	}
	p.save("quota", p.store.SaveQuota(context.Background(), account))
}

// restoreAccount takes up what earlier runs have sent and learned. What lies in
// the future, since the clock was moved, counts as now.
func (p *poller) restoreAccount(account checkpoint.Quota, now time.Time) {
	p.accountBegan = now
	if account.Since != 0 {
		p.accountBegan = now.Add(-age(account.Since, now))
	}
	p.quota.Begin(p.accountBegan)

	ages := make([]time.Duration, 0, len(account.Ended)+int(account.InFlight))
	for _, end := range account.Ended {
		ages = append(ages, age(end, now))
	}
	for range account.InFlight {
		ages = append(ages, 0)
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) }) // the oldest end first
	for _, age := range ages {
		p.quota.Done(now.Add(-age), 1)
	}
	for _, l := range account.Learned {
		p.quota.Restore(quota.Learned{
			Limit: quota.Limit{Window: time.Duration(l.WindowSeconds) * time.Second, Requests: l.Requests},
			Since: now.Add(-age(l.Since, now)),
		})
	}
	if wait := time.UnixMilli(account.PausedUntil).Sub(now.Round(0)); wait > 0 {
		p.pause(now.Add(min(wait, defender.MaxWait)))
	}
}

// pause has nothing sent before until, since the API asks for it.
func (p *poller) pause(until time.Time) {
	if until.After(p.throttledUntil) {
		p.throttledUntil = until
	}
	p.quota.Pause(until)
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
