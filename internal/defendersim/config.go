// SPDX-License-Identifier: Apache-2.0

package defendersim

import "time"

// Config says what a [Sim] plays. Start from [DefaultConfig]: the zero value
// lacks the identifiers a simulator needs.
type Config struct {
	// Seed decides everything that looks like chance.
	Seed uint64
	// Incidents is the size of the population at the start; may be 0.
	Incidents int
	// FirstID is the lowest incident id; the others follow without a gap.
	FirstID int64
	// Start is when the population begins to change; zero: the time of New.
	Start time.Time
	// ClockSkew is how far the service's clock is ahead of the real one, or
	// behind it where negative: the Date header, dates in Retry-After and all
	// times in incidents are off by so much. Tokens, limits, journal and history
	// go by the real clock.
	ClockSkew time.Duration
	// MergedShare is the share of incidents, 0 to 1, that are merged into
	// another one before the start.
	MergedShare float64
	// Statuses is the mix of statuses at the start, among the incidents that are
	// not merged; zero: some 45 % active, 20 % in progress and 35 % resolved.
	Statuses StatusMix
	// LargeShare is the share of incidents, 0 to 1, that have 150 alerts,
	// whatever AlertsPerIncident says.
	LargeShare float64
	// AlertsPerIncident gives every incident that many alerts; 0: mostly 1 to
	// 5, a few up to 150.
	AlertsPerIncident int
	// AlertBytes is about the size of every alert as compact JSON; 0: a median
	// of 1.4 kB, a few up to 20 kB. Alerts do not get smaller than some 900.
	AlertBytes int
	// LooseAlerts is how many alerts in no incident there are at the start for each
	// one that is in an incident. Only Graph's list of alerts shows them.
	LooseAlerts float64

	// ChangesPerHour is the mean number of changes in the whole population,
	// spread as a Poisson process; 0: nothing changes by itself.
	ChangesPerHour float64
	// Bursty lets changes come in bursts, at the same mean rate: half of the
	// bursts happen to one incident, the others are one kind of change to
	// several. The newest incidents change often, old ones seldom.
	Bursty bool
	// BackToActive is how often, 0 to 1, a change of status makes an incident that
	// is in progress active again instead of resolving it.
	BackToActive float64
	// CloseHourly is how many open incidents are resolved at the same moment, an
	// hour after the start and every hour from then on, as a playbook does it. It
	// comes on top of ChangesPerHour.
	CloseHourly int
	// NewPerHour is the mean number of incidents that appear, spread as a
	// Poisson process; 0: none. Their ids follow the highest.
	NewPerHour float64
	// Weights says how often each kind of change comes; zero: DefaultWeights.
	Weights Weights
	// QuietAlertMoves lets an alert move to another incident without moving the
	// lastUpdateTime of either: only the alert's own time moves.
	QuietAlertMoves bool
	// SilentAlertMoves lets an alert move to another incident without moving any
	// time, its own neither.
	SilentAlertMoves bool
	// QuietAfter leaves resolved incidents alone once nothing has happened to
	// them for that long; 0: they go on changing.
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
	// ListForeignPerMinute is how many of them another program sends.
	ListForeignPerMinute int
	// GraphPerMinute and GraphPerHour are the limits of Graph, which has one
	// budget for all its calls; 0: not limited.
	GraphPerMinute, GraphPerHour int
	// GraphForeignPerMinute is how many of its calls another program sends.
	GraphForeignPerMinute int
	// CountThrottled lets requests that were answered 429 take quota too.
	CountThrottled bool
	// ThrottleForm is how a 429 says when to come back; empty: ThrottleMessage,
	// under Graph ThrottleSeconds.
	ThrottleForm ThrottleForm

	// ListDelay is how much later than Get the lists show a change, at most; 0: at
	// once. Under Defender XDR each incident has a part of it that the seed decides,
	// under Graph each state of an incident or an alert. Incidents that are there at
	// the start are no change.
	ListDelay time.Duration
	// ListLag is how far lists lie behind Get, for all incidents alike, on top
	// of ListDelay: rows show the states of that long ago.
	ListLag time.Duration
	// ListDiffers lets Defender XDR's List write two fields in another case than
	// Get does: determination of an incident and investigationState of an alert.
	ListDiffers bool
	// ListUpperBounds lets lt and le be used in the $filter of Defender XDR's List.
	// Otherwise they are a 400.
	ListUpperBounds bool
	// ListStatusFilter is what Defender XDR's List does with a $filter on status;
	// empty: StatusFilterHonoured.
	ListStatusFilter StatusFilter
	// ListMaxSkip is the largest $skip of Defender XDR's List; a larger one is a
	// 400. Links to the next page do not heed it. 0: there is none.
	ListMaxSkip int
	// ListLinkHost is where links to the next page lead, of alerts too, such as
	// https://wdatpprd-eus.securitycenter.windows.com; empty: to the host that
	// was asked.
	ListLinkHost string

	// AlertsPage is how many alerts Graph shows at a time, with an incident and
	// on a page of alerts, before it links to the next page; 0: all at once.
	AlertsPage int
	// AlertsSkipToken lets those links carry a $skiptoken, which marks an alert,
	// instead of a $skip, which counts them.
	AlertsSkipToken bool
	// GraphExpandFails makes Graph answer 500 to Get with $expand=alerts for
	// incidents with so many alerts or more; 0: for none. Without $expand they are
	// answered, and so are their pages of alerts.
	GraphExpandFails int
	// NoAlertList lets Graph have no list of alerts, as in China's cloud: it is a 404.
	NoAlertList bool
	// GraphNoCount leaves @odata.count out of lists that $count=true asks for it.
	GraphNoCount bool
	// GraphOrderByAlone refuses $orderby together with $filter with a 400.
	GraphOrderByAlone bool
	// GraphNoUpperBounds refuses lt and le in $filter with a 400.
	GraphNoUpperBounds bool
	// GraphSkipToken lets links of Graph's lists carry a $skiptoken, which may lead
	// past any number of rows, instead of a $skip, which is a 400 beyond 500.
	GraphSkipToken bool
	// GraphCoarseTimes lets Graph cut times to the millisecond.
	GraphCoarseTimes bool

	// TenantID, ClientID and ClientSecret are what the token endpoint accepts.
	TenantID, ClientID, ClientSecret string
	// Roles are the application roles in all tokens; nil: Incident.Read.All, and
	// SecurityIncident.Read.All and SecurityAlert.Read.All in those for Graph;
	// empty: none.
	Roles []string
	// NoAlertRole leaves SecurityAlert.Read.All, which the list of alerts needs, out
	// of tokens for Graph.
	NoAlertRole bool
	// TokenLifetime is how long a token lasts; 0: one hour.
	TokenLifetime time.Duration
	// AllowAnonymous answers requests that carry no token.
	AllowAnonymous bool

	// LatencyMin and LatencyMax are the least and the most that an answer of the
	// APIs takes, evenly spread between them; LatencyMax 0: none of them takes
	// any time. The answer shows how things stand in the middle of it. A request
	// that exceeds a limit is answered at once.
	LatencyMin, LatencyMax time.Duration

	// RawDeflate sends deflate without its zlib wrapping, as some servers do.
	RawDeflate bool
	// NoCompression never compresses, whatever the client offers.
	NoCompression bool

	// RequestsKept bounds the journal to the newest requests; 0: all.
	RequestsKept int
	// StatesKept bounds the history of each incident to its newest states;
	// 0: all.
	StatesKept int
	// Observe is given the journal's entry of each request once it has ended;
	// nil: nobody. It may be called from several goroutines at once.
	Observe func(Request)
}

// StatusMix says how common each status is, relative to the others.
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
