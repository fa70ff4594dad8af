// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// API names the HTTP API that the receiver gets incidents from.
type API string

// The APIs. Both serve the same incidents under the same IDs.
const (
	APIDefenderXDR = API(defender.XDR)   // api.security.microsoft.com
	APIGraph       = API(defender.Graph) // graph.microsoft.com, its successor
)

// EmitMode selects what a poll emits.
type EmitMode string

// The values of Config.Emit.
const (
	EmitChanges   EmitMode = "changes"   // only what changed since the last delivery
	EmitSnapshots EmitMode = "snapshots" // the whole incident, on every poll
)

// AlertsMode selects how the alerts of an incident are emitted.
type AlertsMode string

// The values of Config.Alerts.
const (
	AlertsSplit    AlertsMode = "split"    // one record per alert
	AlertsEmbedded AlertsMode = "embedded" // as part of the incident's record
	AlertsNone     AlertsMode = "none"     // neither emitted nor compared
)

// Config is the receiver's configuration. At least one of IncidentIDs,
// IncidentIDsFile and ChangeFeed.Discover must be set.
type Config struct {
	// IncidentIDs lists the IDs of incidents to poll: positive, no duplicates. In
	// YAML they may be in quotes.
	IncidentIDs []int64 `mapstructure:"incident_ids"`

	// IncidentIDsFile is the path of a file with more IDs, one per line; #
	// starts a comment. The receiver reads it again within 10 s of a change.
	// Empty: no file.
	IncidentIDsFile string `mapstructure:"incident_ids_file"`

	// API is the API to use. Default: APIDefenderXDR.
	API API `mapstructure:"api"`

	// HTTP configures the HTTP client. The endpoint defaults to the commercial
	// host of API, and the timeout of a request to 30 s. An HTTP/2 connection that
	// has been silent for 10 s is pinged, and given up 5 s later if it remains
	// silent. The endpoint must not have a path if the host is one of Microsoft's, and
	// not the path of a request on any other.
	// Auth is required unless the endpoint is a loopback address.
	HTTP confighttp.ClientConfig `mapstructure:"http"`

	// CollectionInterval is the time between two polls of the same incident. It
	// is longer if RateLimit does not allow polling all incidents that often.
	// Default: 5 min.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`

	// RateLimit limits the requests for single incidents, and with APIGraph all
	// requests. Default: 100 per minute and 1500 per hour; with APIGraph 150 per
	// minute, no hourly limit.
	RateLimit RateLimitConfig `mapstructure:"rate_limit"`

	// MaxConcurrentRequests is the maximum number of requests in flight at once,
	// 1 to 100. Default: 4.
	MaxConcurrentRequests int `mapstructure:"max_concurrent_requests"`

	// MaxResponseBodySize is the maximum size of a response body, in bytes after
	// decompression. Default: 32 MiB.
	MaxResponseBodySize int64 `mapstructure:"max_response_body_size"`

	// ChangeFeed lists incidents by the time of their last update and so finds
	// changes between two polls. Absent: off. Present, even if empty: on.
	ChangeFeed configoptional.Optional[ChangeFeedConfig] `mapstructure:"change_feed"`

	// Emit selects what a poll emits. Default: EmitChanges.
	Emit EmitMode `mapstructure:"emit"`

	// Alerts selects how alerts are emitted. Default: AlertsSplit.
	Alerts AlertsMode `mapstructure:"alerts"`

	// IgnoreChanges names fields, at any depth, that do not count as a change,
	// for example riskScore. Default: none.
	IgnoreChanges []string `mapstructure:"ignore_changes"`

	// IncludeOriginal adds the JSON of the incident, as received, to its record
	// as the attribute log.record.original. Default: false.
	IncludeOriginal bool `mapstructure:"include_original"`

	// StorageID is the ID of the storage extension for the checkpoint. Nil: the
	// receiver remembers nothing after a restart.
	StorageID *component.ID `mapstructure:"storage"`

	// LeaderElectorID is the ID of a k8s_leader_elector extension: the receiver
	// polls only while this collector holds the lease. Nil: it always polls.
	LeaderElectorID *component.ID `mapstructure:"k8s_leader_elector"`

	// misread is what Unmarshal could not use. Those settings have their defaults.
	misread confcheck.Problems

	// prevent unkeyed literal initialization
	_ struct{}
}

// RateLimitConfig limits the requests in any minute and in any hour. 0 means no
// limit. At least one limit must be set.
type RateLimitConfig struct {
	// RequestsPerMinute is the maximum number of requests in any 60 s.
	RequestsPerMinute int `mapstructure:"requests_per_minute"`

	// RequestsPerHour is the maximum number of requests in any 60 min.
	RequestsPerHour int `mapstructure:"requests_per_hour"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// ChangeFeedConfig configures the change feed.
type ChangeFeedConfig struct {
	// Interval is the time between two requests for new changes. Default: 30 s.
	Interval time.Duration `mapstructure:"interval"`

	// Discover also tracks incidents that the feed shows and that are not
	// configured. Default: false.
	Discover bool `mapstructure:"discover"`

	// Lookback is how far back the first request looks if Discover is set.
	// Default: 24 h.
	Lookback time.Duration `mapstructure:"lookback"`

	// ForgetAfter is how long the receiver keeps tracking a discovered incident
	// after it was resolved or was no longer found. Default: 168 h.
	ForgetAfter time.Duration `mapstructure:"forget_after"`

	// Sweep polls incidents by pages of the list, too, where polling each one by
	// ID takes longer than Config.CollectionInterval. It has no effect under
	// APIGraph, whose list does not show alerts. Default: true.
	Sweep bool `mapstructure:"sweep"`

	// AlertFeed also lists the alerts that have changed, since a change of an
	// alert need not change its incident. It needs the permission
	// SecurityAlert.Read.All. It has no effect under APIDefenderXDR, whose list
	// shows alerts with their incidents. Default: true.
	AlertFeed bool `mapstructure:"alert_feed"`

	// RateLimit limits the requests for the list, which do not count against
	// Config.RateLimit. It has no effect under APIGraph, where Config.RateLimit
	// counts all requests. Default: 50 per minute and 1500 per hour.
	RateLimit RateLimitConfig `mapstructure:"rate_limit"`

	// prevent unkeyed literal initialization
	_ struct{}
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Endpoint = defaultEndpoint(APIDefenderXDR)
	client.Timeout = 30 * time.Second
	// Go's transport repeats a request if the server has just closed the connection,
	// and then it counts twice. Closing idle connections early makes that rare.
	keepalive := confighttp.NewDefaultKeepaliveClientConfig()
	keepalive.IdleConnTimeout = 30 * time.Second
	client.Keepalive = configoptional.Some(keepalive)
	// Without a health check, Go's transport sends one request after another to
	// an HTTP/2 connection that a firewall has silently dropped.
	client.HTTP2ReadIdleTimeout = 10 * time.Second
	client.HTTP2PingTimeout = 5 * time.Second

	return &Config{
		API:                   APIDefenderXDR,
		HTTP:                  client,
		CollectionInterval:    5 * time.Minute,
		RateLimit:             RateLimitConfig{RequestsPerMinute: 100, RequestsPerHour: 1500},
		MaxConcurrentRequests: 4,
		MaxResponseBodySize:   32 << 20,
		ChangeFeed: configoptional.Default(ChangeFeedConfig{
			Interval:    30 * time.Second,
			Lookback:    24 * time.Hour,
			ForgetAfter: 7 * 24 * time.Hour,
			Sweep:       true,
			AlertFeed:   true,
			RateLimit:   RateLimitConfig{RequestsPerMinute: 50, RequestsPerHour: 1500},
		}),
		Emit:   EmitChanges,
		Alerts: AlertsSplit,
	}
}

func defaultEndpoint(api API) string { return defender.Endpoint(defender.API(api)) }

// choices are the settings that allow only a few values.
func choices() map[string][]string {
	return map[string][]string{
		"api":    {string(APIDefenderXDR), string(APIGraph)},
		"emit":   {string(EmitChanges), string(EmitSnapshots)},
		"alerts": {string(AlertsSplit), string(AlertsEmbedded), string(AlertsNone)},
	}
}

// Unmarshal implements confmap.Unmarshaler. It sets the defaults that depend on api.
// A setting whose value is unusable keeps its default until Validate reports it with
// all other problems: after an error of Unmarshal the collector would exit.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	var ids []int64
	ids, c.misread = confcheck.Check(conf, createDefaultConfig(), choices())
	if ids != nil {
		c.IncidentIDs = ids
	}
	if conf.Get("api") == string(APIGraph) {
		c.HTTP.Endpoint = defaultEndpoint(APIGraph)
		c.RateLimit = RateLimitConfig{RequestsPerMinute: 150}
	}
	err := conf.Unmarshal(c)
	if err != nil && len(c.misread) > 0 {
		return c.misread.Err() // misread describes the cause better
	}
	return err
}
