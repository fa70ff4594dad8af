// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestUnreadableCheckpointFailsTheStartAndIsKept(t *testing.T) {
	t.Parallel()
	population := quiet(3)
	s := newSetup(t, population)
	s.start()
	s.awaitRecords(9)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	requests := len(s.requests())

	for _, damage := range []struct {
		name     string
		how      func(stored []byte) []byte
		messages []string
	}{
		{"a later version", replaced(`version4`, `version5`), []string{
			"the checkpoint has version 5, but this receiver reads only up to version 4: use the newer receiver again, " +
				"or give this one an empty storage (it then emits every incident again)",
		}},
		{"an entry that is garbled", replaced(`{"api":`, `{"api"!`), []string{
			"cannot read the checkpoint's entry v1/receiver: restore the storage, " +
				"or give the receiver an empty one (it then emits every incident again)",
		}},
		{"a file that is something else", func([]byte) []byte { return []byte("not a checkpoint\n") }, []string{
			`failed to start "defender_incidents" receiver: storage: `, "invalid database",
		}},
	} {
		t.Run(damage.name, func(t *testing.T) {
			file := s.storageFile()
			stored, err := os.ReadFile(file)
			require.NoError(t, err)
			damaged := damage.how(bytes.Clone(stored))
			require.NotEqual(t, stored, damaged)
			require.NoError(t, os.WriteFile(file, damaged, 0o600))

			requireRefused(t, damage.messages, "--config", s.settings.WriteConfig(t))
			require.Len(t, s.requests(), requests, "no request")
			require.NoError(t, os.WriteFile(file, stored, 0o600)) // as the message advises
		})
	}

	s.change(1002, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	require.Len(t, s.sink.Records(), 10, "with the restored file it continues")
	s.requireProof(population)
}

func TestSecondCollectorOnOneStorageFailsAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	population := quiet(3)
	s := newSetup(t, population)
	s.start()
	s.awaitRecords(9)
	requireRefused(t, []string{`failed to start "defender_incidents" receiver: storage: `, "timeout"}, "--config", s.settings.WriteConfig(t))
	s.change(1002, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	s.awaitRecords(10)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.requireProof(population)
}

func TestTwoReceiversShareAStorageWithoutMixing(t *testing.T) {
	t.Parallel()
	population := quiet(8)
	s := newSetup(t, population, shared)
	s.start()
	s.awaitRecords(24)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	s.change(1002, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	s.change(1007, func(i *defendersim.Incident) { i.AssignedTo = "somebody-else@contoso.example" })
	s.start()
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	require.Len(t, s.sink.Records(), 24+2, "each continues")
	s.requireProof(population)
}

func TestTwoReceiversThatSplitTheQuotaStayWithinIt(t *testing.T) {
	t.Parallel()
	population := quiet(40)
	population.PerMinute = 30
	part := population
	part.PerMinute, part.PerHour = population.PerMinute/2, population.PerHour/2
	s := newSetup(t, population, shared, func(c *harness.Settings) { c.RateLimit = limited(part) })
	for _, requests := range []int{10, 20} {
		s.start()
		s.await("requests", func() bool { return len(s.requests()) >= requests })
		s.kill()
	}
	s.start()
	s.await("more than a minute allows", func() bool { return len(s.requests()) >= 36 })
	s.stop()
	require.LessOrEqual(t, s.Sim.MaxInWindow(time.Minute), 30)
	require.Greater(t, s.Sim.MaxInWindow(time.Minute), 20, "more than the share of one")
	for _, r := range s.requests() {
		require.NotEqual(t, http.StatusTooManyRequests, r.Status)
	}
}

// shared configures two receivers, each with half of the incidents.
func shared(c *harness.Settings) {
	half := len(c.IDs) / 2
	c.Shares = map[string][]int64{"defender_incidents/a": c.IDs[:half], "defender_incidents/b": c.IDs[half:]}
}

// storageFile returns the path of the receiver's checkpoint.
func (s *setup) storageFile() string {
	s.T.Helper()
	files, err := filepath.Glob(filepath.Join(s.settings.Storage, "*"))
	require.NoError(s.T, err)
	require.Len(s.T, files, 1)
	return files[0]
}

// replaced replaces every occurrence of a text with another of the same length,
// so that everything else keeps its place.
func replaced(text, by string) func([]byte) []byte {
	return func(stored []byte) []byte { return bytes.ReplaceAll(stored, []byte(text), []byte(by)) }
}
