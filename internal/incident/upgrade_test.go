// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// stored reads a state from its texts in a checkpoint.
func stored(t *testing.T, texts ...string) (s State) {
	t.Helper()
	for _, text := range texts {
		require.NoError(t, json.Unmarshal([]byte(text), &s))
	}
	return s
}

const digestOne = "AQAAAAAAAAAAAAAAAAAAAA"

func TestTheStateOfCheckpointVersion2IsRead(t *testing.T) {
	state := stored(t,
		`{"seen":true,"status":"Active","last_update":"2026-09-06T12:00:00Z","api":"graph","source":1,"disappearances":3,"fetched":"2026-09-06T12:05:00Z"}`,
		`{"fields":[{"n":"status","d":"`+digestOne+`","s":1,"o":"`+digestOne+`"}],"alerts":[{"id":"a1","d":"`+digestOne+`","status":"New","last_update":"2026-09-06T12:00:00Z","foreign":true}]}`,
	)
	one := Digest{1}
	require.Equal(t, State{
		Seen: true, Status: "Active", LastUpdate: noon, API: "graph", Source: FromList, RetiredRevision: 3, Fetched: noon.Add(5 * time.Minute),
		Fields: []Field{{Name: "status", Part: Part{Digest: one, Source: FromList, Other: &one}}},
		Alerts: []AlertState{{ID: "a1", Part: Part{Digest: one}, Status: "New", LastUpdate: noon, Foreign: true}},
	}, state)
}

func TestTheTimeOfClosingIsReadFromCheckpointVersion2(t *testing.T) {
	for text, want := range map[string]time.Time{
		`{"seen":true,"status":"Active","last_update":"2026-09-06T12:00:00Z","fetched":"2026-09-06T13:00:00Z"}`:                     {},
		`{"seen":true,"status":"resolved","last_update":"2026-09-06T12:00:00Z","fetched":"2026-09-06T13:00:00Z"}`:                   noon,
		`{"seen":true,"merged":true,"last_update":"2026-09-06T12:00:00Z","fetched":"2026-09-06T13:00:00Z"}`:                         noon,
		`{"seen":true,"merged":true,"fetched":"2026-09-06T13:00:00Z"}`:                                                              noon.Add(time.Hour),
		`{"seen":true,"status":"Resolved","last_update":"1601-01-01T00:00:00Z","fetched":"2026-09-06T13:00:00Z"}`:                   noon.Add(time.Hour),
		`{"missing":true,"missing_since":"2026-09-06T12:30:00Z","disappearances":1,"fetched":"2026-09-06T13:00:00Z"}`:               noon.Add(30 * time.Minute),
		`{"missing":true,"fetched":"2026-09-06T13:00:00Z"}`:                                                                         noon.Add(time.Hour),
		`{"seen":true,"status":"Resolved","closed_since":"2026-09-06T11:00:00Z","last_update":"2026-09-06T12:00:00Z","revision":2}`: noon.Add(-time.Hour),
	} {
		require.Equal(t, want, stored(t, text).ClosedSince, text)
		since, closed := stored(t, text).Summary().ClosedSince()
		require.Equal(t, want, since, text)
		require.Equal(t, !want.IsZero(), closed, text)
	}
}

func TestTheIntentOfCheckpointVersion2IsRead(t *testing.T) {
	for text, want := range map[string]Intent{
		`{"telling":{"gone":4,"disappearances":4}}`:                                     {Revision: 1, Gone: true},
		`{"telling":{"gone":4,"back":true,"came":["a2","a1"],"disappearances":4}}`:      {Revision: 1, Alerts: []AlertIntent{{"a1", 5, false}, {"a2", 5, false}}},
		`{"telling":{"back":true,"came":["a1"],"disappearances":3}}`:                    {Revision: 1, Alerts: []AlertIntent{{"a1", 4, false}}},
		`{"telling":{"left":[{"id":"b","n":5},{"id":"a","n":4}],"disappearances":5}}`:   {Alerts: []AlertIntent{{"a", 4, true}, {"b", 5, true}}},
		`{"telling":{"came":["a"],"left":[{"id":"a","n":4}],"disappearances":4}}`:       {Alerts: []AlertIntent{{"a", 4, true}}},
		`{"telling":{"embedded":true,"disappearances":3}}`:                              {Embedded: true},
		`{"intent":{"revision":7,"gone":true,"alerts":[{"id":"a","r":9,"gone":true}]}}`: {Revision: 7, Gone: true, Alerts: []AlertIntent{{"a", 9, true}}},
	} {
		state := stored(t, `{"seen":true,"api":"graph","disappearances":3}`, text)
		require.Equal(t, &want, state.Intent, text)
		require.Equal(t, uint64(3), state.RetiredRevision)
	}
}

// upgraded returns the state as it is read after version 2 stored it.
func upgraded(t *testing.T, s State, intent string) State {
	t.Helper()
	s.Revision, s.RetiredRevision, s.ClosedSince = 0, 0, time.Time{}
	for i := range s.Alerts {
		s.Alerts[i].Revision = 0
	}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return stored(t, string(text), `{"disappearances":3}`, intent)
}

func TestAnUpgradeFromCheckpointVersion2EmitsNothing(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		for _, s := range []*Snapshot{snapshot(t), snapshot(t, status("Resolved")), snapshot(t, redirected(552))} {
			c := comparer(mode)
			change, after := c.Compare(upgraded(t, delivered(t, c, s), `{}`), s)
			require.Equal(t, Change{}, change)
			require.Equal(t, uint64(3), after.RetiredRevision)
		}
	}
}

func TestWhatVersion2MayHaveDeliveredIsEmittedAgain(t *testing.T) {
	c := comparer(Split)
	state := delivered(t, c, snapshot(t))
	left := `{"telling":{"left":[{"id":"a2","n":4}],"disappearances":4}}`
	change, after := c.Compare(upgraded(t, state, left), snapshot(t, withoutAlert(1)))
	require.Equal(t, map[string]uint64{"a2": 4}, revisionsOf(change))
	require.Equal(t, uint64(4), after.RetiredRevision)
	change, _ = c.Compare(upgraded(t, state, left), snapshot(t))
	require.Equal(t, map[string]uint64{"a2": 5}, revisionsOf(change))

	came := `{"telling":{"came":["a3"],"disappearances":3}}`
	change, _ = c.Compare(upgraded(t, state, came), snapshot(t))
	require.Equal(t, map[string]Kind{"a3": Removed}, alertKinds(change))

	gone := `{"telling":{"gone":4,"disappearances":4}}`
	change, _ = c.Compare(upgraded(t, state, gone), snapshot(t))
	require.Equal(t, FirstSeen, change.Kind)
	change, _ = c.Missing(upgraded(t, state, gone), noon)
	require.Equal(t, NotFound, change.Kind)
}
