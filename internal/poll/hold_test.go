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
			e.apply(health.Verdict{Hold: time.Minute, HoldAll: true}, e.gets, now)
			e.apply(health.Verdict{Resume: []health.Endpoint{tt.well}}, e.gets, now)
			require.Equal(t, tt.gets, onHold(e.gets, now))
			if tt.feed {
				require.Equal(t, tt.lists, onHold(e.lists, now))
			}
		})
	}
}

func onHold(account *quota.Account, now time.Time) bool {
	at, ok := account.Next(now, quota.Fresh)
	return !ok || at.After(now)
}
