// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// firstHold is about how long the first hold of a state lasts.
const firstHold = 5 * time.Second

// longestHold is short if the API recovers by itself, and long if somebody has
// to change a setting.
func longestHold(c class) time.Duration {
	if c == unavailable {
		return time.Minute
	}
	return 5 * time.Minute
}

// hourly is for failures that somebody may never want to fix.
func hourly() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor = 0.1
	b.InitialInterval = time.Duration(float64(time.Hour) / (1 + b.RandomizationFactor))
	b.MaxInterval = b.InitialInterval
	b.Reset()
	return b
}

// slow reports whether only a person can end failures of a kind.
func slow(kind defender.Kind) bool {
	return kind == defender.NotFound || kind == defender.Rejected
}

// incidentBackoff is for a single incident that fails. It depends on the
// interval, so that a permanent failure takes no more requests than a
// working incident does.
func incidentBackoff(kind defender.Kind, interval time.Duration) *backoff.ExponentialBackOff {
	if slow(kind) {
		return newBackoff(max(10*time.Second, interval), max(time.Hour, interval))
	}
	return newBackoff(max(10*time.Second, interval/10), max(5*time.Minute, interval))
}

// newBackoff waits about first, then longer each time, and never longer than
// longest, including jitter.
func newBackoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.MaxInterval = time.Duration(float64(longest) / (1 + b.RandomizationFactor))
	b.InitialInterval = min(first, b.MaxInterval)
	b.Reset()
	return b
}
