// SPDX-License-Identifier: Apache-2.0

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
	require.Zero(t, strings.Count(output, "checkpoint writes succeed again"))

	s.process.LimitFileSize(t, &before)
	s.await("the end of the failure", func() bool { return strings.Contains(s.process.Log(), "checkpoint writes succeed again") })
	s.awaitCycle(s.settings.IDs...)
	output = s.stop()
	require.Equal(t, 1, strings.Count(output, "checkpoint write failed; recent changes may be emitted again after a restart"))
	require.Equal(t, 1, strings.Count(output, "checkpoint writes succeed again"))

	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.requireProof(population) // everything had been written, so nothing is repeated
}
