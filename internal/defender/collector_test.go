// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/extension/extensionauth"
)

// authExtension signs requests, as the extension in http::auth does.
type authExtension struct {
	component.StartFunc
	component.ShutdownFunc
	extensionauth.ClientRoundTripperFunc
}

// collectorClient is a client built as the collector builds it, with telemetry,
// headers and an auth extension around the transport.
func collectorClient(t *testing.T, authorization string) *http.Client {
	t.Helper()
	name := component.MustNewID("fake")
	config := confighttp.NewDefaultClientConfig()
	config.TLS.InsecureSkipVerify = true
	config.Auth = configoptional.Some(configauth.Config{AuthenticatorID: name})
	config.Headers.Set("X-Header", configopaque.String("its value"))
	extension := authExtension{ClientRoundTripperFunc: func(base http.RoundTripper) (http.RoundTripper, error) {
		return authorized(authorization, base), nil
	}}
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.WithoutCancel(t.Context()))) })
	client, err := config.ToClient(t.Context(), map[component.ID]component.Component{name: extension}, telemetry.NewTelemetrySettings())
	require.NoError(t, err)
	return client
}

func TestTokenIsFoundThroughTheClientOfTheCollector(t *testing.T) {
	for _, version := range []int{1, 2} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, version, r.ProtoMajor)
			assert.Equal(t, "its value", r.Header.Get("X-Header"))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		server.EnableHTTP2 = version == 2
		server.StartTLS()
		parsed, err := url.Parse(server.URL)
		require.NoError(t, err)
		client := NewClient(collectorClient(t, jwt(`{"aud":"https://graph.microsoft.com"}`)), Settings{Endpoint: parsed, MaxBody: maxBody})
		failure := failed(t, client.Get(t.Context(), 1))
		server.Close()
		assert.Equal(t, Unauthorized, failure.Kind)
		require.NotNil(t, failure.Token)
		assert.Equal(t, []string{"https://graph.microsoft.com"}, failure.Token.Audience)
		assert.Contains(t, failure.Advice, "graph.microsoft.com")
	}
}
