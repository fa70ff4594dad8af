package collector

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestFullDiskStopsNoRecordAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	s := newSetup(t, population, func(c *harness.Settings) { c.Interval = time.Second })
	s.start()
	s.awaitRecords(12)
	s.awaitCycle(s.settings.IDs...)

	before := s.process.LimitFileSize(t, nil)
	s.process.LimitFileSize(t, &syscall.Rlimit{Cur: 0, Max: before.Max})
	for n := range 3 {
		s.change(1001, func(i *defendersim.Incident) { i.Comments = append(i.Comments, defendersim.Comment{Text: "no room"}) })
		s.awaitRecords(12 + n + 1)
		s.awaitCycle(s.settings.IDs...)
	}
	output := s.process.Log()
	require.Zero(t, countLogLines(output, "checkpoint is written again", "incidents"))

	s.process.LimitFileSize(t, &before)
	s.awaitCycle(s.settings.IDs...)
	output = s.stop()
	for _, entry := range []string{"incidents", "quota"} {
		require.Equal(t, 1, countLogLines(output, "checkpoint write failed; recent changes may be emitted again after a restart", entry), entry)
		require.Equal(t, 1, countLogLines(output, "checkpoint is written again", entry), entry)
	}

	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.requireProof(population) // everything had been written, so nothing is repeated
}

// countLogLines counts the log lines with a message about an entry of the
// checkpoint.
func countLogLines(output, message, entry string) int {
	n := 0
	for line := range strings.Lines(output) {
		if strings.Contains(line, message) && strings.Contains(line, `"entry": "`+entry+`"`) {
			n++
		}
	}
	return n
}
