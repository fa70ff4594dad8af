// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// TestMeasureFirstPass delivers each of many incidents once, without rate
// limits. docs/sizing.md has the memory and the size of the checkpoint.
func TestMeasureFirstPass(t *testing.T) {
	t.Logf("%9s | %15s | %16s | %14s", "incidents", "resident peak", "anonymous after", "checkpoint KiB")
	for _, n := range []int{10, 100, 500, 1_000, 1_500, 5_000, 10_000} {
		population := defendersim.DefaultConfig()
		population.Incidents, population.MergedShare, population.ChangesPerHour = n, 0, 0
		population.PerMinute, population.PerHour = 100_000, 0
		s := newSetup(t, population, func(s *harness.Settings) { s.Exporter, s.Interval = "debug", 24*time.Hour })
		s.start()
		for s.gate.through() < n {
			s.wait(50 * time.Millisecond)
		}
		s.wait(time.Second) // until the last responses are processed
		u := usageOf(t, s.process.PID())
		s.stop()
		t.Logf("%9d | %15s | %16s | %14d", n, mebibytes(u.peak), mebibytes(u.anonymous), sizeOf(t, s.settings.Storage)>>10)
	}
}

// TestMeasureSweeps polls many incidents by pages of the list: a first pass, and sweeps after that. docs/sizing.md has the memory.
func TestMeasureSweeps(t *testing.T) {
	const incidents, sweeps = 10_000, 3
	population := defendersim.DefaultConfig()
	population.Incidents, population.MergedShare, population.ChangesPerHour = incidents, 0, 0
	population.Statuses = defendersim.StatusMix{Active: 60, InProgress: 30, Resolved: 10}
	population.ListPerMinute, population.ListPerHour = 0, 0
	s := newLongSetup(t, 20*time.Minute, population, func(s *harness.Settings) {
		s.Exporter, s.RateLimit, s.Interval = "debug", "", time.Minute
		s.ChangeFeed = "{rate_limit: {requests_per_minute: 6000, requests_per_hour: 0}}"
	})
	s.start()
	pages := func() (n int) {
		for _, r := range s.Sim.Journal() {
			if r.Endpoint == defendersim.EndpointList && strings.Contains(r.Query, "status") {
				n++
			}
		}
		return n
	}
	for perSweep := incidents * 9 / 10 / 90; pages() < sweeps*perSweep; {
		s.wait(time.Second)
	}
	u := usageOf(t, s.process.PID())
	s.stop()
	t.Logf("%d incidents, %d pages of sweeps: resident %s, at most %s; anonymous %s", incidents, pages(), mebibytes(u.resident), mebibytes(u.peak), mebibytes(u.anonymous))
	require.Less(t, u.peak, int64(100<<20))
}

// sizeOf returns the size of all files in a directory, in bytes.
func sizeOf(t *testing.T, directory string) (bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(directory, entry.Name()))
		require.NoError(t, err)
		bytes += info.Size()
	}
	return bytes
}
