// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
)

// Elector is a leader elector with one lease, for any number of receivers of one
// collector. Like the extension k8s_leader_elector, it calls them under a lock, one
// after another.
type Elector struct {
	component.StartFunc
	component.ShutdownFunc

	mu      sync.Mutex
	resign  context.CancelFunc // nil: it does not lead
	started []func(context.Context)
	stopped []func()
}

// ElectorID is the ID for an Elector among the extensions of a Host.
func ElectorID() component.ID { return component.MustNewID("k8s_leader_elector") }

// SetCallBackFuncs registers the functions to call when the leadership begins
// and ends.
func (e *Elector) SetCallBackFuncs(started func(context.Context), stopped func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.started, e.stopped = append(e.started, started), append(e.stopped, stopped)
	if e.resign != nil {
		started(context.Background())
	}
}

// Elect begins a leadership.
func (e *Elector) Elect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, resign := context.WithCancel(context.Background())
	e.resign = resign
	for _, started := range e.started {
		started(ctx)
	}
}

// Lose ends the leadership.
func (e *Elector) Lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.resign != nil {
		e.resign()
		e.resign = nil
	}
	for _, stopped := range e.stopped {
		stopped()
	}
}

// ElectTooLate begins and ends a leadership before it reports the beginning.
func (e *Elector) ElectTooLate() {
	ctx, resign := context.WithCancel(context.Background())
	resign()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, stopped := range e.stopped {
		stopped()
	}
	for _, started := range e.started {
		started(ctx)
	}
}
