package defenderincidentsreceiver

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// accountKey is where the account of the requests for single incidents is kept.
func accountKey(api API) string { return "v1/quota/" + string(api) + "/incidents" }

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

func TestAnAccountFromTheFutureCountsAsNow(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := newAccount(RateLimitConfig{RequestsPerHour: 4})
	p.restore(checkpoint.Quota{
		Ended:    []int64{now.Add(time.Hour).UnixMilli(), now.Add(-2 * time.Hour).UnixMilli(), now.Add(-30 * time.Minute).UnixMilli()},
		InFlight: 1,
	}, now)
	require.Equal(t, []time.Time{now.Add(-30 * time.Minute), now, now}, p.Ended(now))
	require.Zero(t, p.InFlight())
	require.Equal(t, 1, p.Remaining(now)[0].Requests)
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
		require.JSONEq(t, fmt.Sprintf(`{"since":%d,"ended":[%[1]d]}`, ended.UnixMilli()), string(kept.entries[accountKey(api)]))
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
		entries := maps.Clone(kept.entries)
		w.stop()
		require.JSONEq(t, fmt.Sprintf(`{"since":%d,"in_flight":1}`, began.UnixMilli()), string(entries[accountKey(api)]))
	})
}

func TestWhatAnEarlierRunKnowsGoesOnFromWhereItWas(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(age time.Duration) int64 { return now.Add(-age).UnixMilli() }
	p := newAccount(RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500})
	p.restore(checkpoint.Quota{
		Since:   ago(3 * time.Hour),
		Ended:   []int64{ago(20 * time.Minute), ago(10 * time.Minute)},
		Learned: []checkpoint.LearnedLimit{{WindowSeconds: 60, Requests: 40, Since: ago(2 * time.Hour)}},
	}, now)
	require.Equal(t, 60, p.Remaining(now)[0].Requests, "two quiet hours have passed since")
	require.Equal(t, 150, p.Refused(now, quota.Limit{}, 10*time.Minute).Limit.Requests,
		"the account is whole: it is another program's doing")
}

// An API's quota knows nothing of what was sent to the other.
func TestAWaitUnderOneAPIHoldsUpThatAPIOnly(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	client, err := (&disk{entries: map[string][]byte{}}).GetClient(t.Context(), component.KindReceiver, component.MustNewID("defender_incidents"), "")
	require.NoError(t, err)
	opened := func(api API) (store *checkpoint.Store, gets, lists *account) {
		store, contents, err := checkpoint.Open(t.Context(), client, string(api))
		require.NoError(t, err)
		gets, lists = newAccount(RateLimitConfig{RequestsPerMinute: 100}), newAccount(RateLimitConfig{RequestsPerMinute: 50})
		gets.restore(contents.Quota, now)
		lists.restore(contents.Feed.Quota, now)
		return store, gets, lists
	}
	waits := func(a *account) time.Duration {
		at, ok := a.Next(now, quota.Fresh)
		require.True(t, ok)
		return at.Sub(now)
	}
	saved := func(store *checkpoint.Store, gets, lists *account) {
		require.NoError(t, store.SaveQuota(t.Context(), gets.stored(now)))
		require.NoError(t, store.SaveFeed(t.Context(), checkpoint.Feed{Quota: lists.stored(now)}))
	}

	store, gets, lists := opened(APIDefenderXDR)
	for range 10 {
		gets.Done(now, 1)
	}
	gets.throttle(now.Add(10 * time.Minute))
	gets.Restore(quota.Learned{Limit: quota.Limit{Window: time.Minute, Requests: 20}, Since: now})
	lists.throttle(now.Add(20 * time.Minute))
	saved(store, gets, lists)

	now = now.Add(30 * time.Second)
	store, gets, lists = opened(APIGraph)
	require.Zero(t, waits(gets))
	require.Empty(t, gets.Learned(now))
	require.Empty(t, gets.Ended(now))
	require.Zero(t, waits(lists))
	gets.throttle(now.Add(time.Hour))
	saved(store, gets, lists)

	_, gets, lists = opened(APIDefenderXDR) // back within the minute
	require.Equal(t, 10*time.Minute-30*time.Second, waits(gets))
	require.Equal(t, 20, gets.Learned(now)[0].Limit.Requests)
	require.Len(t, gets.Ended(now), 10)
	require.Equal(t, 20*time.Minute-30*time.Second, waits(lists))
}

func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"since":1795435200000,"ended":[1795435100000,1795435200000],"in_flight":2,"paused_until":1795435260000,` +
		`"learned":[{"window_s":60,"requests":40,"since":1795435200000}]}`))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, stored []byte) {
		kept := &disk{entries: map[string][]byte{accountKey(APIDefenderXDR): stored}}
		client, err := kept.GetClient(t.Context(), component.KindReceiver, component.MustNewID("defender_incidents"), "")
		require.NoError(t, err)
		store, contents, err := checkpoint.Open(t.Context(), client, string(APIDefenderXDR))
		if err != nil {
			return
		}
		p := newAccount(RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500})
		p.restore(contents.Quota, now)

		at, ok := p.Next(now, quota.Fresh)
		require.True(t, ok, "nothing is in flight")
		require.False(t, at.After(now.Add(2*time.Hour)), "a wait and a window at most: %v", at)
		for _, r := range p.Remaining(now) {
			require.LessOrEqual(t, r.Requests, 1500)
		}
		before := p.Ended(now)
		require.NoError(t, store.SaveQuota(t.Context(), p.stored(now)))
		_, contents, err = checkpoint.Open(t.Context(), client, string(APIDefenderXDR))
		require.NoError(t, err, "what is written can be read")
		p = newAccount(RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500})
		p.restore(contents.Quota, now)
		require.Equal(t, before, p.Ended(now))
	})
}
