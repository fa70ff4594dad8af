// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// contentOf returns what is stored under a key, without its checksum.
func contentOf(t *testing.T, client storage.Client, key string) string {
	t.Helper()
	entry, err := client.Get(t.Context(), key)
	require.NoError(t, err)
	content, err := checked(key, entry)
	require.NoError(t, err)
	return string(content)
}

func TestDamagedBitInAnyEntryFailsTheStart(t *testing.T) {
	client := memory{}
	store, _ := open(t, kept{client})
	now, discover := at(1795437000000), true
	account := quota.Stored{Since: now, Ended: []time.Time{now}, InFlight: 1}
	require.NoError(t, store.SaveReceiver(t.Context(), Receiver{API: xdr}))
	require.NoError(t, store.SaveFeed(t.Context(), Feed{Boundary: now, Pending: []Pending{{ID: 101}}, Discover: &discover, Quota: account}))
	require.NoError(t, store.SaveSweep(t.Context(), Sweep{Began: now, Pages: 107, Skip: 270, Done: 4}))
	require.NoError(t, store.SavePass(t.Context(), Pass{Phase: "alerts", Since: now, IncidentsRead: true}))
	require.NoError(t, store.SaveQuota(t.Context(), account))
	require.NoError(t, store.Save(t.Context(), 101, stateOf("Active")))

	stored := maps.Clone(client)
	delete(stored, "version")
	require.Len(t, stored, 8)
	for key, entry := range stored {
		t.Run(key, func(t *testing.T) {
			for bit := range 8 * len(entry) {
				damaged := bytes.Clone(entry)
				damaged[bit/8] ^= 1 << (bit % 8)
				client := maps.Clone(client)
				client[key] = damaged
				_, _, err := Open(t.Context(), client, xdr)
				require.ErrorContains(t, err, "cannot read the checkpoint's entry "+key+": ", "bit %d", bit)
			}
		})
	}
}
