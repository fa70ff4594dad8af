// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// hanging is a storage with calls that take time, or that do not return until
// it is released.
type hanging struct {
	storage.Client
	takes    time.Duration
	released chan struct{} // nil: nothing hangs
	heeds    bool          // a hanging call returns when its context ends
	running  atomic.Int32
	calls    atomic.Int32
	closed   atomic.Int32
	overlap  atomic.Bool // two calls ran at once
}

func (h *hanging) call(ctx context.Context, do func() error) error {
	h.overlap.CompareAndSwap(false, h.running.Add(1) > 1)
	defer h.running.Add(-1)
	h.calls.Add(1)
	time.Sleep(h.takes)
	if h.released != nil {
		ended := ctx.Done()
		if !h.heeds {
			ended = nil
		}
		select {
		case <-h.released:
		case <-ended:
			return ctx.Err()
		}
	}
	return do()
}

func (h *hanging) Get(ctx context.Context, key string) (value []byte, err error) {
	err = h.call(ctx, func() error {
		value, err = h.Client.Get(ctx, key)
		return err
	})
	return value, err
}

func (h *hanging) Set(ctx context.Context, key string, value []byte) error {
	return h.call(ctx, func() error { return h.Client.Set(ctx, key, value) })
}

func (h *hanging) Delete(ctx context.Context, key string) error {
	return h.call(ctx, func() error { return h.Client.Delete(ctx, key) })
}

func (h *hanging) Batch(ctx context.Context, operations ...*storage.Operation) error {
	return h.call(ctx, func() error { return h.Client.Batch(ctx, operations...) })
}

func (h *hanging) Close(ctx context.Context) error {
	return h.call(ctx, func() error {
		h.closed.Add(1)
		return ctx.Err()
	})
}

// took returns how long a call took, and its error.
func took(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

// eachCall runs a test for each call of a storage, in a bubble.
func eachCall(t *testing.T, test func(t *testing.T, h *hanging, call func(ctx context.Context) error)) {
	for name, call := range map[string]func(ctx context.Context, client storage.Client) error{
		"get": func(ctx context.Context, client storage.Client) error {
			_, err := client.Get(ctx, "key")
			return err
		},
		"set":    func(ctx context.Context, client storage.Client) error { return client.Set(ctx, "key", []byte("value")) },
		"delete": func(ctx context.Context, client storage.Client) error { return client.Delete(ctx, "key") },
		"batch": func(ctx context.Context, client storage.Client) error {
			return client.Batch(ctx, storage.GetOperation("key"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hanging{Client: NewMemory(), released: make(chan struct{})}
				client := &bounded{client: h}
				test(t, h, func(ctx context.Context) error { return call(ctx, client) })
				require.False(t, h.overlap.Load(), "one call at a time")
			})
		})
	}
}

func TestCallThatHangsIsGivenUpAfterTenSeconds(t *testing.T) {
	eachCall(t, func(t *testing.T, h *hanging, call func(ctx context.Context) error) {
		try := func() (time.Duration, error) { return took(func() error { return call(t.Context()) }) }
		lasted, err := try()
		require.ErrorIs(t, err, errUnavailable)
		require.EqualError(t, err, "storage unavailable: no response within 10s")
		require.Equal(t, 10*time.Second, lasted)

		time.Sleep(time.Minute - time.Nanosecond)
		lasted, err = try()
		require.ErrorIs(t, err, errUnavailable)
		require.EqualError(t, err, "storage unavailable: not used for 1m0s after a call without a response")
		require.Zero(t, lasted)

		time.Sleep(time.Hour)
		lasted, err = try()
		require.ErrorIs(t, err, errUnavailable)
		require.EqualError(t, err, "storage unavailable: an earlier call has not returned yet")
		require.Zero(t, lasted)

		close(h.released)
		synctest.Wait()
		require.NoError(t, call(t.Context()))
		require.EqualValues(t, 2, h.calls.Load())
	})
}

func TestAfterTimeoutNoCallIsMadeForAMinute(t *testing.T) {
	eachCall(t, func(t *testing.T, h *hanging, call func(ctx context.Context) error) {
		h.heeds = true
		lasted, err := took(func() error { return call(t.Context()) })
		require.ErrorIs(t, err, errUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded, "what the client says is not lost")
		require.LessOrEqual(t, lasted, 10*time.Second)
		close(h.released)

		time.Sleep(time.Minute - time.Nanosecond)
		require.ErrorIs(t, call(t.Context()), errUnavailable)
		require.EqualValues(t, 1, h.calls.Load())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.NoError(t, call(t.Context()))
	})
}

func TestCallEndsWithItsContext(t *testing.T) {
	for name, heeds := range map[string]bool{"heeded": true, "ignored": false} {
		t.Run(name, func(t *testing.T) {
			eachCall(t, func(t *testing.T, h *hanging, call func(ctx context.Context) error) {
				h.heeds = heeds
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				lasted, err := took(func() error { return call(ctx) })
				require.ErrorIs(t, err, context.Canceled)
				require.NotErrorIs(t, err, errUnavailable)
				require.LessOrEqual(t, lasted, time.Second+returnGrace)

				if !heeds {
					require.ErrorIs(t, call(t.Context()), errUnavailable, "it has not returned yet")
				}
				close(h.released)
				synctest.Wait()
				require.NoError(t, call(t.Context()), "the storage is not to blame")
			})
		})
	}
}

func TestBatchThatWasGivenUpDoesNotWriteToTheCallersOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory(), released: make(chan struct{})}
		require.NoError(t, h.Client.Set(t.Context(), "key", []byte("value")))
		client := &bounded{client: h}
		get := storage.GetOperation("key")
		require.ErrorIs(t, client.Batch(t.Context(), get), errUnavailable)
		close(h.released)
		require.Nil(t, get.Value)
		time.Sleep(time.Minute)
		require.Nil(t, get.Value)
		require.NoError(t, client.Batch(t.Context(), get))
		require.Equal(t, "value", string(get.Value))
	})
}

func TestStorageThatHangsCostsTenSecondsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory(), heeds: true}
		store, _ := open(t, h)
		h.released = make(chan struct{})
		var blocked time.Duration
		for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(time.Second) {
			lasted, err := took(func() error { return store.SaveQuota(t.Context(), quota.Stored{}) })
			require.ErrorIs(t, err, errUnavailable)
			blocked += lasted
		}
		require.LessOrEqual(t, blocked, 10*time.Minute)
		require.Greater(t, blocked, 5*time.Minute, "it is tried again")
	})
}

func TestStatesAreWrittenOnceTheStorageRespondsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory()}
		store, _ := open(t, h)
		require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
		h.released = make(chan struct{})
		require.ErrorIs(t, store.Save(t.Context(), 1, stateOf("Resolved")), errUnavailable)
		require.ErrorIs(t, store.Save(t.Context(), 2, stateOf("Active")), errUnavailable)
		require.ErrorIs(t, store.Flush(t.Context()), errUnavailable)
		requireLoaded(t, store, 1, stateOf("Resolved"))
		require.Equal(t, 2, store.Unwritten())

		close(h.released)
		time.Sleep(time.Minute)
		require.NoError(t, store.Flush(t.Context()))
		require.Zero(t, store.Unwritten())
		store, contents := open(t, h)
		require.Equal(t, map[int64]incident.State{1: stateOf("Resolved"), 2: stateOf("Active")}, loaded(t, store, contents))
	})
}

func TestSlowStorageWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory(), takes: 100 * time.Millisecond}
		store, _ := open(t, h)
		for id := range int64(300) {
			require.NoError(t, store.Save(t.Context(), id+1, full()))
		}
		require.NoError(t, store.Keep(t.Context(), []int64{1, 2}))
		store, contents := open(t, h)
		require.Len(t, contents.Summaries, 2)
		requireLoaded(t, store, 1, full())
		require.NoError(t, store.Close(t.Context()))
		require.EqualValues(t, 1, h.closed.Load())
	})
}

func TestCloseWaitsForTheCallThatHangsButNotForLong(t *testing.T) {
	for name, recovers := range map[string]time.Duration{"recovers in time": 5 * time.Second, "recovers too late": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hanging{Client: NewMemory()}
				store, _ := open(t, h)
				h.released = make(chan struct{})
				require.ErrorIs(t, store.SaveQuota(t.Context(), quota.Stored{}), errUnavailable)
				time.AfterFunc(recovers, func() { close(h.released) })
				lasted, err := took(func() error { return store.Close(t.Context()) })
				require.Equal(t, recovers > storageTimeout, errors.Is(err, errUnavailable), "%v", err)
				require.Equal(t, min(recovers, storageTimeout), lasted)
				time.Sleep(time.Hour)
				require.EqualValues(t, 1, h.closed.Load(), "it is closed in the end")
				require.False(t, h.overlap.Load())
			})
		})
	}
}

func TestCloseThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory()}
		store, _ := open(t, h)
		h.released = make(chan struct{})
		lasted, err := took(func() error { return store.Close(t.Context()) })
		require.ErrorIs(t, err, errUnavailable)
		require.Equal(t, storageTimeout, lasted)
		close(h.released)
	})
}

func TestOpenFailsIfTheStorageHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{Client: NewMemory(), released: make(chan struct{})}
		lasted, err := took(func() error {
			_, _, err := Open(t.Context(), h, xdr)
			return err
		})
		require.ErrorIs(t, err, errUnavailable)
		require.LessOrEqual(t, lasted, 2*storageTimeout)
		close(h.released)
		synctest.Wait()
		require.EqualValues(t, 1, h.closed.Load())
	})
}

func TestOpenThatFailsClosesTheStorage(t *testing.T) {
	h := &hanging{Client: NewMemory()}
	require.NoError(t, h.Client.Set(t.Context(), "version", []byte("5")))
	_, _, err := Open(t.Context(), h, xdr)
	require.ErrorContains(t, err, "version 5")
	require.EqualValues(t, 1, h.closed.Load())
}

func TestMemoryNeedsNoGoroutines(t *testing.T) {
	store, _ := open(t, NewMemory())
	require.IsType(t, memory{}, store.client)
}
