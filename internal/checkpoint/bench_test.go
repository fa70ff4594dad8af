// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint/checkpointtest"
)

// first is the ID of the first incident.
const first = 100_000

// sizes are how many incidents are stored.
func sizes() []int { return []int{10, 1_000, 100_000} }

// filled is a directory with that many states, and the size of its file.
func filled(b *testing.B, n int) (directory string, bytes int64) {
	b.Helper()
	directory = filepath.Join(b.TempDir(), "storage")
	info, err := os.Stat(checkpointtest.Fill(b, directory, first, n))
	require.NoError(b, err)
	return directory, info.Size()
}

// BenchmarkStore measures the operations of a running receiver, by number of stored
// incidents.
func BenchmarkStore(b *testing.B) {
	for _, n := range sizes() {
		directory, _ := filled(b, n)
		for name, fsync := range map[string]bool{"fsync": true, "no fsync": false} {
			client := checkpointtest.File(b, directory, fsync)
			store, _, err := checkpoint.Open(b.Context(), client, checkpointtest.API)
			require.NoError(b, err)
			run := func(operation string, do func(i int) error) {
				b.Run(fmt.Sprintf("%s/%d/%s", operation, n, name), func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						require.NoError(b, do(i))
					}
				})
			}
			known := func(i int) int64 { return first + int64(i*7919%n) } // in no order
			run("save", func(i int) error { return store.Save(b.Context(), known(i), checkpointtest.StateOf(known(i))) })
			run("load", func(i int) error {
				_, err := store.Load(b.Context(), known(i))
				return err
			})
			run("save one more and forget it", func(int) error {
				const id = 1 // the first in its part
				if err := store.Save(b.Context(), id, checkpointtest.StateOf(id)); err != nil {
					return err
				}
				return store.Forget(b.Context(), id)
			})
			require.NoError(b, store.Close(b.Context()))
		}
	}
}

// BenchmarkOpen measures what a start reads, and the size of the file.
func BenchmarkOpen(b *testing.B) {
	for _, n := range sizes() {
		directory, bytes := filled(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				store, contents, err := checkpoint.Open(b.Context(), checkpointtest.File(b, directory, false), checkpointtest.API)
				require.NoError(b, err)
				require.Len(b, contents.Summaries, n)
				require.NoError(b, store.Close(b.Context()))
			}
			b.ReportMetric(float64(bytes)/float64(n), "file-B/incident")
		})
	}
}
