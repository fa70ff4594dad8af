// SPDX-License-Identifier: Apache-2.0

package defendersim

import "time"

// Config says what a [Sim] plays. Start from [DefaultConfig]: the zero value
// lacks the identifiers a simulator needs.
type Config struct {
	// Seed determines everything random.
	Seed uint64
	// Incidents is the size of the population at the start; may be 0.
	Incidents int
	// FirstID is the lowest incident id; the others follow without a gap.
	FirstID int64
	// Start is when the population begins to change; zero: the time of New.
	Start time.Time
	// ClockSkew is how far the service's clock is ahead of the real one, or behind
	// it if negative. It applies to the Date header, dates in Retry-After and all
	// times in incidents. Tokens, limits, journal and history use the real clock.
	ClockSkew time.Duration
	// MergedShare is the share of incidents, 0 to 1, that are merged into
	// another one before the start.
	MergedShare float64
	// Statuses is the mix of statuses at the start, among the incidents that are
	// not merged; zero: some 45 % active, 20 % in progress and 35 % resolved.
	Statuses StatusMix
	// LargeShare is the share of incidents, 0 to 1, that have 150 alerts
	// regardless of AlertsPerIncident.
	LargeShare float64
	// AlertsPerIncident is the number of alerts in each incident; 0: mostly 1 to
	// 5, a few up to 150.
	AlertsPerIncident int
	// AlertBytes is about the size of every alert as compact JSON; 0: a median of
	// 1.4 kB, a few up to 20 kB. The minimum is about 900.
	AlertBytes int
	// LooseAlerts is the number of alerts in no incident at the start, relative to
	// the alerts in incidents. Only Graph's list of alerts shows them.
	LooseAlerts float64

	// ChangesPerHour is the mean number of changes in the whole population,
	// spread as a Poisson process; 0: nothing changes by itself.
	ChangesPerHour float64
	// Bursty makes changes come in bursts, at the same mean rate: half of the
	// bursts change one incident, the others make one kind of change to several.
	// The newest incidents change often, old ones rarely.
	Bursty bool
	// BackToActive is how often, 0 to 1, a change of status makes an incident that
	// is in progress active again instead of resolving it.
	BackToActive float64
	// CloseHourly is how many open incidents are resolved at the same moment, an
	// hour after the start and every hour from then on, as a playbook does. It
	// comes on top of ChangesPerHour.
	CloseHourly int
	// NewPerHour is the mean number of incidents that appear, spread as a
	// Poisson process; 0: none. Their ids follow the highest.
	NewPerHour float64
	// Weights sets how often each kind of change comes; zero: DefaultWeights.
	Weights Weights
	// QuietAlertMoves moves alerts between incidents without updating the
	// lastUpdateTime of either: only the alert's own time changes.
	QuietAlertMoves bool
	// SilentAlertMoves moves alerts between incidents without updating any time,
	// not even their own.
	SilentAlertMoves bool
	// QuietAfter stops changing resolved incidents once nothing has happened to
	// them for that long; 0: they keep changing.
	QuietAfter time.Duration

	// PerMinute and PerHour are the limits of Defender XDR's Get calls in any
	// such window; 0: not limited.
	PerMinute, PerHour int
	// ForeignPerMinute is how many requests per minute another program sends
	// with the same application, evenly spread.
	ForeignPerMinute int
	// ListPerMinute and ListPerHour are the limits of its List calls, which have
	// a budget of their own; 0: not limited.
	ListPerMinute, ListPerHour int
	// ListForeignPerMinute is how many List requests another program sends.
	ListForeignPerMinute int
	// GraphPerMinute and GraphPerHour are the limits of Graph, which has one
	// budget for all its calls; 0: not limited.
	GraphPerMinute, GraphPerHour int
	// GraphForeignPerMinute is how many of its calls another program sends.
	GraphForeignPerMinute int
	// CountThrottled counts requests that got a 429 against the quota, too.
	CountThrottled bool
	// ThrottleForm is how a 429 states when to retry; empty: ThrottleMessage,
	// under Graph ThrottleSeconds.
	ThrottleForm ThrottleForm

	// ListDelay is how much later than Get the lists show a change, at most; 0: at
	// once. The seed determines which part of it applies: under Defender XDR to
	// each incident, under Graph to each state of an incident or an alert.
	// Incidents that exist at the start are not a change.
	ListDelay time.Duration
	// ListLag is how far lists lag behind Get, for all incidents alike, in
	// addition to ListDelay: rows show the states at that time.
	ListLag time.Duration
	// ListDiffers lets Defender XDR's List write two fields in another case than
	// Get does: determination of an incident and investigationState of an alert.
	ListDiffers bool
	// ListUpperBounds allows lt and le in the $filter of Defender XDR's List.
	// Otherwise they are a 400.
	ListUpperBounds bool
	// ListStatusFilter is what Defender XDR's List does with a $filter on
	// status; empty: StatusFilterHonoured.
	ListStatusFilter StatusFilter
	// ListMaxSkip is the largest $skip of Defender XDR's List; a larger one is a
	// 400. Links to the next page ignore it. 0: there is none.
	ListMaxSkip int
	// ListLinkHost is the host of links to the next page, including those of
	// alerts, such as https://wdatpprd-eus.securitycenter.windows.com; empty: the
	// host of the request.
	ListLinkHost string

	// AlertsPage is how many alerts Graph shows at a time, with an incident and
	// on a page of alerts, before it links to the next page; 0: all at once.
	AlertsPage int
	// AlertsSkipToken makes those links carry a $skiptoken, which marks an alert,
	// instead of a $skip, which counts alerts.
	AlertsSkipToken bool
	// GraphExpandFails makes Graph respond with 500 to Get with $expand=alerts for
	// incidents with at least this many alerts; 0: for none. Requests without
	// $expand succeed, and so do pages of alerts.
	GraphExpandFails int
	// NoAlertList removes Graph's list of alerts, as in China's cloud: it is a 404.
	NoAlertList bool
	// GraphNoCount leaves @odata.count out of lists despite $count=true.
	GraphNoCount bool
	// GraphOrderByAlone refuses $orderby together with $filter with a 400.
	GraphOrderByAlone bool
	// GraphNoUpperBounds refuses lt and le in $filter with a 400.
	GraphNoUpperBounds bool
	// GraphSkipToken makes links of Graph's lists carry a $skiptoken, which may
	// skip any number of rows, instead of a $skip, which is a 400 beyond 500.
	GraphSkipToken bool
	// GraphCoarseTimes truncates Graph's times to the millisecond.
	GraphCoarseTimes bool

	// TenantID, ClientID and ClientSecret are what the token endpoint accepts.
	TenantID, ClientID, ClientSecret string
	// Roles are the application roles in all tokens; nil: Incident.Read.All,
	// and SecurityIncident.Read.All and SecurityAlert.Read.All in those for
	// Graph; empty: none.
	Roles []string
	// NoAlertRole leaves SecurityAlert.Read.All, which the list of alerts needs, out
	// of tokens for Graph.
	NoAlertRole bool
	// TokenLifetime is how long a token lasts; 0: one hour.
	TokenLifetime time.Duration
	// AllowAnonymous accepts requests without a token.
	AllowAnonymous bool

	// LatencyMin and LatencyMax are the shortest and the longest duration of a
	// response of the APIs, evenly spread between them; LatencyMax 0: responses
	// take no time. The response shows the state halfway through. The response to
	// a request that exceeds a limit is immediate.
	LatencyMin, LatencyMax time.Duration

	// RawDeflate sends deflate without its zlib wrapping, as some servers do.
	RawDeflate bool
	// NoCompression never compresses, whatever the client offers.
	NoCompression bool

	// RequestsKept bounds the journal to the newest requests; 0: all.
	RequestsKept int
	// StatesKept bounds the history of each incident to its newest states; 0: all.
	StatesKept int
	// Observe receives the journal's entry of each request once it has ended; nil:
	// nobody does. It may be called from several goroutines concurrently.
	Observe func(Request)
}

// StatusMix is how common each status is, relative to the others.
type StatusMix struct {
	Active, InProgress, Resolved float64
}

// DefaultConfig is a population of 100 incidents with sixty changes an hour
// under the documented limits: 100 requests per minute and 1,500 per hour for
// Get, 50 and 1,500 for List, 150 per minute for Graph.
func DefaultConfig() Config {
	return Config{
		Seed:             1,
		Incidents:        100,
		FirstID:          1001,
		MergedShare:      0.05,
		LooseAlerts:      0.02,
		ChangesPerHour:   60,
		PerMinute:        100,
		PerHour:          1500,
		ListPerMinute:    50,
		ListPerHour:      1500,
		GraphPerMinute:   150,
		ListStatusFilter: StatusFilterHonoured,
		TenantID:         "11111111-2222-3333-4444-555555555555",
		ClientID:         "66666666-7777-8888-9999-000000000000",
		ClientSecret:     "simulated-secret",
	}
}

// DemoConfig is a small, lively population to watch: twelve incidents with ids
// 101 to 112 and eight changes a minute. Its first two minutes hold changes of
// status, of alerts alone, a new alert and a merge.
func DemoConfig() Config {
	c := DefaultConfig()
	c.Seed = 55
	c.Incidents = 12
	c.FirstID = 101
	c.MergedShare = 0.1
	c.ChangesPerHour = 480
	return c
}

// changeEvents is how often in an hour a change comes, or a burst of them.
func (c Config) changeEvents() float64 {
	if c.Bursty {
		return c.ChangesPerHour / meanBurst
	}
	return c.ChangesPerHour
}
