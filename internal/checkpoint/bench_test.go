// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint/checkpointtest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// first is the ID of the first incident.
const first = 100_000

// sizes are how many incidents are stored.
func sizes() []int { return []int{10, 1_000, 100_000} }

// served are the states that the receiver stores of incidents of the simulator.
type served []incident.State

// servedUnder returns the states of 200 incidents, half of them
// assigned, with three alerts each on average. They are as large as
// those that TestStatesGrowLittleWithWhatRecordsSay reports.
func servedUnder(b *testing.B, api defender.API) served {
	b.Helper()
	population := defendersim.DefaultConfig()
	population.Incidents, population.MergedShare, population.ChangesPerHour = 200, 0, 0
	population.PerMinute, population.PerHour, population.GraphPerMinute, population.GraphPerHour = 0, 0, 0, 0
	population.AllowAnonymous = true
	sim, err := defendersim.New(population)
	require.NoError(b, err)
	endpoint, err := url.Parse(defender.Endpoint(api))
	require.NoError(b, err)
	client := defender.NewClient(&http.Client{Transport: sim.RoundTripper()}, defender.Settings{API: api, Endpoint: endpoint, MaxBody: 32 << 20})
	comparer := incident.NewComparer(incident.Split, false, nil, 0)

	var states served
	for i, id := range sim.IDs() {
		if i%2 == 0 {
			require.NoError(b, sim.Update(id, func(i *defendersim.Incident) { i.AssignedTo = "analyst@contoso.example" }))
		}
		result := client.Get(b.Context(), id)
		require.NoError(b, result.Err)
		require.NotNil(b, result.Snapshot, "no incident has more alerts than one response shows")
		_, state := comparer.Compare(incident.State{}, result.Snapshot)
		states = append(states, state)
	}
	return states
}

// of returns the state of an incident.
func (s served) of(id int64) incident.State { return s[int(id)%len(s)] }

// filled is a directory with that many states, and the size of its file.
func filled(b *testing.B, n int, states served) (directory string, bytes int64) {
	b.Helper()
	directory = filepath.Join(b.TempDir(), "storage")
	info, err := os.Stat(checkpointtest.Fill(b, directory, first, n, states.of))
	require.NoError(b, err)
	return directory, info.Size()
}

// BenchmarkStore measures the operations of a running receiver, by number
// of stored incidents.
func BenchmarkStore(b *testing.B) {
	states := servedUnder(b, defender.Graph) // the larger ones
	for _, n := range sizes() {
		directory, _ := filled(b, n, states)
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
			run("save", func(i int) error { return store.Save(b.Context(), known(i), states.of(known(i))) })
			run("load", func(i int) error {
				_, err := store.Load(b.Context(), known(i))
				return err
			})
			run("save one more and forget it", func(int) error {
				const id = 1 // the first in its part
				if err := store.Save(b.Context(), id, states.of(id)); err != nil {
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
	for _, api := range []defender.API{defender.XDR, defender.Graph} {
		states := servedUnder(b, api)
		for _, n := range sizes() {
			directory, bytes := filled(b, n, states)
			b.Run(fmt.Sprintf("%s/%d", api, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					store, contents, err := checkpoint.Open(b.Context(), checkpointtest.File(b, directory, false), checkpointtest.API)
					require.NoError(b, err)
					require.Len(b, contents.Summaries, n)
					require.NoError(b, store.Close(b.Context()))
				}
				b.ReportMetric(float64(bytes)/(1<<20), "file-MiB")
			})
		}
	}
}
