package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
)

// saveAccount stores what was sent within the windows of the quota. It is
// written before a request goes, so that no way to end forgets one: of a request
// whose end was not written, the next run assumes that it has just ended.
func (p *poller) saveAccount(now time.Time) {
	account := checkpoint.Quota{InFlight: uint16(min(p.quota.InFlight(), math.MaxUint16))}
	for _, end := range p.quota.Ended(now) {
		age := now.Sub(end) // by the monotonic clock, whatever the wall clock did meanwhile
		account.Ended = append(account.Ended, now.Add(-age).Round(0).Add(time.Millisecond-1).UnixMilli())
	}
	p.save("quota", p.store.SaveQuota(context.Background(), account))
}

// restoreAccount takes up what earlier runs have sent. An end that lies in the
// future, since the clock was moved, counts as now.
func (p *poller) restoreAccount(account checkpoint.Quota, now time.Time) {
	ages := make([]time.Duration, 0, len(account.Ended)+int(account.InFlight))
	for _, end := range account.Ended {
		ages = append(ages, max(0, now.Round(0).Sub(time.UnixMilli(end))))
	}
	for range account.InFlight {
		ages = append(ages, 0)
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) }) // the oldest end first
	for _, age := range ages {
		p.quota.Done(now.Add(-age), 1)
	}
}
