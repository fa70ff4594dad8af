// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// memory is a storage that lasts as long as the process.
type memory map[string][]byte

// NewMemory returns a storage for a receiver without one. It loses everything when the
// process ends. Only one goroutine may use it.
func NewMemory() storage.Client { return memory{} }

func (m memory) Get(_ context.Context, key string) ([]byte, error) { return m[key], nil }

func (m memory) Set(_ context.Context, key string, value []byte) error {
	m[key] = value
	return nil
}

func (m memory) Delete(_ context.Context, key string) error {
	delete(m, key)
	return nil
}

func (m memory) Batch(_ context.Context, operations ...*storage.Operation) error {
	for _, o := range operations {
		switch o.Type {
		case storage.Get:
			o.Value = m[o.Key]
		case storage.Set:
			m[o.Key] = o.Value
		case storage.Delete:
			delete(m, o.Key)
		}
	}
	return nil
}

func (m memory) Close(context.Context) error { return nil }
