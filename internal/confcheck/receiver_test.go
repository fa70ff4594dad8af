// SPDX-License-Identifier: Apache-2.0

package confcheck_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"pgregory.net/rapid"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"
)

// usable returns the receiver's defaults with what everybody has to add.
func usable() *receiver.Config {
	cfg := receiver.NewFactory().CreateDefaultConfig().(*receiver.Config)
	cfg.IncidentIDs = []int64{437}
	cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: component.MustNewID("azureauth")})
	return cfg
}

func TestSettingsAreThoseOfTheStructs(t *testing.T) {
	paths := map[string]reflect.Kind{}
	for _, s := range confcheck.Settings(usable()) {
		paths[s.Path] = s.Kind
	}
	for path, kind := range map[string]reflect.Kind{
		"incident_ids": reflect.Slice, "storage": reflect.Pointer, "change_feed::rate_limit::requests_per_hour": reflect.Int,
		"change_feed::enabled": reflect.Bool, "http::tls::key_pem": reflect.String, "http::keepalive::idle_conn_timeout": reflect.Int64,
		"http::auth::authenticator": reflect.Struct, "http::tls::tpm::owner_auth": reflect.String, "http::cookies": reflect.Struct,
	} {
		require.Equal(t, kind, paths[path], path)
	}
	require.NotContains(t, paths, "misread")
	require.NotContains(t, paths, "http::tls::config")
}

// Whatever is written, the receiver finds words for it, its own ones, and shows no secret.
func TestNoValueStopsTheReadingOrShowsASecret(t *testing.T) {
	const secret = "hunter2"
	settings := confcheck.Settings(usable())
	values := []any{
		nil, true, 0, 5, -1, 1.5, 1e30, uint64(1 << 63), secret, secret + " 5m", "", "5m", "a::b", time.Unix(0, 0),
		[]any{},
		[]any{secret},
		[]any{5, nil},
		[]any{map[string]any{secret: secret}},
		map[string]any{},
		map[string]any{"x": secret},
		map[string]any{"enabled": secret},
	}
	rapid.Check(t, func(t *rapid.T) {
		conf, shows := map[string]any{}, false
		for range rapid.IntRange(1, 4).Draw(t, "settings") {
			s := rapid.SampledFrom(settings).Draw(t, "setting")
			key := s.Path
			if rapid.Bool().Draw(t, "misspelt") {
				key += rapid.SampledFrom([]string{"x", "::x", "", "::"}).Draw(t, "end")
			}
			value := rapid.SampledFrom(values).Draw(t, "value")
			conf[key] = value
			section, _ := value.(map[string]any)
			shows = shows || !s.Secret || strings.HasSuffix(s.Path, "_version") || section["enabled"] != nil
		}
		cfg := usable()
		err := confmap.NewFromStringMap(conf).Unmarshal(cfg)
		if err == nil {
			err = confmap.Validate(cfg)
		}
		if err == nil {
			return
		}
		for _, jargon := range []string{"decod", "expected", "unconvertible", "invalid keys", "interface", "Config", "%!"} {
			require.NotContains(t, err.Error(), jargon)
		}
		if !shows {
			require.NotContains(t, err.Error(), secret)
		}
	})
}
