// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// entryOf returns the entry of a state.
func entryOf(t *testing.T, state incident.State) string {
	t.Helper()
	client := newStorage()
	store, _ := open(t, client)
	require.NoError(t, store.Save(t.Context(), 1, state))
	entry, err := client.Get(t.Context(), "v1/incident/1")
	require.NoError(t, err)
	return string(entry)
}

// Later versions must be able to read this text.
func TestAnEntryIsSmallAndReadsAsItDid(t *testing.T) {
	assert.Equal(t, strings.Join([]string{
		`7664641e`,
		`{"seen":true,"missing":true,"merged":true,"successor":9007199254740993,"status":"Redirected` + "\u200b" + `",` +
			`"last_update":"2026-02-03T04:05:06.1234567Z","closed_since":"2026-02-03T04:05:06.1234567Z","api":"graph","basis":4294967295,` +
			`"revision":18446744073709551615,"retired":18446744073709551614,"fetched":"2026-02-03T04:06:00.000000001Z"}`,
		`{"description":{"name":"One` + "\u200b" + ` \"incident\"","severity":"high","assigned_to":"soc@contoso.com","url":"https://security.example/incident2/1"},` +
			`"fields":[{"n":"incidentName","d":"AAEC_wAAAAAAAAAAAAAAAA"},{"n":"status","d":"AAAAAAAAAAAAAAAAAAAA_g"}],` +
			`"alerts":[{"id":"ad0001_1","d":"BwAAAAAAAAAAAAAAAAAAAA","status":"New","last_update":"2026-02-03T04:05:07Z","t":"One alert","v":"low","f":"AQD_AQID","r":18446744073709551613},` +
			`{"id":"da0002_1","d":"AAAAAAAAAAAAAAAAAAAAAA","foreign":true}]}`,
	}, "\n"), entryOf(t, full()))
}

func TestAnEntryKeepsWhatTheSourcesShowDifferently(t *testing.T) {
	assert.Equal(t, strings.Join([]string{
		`5c07b0df`,
		`{"seen":true,"source":1}`,
		`_axhkcLuCt1_RaXDN2knwA`, // of a row
		`{"fields":[{"n":"assignedTo","d":"AQAAAAAAAAAAAAAAAAAAAA","o":"AgAAAAAAAAAAAAAAAAAAAA"},` +
			`{"n":"status","d":"AwAAAAAAAAAAAAAAAAAAAA","s":1},` +
			`{"n":"summary","d":"CQAAAAAAAAAAAAAAAAAAAA","s":1,"o":"AAAAAAAAAAAAAAAAAAAAAA"}],` +
			`"alerts":[{"id":"ad0001_1","d":"BwAAAAAAAAAAAAAAAAAAAA","s":1,"o":"CAAAAAAAAAAAAAAAAAAAAA","status":"New"}]}`,
	}, "\n"), entryOf(t, twofold()))
}

func TestAnEntryKeepsTheIntent(t *testing.T) {
	assert.Contains(t, entryOf(t, incident.State{Intent: &incident.Intent{Revision: 7, Gone: true}}), "\n{}\n"+`{"intent":{"revision":7,"gone":true}}`)
}

// However an entry is damaged, a start does not accept it.
func TestNoBitOfAnEntryChangesUnseen(t *testing.T) {
	entry := []byte(entryOf(t, twofold()))
	for bit := range 8 * len(entry) {
		damaged := bytes.Clone(entry)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, err := decodeSummary("key", damaged)
		require.Error(t, err, "bit %d", bit)
		_, err = decodeState("key", damaged)
		require.Error(t, err, "bit %d", bit)
	}
	for length := range entry {
		_, err := decodeSummary("key", entry[:length])
		require.Error(t, err, "cut off after %d bytes", length)
	}
}

func TestTheStateOfVersion1IsStillRead(t *testing.T) {
	for _, state := range []incident.State{full(), twofold(), {Intent: &incident.Intent{Revision: 7, Gone: true}}} {
		client := newStorage()
		entry, err := json.Marshal(state)
		require.NoError(t, err)
		require.NoError(t, client.Set(t.Context(), "version", []byte("1")))
		require.NoError(t, client.Set(t.Context(), "v1/incidents", []byte("[1]")))
		require.NoError(t, client.Set(t.Context(), "v1/incident/1", entry))
		store, contents := open(t, client)
		summary := state.Summary()
		summary.Row = incident.Digest{} // a row is compared with the state
		assert.Equal(t, map[int64]incident.Summary{1: summary}, contents.Summaries)
		assert.Equal(t, map[int64]incident.State{1: state}, loaded(t, store, contents))
	}
}

func FuzzState(f *testing.F) {
	for _, state := range []incident.State{full(), twofold()} {
		legacy, err := json.Marshal(state)
		if err != nil {
			f.Fatal(err)
		}
		entry, err := encodeState(state)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(legacy)
		f.Add(entry)
	}
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"seen":true,"seen":false}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		summary, err := decodeSummary("key", stored)
		if err != nil {
			return
		}
		state, err := decodeState("key", stored)
		if err != nil {
			return // it is valid, although no receiver wrote it
		}
		whole := state.Summary()
		whole.Row = summary.Row // as it is stored
		assert.Equal(t, whole, summary)
		entry, err := encodeState(state)
		require.NoError(t, err)
		summary, err = decodeSummary("key", entry)
		require.NoError(t, err)
		assert.Equal(t, state.Summary(), summary)
		again, err := decodeState("key", entry)
		require.NoError(t, err)
		assert.Equal(t, inUTC(state), inUTC(again))
	})
}
