// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/storagetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/goleak"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const xdr = "defender_xdr"

func newStorage() *storagetest.TestClient {
	return storagetest.NewInMemoryClient(component.KindReceiver, component.MustNewID("defender_incidents"), "")
}

// wired passes everything on to a storage, records the batches, and fails on demand.
type wired struct {
	storage.Client
	fails      error  // nil: nothing fails
	failsOn    string // the key that fails; empty: all
	afterwards error  // returned by each batch, which takes effect all the same
	batches    [][]string
}

func (w *wired) failure(key string) error {
	if w.failsOn == "" || w.failsOn == key {
		return w.fails
	}
	return nil
}

func (w *wired) Get(ctx context.Context, key string) ([]byte, error) {
	if err := w.failure(key); err != nil {
		return nil, err
	}
	return w.Client.Get(ctx, key)
}

func (w *wired) Set(ctx context.Context, key string, value []byte) error {
	if err := w.failure(key); err != nil {
		return err
	}
	return w.Client.Set(ctx, key, value)
}

func (w *wired) Batch(ctx context.Context, operations ...*storage.Operation) error {
	var keys []string
	for _, o := range operations {
		if err := w.failure(o.Key); err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	slices.Sort(keys)
	w.batches = append(w.batches, keys)
	return errors.Join(w.Client.Batch(ctx, operations...), w.afterwards)
}

func open(t *testing.T, client storage.Client) (*Store, Contents) {
	t.Helper()
	return openFor(t, client, xdr)
}

// openFor opens the checkpoint of a receiver that uses the API of that name.
func openFor(t *testing.T, client storage.Client, api string) (*Store, Contents) {
	t.Helper()
	store, contents, err := Open(t.Context(), client, api)
	require.NoError(t, err)
	return store, contents
}

// keys returns the storage's keys, sorted.
func keys(t *testing.T, client *storagetest.TestClient) (all []string) {
	t.Helper()
	require.NoError(t, client.Walk(t.Context(), func(key string, _ []byte) ([]*storage.Operation, error) {
		all = append(all, key)
		return nil, nil
	}))
	return all
}

// at returns a time as it is stored.
func at(millis int64) time.Time { return time.UnixMilli(millis).UTC() }

// kept is a storage that stays open after a receiver closes it.
type kept struct{ storage.Client }

func (kept) Close(context.Context) error { return nil }

func stateOf(status string) incident.State { return incident.State{Seen: true, Status: status} }

// full is a state with everything that a single source can leave in it.
func full() incident.State {
	return incident.State{
		Seen: true, Missing: true, Merged: true, Successor: 1<<53 + 1, API: "graph",
		Status:      "Redirected\u200b",
		Description: incident.Description{Name: "One\u200b \"incident\"", Severity: "high", AssignedTo: "soc@contoso.com", URL: "https://security.example/incident2/1"},
		LastUpdate:  time.Date(2026, 2, 3, 4, 5, 6, 123456700, time.UTC),
		ClosedSince: time.Date(2026, 2, 3, 4, 5, 6, 123456700, time.UTC),
		Basis:       1<<32 - 1,
		Fields: []incident.Field{
			{Name: "incidentName", Part: incident.Part{Digest: incident.Digest{0, 1, 2, 0xff}}},
			{Name: "status", Part: incident.Part{Digest: incident.Digest{15: 0xfe}}},
		},
		Alerts: []incident.AlertState{
			{ID: "ad0001_1", Part: incident.Part{Digest: incident.Digest{7}}, Status: "New", LastUpdate: time.Date(2026, 2, 3, 4, 5, 7, 0, time.UTC), Revision: 1<<64 - 3, Title: "One alert", Severity: "low", Prints: "\x01\x00\xff\x01\x02\x03"},
			{ID: "da0002_1", Foreign: true},
		},
		Revision: 1<<64 - 1, RetiredRevision: 1<<64 - 2,
		Fetched: time.Date(2026, 2, 3, 4, 6, 0, 1, time.UTC),
	}
}

// twofold is a state that two sources have shown, each in its own way.
func twofold() incident.State {
	return incident.State{
		Seen: true, Source: incident.FromList,
		Fields: []incident.Field{
			{Name: "assignedTo", Part: incident.Part{Digest: incident.Digest{1}, Other: &incident.Digest{2}}},
			{Name: "status", Part: incident.Part{Digest: incident.Digest{3}, Source: incident.FromList}},
			{Name: "summary", Part: incident.Part{Digest: incident.Digest{9}, Source: incident.FromList, Other: &incident.Digest{}}},
		},
		Alerts: []incident.AlertState{
			{ID: "ad0001_1", Part: incident.Part{Digest: incident.Digest{7}, Source: incident.FromList, Other: &incident.Digest{8}}, Status: "New"},
		},
	}
}

func TestWhatIsSavedIsThereAfterARestart(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	want := Contents{
		Receiver:  Receiver{API: "defender_xdr", Tenant: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		Quota:     quota.Stored{Ended: []time.Time{at(1795437282500), at(1795437282500)}, InFlight: 4},
		Summaries: map[int64]incident.Summary{},
	}
	states := map[int64]incident.State{1: full(), 9223372036854775807: stateOf("Active"), 3: {}, 4: twofold()}
	for id, state := range states {
		want.Summaries[id] = state.Summary()
		require.NoError(t, store.Save(t.Context(), id, stateOf("before")))
		require.NoError(t, store.Save(t.Context(), id, state))
	}
	require.NoError(t, store.SaveReceiver(t.Context(), Receiver{API: "graph"}))
	require.NoError(t, store.SaveReceiver(t.Context(), want.Receiver))
	require.NoError(t, store.SaveQuota(t.Context(), want.Quota))

	for range 2 { // reading it changes nothing
		store, contents := open(t, client)
		assert.Equal(t, want, contents)
		assert.Equal(t, states, loaded(t, store, contents))
	}
}

// loaded returns all states in a checkpoint.
func loaded(t *testing.T, store *Store, contents Contents) map[int64]incident.State {
	t.Helper()
	states := map[int64]incident.State{}
	for id := range contents.Summaries {
		state, err := store.Load(t.Context(), id)
		require.NoError(t, err)
		states[id] = state
	}
	return states
}

func TestAnEmptyStorageIsNoError(t *testing.T) {
	client := newStorage()
	_, contents := open(t, client)
	assert.Equal(t, Contents{Summaries: map[int64]incident.Summary{}}, contents)
	assert.Equal(t, []string{"version"}, keys(t, client))
	version, err := client.Get(t.Context(), "version")
	require.NoError(t, err)
	assert.Equal(t, "4", string(version))
	_, contents = open(t, client)
	assert.Equal(t, Contents{Summaries: map[int64]incident.Summary{}}, contents)
}

func TestThousandsOfStatesAreReadInPortions(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	const incidents = 2*readAtOnce + 1
	want := map[int64]incident.Summary{}
	ids := make([]int64, incidents)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	require.NoError(t, store.Keep(t.Context(), ids))
	for i, id := range ids {
		state := incident.State{Seen: true, Fetched: time.Unix(int64(i), 0)}
		want[id] = state.Summary()
		require.NoError(t, store.Save(t.Context(), id, state))
	}

	client.batches = nil
	_, contents := open(t, client)
	assert.Equal(t, want, contents.Summaries)
	require.Len(t, client.batches, 4, "the index comes first")
	assert.Len(t, client.batches[1], readAtOnce)
	assert.Len(t, client.batches[3], 1)
}

func TestKeepDeletesTheStatesOfAllOthers(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	for id := range int64(4) {
		require.NoError(t, store.Save(t.Context(), id+1, stateOf("Active")))
	}
	require.NoError(t, store.Keep(t.Context(), []int64{2, 7, 4, 2}))
	index := []string{"v2/incidents/01", "v2/incidents/02", "v2/incidents/03", "v2/incidents/04", "v2/incidents/07", "version"}
	assert.Equal(t, append([]string{"v1/incident/2", "v1/incident/4"}, index...), keys(t, client))

	// This includes states that an earlier run left behind.
	store, contents := open(t, client)
	assert.Len(t, contents.Summaries, 2)
	require.NoError(t, store.Keep(t.Context(), []int64{4}))
	assert.Equal(t, append([]string{"v1/incident/4"}, index...), keys(t, client))
	require.NoError(t, store.Keep(t.Context(), nil))
	assert.Equal(t, index, keys(t, client))
	_, contents = open(t, client)
	assert.Empty(t, contents.Summaries)
}

func TestKeepWritesNothingWhereNothingChanges(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Keep(t.Context(), []int64{1, 2}))
	client.batches = nil
	require.NoError(t, store.Keep(t.Context(), []int64{2, 1}))
	assert.Empty(t, client.batches)

	store, _ = open(t, client)
	client.batches = nil
	require.NoError(t, store.Keep(t.Context(), []int64{1, 2}))
	assert.Empty(t, client.batches)
}

func TestSaveNamesTheIncidentInTheIndexInTheSameBatchAndOnlyOnce(t *testing.T) {
	client := &wired{Client: newStorage()}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Resolved")))
	require.NoError(t, store.Save(t.Context(), 2, stateOf("Active")))
	require.NoError(t, store.Keep(t.Context(), []int64{2, 3}))
	require.NoError(t, store.Save(t.Context(), 3, stateOf("Active")))
	require.NoError(t, store.Save(t.Context(), 201, stateOf("Active")))
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
	assert.Equal(t, [][]string{
		{"v1/incident/1", "v2/incidents/01"},
		{"v1/incident/1"},
		{"v1/incident/2", "v2/incidents/02"},
		{"v1/incident/1", "v2/incidents/01", "v2/incidents/03"},
		{"v1/incident/3"},
		{"v1/incident/201", "v2/incidents/01"},
		{"v1/incident/1", "v2/incidents/01"},
	}, client.batches[1:], "after the index was read")
	index, err := client.Get(t.Context(), "v2/incidents/01")
	require.NoError(t, err)
	assert.Equal(t, string(withChecksum([]byte("[1,201]"))), string(index))
}

func TestAnIncidentNamedBeforeItsFirstStateHasNone(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	require.NoError(t, store.Keep(t.Context(), []int64{1, 2}))
	require.NoError(t, store.Save(t.Context(), 2, stateOf("Active")))
	_, contents := open(t, client)
	assert.Equal(t, map[int64]incident.Summary{2: stateOf("Active").Summary()}, contents.Summaries)
}

func TestACheckpointThatCannotBeReadIsAnErrorThatSaysWhatToDo(t *testing.T) {
	const mend = ": restore the storage, or give the receiver an empty one (it then emits every incident again): "
	for name, c := range map[string]struct{ key, value, want string }{
		"a state":                  {"v1/incident/2", `{"seen":`, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"a state of another type":  {"v1/incident/2", `[1]`, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"a state without text":     {"v1/incident/2", ``, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"a state that was cut off": {"v1/incident/2", "8e63ce9f\n" + `{"seen":true,"status":"Active"}`, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"a digest of version 1":    {"v1/incident/2", `{"fields":[{"n":"a","d":"AAAA"}]}`, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"a time":                   {"v1/incident/2", `{"fetched":"yesterday"}`, "cannot read the checkpoint's entry v1/incident/2" + mend},
		"the index":                {"v2/incidents/07", `[1,2`, "cannot read the checkpoint's entry v2/incidents/07" + mend},
		"an index of words":        {"v2/incidents/07", `["one"]`, "cannot read the checkpoint's entry v2/incidents/07" + mend},
		"the index of version 1":   {"v1/incidents", `["one"]`, "cannot read the checkpoint's entry v1/incidents" + mend},
		"the receiver":             {"v1/receiver", `{"api":7}`, "cannot read the checkpoint's entry v1/receiver" + mend},
		"the quota":                {"v1/quota/defender_xdr/incidents", `{"ended":["noon"]}`, "cannot read the checkpoint's entry v1/quota/defender_xdr/incidents" + mend},
		"the feed":                 {"v1/feed", `{"pending":["one"]}`, "cannot read the checkpoint's entry v1/feed" + mend},
		"the feed of version 2":    {"v1/feed", `{"named":["one"]}`, "cannot read the checkpoint's entry v1/feed" + mend},
		"the feed's quota":         {"v1/quota/defender_xdr/list", `[]`, "cannot read the checkpoint's entry v1/quota/defender_xdr/list" + mend},
		"a quota that is no count": {"v1/quota/defender_xdr/incidents", `{"in_flight":-1}`, "cannot read the checkpoint's entry v1/quota/defender_xdr/incidents" + mend},
		"a quota that was cut off": {"v1/quota/defender_xdr/incidents", "8e63ce9f\n{}", "cannot read the checkpoint's entry v1/quota/defender_xdr/incidents" + mend + "checksum mismatch"},
		"an index of nothing":      {"v2/incidents/07", string(withChecksum([]byte(`null`))), "cannot read the checkpoint's entry v2/incidents/07" + mend + "it is null"},
		"an index of a damaged ID": {"v2/incidents/07", `[7,108]`, "cannot read the checkpoint's entry v2/incidents/07" + mend + "IDs that belong to another part of the index"},
		"an index in no order":     {"v2/incidents/07", `[107,7]`, "cannot read the checkpoint's entry v2/incidents/07" + mend + "IDs that belong to another part of the index"},
		"an index of no incident":  {"v1/incidents", `[1,0]`, "cannot read the checkpoint's entry v1/incidents" + mend + "0 is not an incident ID"},
		"a change of no incident":  {"v1/feed", `{"pending":[{"id":-437}]}`, "cannot read the checkpoint's entry v1/feed" + mend + "-437 is not an incident ID"},
		"an older one, too":        {"v1/feed", `{"named":[0]}`, "cannot read the checkpoint's entry v1/feed" + mend + "0 is not an incident ID"},
		"a receiver of nothing":    {"v1/receiver", string(withChecksum([]byte(`null`))), "cannot read the checkpoint's entry v1/receiver" + mend + "it is null"},
		"a version of none":        {"version", `0`, "cannot read the checkpoint's entry version" + mend + "there is no version 0"},
		"a version of nothing":     {"version", `null`, "cannot read the checkpoint's entry version" + mend + "it is null"},
		"the version":              {"version", `one`, "cannot read the checkpoint's entry version" + mend},
		"a later version": {"version", `5`, "the checkpoint has version 5, but this receiver reads only up to version 4: " +
			"use the newer receiver again, or give this one an empty storage (it then emits every incident again)"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newStorage()
			store, _ := open(t, client)
			require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
			require.NoError(t, store.Save(t.Context(), 2, stateOf("Active")))
			require.NoError(t, client.Set(t.Context(), c.key, []byte(c.value)))
			before := keys(t, client)

			store, contents, err := Open(t.Context(), kept{client}, xdr)
			assert.ErrorContains(t, err, c.want)
			assert.Nil(t, store)
			assert.Zero(t, contents)
			assert.Equal(t, before, keys(t, client))
			after, err := client.Get(t.Context(), c.key)
			require.NoError(t, err)
			assert.Equal(t, c.value, string(after), "what may still be mended was written over")
		})
	}
}

func TestToOpenACheckpointWritesNothing(t *testing.T) {
	for _, version := range []string{"4", "3", "2", "1"} {
		client := newStorage()
		store, _ := open(t, client)
		require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
		require.NoError(t, client.Set(t.Context(), "version", []byte(version)))
		_, contents := open(t, unwritable{client})
		assert.Len(t, contents.Summaries, 1)
	}
}

func TestAStorageThatCannotBeReadIsAnErrorOfOpen(t *testing.T) {
	failure := errors.New("disk on fire")
	for _, key := range []string{"version", "v1/receiver", "v2/incidents/01", "v1/incident/1"} {
		client := &wired{Client: newStorage()}
		store, _ := open(t, client)
		require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))
		client.fails, client.failsOn = failure, key
		_, contents, err := Open(t.Context(), kept{client}, xdr)
		assert.ErrorIs(t, err, failure, key)
		assert.EqualError(t, err, "read the checkpoint: disk on fire")
		assert.Zero(t, contents)
	}
}

// unwritable can be read but not written.
type unwritable struct{ storage.Client }

func (unwritable) Set(context.Context, string, []byte) error { return errors.New("disk full") }

func TestAnEmptyStorageThatCannotBeWrittenIsAnErrorOfOpen(t *testing.T) {
	_, _, err := Open(t.Context(), unwritable{newStorage()}, xdr)
	assert.EqualError(t, err, "write the checkpoint's version: disk full")
}

func TestAfterAFailedWriteTheNextOneWritesAllThatIsMissing(t *testing.T) {
	failure := errors.New("disk full")
	inner := newStorage()
	client := &wired{Client: inner}
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, stateOf("Active")))

	client.fails = failure
	err := store.Save(t.Context(), 2, stateOf("Active"))
	assert.ErrorIs(t, err, failure)
	assert.EqualError(t, err, "write the checkpoint of incident 2: disk full")
	err = store.Keep(t.Context(), []int64{2, 3})
	assert.ErrorIs(t, err, failure)
	assert.EqualError(t, err, "write the checkpoint's index: disk full")
	err = store.SaveReceiver(t.Context(), Receiver{API: "graph"})
	assert.ErrorIs(t, err, failure)
	assert.EqualError(t, err, "write the checkpoint's entry v1/receiver: disk full")
	_, contents := open(t, inner)
	assert.Equal(t, Contents{Summaries: map[int64]incident.Summary{1: stateOf("Active").Summary()}}, contents)

	client.fails = nil
	require.NoError(t, store.Save(t.Context(), 2, stateOf("Resolved")))
	again, contents := open(t, inner)
	assert.Equal(t, map[int64]incident.State{1: stateOf("Active"), 2: stateOf("Resolved")}, loaded(t, again, contents))
	require.NoError(t, store.Keep(t.Context(), []int64{2, 3}))
	assert.Equal(t, []string{"v1/incident/2", "v2/incidents/01", "v2/incidents/02", "v2/incidents/03", "version"}, keys(t, inner))
}

func TestAStateThatCannotBeWrittenLeavesTheStorageAlone(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	assert.ErrorContains(t, store.Save(t.Context(), 1, stateOf("\xff")), "write the checkpoint of incident 1: ")
	assert.ErrorContains(t, store.SaveReceiver(t.Context(), Receiver{API: "\xff"}), "write the checkpoint's entry v1/receiver: ")
	assert.Equal(t, []string{"version"}, keys(t, client))
}

func TestCloseReleasesTheStorage(t *testing.T) {
	client := newStorage()
	store, _ := open(t, client)
	require.NoError(t, store.Close(t.Context()))
	assert.Error(t, client.Set(t.Context(), "any", nil))
}

// inUTC returns the same times in a form that can be compared.
func inUTC(s incident.State) incident.State {
	s.LastUpdate, s.Fetched, s.ClosedSince = s.LastUpdate.UTC(), s.Fetched.UTC(), s.ClosedSince.UTC()
	s.Alerts = slices.Clone(s.Alerts)
	for i := range s.Alerts {
		s.Alerts[i].LastUpdate = s.Alerts[i].LastUpdate.UTC()
	}
	return s
}
