// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/roster"
)

func TestOnlyTheHoldOfAnEndpointThatIsWellAgainEnds(t *testing.T) {
	tests := map[string]struct {
		feed        bool
		well        health.Endpoint
		gets, lists bool // whether it is on hold afterwards
	}{
		"the list, without a change feed":  {well: health.List, gets: true},
		"incidents, without a change feed": {well: health.Get},
		"the list":                         {feed: true, well: health.List, gets: true},
		"incidents":                        {feed: true, well: health.Get, lists: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			e := &Engine{roster: roster.New(roster.Rules{}), gets: quota.NewAccount()}
			if tt.feed {
				e.lists = quota.NewAccount()
			}
			e.apply(health.Verdict{Hold: time.Minute, Held: health.SignIn}, now)
			e.apply(health.Verdict{Resume: []health.Endpoint{tt.well}}, now)
			require.Equal(t, tt.gets, onHold(e, health.Get, now))
			if tt.feed {
				require.Equal(t, tt.lists, onHold(e, health.List, now))
			}
		})
	}
}

func TestAHoldHoldsOneEndpointEvenIfBothShareAnAccount(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, held := range []health.Endpoint{health.Get, health.List} {
		other := health.Get + health.List - held
		one := quota.NewAccount()
		e := &Engine{roster: roster.New(roster.Rules{}), gets: one, lists: one}
		e.apply(health.Verdict{Hold: time.Minute, Held: held}, now)
		require.True(t, onHold(e, held, now))
		require.False(t, onHold(e, other, now))
		require.False(t, onHold(e, held, now.Add(time.Minute)))

		one.Throttle(now.Add(time.Hour))
		e.apply(health.Verdict{Resume: []health.Endpoint{held}}, now)
		require.True(t, onHold(e, held, now), "the API requested a delay")
		require.True(t, onHold(e, other, now))
	}
}

func TestADelayRequestedByAnEndpointOutlastsItsHold(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := &Engine{roster: roster.New(roster.Rules{}), gets: quota.NewAccount()}
	e.holds.wait(health.Get, now.Add(time.Hour))
	e.apply(health.Verdict{Hold: time.Minute, Held: health.Get}, now)
	e.apply(health.Verdict{Resume: []health.Endpoint{health.Get}}, now)
	require.True(t, onHold(e, health.Get, now.Add(time.Hour-1)))
	require.False(t, onHold(e, health.Get, now.Add(time.Hour)))
}

func onHold(e *Engine, endpoint health.Endpoint, now time.Time) bool {
	at, ok := e.room(now, endpoint, quota.Fresh)
	return !ok || at.After(now)
}
