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

func TestARefusedTokenIsExplainedAndNotShown(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	population.Roles = []string{"Alert.Read.All"}
	s := newStage(t, population, func(c *settings) { c.LogLevel = "debug" })
	s.start()
	s.await("a wait for all", func() bool { return strings.Contains(s.process.log.String(), "nothing can be fetched") })
	output := s.stop()
	require.Contains(t, output, "Grant the application permission Incident.Read.All to the application and give admin consent")
	require.Contains(t, output, `"token_roles": ["Alert.Read.All"]`)
	require.Contains(t, output, `"token_tenant": "`+population.TenantID+`"`)
	s.requireHidden(output, population.ClientSecret)
}

func TestATokenForTheOtherAPIIsExplainedAndNotShown(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	s := newStage(t, population, func(c *settings) { c.LogLevel = "debug" })
	s.use(defendersim.APIGraph)
	s.settings.Scope = scopeOf(defendersim.APIDefenderXDR) // forgotten when api was changed
	s.start()
	s.await("a wait for all", func() bool { return strings.Contains(s.process.log.String(), "nothing can be fetched") })
	output := s.stop()
	require.Contains(t, output, `"token_audience": ["https://api.security.microsoft.com"]`)
	require.Contains(t, output, `Set the scope of the extension named by http::auth to that of this API, on the commercial cloud https://graph.microsoft.com/.default.`)
	require.Contains(t, output, `"permission_needed": "SecurityIncident.Read.All"`)
	require.Empty(t, s.sink.records())
	s.requireHidden(output, population.ClientSecret)
}

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

	s.requireHidden(output, "the-right-hush", "the-wrong-hush")
}

// requireHidden demands that neither a secret nor a token that was sent stands
// in what the collector said, delivered or stored.
func (s *stage) requireHidden(output string, secrets ...string) {
	s.t.Helper()
	places := append(s.sink.wire(), output)
	stored, err := filepath.Glob(filepath.Join(s.settings.Storage, "*"))
	require.NoError(s.t, err)
	require.NotEmpty(s.t, stored)
	for _, path := range stored {
		content, err := os.ReadFile(path)
		require.NoError(s.t, err)
		places = append(places, string(content))
	}
	require.NotEmpty(s.t, s.gate.seen())
	secrets = append(secrets, s.gate.seen()...)
	secrets = append(secrets, "eyJ") // as tokens begin
	for _, place := range places {
		for _, secret := range secrets {
			require.NotContains(s.t, place, secret)
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
