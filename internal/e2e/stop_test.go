//go:build unix

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAStopCutsShortWhatIsInFlightAndTheNextStartTakesItUp(t *testing.T) {
	t.Parallel()
	population := quiet(6)
	s := newStage(t, population)
	s.gate.close()
	s.start()
	s.await("requests that hang", func() bool { return s.gate.waiting() == maxConcurrentRequests })
	s.stop()
	require.Empty(t, s.sink.records())

	s.gate.open()
	s.start()
	s.awaitRecords(18)
	s.awaitRound(s.settings.IDs...)
	s.stop()
	s.requireProof(population)
}

func TestAStopDoesNotWaitForASilentBackendAndTheNextStartDelivers(t *testing.T) {
	t.Parallel()
	population := quiet(6)
	s := newStage(t, population)
	s.sink.become(silent)
	s.start()
	s.await("a delivery that hangs", func() bool { return s.sink.unanswered() == 1 })
	s.stop()
	require.Equal(t, 1, s.sink.unanswered(), "no other was begun meanwhile")

	s.sink.become(accepting)
	s.start()
	s.awaitRecords(18)
	s.awaitRound(s.settings.IDs...)
	s.stop()
	s.requireProof(population)
}
