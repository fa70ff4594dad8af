// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

// A backend refuses a request that is too large for it, and the exporter then
// drops the records. Over gRPC the usual limit is 4 MiB.
func TestEveryExampleSendsLargeIncidentsInParts(t *testing.T) {
	flat, err := filepath.Glob("examples/*.yaml")
	require.NoError(t, err)
	nested, err := filepath.Glob("examples/*/*.yaml")
	require.NoError(t, err)
	found := 0
	for _, file := range append(flat, nested...) {
		conf, err := confmaptest.LoadConf(file)
		require.NoError(t, err)
		exporters, err := conf.Sub("exporters")
		require.NoError(t, err)
		for name := range exporters.ToStringMap() {
			if !strings.HasPrefix(name, "otlp") && !strings.HasPrefix(name, "splunk") {
				continue
			}
			found++
			queue, err := exporters.Sub(name + "::sending_queue")
			require.NoError(t, err)
			require.Equal(t, "file_storage", queue.Get("storage"), file)
			require.Equal(t, "bytes", queue.Get("sizer"), "%s: of requests, nobody could say how large the queue may get", file)
			require.Greater(t, queue.Get("queue_size"), 50<<20, "%s: a large incident must fit", file)
			require.LessOrEqual(t, queue.Get("queue_size"), 500_000_000, "%s: half of the smallest disk, that of deploy/kubernetes", file)
			require.Equal(t, "bytes", queue.Get("batch::sizer"), file)
			require.Equal(t, 0, queue.Get("batch::min_size"), "%s: a record would wait for others", file)
			require.LessOrEqual(t, queue.Get("batch::max_size"), 4<<20, file)
		}
	}
	require.Greater(t, found, 15)
}

// make validate checks the example with the built collector.
func TestREADMEShowsTheDurableExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	example, err := os.ReadFile("examples/durable.yaml")
	require.NoError(t, err)
	_, configuration, found := strings.Cut(string(example), "\n\n")
	require.True(t, found, "behind the comments")
	require.Contains(t, string(readme), "```yaml\n"+configuration+"```\n")
}
