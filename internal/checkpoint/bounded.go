// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

const (
	// storageTimeout bounds how long a storage call takes.
	storageTimeout = 10 * time.Second
	// returnGrace is the last part of storageTimeout. The call's context has ended by
	// then, so a client that respects it returns.
	returnGrace = 100 * time.Millisecond
	// holdTime is how long no call is made after one that timed out. A hanging storage
	// costs the caller at most 10 s a minute.
	holdTime = time.Minute
)

// errUnavailable is the error of a call that timed out, and of the calls that are
// then not made.
var errUnavailable = errors.New("storage unavailable")

var (
	errTimeout = fmt.Errorf("%w: no response within %v", errUnavailable, storageTimeout)
	errHold    = fmt.Errorf("%w: not used for %v after a call without a response", errUnavailable, holdTime)
	errHanging = fmt.Errorf("%w: an earlier call has not returned yet", errUnavailable)
)

// bounded is a storage client that never blocks for longer than storageTimeout, even if
// the client behind it ignores its context. It makes one call at a time, in order: after
// abandoning a call, it makes no other until that one has returned. Only one goroutine
// may use it.
type bounded struct {
	client  storage.Client
	hanging <-chan struct{} // closed when the abandoned call returns; nil: there is none
	hold    *time.Timer     // fires when the hold ends; nil: calls are not on hold
}

func (b *bounded) Get(ctx context.Context, key string) ([]byte, error) {
	return attempt(ctx, b, func(ctx context.Context) ([]byte, error) { return b.client.Get(ctx, key) })
}

func (b *bounded) Set(ctx context.Context, key string, value []byte) error {
	_, err := attempt(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.client.Set(ctx, key, value) })
	return err
}

func (b *bounded) Delete(ctx context.Context, key string) error {
	_, err := attempt(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.client.Delete(ctx, key) })
	return err
}

// Batch works on copies of the operations, since an abandoned call may still write to
// them. Like the client, it may return values that it has read although it fails.
func (b *bounded) Batch(ctx context.Context, operations ...*storage.Operation) error {
	own := make([]*storage.Operation, len(operations))
	for i, operation := range operations {
		twin := *operation
		own[i] = &twin
	}
	done, err := attempt(ctx, b, func(ctx context.Context) ([]*storage.Operation, error) { return own, b.client.Batch(ctx, own...) })
	for i := range done {
		operations[i].Value = done[i].Value //nolint:gosec // there are as many, or none
	}
	return err
}

// Close closes the client after an abandoned call has returned. It waits no longer than
// for any other call.
func (b *bounded) Close(ctx context.Context) error {
	hanging := b.hanging
	_, err := run(ctx, b, func(ctx context.Context) (none, error) {
		if hanging != nil {
			<-hanging
			ctx = context.WithoutCancel(ctx) // it may have ended meanwhile
		}
		return none{}, b.client.Close(ctx)
	})
	return err
}

// none is the result of a call that has only an error.
type none struct{}

// attempt makes a call unless the storage is known not to respond.
func attempt[T any](ctx context.Context, b *bounded, call func(context.Context) (T, error)) (result T, err error) {
	if err := b.ready(); err != nil {
		return result, err
	}
	return run(ctx, b, call)
}

// ready returns an error if no call may be made now.
func (b *bounded) ready() error {
	if b.hold != nil {
		select {
		case <-b.hold.C:
			b.hold = nil
		default:
			return errHold
		}
	}
	if b.hanging != nil {
		select {
		case <-b.hanging:
			b.hanging = nil
		default:
			return errHanging
		}
	}
	return nil
}

// run makes a call and waits until it returns, times out, or ctx ends. In the last two
// cases it abandons the call.
func run[T any](ctx context.Context, b *bounded, call func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeoutCause(ctx, storageTimeout-returnGrace, errTimeout)
	defer cancel()
	var result T
	var failure error
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		result, failure = call(limited)
	}()
	if !waitFor(limited, returned) {
		b.hanging = returned // its goroutine still owns result and failure
		var nothing T
		return nothing, b.abandoned(limited)
	}
	if failure != nil && limited.Err() != nil {
		return result, errors.Join(b.abandoned(limited), failure)
	}
	return result, failure
}

// waitFor waits until returned is closed, but no longer than returnGrace after ctx has
// ended. It reports whether returned was closed.
func waitFor(ctx context.Context, returned <-chan struct{}) bool {
	select {
	case <-returned:
		return true
	case <-ctx.Done():
	}
	grace := time.NewTimer(returnGrace)
	defer grace.Stop()
	select {
	case <-returned:
		return true
	case <-grace.C:
		return false
	}
}

// abandoned returns why a call was abandoned, and holds further calls if it timed out.
func (b *bounded) abandoned(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errUnavailable) {
		b.hold = time.NewTimer(holdTime)
		return cause
	}
	return fmt.Errorf("storage call abandoned: %w", cause)
}
