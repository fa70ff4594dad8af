// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestRefusedTokenIsExplainedAndNotLogged(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	population.Roles = []string{"Alert.Read.All"}
	s := newSetup(t, population, func(c *harness.Settings) { c.LogLevel = "debug" })
	s.start()
	s.await("the outage", func() bool { return strings.Contains(s.process.Log(), "access denied by the API") })
	output := s.stop()
	require.Contains(t, output, "Grant the application permission Incident.Read.All to the application and give admin consent")
	require.Contains(t, output, `"token_roles": ["Alert.Read.All"]`)
	require.Contains(t, output, `"token_tenant": "`+population.TenantID+`"`)
	s.requireHidden(output, population.ClientSecret)
}

func TestTokenForTheOtherAPIIsExplainedAndNotLogged(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	s := newSetup(t, population, func(c *harness.Settings) { c.LogLevel = "debug" })
	s.use(defendersim.APIGraph)
	s.settings.Scope = harness.ScopeOf(defendersim.APIDefenderXDR) // not changed together with api
	s.start()
	s.await("the outage", func() bool { return strings.Contains(s.process.Log(), "access denied by the API") })
	output := s.stop()
	require.Contains(t, output, `"token_audience": ["https://api.security.microsoft.com"]`)
	require.Contains(t, output, `Set the scope of the extension set in http::auth to that of this API, on the commercial cloud https://graph.microsoft.com/.default.`)
	require.Contains(t, output, `"permission_needed": "SecurityIncident.Read.All"`)
	require.Empty(t, s.sink.Records())
	s.requireHidden(output, population.ClientSecret)
}

func TestSecretsAndTokensAreNeverLoggedEmittedOrStored(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	population.ClientSecret = "the-right-hush-7f3b"
	s := newSetup(t, population, func(c *harness.Settings) {
		c.ClientSecret = "the-wrong-hush-91ca"
		c.LogLevel = "debug"
	})
	s.start()
	s.await("failed sign-ins for more than a second", func() bool {
		failed := s.signIns(http.StatusUnauthorized)
		return len(failed) > 0 && failed[len(failed)-1].Sub(failed[0]) > time.Second
	})
	output := s.stop()
	require.Equal(t, 1, strings.Count(output, "sign-in at 127.0.0.1: AADSTS7000215"), "the cause is logged once")
	require.NotContains(t, output, "Invalid client secret provided", "the response of the sign-in host is not logged")
	require.Empty(t, s.requests(), "without a token nothing is sent")

	s.settings.ClientSecret = population.ClientSecret
	s.start()
	s.awaitRecords(12)
	s.awaitCycle(s.settings.IDs...)
	output += s.stop()

	s.requireHidden(output, "the-right-hush", "the-wrong-hush")
}

// requireHidden requires that neither a secret nor a token that was sent is in
// the log, in a delivered record or in the storage.
func (s *setup) requireHidden(output string, secrets ...string) {
	s.T.Helper()
	places := append(s.sink.Bodies(), output)
	stored, err := filepath.Glob(filepath.Join(s.settings.Storage, "*"))
	require.NoError(s.T, err)
	require.NotEmpty(s.T, stored)
	for _, path := range stored {
		content, err := os.ReadFile(path)
		require.NoError(s.T, err)
		places = append(places, string(content))
	}
	require.NotEmpty(s.T, s.gate.seen())
	secrets = append(secrets, s.gate.seen()...)
	secrets = append(secrets, "eyJ") // every token begins with this
	for _, place := range places {
		for _, secret := range secrets {
			require.NotContains(s.T, place, secret)
		}
	}
}

// signIns returns when requests for a token got that status.
func (s *setup) signIns(status int) []time.Time {
	var moments []time.Time
	for _, r := range s.Sim.Journal() {
		if r.Endpoint == defendersim.EndpointToken && r.Status == status {
			moments = append(moments, r.Time)
		}
	}
	return moments
}
