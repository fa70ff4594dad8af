// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint/checkpointtest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

const (
	manyIncidents = 100_000
	// maxMemory is the limit in bytes above what a collector with one incident
	// needs, maxCPUShare that of one processor while nothing is due.
	maxMemory   = 64_000_000
	maxCPUShare = 0.01
	// quietTime is how long the collector is watched while nothing is due.
	quietTime = 20 * time.Second
)

// TestMeasureManyIncidents polls 100,000 incidents, first with nothing stored
// and then with a state for all but one, and compares with a collector that
// polls one. The bound applies to anonymous memory. The rest are pages of files:
// of the program, and of what file_storage maps and reads when it opens it. The
// system takes them back when it needs them.
func TestMeasureManyIncidents(t *testing.T) {
	population := quiet(manyIncidents)
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	ids := sim.IDs()

	one := watch(t, quiet(1), func(*harness.Settings) {})
	t.Logf("%-30s | %21s | %22s | %s", "MiB", "resident (peak)", "anonymous (peak)", "first request after (processor time) | processor while idle")
	t.Log(one.row("one incident"))
	for _, test := range []struct {
		name   string
		change func(*harness.Settings)
	}{
		{"in a file, nothing stored", func(s *harness.Settings) { s.IDs, s.IDsFile = nil, idsFile(t, ids) }},
		{"in the YAML, nothing stored", func(s *harness.Settings) { s.IDs = ids }},
		{"in a file, all but one stored", func(s *harness.Settings) {
			s.IDs, s.IDsFile = nil, idsFile(t, ids)
			store(t, s.Storage, ids)
		}},
	} {
		many := watch(t, population, test.change)
		t.Log(many.row(test.name))
		t.Log(many.minus(one).row("  above one"))
		require.Less(t, many.anonymous-one.anonymous, int64(maxMemory), test.name)
		require.Less(t, many.share(), maxCPUShare, test.name)
	}
}

// watched is what a collector took.
type watched struct {
	usage
	anonymousPeak int64         // as far as it was seen
	started, busy time.Duration // from the process's start to its first request, and processor time until then
	idle          time.Duration // processor time within quietTime
}

// watch runs a collector with the default limits. Once it has made the requests
// that it can make at once, none is due.
func watch(t *testing.T, population defendersim.Config, change func(*harness.Settings)) (w watched) {
	t.Helper()
	s := newSetup(t, population, func(s *harness.Settings) { s.Exporter, s.Interval, s.RateLimit = "debug", 24*time.Hour, "" }, change)
	began := time.Now()
	s.start()
	pid := s.process.PID()
	for s.requests() == nil {
		s.wait(10 * time.Millisecond)
		w.anonymousPeak = max(w.anonymousPeak, usageOf(t, pid).anonymous)
	}
	w.started, w.busy = s.requests()[0].Time.Sub(began), usageOf(t, pid).cpu
	s.wait(quietTime)
	before := usageOf(t, pid)
	s.wait(quietTime)
	w.usage = usageOf(t, pid)
	w.idle = w.cpu - before.cpu
	w.anonymousPeak = max(w.anonymousPeak, before.anonymous, w.anonymous)
	s.stop()
	return w
}

func (w watched) share() float64 { return w.idle.Seconds() / quietTime.Seconds() }

func (w watched) minus(other watched) watched {
	w.resident -= other.resident
	w.peak -= other.peak
	w.anonymous -= other.anonymous
	w.anonymousPeak -= other.anonymousPeak
	w.started -= other.started
	w.busy -= other.busy
	w.idle -= other.idle
	return w
}

func (w watched) row(name string) string {
	return fmt.Sprintf("%-30s | %10s (%8s) | %11s (%8s) | %8s (%5s) | %.2f %%", name,
		mebibytes(w.resident), mebibytes(w.peak), mebibytes(w.anonymous), mebibytes(w.anonymousPeak),
		w.started.Round(time.Millisecond), w.busy, 100*w.share())
}

// idsFile writes the ids as incident_ids_file takes them.
func idsFile(t *testing.T, ids []int64) string {
	t.Helper()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(strconv.FormatInt(id, 10) + "\n")
	}
	path := filepath.Join(t.TempDir(), "incidents.txt")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// store stores a state of each incident except the last, fetched just now.
func store(t *testing.T, directory string, ids []int64) {
	t.Helper()
	require.Equal(t, ids[0]+int64(len(ids)), ids[len(ids)-1]+1, "in a row")
	checkpointtest.Fill(t, directory, ids[0], len(ids)-1, checkpointtest.StateOf)
}
