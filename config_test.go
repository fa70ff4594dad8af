// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestConfigDefaults(t *testing.T) {
	keepalive := confighttp.NewDefaultKeepaliveClientConfig()
	keepalive.IdleConnTimeout = 30 * time.Second
	http := confighttp.NewDefaultClientConfig()
	http.Endpoint = "https://api.security.microsoft.com"
	http.Timeout = 30 * time.Second
	http.Keepalive = configoptional.Some(keepalive)
	http.HTTP2ReadIdleTimeout, http.HTTP2PingTimeout = 10*time.Second, 5*time.Second

	require.Equal(t, &Config{
		API:                   "defender_xdr",
		HTTP:                  http,
		CollectionInterval:    5 * time.Minute,
		RateLimit:             RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500},
		MaxConcurrentRequests: 4,
		MaxResponseBodySize:   33554432,
		ChangeFeed: configoptional.Default(ChangeFeedConfig{
			Interval:    30 * time.Second,
			Lookback:    24 * time.Hour,
			ForgetAfter: 168 * time.Hour,
			Sweep:       true,
			AlertFeed:   true,
			RateLimit:   RateLimitConfig{RequestsPerMinute: 50, RequestsPerHour: 1500},
		}),
		Emit:   "changes",
		Alerts: "split",
	}, createDefaultConfig())
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func TestConfigLoadsEverySetting(t *testing.T) {
	cfg := load(t, "accepted.yaml", "everything")
	require.NoError(t, confmap.Validate(cfg))

	require.Equal(t, "https://eu.api.security.microsoft.com", cfg.HTTP.Endpoint)
	require.Equal(t, 20*time.Second, cfg.HTTP.Timeout)
	require.Equal(t, component.MustNewIDWithName("oauth2client", "defender"), cfg.HTTP.Auth.Get().AuthenticatorID)

	storage := component.MustNewIDWithName("file_storage", "defender")
	require.Equal(t, &Config{
		IncidentIDs:           []int64{437, 552},
		IncidentIDsFile:       "incidents.txt",
		API:                   APIDefenderXDR,
		HTTP:                  cfg.HTTP,
		CollectionInterval:    10 * time.Minute,
		RateLimit:             RateLimitConfig{RequestsPerMinute: 40, RequestsPerHour: 600},
		MaxConcurrentRequests: 2,
		MaxResponseBodySize:   1048576,
		ChangeFeed:            defaultConfig().ChangeFeed,
		Emit:                  EmitSnapshots,
		Alerts:                AlertsEmbedded,
		IgnoreChanges:         []string{"riskScore", "priorityScore"},
		IncludeOriginal:       true,
		StorageID:             &storage,
	}, cfg)
}

func TestConfigAccepted(t *testing.T) {
	for _, name := range []string{"minimal", "everything", "ids_file_only", "simulator", "graph", "graph_simulator"} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, confmap.Validate(load(t, "accepted.yaml", name)))
		})
	}
}

func TestConfigRateLimitKeepsTheOtherDefault(t *testing.T) {
	for name, want := range map[string]RateLimitConfig{
		"minute_only":       {RequestsPerMinute: 10, RequestsPerHour: 1500},
		"hour_only":         {RequestsPerMinute: 100, RequestsPerHour: 300},
		"no_hour_limit":     {RequestsPerMinute: 100, RequestsPerHour: 0},
		"graph":             {RequestsPerMinute: 150, RequestsPerHour: 0},
		"graph_minute_only": {RequestsPerMinute: 10, RequestsPerHour: 0},
		"graph_hour_only":   {RequestsPerMinute: 150, RequestsPerHour: 300},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, load(t, "defaults.yaml", name).RateLimit)
		})
	}
}

func TestConfigEndpointFollowsAPI(t *testing.T) {
	for name, want := range map[string]string{
		"minute_only":      "https://api.security.microsoft.com",
		"graph":            "https://graph.microsoft.com",
		"graph_government": "https://graph.microsoft.us",
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, load(t, "defaults.yaml", name).HTTP.Endpoint)
		})
	}
}

func TestConfigEmptySectionsKeepTheDefaults(t *testing.T) {
	cfg := load(t, "defaults.yaml", "empty_sections")
	require.Equal(t, "https://api.security.microsoft.com", cfg.HTTP.Endpoint)
	require.Equal(t, 30*time.Second, cfg.HTTP.Timeout)

	want := defaultConfig()
	want.HTTP = cfg.HTTP
	require.Equal(t, want, cfg)
}

func TestConfigChangeFeedIsOnWhenPresent(t *testing.T) {
	require.False(t, load(t, "defaults.yaml", "minute_only").ChangeFeed.HasValue())
	require.False(t, load(t, "defaults.yaml", "feed_disabled").ChangeFeed.HasValue())

	want := ChangeFeedConfig{
		Interval:    30 * time.Second,
		Lookback:    24 * time.Hour,
		ForgetAfter: 168 * time.Hour,
		Sweep:       true,
		AlertFeed:   true,
		RateLimit:   RateLimitConfig{RequestsPerMinute: 50, RequestsPerHour: 1500},
	}
	empty := load(t, "defaults.yaml", "feed_empty")
	require.Equal(t, &want, empty.ChangeFeed.Get())

	want.Discover, want.Sweep, want.AlertFeed = true, false, false
	want.RateLimit.RequestsPerMinute = 20
	partly := load(t, "defaults.yaml", "feed_partly")
	require.Equal(t, &want, partly.ChangeFeed.Get())
}

// With an http section, confighttp moves the keepalive settings into
// deprecated fields; marshalling shows them without naming those.
func TestConfigDropsIdleConnectionsEarly(t *testing.T) {
	for name, want := range map[string]map[string]any{
		"graph_government": {"idle_conn_timeout": 30 * time.Second, "max_idle_conns": 100},
		"keepalive_partly": {"idle_conn_timeout": 30 * time.Second, "max_idle_conns": 7},
		"keepalive_off":    {"idle_conn_timeout": 30 * time.Second, "max_idle_conns": 100, "disable_keep_alives": true},
	} {
		t.Run(name, func(t *testing.T) {
			client := confmap.New()
			require.NoError(t, client.Marshal(load(t, "defaults.yaml", name).HTTP))
			for key, value := range want {
				require.EqualValues(t, value, client.Get(key), key)
			}
		})
	}
}

func TestConfigKeepsItsOwnHTTP2HealthCheck(t *testing.T) {
	for name, want := range map[string][2]time.Duration{
		"graph_government": {10 * time.Second, 5 * time.Second},
		"http2_partly":     {time.Minute, 5 * time.Second},
		"http2_off":        {0, 5 * time.Second},
	} {
		client := load(t, "defaults.yaml", name).HTTP
		require.Equal(t, want, [2]time.Duration{client.HTTP2ReadIdleTimeout, client.HTTP2PingTimeout}, name)
	}
}

func TestConfigLeavesDurationsOfZeroToValidate(t *testing.T) {
	cfg := load(t, "defaults.yaml", "durations_of_zero")
	require.Zero(t, cfg.CollectionInterval)
	require.Zero(t, cfg.HTTP.Timeout)
}

// JSON and other sources may write a whole number as a float.
func TestConfigTakesWholeFloatsForIDs(t *testing.T) {
	cfg := defaultConfig()
	conf := confmap.NewFromStringMap(map[string]any{"incident_ids": []any{437.0, float64(1 << 53)}})
	require.NoError(t, conf.Unmarshal(cfg))
	require.Equal(t, []int64{437, 1 << 53}, cfg.IncidentIDs)
}

// usableConfig returns the defaults with what everybody has to add.
func usableConfig() *Config {
	cfg := defaultConfig()
	cfg.IncidentIDs = []int64{437}
	cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: component.MustNewID("azureauth")})
	return cfg
}

func defaultConfig() *Config { return createDefaultConfig().(*Config) }

func load(t *testing.T, file, name string) *Config {
	t.Helper()
	cfg := defaultConfig()
	require.NoError(t, section(t, file, name).Unmarshal(cfg))
	return cfg
}

func section(t *testing.T, file, name string) *confmap.Conf {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config", file))
	require.NoError(t, err)
	require.True(t, conf.IsSet("defender_incidents/"+name), name)
	sub, err := conf.Sub("defender_incidents/" + name)
	require.NoError(t, err)
	return sub
}
