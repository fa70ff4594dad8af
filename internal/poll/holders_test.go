// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestHoldersFollowTheAlerts(t *testing.T) {
	of := func(ids ...string) (alerts []incident.AlertState) {
		for _, id := range ids {
			alerts = append(alerts, incident.AlertState{ID: id})
		}
		return alerts
	}
	h := newHolders()
	h.delivered(1, nil, of("a", "b"))
	h.delivered(2, nil, of("c"))
	h.delivered(2, of("c"), of("b", "c")) // it has moved, which incident 1 does not know yet
	h.delivered(1, of("a", "b"), of("a"))
	require.EqualValues(t, 1, h.find("a"))
	require.EqualValues(t, 2, h.find("b"))
	require.EqualValues(t, 2, h.find("c"))
	h.delivered(2, of("b", "c"), of("b"))
	require.Zero(t, h.find("c"))

	h.forget([]int64{2, 3})
	require.Zero(t, h.find("b"))
	require.EqualValues(t, 1, h.find("a"))
	require.Len(t, h.of, 1)
}
