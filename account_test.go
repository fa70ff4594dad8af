package defenderincidentsreceiver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// disk is a storage whose writes are durable at once, as file_storage's are.
// After kill, the clients it gave out write nothing any more, as a process does
// that was killed.
type disk struct {
	component.StartFunc
	component.ShutdownFunc

	mu      sync.Mutex
	entries map[string][]byte
	life    int
}

func (d *disk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
}

// entry is what is stored under a key; empty: nothing.
func (d *disk) entry(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.entries[key])
}

// account is what is stored of the requests for single incidents.
func (d *disk) account(t *testing.T, api API) quota.Stored {
	t.Helper()
	client, err := d.GetClient(t.Context(), component.KindReceiver, component.MustNewID("defender_incidents"), "")
	require.NoError(t, err)
	_, contents, err := checkpoint.Open(t.Context(), client, string(api))
	require.NoError(t, err)
	return contents.Quota
}

// tenthAfter is when a request ended, as it is stored: rounded up to a tenth of
// a second.
func tenthAfter(end time.Time) time.Time {
	return end.Add(100*time.Millisecond - 1).Truncate(100 * time.Millisecond).Round(0).UTC()
}

func (d *disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &diskClient{disk: d, life: d.life}, nil
}

type diskClient struct {
	disk *disk
	life int
}

func (c *diskClient) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := c.Batch(ctx, get)
	return get.Value, err
}

func (c *diskClient) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

func (c *diskClient) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

func (c *diskClient) Close(context.Context) error { return nil }

func (c *diskClient) Batch(_ context.Context, operations ...*storage.Operation) error {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	for _, o := range operations {
		switch {
		case o.Type == storage.Get:
			o.Value = c.disk.entries[o.Key]
		case c.life != c.disk.life:
		case o.Type == storage.Set:
			c.disk.entries[o.Key] = o.Value
		case o.Type == storage.Delete:
			delete(c.disk.entries, o.Key)
		}
	}
	return nil
}

func TestAStopWritesTheAccountToItsEnd(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.start()
		time.Sleep(time.Minute)
		ended := time.Now().Add(-time.Minute)
		w.stop()
		require.Equal(t, quota.Stored{Since: ended.UTC(), Ended: []time.Time{tenthAfter(ended)}}, kept.account(t, api))
	})
}

func TestTheAccountIsWrittenBeforeARequestGoes(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		require.NoError(t, w.sim.SetFault(1001, rule(t, "hang")))
		began := time.Now()
		w.start()
		time.Sleep(time.Second)
		kept.kill() // in the middle of the request
		w.stop()
		require.Equal(t, quota.Stored{Since: began.UTC(), InFlight: 1}, kept.account(t, api))
	})
}
