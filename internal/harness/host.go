// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// Host has the extensions that a receiver finds, and keeps the status events
// that it reports.
type Host struct {
	Extensions map[component.ID]component.Component

	mu       sync.Mutex
	statuses []string
}

var _ componentstatus.Reporter = (*Host)(nil)

// Report keeps a status event.
func (h *Host) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	status := event.Status().String()
	if event.Err() != nil {
		status += ": " + event.Err().Error()
	}
	h.statuses = append(h.statuses, status)
}

// Statuses are the events so far, as "StatusOK" or
// "StatusRecoverableError: reason".
func (h *Host) Statuses() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.statuses)
}

// GetExtensions returns Extensions.
func (h *Host) GetExtensions() map[component.ID]component.Component { return h.Extensions }
