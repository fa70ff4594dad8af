//go:build unix

package backends

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestCollectorToAFileWhichARestartDoesNotEmpty(t *testing.T) {
	t.Parallel()
	s := newStage(t, defendersim.APIDefenderXDR, 1001)
	path := filepath.Join(t.TempDir(), "records.jsonl")
	over := `exporters: {file: {path: "` + path + `"}}`
	p := s.start("file.yaml", nil, over)
	s.awaitRound(p)
	p.stop(t)
	before := readLines(t, path)
	require.NotEmpty(t, before, "what was dealt with is in the file")

	p = s.start("file.yaml", nil, over)
	s.play(p)
	p.stop(t)
	after := readLines(t, path)
	require.Greater(t, len(after), len(before))
	s.requireAll(recordsOf(t, after))
}

// readLines reads a file of OTLP JSON.
func readLines(t *testing.T, path string) []plog.Logs {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var deliveries []plog.Logs
	for line := range bytes.Lines(text) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		require.NoError(t, err)
		deliveries = append(deliveries, logs)
	}
	return deliveries
}
