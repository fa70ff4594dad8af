//go:build unix

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestNoSecretAndNoTokenIsEverShown(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	population.ClientSecret = "the-right-hush-7f3b"
	s := newStage(t, population, func(c *settings) {
		c.ClientSecret = "the-wrong-hush-91ca"
		c.LogLevel = "debug"
	})
	s.start()
	s.await("a sign-in that fails, and once more after a while", func() bool {
		failed := s.signIns(http.StatusUnauthorized)
		return len(failed) > 0 && failed[len(failed)-1].Sub(failed[0]) > time.Second
	})
	output := s.stop()
	require.Equal(t, 1, strings.Count(output, "sign-in at 127.0.0.1: AADSTS7000215"), "what is wrong is said, once")
	require.NotContains(t, output, "Invalid client secret provided", "the sign-in host's answer is not repeated")
	require.Empty(t, s.requests(), "without a token nothing is sent")

	s.settings.ClientSecret = population.ClientSecret
	s.start()
	s.awaitRecords(12)
	s.awaitRound(s.settings.IDs...)
	output += s.stop()

	places := append(s.sink.wire(), output)
	stored, err := filepath.Glob(filepath.Join(s.settings.Storage, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, stored)
	for _, path := range stored {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		places = append(places, string(content))
	}
	require.NotEmpty(t, s.gate.seen())
	secrets := append(s.gate.seen(), "the-right-hush", "the-wrong-hush", "eyJ") // as tokens begin
	for _, place := range places {
		for _, secret := range secrets {
			require.NotContains(t, place, secret)
		}
	}
}

// signIns are the moments of the requests for a token that were answered with
// a status.
func (s *stage) signIns(status int) []time.Time {
	var moments []time.Time
	for _, r := range s.sim.Journal() {
		if r.Endpoint == defendersim.EndpointToken && r.Status == status {
			moments = append(moments, r.Time)
		}
	}
	return moments
}
