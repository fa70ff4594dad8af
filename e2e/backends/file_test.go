// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestCollectorToFileKeepsItAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := newSetup(t, defendersim.APIDefenderXDR, 1001)
	path := filepath.Join(t.TempDir(), "records.jsonl")
	over := `exporters: {file: {path: "` + path + `"}}`
	p := s.start("file.yaml", nil, over)
	s.AwaitCycle(p, s.settings.IDs...)
	p.Stop(t)
	before := harness.ReadLogs(t, path)
	require.NotEmpty(t, before, "everything processed is in the file")

	p = s.start("file.yaml", nil, over)
	s.play(p)
	p.Stop(t)
	after := harness.ReadLogs(t, path)
	require.Greater(t, len(after), len(before))
	s.requireAll(recordsOf(t, after))
}
