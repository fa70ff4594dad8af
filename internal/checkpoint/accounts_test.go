// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func perMinute(requests int) quota.Limit { return quota.Limit{Window: time.Minute, Requests: requests} }

func TestEachAPIHasItsOwnAccountsAndTheFeedIsShared(t *testing.T) {
	client := newStorage()
	incidents := quota.Stored{
		Since: at(1795437000000), Ended: []time.Time{at(1795437282500)}, PausedUntil: at(1795440000000),
		Learned: []quota.Learned{{Limit: perMinute(40), Since: at(1795437282000)}},
	}
	discover := false
	feed := Feed{
		Boundary: time.Date(2026, 11, 23, 12, 0, 0, 100, time.UTC),
		Alerts:   time.Date(2026, 11, 23, 12, 0, 1, 200, time.UTC),
		Pending:  []Pending{{ID: 437, Changed: time.Date(2026, 11, 23, 11, 59, 0, 1, time.UTC)}, {ID: 552}},
		Discover: &discover,
		Quota:    quota.Stored{Since: at(1795437000001), InFlight: 1},
	}
	store, _ := openFor(t, client, "defender_xdr")
	require.NoError(t, store.Save(t.Context(), 437, stateOf("Active")))
	require.NoError(t, store.SaveQuota(t.Context(), incidents))
	require.NoError(t, store.SaveFeed(t.Context(), feed))

	store, contents := openFor(t, client, "graph")
	shared := feed
	shared.Quota = quota.Stored{}
	assert.Equal(t, Contents{
		Feed:      shared,
		Summaries: map[int64]incident.Summary{437: stateOf("Active").Summary()},
	}, contents)
	moved := Feed{Boundary: feed.Boundary.Add(time.Hour), Alerts: feed.Alerts.Add(time.Minute), Pending: []Pending{{ID: 552}}, Quota: quota.Stored{Since: at(2)}}
	require.NoError(t, store.SaveQuota(t.Context(), quota.Stored{Since: at(1)}))
	require.NoError(t, store.SaveFeed(t.Context(), moved))
	_, contents = openFor(t, client, "graph")
	assert.Equal(t, quota.Stored{Since: at(1)}, contents.Quota)
	assert.Equal(t, moved, contents.Feed)

	_, contents = openFor(t, client, "defender_xdr") // back again
	assert.Equal(t, incidents, contents.Quota)
	assert.Equal(t, Feed{Boundary: moved.Boundary, Alerts: moved.Alerts, Pending: moved.Pending, Quota: feed.Quota}, contents.Feed)
	assert.Equal(t, []string{
		"v1/feed", "v1/incident/437",
		"v1/quota/defender_xdr/incidents", "v1/quota/defender_xdr/list", "v1/quota/graph/incidents", "v1/quota/graph/list",
		"v2/incidents/37", "version",
	}, keys(t, client))
}

func TestSweepsContinueWhereTheyWere(t *testing.T) {
	client := newStorage()
	store, contents := open(t, client)
	assert.Equal(t, Sweep{}, contents.Sweep)
	progress := Sweep{Began: at(1795437000000), Completed: at(1795436000001), Pages: 107, List: 1, Skip: 270, Done: 4}
	require.NoError(t, store.SaveSweep(t.Context(), progress))
	_, contents = open(t, client)
	assert.Equal(t, progress, contents.Sweep)

	require.NoError(t, client.Set(t.Context(), "v1/sweep", []byte(`{"pages":"many"}`)))
	_, _, err := Open(t.Context(), client, "defender_xdr")
	assert.ErrorContains(t, err, "cannot read the checkpoint's entry v1/sweep")
}

func TestPassContinuesWhereItWas(t *testing.T) {
	client := newStorage()
	store, contents := open(t, client)
	assert.Equal(t, Pass{}, contents.Pass)
	for _, progress := range []Pass{
		{Phase: "alerts", Since: at(1795437000000).Add(100), IncidentsRead: true, AlertsFrom: at(1795437000000)},
		{Phase: "done", IncidentsRead: true, AlertsShown: at(1795437000000)},
		{Phase: "done", AlertsRead: true}, // as an earlier version wrote it
		{},
	} {
		require.NoError(t, store.SavePass(t.Context(), progress))
		_, contents = open(t, client)
		assert.Equal(t, progress, contents.Pass)
	}

	require.NoError(t, client.Set(t.Context(), "v1/pass", []byte(`{"since":"yesterday"}`)))
	_, _, err := Open(t.Context(), client, "graph")
	assert.ErrorContains(t, err, "cannot read the checkpoint's entry v1/pass")
}

func TestEntryOfAPassReadsAsItDid(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	began := time.Date(2026, 2, 3, 4, 5, 6, 123456700, time.UTC)
	progress := Pass{Phase: "alerts", Since: began, IncidentsRead: true, AlertsFrom: began.Add(time.Second), AlertsShown: began.Add(-time.Second)}
	require.NoError(t, store.SavePass(t.Context(), progress))
	assert.JSONEq(t, `{"phase":"alerts","since":"2026-02-03T04:05:06.1234567Z","incidents_read":true,
		"alerts_from":"2026-02-03T04:05:07.1234567Z","alerts_shown":"2026-02-03T04:05:05.1234567Z"}`, contentOf(t, client, "v1/pass"))
}

func TestFeedIsStoredWithItsAccountInOneOperation(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	client.batches = nil
	feed := Feed{Quota: quota.Stored{Since: at(1795437000000)}}
	require.NoError(t, store.SaveFeed(t.Context(), feed))
	assert.Equal(t, [][]string{{"v1/feed", "v1/quota/defender_xdr/list"}}, client.batches)

	client.fails, client.failsOn = errors.New("disk full"), "v1/quota/defender_xdr/list"
	assert.EqualError(t, store.SaveFeed(t.Context(), feed), "write the checkpoint's entry v1/feed: disk full")
	client.failsOn = "v1/quota/defender_xdr/incidents"
	assert.EqualError(t, store.SaveQuota(t.Context(), quota.Stored{}), "write the checkpoint's entry v1/quota/defender_xdr/incidents: disk full")
}

// If one account counts all requests, the feed has none of its own.
func TestFeedWithoutAnAccountLeavesTheStoredOne(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	account := quota.Stored{Since: at(1795437000000), InFlight: 1}
	require.NoError(t, store.SaveListQuota(t.Context(), account))
	require.NoError(t, store.SaveFeed(t.Context(), Feed{Boundary: at(1795437282500)}))
	_, contents := open(t, client)
	assert.Equal(t, Feed{Boundary: at(1795437282500), Quota: account}, contents.Feed)

	require.NoError(t, store.SaveListQuota(t.Context(), quota.Stored{}))
	_, contents = open(t, client)
	assert.True(t, contents.Feed.Quota.Empty())
}

// Before there were two APIs, there was one account of each kind of request.
func TestAccountsOfNoAPIAreIgnored(t *testing.T) {
	client := newStorage()
	require.NoError(t, client.Set(t.Context(), "version", []byte("1")))
	require.NoError(t, client.Set(t.Context(), "v1/quota", []byte(`{"since":1,"ended":[2]}`)))
	require.NoError(t, client.Set(t.Context(), "v1/feed", []byte(`{"named":[437],"quota":{"since":1,"in_flight":1}}`)))
	_, contents := open(t, client)
	assert.Equal(t, Contents{Feed: Feed{Pending: []Pending{{ID: 437}}}, Summaries: map[int64]incident.Summary{}}, contents)
}

// The quota of one API does not depend on what was sent to the other.
func TestPauseUnderOneAPIDelaysOnlyThatAPI(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	client := kept{newStorage()}
	opened := func(api string) (store *Store, gets, lists *quota.Account) {
		store, contents := openFor(t, client, api)
		gets, lists = quota.NewAccount(perMinute(100)), quota.NewAccount(perMinute(50))
		gets.Restore(contents.Quota, time.Hour, now)
		lists.Restore(contents.Feed.Quota, time.Hour, now)
		return store, gets, lists
	}
	wait := func(a *quota.Account) time.Duration {
		next, ok := a.Next(now, quota.Fresh)
		require.True(t, ok)
		return next.Sub(now)
	}
	save := func(store *Store, gets, lists *quota.Account) {
		require.NoError(t, store.SaveQuota(t.Context(), gets.Stored(now)))
		require.NoError(t, store.SaveFeed(t.Context(), Feed{Quota: lists.Stored(now)}))
	}

	store, gets, lists := opened("defender_xdr")
	for range 10 {
		gets.Done(now, 1)
	}
	gets.Throttle(now.Add(10 * time.Minute))
	gets.Restore(quota.Stored{Learned: []quota.Learned{{Limit: perMinute(20), Since: now}}}, time.Hour, now)
	lists.Throttle(now.Add(20 * time.Minute))
	save(store, gets, lists)

	now = now.Add(30 * time.Second)
	store, gets, lists = opened("graph")
	require.Zero(t, wait(gets))
	require.Empty(t, gets.Stored(now).Learned)
	require.Empty(t, gets.Stored(now).Ended)
	require.Zero(t, wait(lists))
	gets.Throttle(now.Add(time.Hour))
	save(store, gets, lists)

	_, gets, lists = opened("defender_xdr") // back within the minute
	require.Equal(t, 10*time.Minute-30*time.Second, wait(gets))
	require.Equal(t, 20, gets.Stored(now).Learned[0].Limit.Requests)
	require.Len(t, gets.Stored(now).Ended, 10)
	require.Equal(t, 20*time.Minute-30*time.Second, wait(lists))
}

func FuzzAccount(f *testing.F) {
	legacy := []byte(`{"since":1795435200000,"ended":[1795435100000,1795435200000],"in_flight":2,"paused_until":1795435260000,` +
		`"learned":[{"window_s":60,"requests":40,"since":1795435200000}]}`)
	f.Add(legacy)
	stored, err := decodeQuota("key", legacy)
	if err != nil {
		f.Fatal(err)
	}
	entry, err := encodeQuota(stored)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(entry[9:])
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, entry := range [][]byte{content, withChecksum(content)} {
			client := kept{newStorage()}
			require.NoError(t, client.Set(t.Context(), "v1/quota/defender_xdr/incidents", entry))
			store, contents, err := Open(t.Context(), client, xdr)
			if err == nil {
				requireUsable(t, store, client, contents.Quota)
			}
		}
	})
}

// requireUsable continues with a stored account and restarts once more.
func requireUsable(t *testing.T, store *Store, client kept, stored quota.Stored) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	restored := func(stored quota.Stored) *quota.Account {
		a := quota.NewAccount(perMinute(100), quota.Limit{Window: time.Hour, Requests: 1500})
		a.Restore(stored, time.Hour, now)
		return a
	}
	account := restored(stored)
	next, ok := account.Next(now, quota.Fresh)
	require.True(t, ok, "nothing is in flight")
	require.False(t, next.After(now.Add(2*time.Hour)), "a pause and a window at most: %v", next)
	for _, r := range account.Remaining(now) {
		require.LessOrEqual(t, r.Requests, 1500)
	}
	before := account.Stored(now).Ended
	require.NoError(t, store.SaveQuota(t.Context(), account.Stored(now)))
	_, contents := open(t, client)
	after := restored(contents.Quota).Stored(now).Ended
	require.GreaterOrEqual(t, len(after), len(before))
	for i, end := range before {
		late := after[len(after)-len(before)+i].Sub(end)
		require.True(t, late >= 0 && late <= tenth, "end %d is %v late", i, late)
	}
}
