package defenderincidentsreceiver

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// refused is a grant that the API does not take: it has none of its roles.
var refused = defendersim.Grant{Roles: []string{"Alert.Read.All"}}

func TestStatusIsReportedOnChangeAndRecoversByItself(t *testing.T) {
	for name, c := range map[string]struct {
		fail, mend func(*world)
		want       string
	}{
		"a permission that is missing": {
			func(w *world) { w.auth().sign(refused) },
			func(w *world) { w.auth().sign(defendersim.Grant{}) },
			"StatusRecoverableError: nothing can be fetched: the API refuses the token: ",
		},
		"a sign-in that fails": {
			func(w *world) { w.auth().fail(errors.New("AADSTS7000215")) },
			func(w *world) { w.auth().fail(nil) },
			"StatusRecoverableError: no token: nothing is fetched until the sign-in works",
		},
		"a service that is down": {
			func(w *world) { _ = w.sim.SetFault(defendersim.AllIncidents, rule(w.t, "503")) },
			func(w *world) { w.sim.ClearFaults() },
			"StatusRecoverableError: the API does not answer: everything waits: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, oneAlert(20))
				c.fail(w)
				w.start()
				time.Sleep(6 * time.Hour)
				require.Len(t, w.host.reported(), 1)
				require.True(t, strings.HasPrefix(w.host.reported()[0], c.want), w.host.reported()[0])

				c.mend(w)
				time.Sleep(11 * time.Minute)
				require.Equal(t, "StatusOK", w.host.reported()[1])
				require.Len(t, w.sink.changes(), 40)
				time.Sleep(time.Hour)
				require.Len(t, w.host.reported(), 2)
			})
		})
	}
}

func TestOneTroubleAfterAnotherIsReportedAndEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(20))
		w.auth().fail(errors.New("AADSTS7000215"))
		w.start()
		time.Sleep(time.Hour)
		w.auth().fail(nil)
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, rule(t, "503")))
		time.Sleep(time.Hour)
		require.Len(t, w.host.reported(), 2)
		require.Contains(t, w.host.reported()[1], "the API does not answer")

		w.sim.ClearFaults()
		time.Sleep(11 * time.Minute)
		require.Len(t, w.host.reported(), 3)
		require.Equal(t, "StatusOK", w.host.reported()[2])
		ended := w.logs.FilterMessage("the API answers again").All()
		require.Len(t, ended, 1)
		require.GreaterOrEqual(t, ended[0].ContextMap()["after"], 2*time.Hour)
	})
}

func TestATroubleThatTurnsIntoAnotherOfOneIncidentEndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(2))
		w.auth().fail(errors.New("AADSTS7000215"))
		w.start()
		time.Sleep(time.Hour)
		w.auth().fail(nil)
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, rule(t, "503"))) // too few to be everybody's
		time.Sleep(time.Hour)
		w.sim.ClearFaults()
		time.Sleep(11 * time.Minute)
		require.Len(t, w.host.reported(), 2)
		require.Equal(t, "StatusOK", w.host.reported()[1])
	})
}

func TestWhatIsOneIncidentsIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAlert(20))
		require.NoError(t, w.sim.SetFault(1001, rule(t, "403")))
		require.NoError(t, w.sim.SetFault(1002, rule(t, "nested")))
		require.NoError(t, w.sim.SetFault(1003, rule(t, "429")))
		w.start()
		time.Sleep(time.Hour)
		require.Empty(t, w.host.reported())
	})
}

func TestARefusedTokenSaysWhatItIsAndWhatIsNeeded(t *testing.T) {
	permissions := map[API]string{APIDefenderXDR: "Incident.Read.All", APIGraph: "SecurityIncident.Read.All"}
	audiences := map[API]string{APIDefenderXDR: "https://api.security.microsoft.com", APIGraph: "https://graph.microsoft.com"}
	another := map[API]string{APIDefenderXDR: audiences[APIGraph], APIGraph: audiences[APIDefenderXDR]}
	for name, c := range map[string]struct {
		grant  func(API) defendersim.Grant
		advice func(API) string
	}{
		"without the permission": {
			func(API) defendersim.Grant { return refused },
			func(api API) string {
				return "Grant the application permission " + permissions[api] + " to the application and give admin consent"
			},
		},
		"for another API": {
			func(api API) defendersim.Grant { return defendersim.Grant{Audience: another[api]} },
			func(api API) string {
				return "Set the scope of the extension named by http::auth to " + audiences[api] + "/.default."
			},
		},
		"that has expired": {
			func(API) defendersim.Grant {
				return defendersim.Grant{Expires: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)}
			},
			func(API) string { return "The token had expired at 1999-12-31T00:00:00Z when the API answered." },
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(3))
				w.auth().sign(c.grant(api))
				w.start()
				time.Sleep(time.Minute)
				denied := w.logs.FilterMessageSnippet(whatATokenNeeds).All()
				require.Len(t, denied, 2, "of the first incident, and for all once it is everybody's")
				for _, line := range denied {
					said := line.ContextMap()
					require.Contains(t, said["advice"], c.advice(api))
					require.Equal(t, permissions[api], said["permission_needed"])
					require.Equal(t, "11111111-2222-3333-4444-555555555555", said["token_tenant"])
					require.Equal(t, "66666666-7777-8888-9999-000000000000", said["token_application"])
					require.Contains(t, said, "token_audience")
					require.Contains(t, said, "token_roles")
					require.Contains(t, said, "token_expires")
				}
				token := w.sim.TokenFor(c.grant(api))
				signature := token[strings.LastIndex(token, ".")+1:]
				for _, line := range w.logs.All() {
					for _, value := range line.ContextMap() {
						if text, ok := value.(string); ok {
							require.NotContains(t, text, signature)
							require.NotContains(t, text, "eyJ", "the beginning of every token")
						}
					}
				}
			})
		})
	}
}
