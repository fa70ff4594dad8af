package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func newAccount(limits RateLimitConfig) *quota.Account {
	return quota.NewAccount(
		quota.Limit{Window: time.Minute, Requests: limits.RequestsPerMinute},
		quota.Limit{Window: time.Hour, Requests: limits.RequestsPerHour})
}
