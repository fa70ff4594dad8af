// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// unreadable is a storage that, while failing, cannot read entries with a certain key prefix.
type unreadable struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	prefix  string
	failing atomic.Bool
	failed  atomic.Int64 // reads
}

// useUnreadable gives the receiver an unreadable storage.
func useUnreadable(h *harness.Harness, prefix string) *unreadable {
	s := &unreadable{Client: checkpoint.NewMemory(), prefix: prefix}
	h.Host.Extensions[*h.Config.StorageID] = s
	return s
}

func (s *unreadable) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return s, nil
}

func (s *unreadable) Batch(ctx context.Context, operations ...*storage.Operation) error {
	for _, o := range operations {
		if o.Type == storage.Get && strings.HasPrefix(o.Key, s.prefix) && s.failing.Load() {
			s.failed.Add(1)
			return errors.New("input/output error")
		}
	}
	return s.Client.Batch(ctx, operations...)
}

func TestIncidentWithUnreadableStateIsEmittedOnceItCanBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(t *testing.T, h *harness.Harness)
		warnings []string
		want     []string
	}{
		"changed": {
			change:   func(_ *testing.T, h *harness.Harness) { h.Assign(1001) },
			warnings: []string{msgUnreadable}, want: []string{"1001 updated"},
		},
		"removed": {
			change:   func(t *testing.T, h *harness.Harness) { require.NoError(t, h.Sim.Remove(1001)) },
			warnings: []string{msgNotFound, msgUnreadable}, want: []string{"1001 not_found"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(2))
				storage := useUnreadable(h, "v1/incident/1001")
				h.Start()
				harness.Sleep(time.Minute)
				h.Sink.Reset()
				storage.failing.Store(true)
				test.change(t, h)
				h.Assign(1002)
				harness.Sleep(time.Hour)
				require.Equal(t, []string{"1002 updated"}, h.Sink.Changes(), "the other one is still polled")
				require.Equal(t, test.warnings, h.Warnings())
				require.Greater(t, h.Polls(1001), 12, "it is retried")
				require.Less(t, h.Polls(1001), 30, "with backoff")
				metadatatest.AssertEqualReceiverDefenderIncidentsCheckpointFailures(t, h.Telemetry,
					point(h, storage.failed.Load()), metricdatatest.IgnoreTimestamp())
				require.EqualValues(t, 1, trackedAs(t, h, "failing"))

				storage.failing.Store(false)
				harness.Sleep(10 * time.Minute)
				require.Equal(t, test.want, h.Sink.Changes())
			})
		})
	}
}

// trackedAs returns how many incidents the gauge shows in a state.
func trackedAs(t *testing.T, h *harness.Harness, state string) int64 {
	t.Helper()
	gauge, err := h.Telemetry.GetMetric("otelcol_receiver_defender_incidents_tracked")
	require.NoError(t, err)
	for _, point := range gauge.Data.(metricdata.Gauge[int64]).DataPoints {
		if value, _ := point.Attributes.Value("state"); value.AsString() == state {
			return point.Value
		}
	}
	return 0
}

func TestRecoveryOfUnreadableStateIsLogged(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		storage := useUnreadable(h, "v1/incident/1001")
		h.Start()
		harness.Sleep(time.Minute)
		storage.failing.Store(true)
		harness.Sleep(10 * time.Minute)
		storage.failing.Store(false)
		harness.Sleep(10 * time.Minute)
		lines := h.Logs.FilterMessage(msgIncidentRecovered).All()
		require.Len(t, lines, 1)
		require.Equal(t, "unreadable checkpoint", lines[0].ContextMap()["kind"])
	})
}

func TestRowOfIncidentWithUnreadableStateIsNotLost(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2), harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 5 * time.Minute }))
		h.Config.CollectionInterval = 24 * time.Hour
		storage := useUnreadable(h, "v1/incident/1001")
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Sink.Reset()
		storage.failing.Store(true)
		h.Assign(1001)
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes())
		require.Equal(t, []string{msgUnreadable}, h.Warnings())

		storage.failing.Store(false)
		harness.Sleep(24 * time.Hour)
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
	})
}

func TestManyUnreadableStatesAreNotLoggedForEach(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2*maxNamed))
		storage := useUnreadable(h, "v1/incident/")
		h.Start()
		harness.Sleep(time.Minute)
		storage.failing.Store(true)
		harness.Sleep(time.Hour)
		var want []string
		for range maxNamed {
			want = append(want, msgUnreadable)
		}
		require.Equal(t, append(want, msgMoreFail), h.Warnings())
	})
}

// downgrade rewrites the disk as a receiver of version 1 would have written it:
// each state as one object, one index, and only accounts with a checksum.
func downgrade(t *testing.T, disk *harness.Disk, ids string) {
	t.Helper()
	for _, key := range disk.Keys() {
		switch {
		case strings.HasPrefix(key, "v1/incident/"):
			lines := strings.Split(disk.Entry(key), "\n")
			require.Len(t, lines, 3)
			disk.Put(key, strings.TrimSuffix(lines[1], "}")+","+strings.TrimPrefix(lines[2], "{"))
		case strings.HasPrefix(key, "v2/incidents/"):
			disk.Remove(key)
		case key != "version" && !strings.HasPrefix(key, "v1/quota/"):
			disk.Put(key, withoutChecksum(t, disk.Entry(key)))
		}
	}
	disk.Put("version", "1")
	disk.Put("v1/incidents", ids)
}

// withoutChecksum returns the content of a stored entry.
func withoutChecksum(t *testing.T, entry string) string {
	t.Helper()
	_, content, found := strings.Cut(entry, "\n")
	require.True(t, found, entry)
	return content
}

func TestUpgradeFromCheckpointV1(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		h.RunOnce()
		downgrade(t, h.Disk, "[1001,1002,1003]")
		h.Assign(1002)
		h.Start()
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 updated"}, h.Sink.Changes())
		require.Equal(t, "4", h.Disk.Entry("version"))
		require.Empty(t, h.Disk.Entry("v1/incidents"))
		for n := range 3 {
			require.Equal(t, fmt.Sprintf("[%d]", 1001+n), withoutChecksum(t, h.Disk.Entry(fmt.Sprintf("v2/incidents/%02d", 1+n))))
		}
	})
}

// When there was only one API, states did not record it.
func TestStateWithoutAPIBelongsToDefenderXDR(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.RunOnce()
		downgrade(t, h.Disk, "[1001]")
		without := strings.ReplaceAll(h.Disk.Entry("v1/incident/1001"), `"api":"defender_xdr",`, "")
		require.NotEqual(t, h.Disk.Entry("v1/incident/1001"), without)
		h.Disk.Put("v1/incident/1001", without)

		h.Assign(1001)
		h.Start()
		harness.Sleep(time.Hour)
		require.Len(t, h.Sink.AllLogs(), 1)
		record := h.Sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		fields, _ := record.Attributes().Get("microsoft.defender.incident.changed_fields")
		require.Equal(t, []any{"assignedTo", "lastUpdateTime"}, fields.Slice().AsRaw(), "compared field by field, not as after a switch of the API")
	})
}

// unwritable is a storage that cannot write while failing. Like file_storage on a
// full disk, it then also reports reads as failed although they succeed.
type unwritable struct {
	storage.Client
	component.StartFunc
	component.ShutdownFunc
	failing atomic.Bool
	writes  atomic.Int64 // that failed
}

func (f *unwritable) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return f, nil
}

func (f *unwritable) Batch(ctx context.Context, operations ...*storage.Operation) error {
	full := f.failing.Load()
	if full && operations[0].Type != storage.Get {
		f.writes.Add(1)
		return errors.New("no space left on device")
	}
	err := f.Client.Batch(ctx, operations...)
	if full {
		err = errors.New("no space left on device")
	}
	return err
}

func (f *unwritable) Set(ctx context.Context, key string, value []byte) error {
	return f.Batch(ctx, storage.SetOperation(key, value))
}

func TestCheckpointWriteFailureIsLoggedOnceAndPollingContinues(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2))
		store := &unwritable{Client: checkpoint.NewMemory()}
		h.Host.Extensions[*h.Config.StorageID] = store
		h.Start()
		harness.Sleep(time.Minute)
		store.failing.Store(true)
		harness.Sleep(time.Hour)
		h.Assign(1001)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes()[4:], "first seen and updated, each once")
		require.Equal(t, []string{msgWriteFails}, h.Warnings(), "once for all entries")
		metadatatest.AssertEqualReceiverDefenderIncidentsCheckpointFailures(t, h.Telemetry,
			point(h, store.writes.Load()), metricdatatest.IgnoreTimestamp())

		store.failing.Store(false)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, msgWriteRecovered, h.Logs.All()[h.Logs.Len()-1].Message)
		require.Equal(t, 1, h.Logs.FilterMessage(msgWriteRecovered).Len())
	})
}

// On a full disk, a write succeeds if it needs no more space than an earlier one has freed.
func TestDiskOnWhichSomeWritesFailIsOneFailure(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = time.Second })
		store := &unwritable{Client: checkpoint.NewMemory()}
		h.Host.Extensions[*h.Config.StorageID] = store
		h.Start()
		harness.Sleep(time.Minute)
		for range 20 * 60 {
			store.failing.Store(!store.failing.Load())
			harness.Sleep(time.Second)
		}
		require.Greater(t, store.writes.Load(), int64(100))
		require.Equal(t, []string{msgWriteFails}, h.Warnings())
		require.Zero(t, h.Logs.FilterMessage(msgWriteRecovered).Len())

		store.failing.Store(false)
		harness.Sleep(2 * time.Minute)
		require.Equal(t, []string{msgWriteFails}, h.Warnings())
		require.Equal(t, 1, h.Logs.FilterMessage(msgWriteRecovered).Len())
	})
}

// The tenant's ID is stored once, after the first response has shown it. Later polls do not write it again.
func TestEveryEntryThatCouldNotBeWrittenIsWrittenOnceThereIsRoom(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(2), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 24 * time.Hour })
		store := &unwritable{Client: checkpoint.NewMemory()}
		h.Host.Extensions[*h.Config.StorageID] = store
		h.Start()
		store.failing.Store(true)
		harness.Sleep(5 * time.Minute)
		before, err := store.Get(t.Context(), "v1/receiver")
		require.NoError(t, err)
		require.NotContains(t, string(before), `"tenant"`)

		store.failing.Store(false)
		harness.Sleep(time.Minute)
		after, err := store.Get(t.Context(), "v1/receiver")
		require.NoError(t, err)
		require.Contains(t, string(after), `"tenant"`)
		require.Equal(t, 1, h.Logs.FilterMessage(msgWriteRecovered).Len())
	})
}
