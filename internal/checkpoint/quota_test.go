package checkpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestEachAPIHasAccountsOfItsOwnAndTheFeedIsTheSame(t *testing.T) {
	client := newStorage()
	incidents := Quota{
		Since: 1795437000000, Ended: []int64{1795437282495}, PausedUntil: 1795440000000,
		Learned: []LearnedLimit{{WindowSeconds: 60, Requests: 40, Since: 1795437282000}},
	}
	feed := Feed{
		Boundary: time.Date(2026, 11, 23, 12, 0, 0, 100, time.UTC), Named: []int64{437},
		Quota: Quota{Since: 1795437000001, InFlight: 1},
	}
	store, _ := openFor(t, client, "defender_xdr")
	require.NoError(t, store.Save(t.Context(), 437, stateOf("Active")))
	require.NoError(t, store.SaveQuota(t.Context(), incidents))
	require.NoError(t, store.SaveFeed(t.Context(), feed))

	store, contents := openFor(t, client, "graph")
	assert.Equal(t, Contents{
		Feed:  Feed{Boundary: feed.Boundary, Named: feed.Named},
		Known: map[int64]incident.Summary{437: stateOf("Active").Summary()},
	}, contents)
	moved := Feed{Boundary: feed.Boundary.Add(time.Hour), Named: []int64{552}, Quota: Quota{Since: 2}}
	require.NoError(t, store.SaveQuota(t.Context(), Quota{Since: 1}))
	require.NoError(t, store.SaveFeed(t.Context(), moved))
	_, contents = openFor(t, client, "graph")
	assert.Equal(t, Quota{Since: 1}, contents.Quota)
	assert.Equal(t, moved, contents.Feed)

	_, contents = openFor(t, client, "defender_xdr") // back again
	assert.Equal(t, incidents, contents.Quota)
	assert.Equal(t, Feed{Boundary: moved.Boundary, Named: moved.Named, Quota: feed.Quota}, contents.Feed)
	assert.Equal(t, []string{
		"v1/feed", "v1/incident/437",
		"v1/quota/defender_xdr/incidents", "v1/quota/defender_xdr/list", "v1/quota/graph/incidents", "v1/quota/graph/list",
		"v2/incidents/37", "version",
	}, keys(t, client))
}

func TestTheFeedIsStoredWithItsAccountInOneOperation(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	client.batches = nil
	require.NoError(t, store.SaveFeed(t.Context(), Feed{}))
	assert.Equal(t, [][]string{{"v1/feed", "v1/quota/defender_xdr/list"}}, client.batches)

	client.fails, client.failsOn = errors.New("disk full"), "v1/quota/defender_xdr/list"
	assert.EqualError(t, store.SaveFeed(t.Context(), Feed{}), "write the checkpoint's entry v1/feed: disk full")
	client.failsOn = "v1/quota/defender_xdr/incidents"
	assert.EqualError(t, store.SaveQuota(t.Context(), Quota{}), "write the checkpoint's entry v1/quota/defender_xdr/incidents: disk full")
}

// Before there were two APIs, there was one account of each kind of call.
func TestAStorageWithTheFormerAccountsCanBeOpened(t *testing.T) {
	client := newStorage()
	require.NoError(t, client.Set(t.Context(), "version", []byte("1")))
	require.NoError(t, client.Set(t.Context(), "v1/quota", []byte(`{"since":1,"ended":[2]}`)))
	require.NoError(t, client.Set(t.Context(), "v1/feed", []byte(`{"named":[437],"quota":{"since":1,"in_flight":1}}`)))
	_, contents := open(t, client)
	assert.Equal(t, Contents{Feed: Feed{Named: []int64{437}}, Known: map[int64]incident.Summary{}}, contents)
}
