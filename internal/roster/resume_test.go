// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// dormantSince is long enough ago for an incident to be polled by the change feed only.
func dormantSince() time.Time { return start().Add(-restingAfter) }

func TestDueTimesAfterARestartFollowFromTheCycleOfIncidentsThatArePolled(t *testing.T) {
	const dormant, live = 9_900, 100
	summaries := map[int64]incident.Summary{}
	for id := range int64(dormant + live) {
		summaries[id+1] = openSince(dormantSince())
		if id%100 == 0 {
			summaries[id+1] = open()
		}
	}
	for range 20 { // each visits the incidents in another order
		r := discovering()
		load(r, summaries)
		r.Resume(func(incident.Summary) time.Time { return start().Add(time.Duration(r.Cycle()) * time.Minute) }, start())
		require.Equal(t, live, r.Cycle())
		for id, e := range r.entries {
			if id%100 == 1 {
				require.Equal(t, start().Add(live*time.Minute), e.due)
			} else if !e.dormant() {
				require.True(t, e.dormant(), "%d", id)
			}
		}
	}
}

func TestDormantIncidentsAreTrackedButDoNotCountAsDelivered(t *testing.T) {
	r := discovering()
	load(r, map[int64]incident.Summary{1: openSince(dormantSince()), 2: open()})
	require.Equal(t, 2, r.CountDelivered())
	r.Resume(func(incident.Summary) time.Time { return sec(300) }, start())
	require.Equal(t, 2, r.Tracked())
	require.Equal(t, 1, r.CountDelivered(), "a request for it cannot show that incidents are found")

	row(r, 1, openSince(sec(10)), sec(11))
	require.Equal(t, 2, r.CountDelivered(), "it has changed, and is polled again")
	deliver(r, 1, openSince(dormantSince()), sec(12))
	require.Equal(t, 1, r.CountDelivered())
}
