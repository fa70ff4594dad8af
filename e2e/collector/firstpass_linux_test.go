package collector

import (
	"os"
	"path/filepath"
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
