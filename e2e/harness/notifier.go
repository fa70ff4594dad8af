//go:build unix

package harness

import "sync"

// Notifier wakes up whoever waits for a condition. Everything that may make a
// condition true calls Notify.
type Notifier struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next Notify
}

// NewNotifier returns a notifier that nobody has called yet.
func NewNotifier() *Notifier { return &Notifier{next: make(chan struct{})} }

// Notify wakes up everybody who waits.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}

// Next is closed by the next Notify. Call it before checking the condition, so
// that no change in between is missed.
func (n *Notifier) Next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}
