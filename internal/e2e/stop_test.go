//go:build unix

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
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

func TestAKillLosesNothingAndRepeatsOneDeliveryAtMost(t *testing.T) {
	t.Parallel()
	population := quiet(60)
	s := newStage(t, population)
	for _, enough := range []int{15, 75} {
		s.start()
		s.awaitRecords(enough)
		s.kill()
	}
	s.start()
	s.awaitRound(s.settings.IDs...)
	s.stop()

	var once []proof.Record
	seen, repeated := map[string]bool{}, map[int64]bool{}
	for _, r := range s.sink.records() {
		if seen[r.UID] {
			repeated[r.Incident] = true
			continue
		}
		seen[r.UID] = true
		once = append(once, r)
	}
	require.Empty(t, proof.Exactly(s.sim, once))
	require.LessOrEqual(t, len(repeated), 2, "what was accepted but not noted, once for each kill: %v", repeated)
}
