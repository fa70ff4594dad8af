// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// noPermission is a grant that the API rejects: it has none of its roles.
var noPermission = defendersim.Grant{Roles: []string{"Alert.Read.All"}}

func TestStatusShowsOutageAndRecovery(t *testing.T) {
	for name, c := range map[string]struct {
		fail, recover func(*harness.Harness)
		want          string
	}{
		"missing permission": {
			func(h *harness.Harness) { h.Auth.Grant(noPermission) },
			func(h *harness.Harness) { h.Auth.Grant(defendersim.Grant{}) },
			"StatusRecoverableError: " + msgDenied + ": ",
		},
		"sign-in fails": {
			func(h *harness.Harness) { h.Auth.Fail(errors.New("AADSTS7000215")) },
			func(h *harness.Harness) { h.Auth.Fail(nil) },
			"StatusRecoverableError: " + msgNoToken + ": ",
		},
		"service is down": {
			func(h *harness.Harness) { h.Fail(defendersim.AllIncidents, "503") },
			func(h *harness.Harness) { h.Sim.ClearFaults() },
			"StatusRecoverableError: " + msgUnavailable + ": ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(20))
				c.fail(h)
				h.Start()
				harness.Sleep(2 * time.Hour)
				require.Len(t, h.Host.Statuses(), 1)
				require.True(t, strings.HasPrefix(h.Host.Statuses()[0], c.want), h.Host.Statuses()[0])

				c.recover(h)
				harness.Sleep(11 * time.Minute)
				require.Equal(t, "StatusOK", h.Host.Statuses()[1])
				require.Len(t, h.Sink.Changes(), 40)
				harness.Sleep(20 * time.Minute)
				require.Len(t, h.Host.Statuses(), 2)
			})
		})
	}
}

func TestOneOutageAfterAnotherEndsOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20))
		h.Auth.Fail(errors.New("AADSTS7000215"))
		h.Start()
		harness.Sleep(time.Hour)
		h.Auth.Fail(nil)
		h.Fail(defendersim.AllIncidents, "503")
		harness.Sleep(time.Hour)
		require.Len(t, h.Host.Statuses(), 2, "not OK in between")
		require.Contains(t, h.Host.Statuses()[1], msgUnavailable)

		h.Sim.ClearFaults()
		harness.Sleep(11 * time.Minute)
		require.Len(t, h.Host.Statuses(), 3)
		require.Equal(t, "StatusOK", h.Host.Statuses()[2])
		for _, message := range []string{msgSignedIn, msgRecovered} {
			ended := h.Logs.FilterMessage(message).All()
			require.Len(t, ended, 1)
			require.InDelta(t, time.Hour, durationOf(t, ended[0], "duration"), float64(6*time.Minute), "%s", message)
		}
	})
}

func TestSignInFailureThatBecomesAnOutageOfTwoIncidentsEnds(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2))
		h.Auth.Fail(errors.New("AADSTS7000215"))
		h.Start()
		harness.Sleep(time.Hour)
		h.Auth.Fail(nil)
		h.Fail(defendersim.AllIncidents, "503") // five times, since there are no five incidents
		harness.Sleep(time.Hour)
		h.Sim.ClearFaults()
		harness.Sleep(11 * time.Minute)
		statuses := h.Host.Statuses()
		require.LessOrEqual(t, len(statuses), 4, "perhaps OK in between: backoffs jitter, and five failures take about a minute")
		require.Contains(t, statuses[0], msgNoToken)
		require.Contains(t, statuses[len(statuses)-2], msgUnavailable)
		require.Equal(t, "StatusOK", statuses[len(statuses)-1])
	})
}

func TestFailuresOfSingleIncidentsDoNotAffectStatus(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20))
		h.Fail(1001, "403")
		h.Fail(1002, "nested")
		h.Fail(1003, "429")
		h.Start()
		harness.Sleep(time.Hour)
		require.Empty(t, h.Host.Statuses())
	})
}

func TestRejectedTokenIsExplained(t *testing.T) {
	permissions := map[receiver.API]string{receiver.APIDefenderXDR: "Incident.Read.All", receiver.APIGraph: "SecurityIncident.Read.All"}
	audiences := map[receiver.API]string{receiver.APIDefenderXDR: "https://api.security.microsoft.com", receiver.APIGraph: "https://graph.microsoft.com"}
	another := map[receiver.API]string{receiver.APIDefenderXDR: audiences[receiver.APIGraph], receiver.APIGraph: audiences[receiver.APIDefenderXDR]}
	for name, c := range map[string]struct {
		grant  func(receiver.API) defendersim.Grant
		advice func(receiver.API) string
	}{
		"without the permission": {
			func(receiver.API) defendersim.Grant { return noPermission },
			func(api receiver.API) string {
				return "Grant the application permission " + permissions[api] + " to the application and give admin consent"
			},
		},
		"for another API": {
			func(api receiver.API) defendersim.Grant { return defendersim.Grant{Audience: another[api]} },
			func(api receiver.API) string {
				return "Set the scope of the extension set in http::auth to " + audiences[api] + "/.default."
			},
		},
		"that has expired": {
			func(receiver.API) defendersim.Grant {
				return defendersim.Grant{Expires: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)}
			},
			func(receiver.API) string {
				return "The token expired at 1999-12-31T00:00:00Z, but the extension set in http::auth still sends it"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				h := harness.NewUnder(t, api, harness.OneAlert(3))
				h.Auth.Grant(c.grant(api))
				h.Start()
				harness.Sleep(time.Minute)
				lines := h.Logs.FilterMessage(msgDenied).All()
				require.Len(t, lines, 1)
				require.Len(t, h.Warnings(), 1, "one for all incidents")
				fields := lines[0].ContextMap()
				require.Contains(t, fields["advice"], c.advice(api))
				require.Equal(t, permissions[api], fields["permission_needed"])
				require.Equal(t, "11111111-2222-3333-4444-555555555555", fields["token_tenant"])
				require.Equal(t, "66666666-7777-8888-9999-000000000000", fields["token_application"])
				require.Contains(t, fields, "token_audience")
				require.Contains(t, fields, "token_roles")
				require.Contains(t, fields, "token_expires")
				token := h.Sim.TokenFor(c.grant(api))
				signature := token[strings.LastIndex(token, ".")+1:]
				for _, line := range h.Logs.All() {
					for _, value := range line.ContextMap() {
						if text, ok := value.(string); ok {
							require.NotContains(t, text, signature)
							require.NotContains(t, text, "eyJ", "every token begins like this")
						}
					}
				}
			})
		})
	}
}
