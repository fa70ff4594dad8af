package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// API names the HTTP API that incidents are fetched from.
type API string

// The APIs. Both serve the same incidents under the same ids.
const (
	APIDefenderXDR = API(defender.XDR)   // api.security.microsoft.com
	APIGraph       = API(defender.Graph) // graph.microsoft.com, its successor
)

// EmitMode says when a poll emits records.
type EmitMode string

// The modes.
const (
	EmitChanges   EmitMode = "changes"   // only what differs from what was last delivered
	EmitSnapshots EmitMode = "snapshots" // the whole incident at every poll
)

// AlertsMode says what becomes of an incident's alerts.
type AlertsMode string

// The modes.
const (
	AlertsSplit    AlertsMode = "split"    // a record for each alert
	AlertsEmbedded AlertsMode = "embedded" // inside the incident's record
	AlertsNone     AlertsMode = "none"     // left out, and not compared
)

// Config is the receiver's configuration. At least one of IncidentIDs,
// IncidentIDsFile and ChangeFeed.Discover has to name incidents.
type Config struct {
	// IncidentIDs lists incidents to follow: positive, each listed once.
	IncidentIDs []int64 `mapstructure:"incident_ids"`

	// IncidentIDsFile is a file of further incidents, an id a line; # starts a
	// comment. It is read again within 10 s of a change. Empty: no file.
	IncidentIDsFile string `mapstructure:"incident_ids_file"`

	// API is the API to ask. Default: APIDefenderXDR.
	API API `mapstructure:"api"`

	// HTTP is the client of that API. The default endpoint is the API's
	// commercial host and the default timeout, of one request, 30 s. Only a host
	// that is not Microsoft's may have a path in front of the API's own. Auth
	// has to be set unless the endpoint is on this machine.
	HTTP confighttp.ClientConfig `mapstructure:"http"`

	// CollectionInterval is the time from one poll of an incident to the next,
	// as long as RateLimit allows that for so many. Default: 5 min.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`

	// RateLimit bounds the requests for single incidents. Default: 100 a minute
	// and 1500 an hour; under APIGraph 100 a minute and no limit per hour.
	RateLimit RateLimitConfig `mapstructure:"rate_limit"`

	// MaxConcurrentRequests bounds the requests in flight at once. Default: 4.
	MaxConcurrentRequests int `mapstructure:"max_concurrent_requests"`

	// MaxResponseBodySize bounds a response's body, in bytes after
	// decompression. Default: 32 MiB.
	MaxResponseBodySize int64 `mapstructure:"max_response_body_size"`

	// ChangeFeed finds changed incidents by listing instead of asking for each.
	// Absent: off. Present, even empty: on.
	ChangeFeed configoptional.Optional[ChangeFeedConfig] `mapstructure:"change_feed"`

	// Emit says when a poll emits records. Default: EmitChanges.
	Emit EmitMode `mapstructure:"emit"`

	// Alerts says what becomes of an incident's alerts. Default: AlertsSplit.
	Alerts AlertsMode `mapstructure:"alerts"`

	// IgnoreChanges names fields, at any depth, that do not count as a change,
	// for example riskScore. Default: none.
	IgnoreChanges []string `mapstructure:"ignore_changes"`

	// IncludeOriginal adds the incident's JSON as received to its record, as
	// the attribute log.record.original. Default: false.
	IncludeOriginal bool `mapstructure:"include_original"`

	// StorageID names the storage extension that keeps what has to survive a
	// restart. Nil: nothing does.
	StorageID *component.ID `mapstructure:"storage"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// RateLimitConfig bounds requests in any window of a minute and of an hour.
// A limit of 0 means that this window is not limited; one of them has to be.
type RateLimitConfig struct {
	// RequestsPerMinute is the most requests in any 60 s.
	RequestsPerMinute int `mapstructure:"requests_per_minute"`

	// RequestsPerHour is the most requests in any 60 min.
	RequestsPerHour int `mapstructure:"requests_per_hour"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// ChangeFeedConfig configures the change feed.
type ChangeFeedConfig struct {
	// Interval is the time from one call of the feed to the next. Default: 30 s.
	Interval time.Duration `mapstructure:"interval"`

	// Discover makes the feed also follow incidents that are not configured.
	// Default: false.
	Discover bool `mapstructure:"discover"`

	// Lookback is how far back the first call looks, with Discover. Default: 24 h.
	Lookback time.Duration `mapstructure:"lookback"`

	// ForgetAfter is how long a discovered incident has to be resolved, or not
	// found, before it is let go. Default: 168 h.
	ForgetAfter time.Duration `mapstructure:"forget_after"`

	// RateLimit bounds the feed's own requests. Default: 50 a minute and 1500 an
	// hour.
	RateLimit RateLimitConfig `mapstructure:"rate_limit"`

	// prevent unkeyed literal initialization
	_ struct{}
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Endpoint = defaultEndpoint(APIDefenderXDR)
	client.Timeout = 30 * time.Second
	// A request on a connection that the server has just closed is repeated by
	// Go's transport and counts twice; dropping idle connections makes it rare.
	keepalive := confighttp.NewDefaultKeepaliveClientConfig()
	keepalive.IdleConnTimeout = 30 * time.Second
	client.Keepalive = configoptional.Some(keepalive)

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
			RateLimit:   RateLimitConfig{RequestsPerMinute: 50, RequestsPerHour: 1500},
		}),
		Emit:   EmitChanges,
		Alerts: AlertsSplit,
	}
}

func defaultEndpoint(api API) string { return defender.Endpoint(defender.API(api)) }

// Unmarshal implements confmap.Unmarshaler. It refuses what decoding would
// quietly turn into something else, and gives the keys whose defaults depend on
// api the right ones before the written values are laid over them.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := checkWritten(conf); err != nil {
		return err
	}
	if conf.Get("api") == string(APIGraph) {
		c.HTTP.Endpoint = defaultEndpoint(APIGraph)
		c.RateLimit = RateLimitConfig{RequestsPerMinute: 100}
	}
	return conf.Unmarshal(c)
}

func checkWritten(conf *confmap.Conf) error {
	errs := []error{checkWrittenIDs(conf), checkWrittenHTTP(conf)}
	for _, key := range []string{
		"max_concurrent_requests", "max_response_body_size",
		"rate_limit::requests_per_minute", "rate_limit::requests_per_hour",
		"change_feed::rate_limit::requests_per_minute", "change_feed::rate_limit::requests_per_hour",
	} {
		// Decoding would make 0 of an empty value or of 0.5, which turns a limit off.
		if conf.IsSet(key) {
			errs = append(errs, checkWholeNumber(key, conf.Get(key)))
		}
	}
	for _, key := range []string{
		"collection_interval", "http::timeout",
		"change_feed::interval", "change_feed::lookback", "change_feed::forget_after",
	} {
		// Decoding would take a bare number for nanoseconds. Validate refuses 0.
		switch n := conf.Get(key).(type) {
		case int, float64:
			if n != 0 {
				errs = append(errs, fmt.Errorf("%s: %v has no unit; write e.g. %vs", key, n, n))
			}
		}
	}
	return errors.Join(errs...)
}

// checkWrittenIDs refuses what decoding incident_ids would truncate, and a value
// that is not a list.
func checkWrittenIDs(conf *confmap.Conf) error {
	switch written := conf.Get("incident_ids").(type) {
	case nil:
		return nil
	case []any:
		var errs []error
		for i, id := range written {
			errs = append(errs, checkWholeNumber(fmt.Sprintf("incident_ids[%d]", i), id))
		}
		return errors.Join(errs...)
	default:
		return fmt.Errorf("incident_ids: not a list; write %s", asList(fmt.Sprint(written)))
	}
}

// asList shows how to write the IDs in text as a list. If text is not a short
// series of IDs, asList returns an example.
func asList(text string) string {
	ids := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	example := len(ids) == 0 || len(ids) > 10
	for _, id := range ids {
		if _, ok := idlist.ParseID(id); !ok {
			example = true
		}
	}
	if example {
		ids = []string{"437", "552"}
	}
	return "[" + strings.Join(ids, ", ") + "]"
}

// checkWrittenHTTP refuses unknown keys under http. confighttp ignores them, so
// that a misspelt endpoint would leave the default one in use.
func checkWrittenHTTP(conf *confmap.Conf) error {
	section, err := conf.Sub("http")
	if err != nil {
		return errors.New("http: not a section; write e.g. http: {auth: {authenticator: azureauth}}")
	}
	type strict confighttp.ClientConfig // the same keys, without its own Unmarshal
	if err := section.Unmarshal(&strict{}); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

// checkWholeNumber refuses what decoding to an integer would truncate or wrap.
func checkWholeNumber(key string, written any) error {
	switch n := written.(type) {
	case int, int64:
		return nil
	case nil:
		return fmt.Errorf("%s: empty; write a whole number", key)
	case uint64:
		return fmt.Errorf("%s: %d is too large", key, n)
	case float64:
		if n != math.Trunc(n) {
			return fmt.Errorf("%s: %v is not a whole number", key, n)
		}
		if math.Abs(n) > 1<<53 { // beyond this a float64 no longer tells neighbours apart
			return fmt.Errorf("%s: %v is too large", key, n)
		}
		return nil
	case string:
		return fmt.Errorf("%s: %s is not a whole number", key, idlist.Excerpt(n))
	default:
		return fmt.Errorf("%s: not a whole number", key)
	}
}
