// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestStorageThatHangsForAWhileLosesNothing(t *testing.T) {
	for name, deaf := range map[string]bool{"calls heed their context": false, "calls ignore their context": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10), harness.WithFeed(slowFeed))
				disk := useStubbornDisk(t, h)
				h.Start()
				harness.Sleep(9 * time.Minute)
				before := h.Polls(0)
				h.Assign(1001, 1002)
				disk.hang(deaf)
				harness.Sleep(20 * time.Minute)
				h.Assign(1003, 1004)
				harness.Sleep(40 * time.Minute)
				require.Greater(t, h.Polls(0), before+10*6, "polling continues")
				require.NotEmpty(t, h.Warnings(), "that is logged")
				require.LessOrEqual(t, len(h.Warnings()), 16, "%v", h.Warnings()) // ten incidents are logged

				disk.unhang()
				harness.Sleep(30 * time.Minute)
				h.RequireProof()
				require.Subset(t, h.Sink.Changes(), updated(1001, 1002, 1003, 1004))
				synctest.Wait()
				h.Disk.Kill() // by now, everything has been written
				h.Stop()
				h.Start()
				harness.Sleep(30 * time.Minute)
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

// Records that are accepted while their state cannot be written are emitted again
// after a restart, unless the storage responds earlier. The next poll of the
// incident, which writes its state again, is hours away.
func TestStateThatCouldNotBeWrittenIsWrittenOnceTheStorageResponds(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 12 * time.Hour })
		disk := useStubbornDisk(t, h)
		h.Start()
		harness.Sleep(time.Hour)
		h.Sink.Reset()
		h.Sink.Refuse = func(context.Context) error {
			disk.hang(false) // a call that ignored its context would still write it
			return nil
		}
		before := h.Polls(1001)
		h.Assign(1001)
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
		h.Sink.Refuse = nil
		harness.Sleep(10 * time.Minute)
		disk.unhang()
		harness.Sleep(5 * time.Minute)
		require.Equal(t, before, h.Polls(1001))
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		h.Start()
		harness.Sleep(13 * time.Hour)
		require.Empty(t, h.Sink.Changes())
	})
}

func TestShutdownNamesTheStorageThatHangs(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		disk := useStubbornDisk(t, h)
		h.Start()
		harness.Sleep(10 * time.Minute)
		disk.hang(true)
		harness.Sleep(20 * time.Minute)
		began := time.Now()
		err := h.Receiver.Shutdown(context.Background())
		require.ErrorContains(t, err, "storage")
		require.NotContains(t, err.Error(), "pipeline")
		require.LessOrEqual(t, time.Since(began), 20*time.Second)
		disk.unhang()
		synctest.Wait()
	})
}

func TestShutdownEndsCallsOfAStorageThatHangs(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		disk := useStubbornDisk(t, h)
		h.Start()
		harness.Sleep(10 * time.Minute)
		disk.hang(false)
		harness.Sleep(20 * time.Minute)
		began := time.Now()
		require.NoError(t, h.Receiver.Shutdown(context.Background()))
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
		require.Equal(t, 1, disk.timesClosed())
	})
}

func TestStorageThatTakesATenthOfASecondIsFastEnough(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20), harness.WithFeed(slowFeed), func(cfg *receiver.Config) { cfg.CollectionInterval = time.Minute })
		disk := useStubbornDisk(t, h)
		disk.delay = 100 * time.Millisecond
		h.Start()
		harness.Sleep(5 * time.Minute)
		before := h.Polls(0)
		h.Assign(1001, 1002)
		harness.Sleep(20 * time.Minute)
		require.GreaterOrEqual(t, h.Polls(0)-before, 20*20*9/10)
		h.RequireProof()
		require.Empty(t, h.Warnings())
		h.Stop()
	})
}
