// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Disk is a storage extension in memory. As with file_storage, its writes are
// durable at once, and a client cannot be used after Close.
type Disk struct {
	component.StartFunc
	component.ShutdownFunc

	// Exclusive refuses a second client while one is open, as file_storage does.
	Exclusive bool

	mu      sync.Mutex
	entries map[string][]byte
	open    int // clients
	life    int // of the process that uses it; a client of an earlier one writes nothing
}

var _ storage.Extension = (*Disk)(nil)

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{entries: map[string][]byte{}} }

// Kill makes the disk ignore all later writes of the clients that it has given
// out, as if their process had been killed.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
}

// Entry returns what is stored under a key; empty: nothing.
func (d *Disk) Entry(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.entries[key])
}

// Put stores an entry.
func (d *Disk) Put(key, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries[key] = []byte(value)
}

// Remove removes an entry.
func (d *Disk) Remove(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, key)
}

// Keys are the keys of all entries, in order.
func (d *Disk) Keys() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := make([]string, 0, len(d.entries))
	for key := range d.entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Incidents are the IDs of the incidents whose state is stored, in order.
func (d *Disk) Incidents() []int64 {
	var ids []int64
	for _, key := range d.Keys() {
		var id int64
		if n, _ := fmt.Sscanf(key, "v1/incident/%d", &id); n == 1 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// GetClient returns a client of the disk.
func (d *Disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Exclusive && d.open > 0 {
		return nil, errLocked
	}
	d.open++
	return &diskClient{disk: d, life: d.life}, nil
}

// Open is how many clients are open.
func (d *Disk) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

var errLocked = errors.New("timeout")

var errClosed = errors.New("the storage client is closed")

type diskClient struct {
	disk   *Disk
	life   int
	closed bool
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

func (c *diskClient) Batch(_ context.Context, operations ...*storage.Operation) error {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	if c.closed {
		return errClosed
	}
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

func (c *diskClient) Close(context.Context) error {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	if c.closed {
		return errClosed
	}
	c.closed = true
	c.disk.open--
	return nil
}
