// SPDX-License-Identifier: Apache-2.0

// Package checkpointtest fills checkpoints on disk, for tests and benchmarks with many
// incidents.
package checkpointtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// API is the API of the checkpoints.
const API = "defender_xdr"

// File returns the storage that file_storage, with that directory, provides to the
// receiver with the ID defender_incidents. It is closed at the end of the test, unless it
// was closed before.
func File(tb testing.TB, directory string, fsync bool) storage.Client {
	tb.Helper()
	factory := filestorage.NewFactory()
	cfg := factory.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory, cfg.CreateDirectory, cfg.FSync = directory, true, fsync
	require.NoError(tb, cfg.Validate()) // also parses the permissions
	made, err := factory.Create(tb.Context(), extension.Settings{
		ID: component.NewID(factory.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}, cfg)
	require.NoError(tb, err)
	client, err := made.(storage.Extension).GetClient(tb.Context(), component.KindReceiver, component.MustNewID("defender_incidents"), "")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// Fill saves the states of n incidents in a directory, with IDs from first on, one at a
// time as a receiver does. It returns the file after everything was synced to disk.
func Fill(tb testing.TB, directory string, first int64, n int, stateOf func(id int64) incident.State) (path string) {
	tb.Helper()
	store, _, err := checkpoint.Open(tb.Context(), File(tb, directory, false), API)
	require.NoError(tb, err)
	require.NoError(tb, store.SaveReceiver(tb.Context(), checkpoint.Receiver{API: API}))
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = first + int64(i)
	}
	require.NoError(tb, store.Keep(tb.Context(), ids))
	for _, id := range ids {
		require.NoError(tb, store.Save(tb.Context(), id, stateOf(id)))
	}
	require.NoError(tb, store.Close(tb.Context()))

	files, err := os.ReadDir(directory)
	require.NoError(tb, err)
	require.Len(tb, files, 1)
	path = filepath.Join(directory, files[0].Name())
	file, err := os.Open(path) //nolint:gosec // it was just written
	require.NoError(tb, err)
	require.NoError(tb, file.Sync()) // or the next synced write would wait for all of these
	require.NoError(tb, file.Close())
	return path
}

// StateOf returns a state that was just fetched, with 16 fields and 3 alerts.
func StateOf(id int64) incident.State {
	now := time.Now().UTC().Round(0)
	changed := now.Add(-time.Hour).Truncate(100 * time.Nanosecond)
	s := incident.State{Seen: true, API: API, Status: "Active", LastUpdate: changed, Fetched: now, Description: incident.Description{
		Name:       "Multi-stage incident involving initial access & defense evasion on one endpoint",
		Severity:   "Medium",
		AssignedTo: "analyst@contoso.example",
		URL:        fmt.Sprintf("https://security.microsoft.com/incidents/%d?tid=11111111-2222-3333-4444-555555555555", id),
	}}
	for i, name := range []string{
		"assignedTo", "classification", "comments", "createdTime", "determination", "incidentId", "incidentName", "incidentUri",
		"lastModifiedBy", "lastUpdateTime", "priorityScore", "redirectIncidentId", "severity", "status", "summary", "tags",
	} {
		s.Fields = append(s.Fields, incident.Field{Name: name, Part: incident.Part{Digest: digestOf(id, i)}})
	}
	for i := range 3 {
		s.Alerts = append(s.Alerts, incident.AlertState{
			ID: fmt.Sprintf("da%018d_-%010d", 637547396980627145+id, i), Part: incident.Part{Digest: digestOf(id, 100+i)},
			Status: "New", LastUpdate: changed, Title: "Suspicious process injection observed", Severity: "Medium", Prints: printsOf(id, i),
		})
	}
	return s
}

// printsOf returns prints as large as those of an alert with 25 fields, six of them empty.
func printsOf(id int64, alert int) incident.Prints {
	prints := []byte{25, 1, 2, 0xff, 0xff, 0x07, 0}
	for i := range 3 {
		digest := digestOf(id, 200+10*alert+i)
		prints = append(prints, digest[:]...)
	}
	return incident.Prints(prints[:7+2*19])
}

// digestOf returns a digest that no other part has, with pseudo-random bytes.
func digestOf(id int64, part int) incident.Digest {
	const golden = 0x9e3779b97f4a7c15
	n := (uint64(id)<<8 + uint64(part)) * golden
	return incident.Digest(slices.Concat(binary.BigEndian.AppendUint64(nil, n), binary.LittleEndian.AppendUint64(nil, n*golden)))
}
