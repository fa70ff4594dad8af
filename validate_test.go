// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
)

func TestValidateReportsEachProblem(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no source of ids": {
			change: func(c *Config) { c.IncidentIDs = nil },
			want: "incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; " +
				"list ids, e.g. [437, 552]",
		},
		"a feed that does not discover is no source of ids": {
			change: func(c *Config) { c.IncidentIDs = nil; c.ChangeFeed.GetOrInsertDefault() },
			want: "incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; " +
				"list ids, e.g. [437, 552]",
		},
		"id of zero": {
			change: func(c *Config) { c.IncidentIDs = []int64{437, 0} },
			want:   "incident_ids[1]: 0 is not a positive number; write the number in the portal's address",
		},
		"negative id": {
			change: func(c *Config) { c.IncidentIDs = []int64{-437} },
			want:   "incident_ids[0]: -437 is not a positive number; write the number in the portal's address",
		},
		"id listed twice": {
			change: func(c *Config) { c.IncidentIDs = []int64{437, 552, 553, 437} },
			want:   "incident_ids[3]: 437 is listed twice; remove one",
		},
		"unknown api": {
			change: func(c *Config) { c.API = "xdr" },
			want:   `api: "xdr" is not known; use one of defender_xdr, graph`,
		},
		"unknown emit": {
			change: func(c *Config) { c.Emit = "all" },
			want:   `emit: "all" is not known; use one of changes, snapshots`,
		},
		"unknown alerts": {
			change: func(c *Config) { c.Alerts = "" },
			want:   `alerts: "" is not known; use one of split, embedded, none`,
		},
		"auth missing": {
			change: func(c *Config) { c.HTTP.Auth = configoptional.None[configauth.Config]() },
			want:   "http::auth: missing; api.security.microsoft.com needs a token, e.g. auth: {authenticator: azureauth}",
		},
		"auth without an authenticator": {
			change: func(c *Config) { c.HTTP.Auth = configoptional.Some(configauth.Config{}) },
			want:   "http::auth: missing; api.security.microsoft.com needs a token, e.g. auth: {authenticator: azureauth}",
		},
		"timeout of zero": {
			change: func(c *Config) { c.HTTP.Timeout = 0 },
			want:   "http::timeout: 0s would let a request hang forever; write e.g. 30s",
		},
		"negative timeout": {
			change: func(c *Config) { c.HTTP.Timeout = -time.Second },
			want:   "http::timeout: -1s would let a request hang forever; write e.g. 30s",
		},
		"spaces around a name in ignore_changes": {
			change: func(c *Config) { c.IgnoreChanges = []string{"riskScore", " priorityScore"} },
			want:   `ignore_changes[1]: " priorityScore" has spaces around it; write "priorityScore"`,
		},
		"the portal": {
			change: func(c *Config) { c.HTTP.Endpoint = "https://security.microsoft.us/incidents/437" },
			want:   "http::endpoint: security.microsoft.us is the portal, not an API; write https://api-gov.security.microsoft.us",
		},
		"proxy without a scheme": {
			change: func(c *Config) { c.HTTP.ProxyURL = "proxy.example:3128" },
			want:   "http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128",
		},
		"proxy without a host": {
			change: func(c *Config) { c.HTTP.ProxyURL = "http://:3128" },
			want:   "http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128",
		},
		"proxy of another scheme": {
			change: func(c *Config) { c.HTTP.ProxyURL = "ftp://proxy.example" },
			want:   "http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128",
		},
		"proxy with a password that is no URL": {
			change: func(c *Config) { c.HTTP.ProxyURL = "http://me:hunter2%zz@proxy.example:3128" },
			want:   "http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128",
		},
		"collection interval of zero": {
			change: func(c *Config) { c.CollectionInterval = 0 },
			want:   "collection_interval: 0s is not more than 0; write e.g. 5m",
		},
		"negative collection interval": {
			change: func(c *Config) { c.CollectionInterval = -time.Minute },
			want:   "collection_interval: -1m0s is not more than 0; write e.g. 5m",
		},
		"no concurrent requests": {
			change: func(c *Config) { c.MaxConcurrentRequests = 0 },
			want:   "max_concurrent_requests: 0 is not between 1 and 100; write e.g. 4",
		},
		"one concurrent request more than the maximum": {
			change: func(c *Config) { c.MaxConcurrentRequests = 101 },
			want:   "max_concurrent_requests: 101 is not between 1 and 100; write e.g. 4",
		},
		"concurrent requests beyond any memory": {
			change: func(c *Config) { c.MaxConcurrentRequests = 4_000_000_000_000 },
			want:   "max_concurrent_requests: 4000000000000 is not between 1 and 100; write e.g. 4",
		},
		"no response body": {
			change: func(c *Config) { c.MaxResponseBodySize = 0 },
			want:   "max_response_body_size: 0 is not more than 0; write e.g. 33554432",
		},
		"negative minute limit": {
			change: func(c *Config) { c.RateLimit.RequestsPerMinute = -1 },
			want:   "rate_limit::requests_per_minute: -1 is negative; 0 means no limit per minute",
		},
		"negative hour limit": {
			change: func(c *Config) { c.RateLimit.RequestsPerHour = -2 },
			want:   "rate_limit::requests_per_hour: -2 is negative; 0 means no limit per hour",
		},
		"no limit at all": {
			change: func(c *Config) { c.RateLimit = RateLimitConfig{} },
			want:   "rate_limit: both limits are 0; set requests_per_minute, requests_per_hour or both",
		},
		"feed interval of zero": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().Interval = 0 },
			want:   "change_feed::interval: 0s is not more than 0; write e.g. 30s",
		},
		"negative feed lookback": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().Lookback = -time.Hour },
			want:   "change_feed::lookback: -1h0m0s is not more than 0; write e.g. 24h",
		},
		"feed forgets at once": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().ForgetAfter = 0 },
			want:   "change_feed::forget_after: 0s is not more than 0; write e.g. 168h",
		},
		"negative minute limit of the feed": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().RateLimit.RequestsPerMinute = -1 },
			want:   "change_feed::rate_limit::requests_per_minute: -1 is negative; 0 means no limit per minute",
		},
		"negative hour limit of the feed": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().RateLimit.RequestsPerHour = -1 },
			want:   "change_feed::rate_limit::requests_per_hour: -1 is negative; 0 means no limit per hour",
		},
		"no limit at all of the feed": {
			change: func(c *Config) { c.ChangeFeed.GetOrInsertDefault().RateLimit = RateLimitConfig{} },
			want:   "change_feed::rate_limit: both limits are 0; set requests_per_minute, requests_per_hour or both",
		},
		"empty name in ignore_changes": {
			change: func(c *Config) { c.IgnoreChanges = []string{"riskScore", " "} },
			want:   "ignore_changes[1]: empty; name a field, or remove it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := usableConfig()
			tt.change(cfg)
			require.Equal(t, []string{tt.want}, problems(cfg))
		})
	}
}

func TestValidateReportsAllProblemsAtOnce(t *testing.T) {
	cfg := usableConfig()
	cfg.IncidentIDs = []int64{437, -1, 437}
	cfg.API = "xdr"
	cfg.HTTP.Endpoint = "http://reader:hunter2@eu.api.security.microsoft.com?x=1"
	cfg.HTTP.Auth = configoptional.None[configauth.Config]()
	cfg.HTTP.Timeout = 0
	cfg.HTTP.Compression = "gzip"
	cfg.HTTP.CompressionParams.Level = 99
	cfg.CollectionInterval = 0
	cfg.RateLimit = RateLimitConfig{RequestsPerMinute: -1, RequestsPerHour: -1}
	cfg.MaxConcurrentRequests = -1
	cfg.MaxResponseBodySize = -1
	feed := cfg.ChangeFeed.GetOrInsertDefault()
	*feed = ChangeFeedConfig{}
	cfg.Emit = "all"
	cfg.Alerts = "all"
	cfg.IgnoreChanges = []string{"", "riskScore", ""}

	require.Equal(t, []string{
		"incident_ids[1]: -1 is not a positive number; write the number in the portal's address",
		"incident_ids[2]: 437 is listed twice; remove one",
		`api: "xdr" is not known; use one of defender_xdr, graph`,
		"http::timeout: 0s would let a request hang forever; write e.g. 30s",
		"http::endpoint: holds a user name or password; remove it and use http::auth",
		"http::endpoint: has a query or a fragment; remove everything from the ? or # on",
		"http::endpoint: http would send the token to eu.api.security.microsoft.com unencrypted; use https",
		"http::auth: missing; eu.api.security.microsoft.com needs a token, e.g. auth: {authenticator: azureauth}",
		"collection_interval: 0s is not more than 0; write e.g. 5m",
		"rate_limit::requests_per_minute: -1 is negative; 0 means no limit per minute",
		"rate_limit::requests_per_hour: -1 is negative; 0 means no limit per hour",
		"max_concurrent_requests: -1 is not between 1 and 100; write e.g. 4",
		"max_response_body_size: -1 is not more than 0; write e.g. 33554432",
		"change_feed::interval: 0s is not more than 0; write e.g. 30s",
		"change_feed::lookback: 0s is not more than 0; write e.g. 24h",
		"change_feed::forget_after: 0s is not more than 0; write e.g. 168h",
		"change_feed::rate_limit: both limits are 0; set requests_per_minute, requests_per_hour or both",
		`emit: "all" is not known; use one of changes, snapshots`,
		`alerts: "all" is not known; use one of split, embedded, none`,
		"ignore_changes[0]: empty; name a field, or remove it",
		"ignore_changes[2]: empty; name a field, or remove it",
		`http: unsupported parameters {Level:99} for compression type "gzip"`, // confighttp's own
	}, problems(cfg))
}

func TestValidateAcceptsSourcesOfIDs(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"list":     func(c *Config) { c.IncidentIDs = []int64{437} },
		"file":     func(c *Config) { c.IncidentIDsFile = "incidents.txt" },
		"discover": func(c *Config) { c.ChangeFeed.GetOrInsertDefault().Discover = true },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := usableConfig()
			cfg.IncidentIDs = nil
			change(cfg)
			require.Empty(t, problems(cfg))
		})
	}
}

func TestValidateAcceptsOneToAHundredConcurrentRequests(t *testing.T) {
	for _, n := range []int{1, 100} {
		cfg := usableConfig()
		cfg.MaxConcurrentRequests = n
		require.Empty(t, problems(cfg))
	}
}

func TestValidateAcceptsOneLimit(t *testing.T) {
	for _, limit := range []RateLimitConfig{{RequestsPerMinute: 100}, {RequestsPerHour: 1500}} {
		cfg := usableConfig()
		cfg.RateLimit = limit
		require.Empty(t, problems(cfg))
	}
}

func TestValidateEndpoint(t *testing.T) {
	const (
		notURL    = "http::endpoint: not a URL with a host; write e.g. https://api.security.microsoft.com"
		userinfo  = "http::endpoint: holds a user name or password; remove it and use http::auth"
		queryPart = "http::endpoint: has a query or a fragment; remove everything from the ? or # on"
		plain     = "http::endpoint: http would send the token to api.security.microsoft.com unencrypted; use https"
	)
	for endpoint, want := range map[string]string{
		"https://eu.api.security.microsoft.com":   "",
		"https://api.security.microsoft.com:443/": "",
		"https://proxy.example/defender":          "",
		"HTTPS://API.SECURITY.MICROSOFT.COM":      "",
		"":                                        notURL,
		"api.security.microsoft.com":              notURL,
		"https://":                                notURL,
		"https://:443":                            notURL,
		"ftp://api.security.microsoft.com":        notURL,
		"https://reader:hunter2@api.security.microsoft.com:port":       notURL,
		"https://reader:hunter2%zz@api.security.microsoft.com":         notURL,
		"reader:hunter2@api.security.microsoft.com":                    notURL,
		"https://reader:hunter2@api.security.microsoft.com":            userinfo,
		"https://hunter2@api.security.microsoft.com":                   userinfo,
		"https://api.security.microsoft.com?token=hunter2":             queryPart,
		"https://api.security.microsoft.com?":                          queryPart,
		"https://api.security.microsoft.com#hunter2":                   queryPart,
		"http://api.security.microsoft.com":                            plain,
		"http://api.security.microsoft.com:443":                        plain,
		"https://user:hunter2@api.security.microsoft.com?key=hunter2#": userinfo + "\n" + queryPart,
	} {
		t.Run(endpoint, func(t *testing.T) {
			cfg := usableConfig()
			cfg.HTTP.Endpoint = endpoint
			got := strings.Join(problems(cfg), "\n")
			require.Equal(t, want, got)
			require.NotContains(t, got, "hunter2")
		})
	}
}

func TestValidateKnowsTheOtherAPIsHosts(t *testing.T) {
	const (
		graph    = "https://graph.microsoft.com"
		graphGov = "https://graph.microsoft.us, on DoD https://dod-graph.microsoft.us"
		xdr      = "https://api.security.microsoft.com, on GCC https://api-gcc.security.microsoft.us"
		xdrGov   = "https://api-gov.security.microsoft.us"
	)
	for host, tt := range map[string]struct {
		serves API
		other  string // where the other API is
	}{
		"api.security.microsoft.com":     {APIDefenderXDR, graph},
		"us.api.security.microsoft.com":  {APIDefenderXDR, graph},
		"eu.api.security.microsoft.com":  {APIDefenderXDR, graph},
		"uk.api.security.microsoft.com":  {APIDefenderXDR, graph},
		"au.api.security.microsoft.com":  {APIDefenderXDR, graph},
		"swa.api.security.microsoft.com": {APIDefenderXDR, graph},
		"ina.api.security.microsoft.com": {APIDefenderXDR, graph},
		"aea.api.security.microsoft.com": {APIDefenderXDR, graph},
		"api-gcc.security.microsoft.us":  {APIDefenderXDR, graph},
		"api-gov.security.microsoft.us":  {APIDefenderXDR, graphGov},
		"graph.microsoft.com":            {APIGraph, xdr},
		"GRAPH.microsoft.com.":           {APIGraph, xdr},
		"graph.microsoft.us":             {APIGraph, xdrGov},
		"dod-graph.microsoft.us":         {APIGraph, xdrGov},
		"proxy.example":                  {},
		"notapi.security.microsoft.com":  {},
		"graph.microsoft.com.example":    {},
	} {
		for _, api := range []API{APIDefenderXDR, APIGraph} {
			var want []string
			if tt.serves != "" && tt.serves != api {
				known := strings.TrimSuffix(strings.ToLower(host), ".")
				want = []string{"http::endpoint: " + known + " belongs to api: " + string(tt.serves) +
					"; change api to that, or the endpoint to " + tt.other}
			}
			cfg := usableConfig()
			cfg.API = api
			cfg.HTTP.Endpoint = "https://" + host
			require.Equal(t, want, problems(cfg), "%s with api: %s", host, api)
		}
	}
}

// People copy an address with its path out of the vendor's pages, and the path
// would be there twice. On a host of one's own, a proxy perhaps, it has a meaning.
func TestValidateRefusesAPathOnMicrosoftsHosts(t *testing.T) {
	const twice = "http::endpoint: on %s the receiver adds the path by itself; remove the path and leave https://%s"
	for _, tt := range []struct {
		api      API
		endpoint string
		host     string // that must not have a path; empty: it may
	}{
		{APIGraph, "https://graph.microsoft.com/v1.0", "graph.microsoft.com"},
		{APIGraph, "https://graph.microsoft.com/v1.0/", "graph.microsoft.com"},
		{APIGraph, "https://Graph.Microsoft.com:443/v1.0/security/incidents", "graph.microsoft.com"},
		{APIGraph, "https://graph.microsoft.com//", "graph.microsoft.com"},
		{APIGraph, "https://graph.microsoft.us/beta", "graph.microsoft.us"},
		{APIGraph, "https://dod-graph.microsoft.us/v1.0", "dod-graph.microsoft.us"},
		{APIDefenderXDR, "https://api.security.microsoft.com/api", "api.security.microsoft.com"},
		{APIDefenderXDR, "https://eu.api.security.microsoft.com/api/incidents", "eu.api.security.microsoft.com"},
		{APIDefenderXDR, "https://api-gcc.security.microsoft.us/api", "api-gcc.security.microsoft.us"},
		{APIDefenderXDR, "https://api-gov.security.microsoft.us/api", "api-gov.security.microsoft.us"},

		{APIGraph, "https://graph.microsoft.com", ""},
		{APIGraph, "https://graph.microsoft.com/", ""},
		{APIDefenderXDR, "https://api.security.microsoft.com/", ""},
		{APIGraph, "https://proxy.example/graph", ""},
		{APIDefenderXDR, "https://proxy.example/defender/api", ""},
		{APIGraph, "http://127.0.0.1:8470/graph", ""},
	} {
		t.Run(tt.endpoint, func(t *testing.T) {
			cfg := usableConfig()
			cfg.API = tt.api
			cfg.HTTP.Endpoint = tt.endpoint
			var want []string
			if tt.host != "" {
				want = []string{fmt.Sprintf(twice, tt.host, tt.host)}
			}
			require.Equal(t, want, problems(cfg))
		})
	}
}

func TestValidateRefusesThePathOfARequestOnAnyHost(t *testing.T) {
	for endpoint, added := range map[string]string{
		"https://proxy.example/api/incidents":                      "/api/incidents",
		"https://proxy.example/defender/api/incidents/":            "/api/incidents",
		"https://proxy.example/defender/API/Incidents/437":         "/API/Incidents",
		"http://127.0.0.1:8470/api/incidents":                      "/api/incidents",
		"https://proxy.example/v1.0/security/incidents":            "/v1.0/security/incidents",
		"https://proxy.example/graph/beta/security/alerts_v2":      "/beta/security/alerts_v2",
		"https://proxy.example/v1.0/security/incidents/437/alerts": "/v1.0/security/incidents",
		"https://proxy.example/security/incidents":                 "",
		"https://proxy.example/incidents":                          "",
		"https://proxy.example/api":                                "",
		"https://proxy.example/api/incidents/defender":             "",
		"https://proxy.example/security":                           "",
		"https://proxy.example/not-security/incidents":             "",
		"https://proxy.example/the-api/incidents/v1.0/defender/12": "",
	} {
		t.Run(endpoint, func(t *testing.T) {
			cfg := usableConfig()
			cfg.HTTP.Endpoint = endpoint
			var want []string
			if added != "" {
				want = []string{"http::endpoint: the receiver adds the path of a request by itself; remove " + added + ", and everything after it"}
			}
			require.Equal(t, want, problems(cfg))
		})
	}
}

func TestValidateLoopbackNeedsNeitherTLSNorAuth(t *testing.T) {
	for host, loopback := range map[string]bool{
		"localhost":             true,
		"LOCALHOST:8080":        true,
		"localhost.:8080":       true,
		"defender.localhost":    true,
		"127.0.0.1:8080":        true,
		"127.8.9.10":            true,
		"[::1]:8080":            true,
		"[::ffff:127.0.0.1]":    true,
		"localhost.example":     false,
		"notlocalhost":          false,
		"10.0.0.1":              false,
		"0.0.0.0":               false,
		"[fe80::1]":             false,
		"127.0.0.1.example.com": false,
	} {
		t.Run(host, func(t *testing.T) {
			cfg := usableConfig()
			cfg.HTTP.Endpoint = "http://" + host
			cfg.HTTP.Auth = configoptional.None[configauth.Config]()
			got := problems(cfg)
			if loopback {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 2)
			require.Contains(t, got[0], "http::endpoint: http would send the token")
			require.Contains(t, got[1], "http::auth: missing")
		})
	}
}

// problems returns what validation reports, a message a line.
func problems(cfg *Config) []string {
	err := confmap.Validate(cfg)
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	if strings.HasSuffix(lines[0], " problems:") {
		lines = lines[1:]
	}
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return lines
}

func TestValidateAcceptsProxies(t *testing.T) {
	for _, proxy := range []string{"http://proxy.example", "https://me:hunter2@proxy.example:3129", "socks5://127.0.0.1:1080", "socks5h://proxy"} {
		cfg := usableConfig()
		cfg.HTTP.ProxyURL = proxy
		require.NoError(t, cfg.Validate(), proxy)
	}
}
