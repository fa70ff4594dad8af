// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

var errReadOnly = errors.New("read-only file system")

// stubbornDisk is a disk that misbehaves as a test requires, and counts what is written.
type stubbornDisk struct {
	*harness.Disk

	mu       sync.Mutex
	delay    time.Duration // of each call
	hanging  chan struct{} // closed when calls continue; nil: they do not hang
	deaf     bool          // calls that hang ignore their context
	readOnly bool
	written  map[string]int // bytes by key
	last     int            // bytes of the last call that wrote
	closed   int
}

// useStubbornDisk puts a stubborn disk in front of the harness's.
func useStubbornDisk(t *testing.T, h *harness.Harness) *stubbornDisk {
	t.Helper()
	d := &stubbornDisk{Disk: h.Disk, written: map[string]int{}}
	h.Host.Extensions[*h.Config.StorageID] = d
	t.Cleanup(d.unhang)
	return d
}

// hang makes all calls hang from now on.
func (d *stubbornDisk) hang(deaf bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hanging, d.deaf = make(chan struct{}), deaf
}

// unhang makes hanging calls return.
func (d *stubbornDisk) unhang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hanging != nil {
		close(d.hanging)
	}
	d.hanging = nil
}

// writtenUnder returns how many bytes were written to keys with this prefix.
func (d *stubbornDisk) writtenUnder(prefix string) (bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, n := range d.written {
		if strings.HasPrefix(key, prefix) {
			bytes += n
		}
	}
	return bytes
}

// lastWrite returns how many bytes the last call that wrote anything has written.
func (d *stubbornDisk) lastWrite() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *stubbornDisk) timesClosed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func (d *stubbornDisk) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	client, err := d.Disk.GetClient(ctx, kind, id, name)
	return &stubbornClient{client, d}, err
}

// begin runs before each call.
func (d *stubbornDisk) begin(ctx context.Context, operations ...*storage.Operation) error {
	d.mu.Lock()
	delay, hanging, deaf, readOnly := d.delay, d.hanging, d.deaf, d.readOnly
	size := 0
	for _, o := range operations {
		if o.Type == storage.Set {
			d.written[o.Key] += len(o.Value)
			size += len(o.Value)
		}
	}
	if size > 0 {
		d.last = size
	}
	d.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	for _, o := range operations {
		if readOnly && o.Type != storage.Get {
			return errReadOnly
		}
	}
	switch {
	case hanging == nil:
		return nil
	case deaf:
		<-hanging
		return nil
	}
	select {
	case <-hanging:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type stubbornClient struct {
	client storage.Client
	disk   *stubbornDisk
}

func (c *stubbornClient) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := c.Batch(ctx, get)
	return get.Value, err
}

func (c *stubbornClient) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

func (c *stubbornClient) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

func (c *stubbornClient) Batch(ctx context.Context, operations ...*storage.Operation) error {
	if err := c.disk.begin(ctx, operations...); err != nil {
		return err
	}
	return c.client.Batch(ctx, operations...)
}

func (c *stubbornClient) Close(ctx context.Context) error {
	c.disk.mu.Lock()
	c.disk.closed++
	c.disk.mu.Unlock()
	return c.client.Close(ctx)
}
