// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"maps"
	"net/http"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensionauth"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// client returns the HTTP client that http configures, with the hooks from which defender sees what happens on
// the way to the API.
func (c *Config) client(ctx context.Context, extensions map[component.ID]component.Component, telemetry component.TelemetrySettings) (*http.Client, error) {
	auth := c.HTTP.Auth.Get()
	if auth == nil {
		client, err := c.HTTP.ToClient(ctx, extensions, telemetry)
		if err == nil {
			client.Transport = defender.Watch(client.Transport)
		}
		return client, err
	}
	if extension, ok := extensions[auth.AuthenticatorID].(extensionauth.HTTPClient); ok {
		extensions = maps.Clone(extensions)
		extensions[auth.AuthenticatorID] = watchedAuth{extensions[auth.AuthenticatorID], extension}
	}
	return c.HTTP.ToClient(ctx, extensions, telemetry)
}

// watchedAuth is an auth extension that lets defender watch requests once they
// have their token.
type watchedAuth struct {
	component.Component
	extensionauth.HTTPClient
}

func (w watchedAuth) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return w.HTTPClient.RoundTripper(defender.Watch(base))
}
