// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

func TestCollectorToFileDocumentedQueriesFindWhatTheySay(t *testing.T) {
	t.Parallel()
	written := writtenFile{t, filepath.Join(t.TempDir(), "records.jsonl")}
	tellStory(t, harness.Example{Name: "file.yaml", Overlays: []string{`exporters: {file: {path: "` + written.path + `"}}`}}, harness.NewNotifier(), written)
	require.Empty(t, requireAnswers(t, queries(t, "file.md", "sh"), func(t *testing.T, q query) []map[string]string {
		t.Helper()
		return runJQ(t, q.text, written.path)
	}))
}

// writtenFile is the file that the example writes. The collector answers when the
// records are in it.
type writtenFile struct {
	t    *testing.T
	path string
}

// RecordCount counts the records in whole lines, while the collector may be writing
// another.
func (f writtenFile) RecordCount() int {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return 0 // not written yet
	}
	n := 0
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(line, []byte("\n")) {
			logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
			require.NoError(f.t, err)
			n += logs.LogRecordCount()
		}
	}
	return n
}

func (f writtenFile) Problems() []string { return nil }

// runJQ runs a documented command over a file and returns the objects it prints,
// with the names of the attributes that they show.
func runJQ(t *testing.T, command, path string) []map[string]string {
	t.Helper()
	match := regexp.MustCompile(`^cat records\*\.jsonl \| jq -cn -L examples '([^']+)'\n$`).FindStringSubmatch(command)
	require.NotNil(t, match, command)
	program, err := gojq.Parse(match[1])
	require.NoError(t, err, command)
	code, err := gojq.Compile(program, gojq.WithInputIter(gojq.NewIter(lines(t, path)...)),
		gojq.WithModuleLoader(gojq.NewModuleLoader([]string{filepath.Join("..", "..", "examples")})))
	require.NoError(t, err, command)
	shown := map[string]string{
		"id": "microsoft.defender.incident.id", "change": "microsoft.defender.incident.change", "status": "microsoft.defender.incident.status",
		"alert": "microsoft.defender.alert.id", "alert_change": "microsoft.defender.alert.change",
	}
	var rows []map[string]string
	results := code.Run(nil)
	for {
		result, more := results.Next()
		if !more {
			return rows
		}
		object, is := result.(map[string]any)
		require.True(t, is, "%s: %v", command, result)
		renamed := map[string]any{}
		for name, value := range object {
			renamed[shown[name]] = value
		}
		rows = append(rows, texts([]row{renamed})[0])
	}
}

// lines decodes a file with an object on each line.
func lines(t *testing.T, path string) []any {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var objects []any
	d := json.NewDecoder(bytes.NewReader(text))
	for d.More() {
		var object any
		require.NoError(t, d.Decode(&object))
		objects = append(objects, object)
	}
	return objects
}
