// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// Run runs a test in a synctest bubble, in parallel with others.
func Run(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// Long skips a test that takes more than a second when only short tests run
// (make race). The other tests run the same code.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// Sleep lets time pass in the bubble of the calling test, and then waits for
// everything that is due by now: otherwise a test that looks at once might see
// an intermediate state. Only the test's own goroutine may call it.
func Sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// UnderEachAPI is Run under each API. It is for what differs between them;
// everything else is tested under Defender XDR.
func UnderEachAPI(t *testing.T, test func(t *testing.T, api defenderincidentsreceiver.API)) {
	t.Helper()
	t.Parallel()
	for _, api := range []defenderincidentsreceiver.API{defenderincidentsreceiver.APIDefenderXDR, defenderincidentsreceiver.APIGraph} {
		t.Run(string(api), func(t *testing.T) {
			Run(t, func(t *testing.T) { test(t, api) })
		})
	}
}

// Quiet is a population of n incidents, with IDs from 1001, that only the test
// changes.
func Quiet(n int) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.MergedShare, cfg.ChangesPerHour = n, 0, 0
	cfg.NoCompression = true // compression is slow, and has tests of its own
	return cfg
}

// OneAlert is Quiet with one alert in each incident.
func OneAlert(n int) defendersim.Config {
	cfg := Quiet(n)
	cfg.AlertsPerIncident = 1
	return cfg
}

// Rule is a rule of the simulated API for a fault, spelled as in
// defendersim.ParseFault.
func Rule(t *testing.T, fault string) defendersim.Rule {
	t.Helper()
	parsed, err := defendersim.ParseFault(fault)
	require.NoError(t, err)
	return defendersim.Rule{Fault: parsed}
}

// WithIDs configures these incidents and no others.
func WithIDs(ids ...int64) func(*defenderincidentsreceiver.Config) {
	return func(cfg *defenderincidentsreceiver.Config) { cfg.IncidentIDs = ids }
}

// WithFeed turns the change feed on, with its defaults unless change adjusts
// them.
func WithFeed(change ...func(*defenderincidentsreceiver.ChangeFeedConfig)) func(*defenderincidentsreceiver.Config) {
	return func(cfg *defenderincidentsreceiver.Config) {
		defaults := defenderincidentsreceiver.NewFactory().CreateDefaultConfig().(*defenderincidentsreceiver.Config)
		feed := *defaults.ChangeFeed.GetOrInsertDefault()
		for _, f := range change {
			f(&feed)
		}
		cfg.ChangeFeed = configoptional.Some(feed)
	}
}

// WithDiscovery turns the change feed on and tracks only what it shows.
func WithDiscovery(change ...func(*defenderincidentsreceiver.ChangeFeedConfig)) func(*defenderincidentsreceiver.Config) {
	return func(cfg *defenderincidentsreceiver.Config) {
		WithFeed(append(change, func(f *defenderincidentsreceiver.ChangeFeedConfig) { f.Discover = true })...)(cfg)
		cfg.IncidentIDs = nil
	}
}

// WithLimits sets the limits of the requests for single incidents. 0: none.
func WithLimits(perMinute, perHour int) func(*defenderincidentsreceiver.Config) {
	return func(cfg *defenderincidentsreceiver.Config) {
		cfg.RateLimit = defenderincidentsreceiver.RateLimitConfig{RequestsPerMinute: perMinute, RequestsPerHour: perHour}
	}
}
