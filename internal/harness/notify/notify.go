// SPDX-License-Identifier: Apache-2.0

// Package notify wakes whoever waits for a condition, in tests that run in real time: those in internal/harness and e2e.
package notify

import "sync"

// Notifier wakes whoever waits for a condition. Whatever may make the condition
// true calls Notify. It is for tests in real time; in a synctest bubble sleeping
// is simpler.
type Notifier struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next Notify
}

// New returns a notifier that has not notified anybody yet.
func New() *Notifier { return &Notifier{next: make(chan struct{})} }

// Notify wakes all who wait.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}

// Notified is closed by the next Notify. Get it before looking at the condition,
// so that no change in between is missed.
func (n *Notifier) Notified() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}
