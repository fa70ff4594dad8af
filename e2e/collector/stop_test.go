// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

func TestStopCancelsRequestsAndTheNextStartRepeatsThem(t *testing.T) {
	t.Parallel()
	population := quiet(6)
	s := newSetup(t, population)
	s.gate.close()
	s.start()
	s.await("requests that hang", func() bool { return s.gate.waiting() == harness.MaxConcurrentRequests })
	s.stop()
	require.Empty(t, s.sink.Records())

	s.gate.open()
	s.start()
	s.awaitRecords(18)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.requireProof(population)
}

func TestStopDoesNotWaitForAHangingBackendAndTheNextStartDelivers(t *testing.T) {
	t.Parallel()
	population := quiet(6)
	s := newSetup(t, population)
	s.sink.SetMode(harness.Hang)
	s.start()
	s.await("a delivery that hangs", func() bool { return s.sink.Unanswered() == 1 })
	began := time.Now()
	s.stop()
	require.Less(t, time.Since(began), 10*time.Second, "5 s for the delivery, and some for a busy machine")
	require.Equal(t, 1, s.sink.Unanswered(), "no other delivery has begun")

	s.sink.SetMode(harness.Accept)
	s.start()
	s.awaitRecords(18)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.requireProof(population)
}
