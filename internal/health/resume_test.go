// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestSuccessesOfRequestsInFlightEndTheHold(t *testing.T) {
	h := byHand(t, 20)
	for _, s := range all(5, defender.ServerError) {
		h.do(s)
	}
	require.Empty(t, h.do(step{8, 0}).Resume)
	require.Equal(t, []Endpoint{Get}, h.do(step{9, 0}).Resume, "the second incident that succeeds ends the state, and its hold with it")
	require.Empty(t, h.do(step{10, 0}).Resume)
}

func TestASignInThatWorksAgainDoesNotEndTheHoldOfTheList(t *testing.T) {
	tracker, now, r := New(), start(), Population{Tracked: 20, Interval: interval}
	tracker.ListFailed(failure(defender.Forbidden), now)
	require.Positive(t, tracker.ListFailed(failure(defender.Forbidden), now).Hold)
	require.Equal(t, SignIn, tracker.IncidentFailed(Incident{ID: 1}, failure(defender.NoToken), r, now).Held)
	require.Empty(t, tracker.IncidentSucceeded(Incident{ID: 8}, r, now).Resume)
	require.Equal(t, []Endpoint{Get, AlertList}, tracker.IncidentSucceeded(Incident{ID: 9}, r, now).Resume)
}
