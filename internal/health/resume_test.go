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
	h := byHand(t, 20)
	for _, s := range list(2, defender.Forbidden) {
		h.do(s)
	}
	h.do(step{1, defender.NoToken})
	require.Empty(t, h.do(step{8, 0}).Resume)
	require.Equal(t, []Endpoint{Get}, h.do(step{9, 0}).Resume)
}
