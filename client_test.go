// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/extension/extensionauth"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// signing is an auth extension that adds a header to each request, or fails.
type signing struct {
	component.StartFunc
	component.ShutdownFunc
	extensionauth.ClientRoundTripperFunc
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFailuresBehindTheAuthExtensionAreNotTheSignIns(t *testing.T) {
	const unreachable = "proxy 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"
	fails := errors.New("no credential")
	for name, c := range map[string]struct {
		signs bool
		err   error
		kind  defender.Kind
		want  string
	}{
		"signed":           {true, nil, defender.Network, "network error: " + unreachable},
		"not signed":       {true, fails, defender.NoToken, "no token: no credential"},
		"without any auth": {false, nil, defender.Network, "network error: " + unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := usableConfig()
			cfg.HTTP.ProxyURL = "http://me:hush@127.0.0.1:1" // which nobody listens to
			id := cfg.HTTP.Auth.Get().AuthenticatorID
			extension := signing{ClientRoundTripperFunc: func(base http.RoundTripper) (http.RoundTripper, error) {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					if c.err != nil {
						return nil, c.err
					}
					return base.RoundTrip(r)
				}), nil
			}}
			extensions := map[component.ID]component.Component{id: extension}
			if !c.signs {
				cfg.HTTP.Auth = configoptional.None[configauth.Config]()
			}
			client, err := cfg.client(t.Context(), extensions, componenttest.NewNopTelemetrySettings())
			require.NoError(t, err)
			require.IsType(t, extension, extensions[id], "what the collector has stays as it is")
			endpoint, err := url.Parse(cfg.HTTP.Endpoint)
			require.NoError(t, err)
			answer := defender.NewClient(client, defender.Settings{Endpoint: endpoint, MaxBody: 1}).Get(t.Context(), 1)
			assert.Equal(t, c.kind, kindOf(t, answer))
			assert.EqualError(t, answer.Err, c.want)
			assert.Zero(t, answer.Reached)
		})
	}
}

func TestAnAuthExtensionThatIsMissingOrNoneIsRefused(t *testing.T) {
	cfg := usableConfig()
	id := cfg.HTTP.Auth.Get().AuthenticatorID
	for _, extensions := range []map[component.ID]component.Component{{}, {id: struct{ component.Component }{}}} {
		_, err := cfg.client(t.Context(), extensions, componenttest.NewNopTelemetrySettings())
		require.ErrorContains(t, err, "authenticat")
	}
}
