// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// options is what the command line says.
type options struct {
	sim              defendersim.Config
	listen           string
	allowNonLoopback bool
	tls              bool
	tlsCAFile        string // empty: none
	log              bool
	listIDs          int
	demo             bool
	fault            faultOptions
	listFault        faultOptions
	alertsFault      faultOptions
	alertListFault   faultOptions
	tokenFault       faultOptions
	throttleForm     string
}

// defaults are those of a long run, with bounded memory.
func defaults() options {
	return options{sim: bounded(defendersim.DefaultConfig()), listen: "127.0.0.1:8470"}
}

func demoDefaults() options {
	o := defaults()
	o.sim = bounded(defendersim.DemoConfig())
	return o
}

func bounded(c defendersim.Config) defendersim.Config {
	c.RequestsKept, c.StatesKept = 100_000, 1000
	return c
}

// group is a heading in the help and the flags under it.
type group struct {
	title string
	names []string
}

// flagSet ties the flags to the options, whose values are the defaults.
func flagSet(o *options) (*flag.FlagSet, []group) {
	fs := flag.NewFlagSet("defendersim", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c := &o.sim
	var groups []group
	known := make(map[string]bool)
	under := func(title string, define func()) {
		define()
		g := group{title: title}
		fs.VisitAll(func(f *flag.Flag) {
			if !known[f.Name] {
				known[f.Name] = true
				g.names = append(g.names, f.Name)
			}
		})
		groups = append(groups, g)
	}
	under("Running", func() {
		fs.StringVar(&o.listen, "listen", o.listen, "`address` to listen on; port 0 picks a free one")
		fs.BoolVar(&o.allowNonLoopback, "allow-non-loopback", false, "allow --listen on an address that other machines can reach; they then get tokens and control of the simulator")
		fs.BoolVar(&o.tls, "tls", false, "serve HTTP/2 and HTTP/1.1 over TLS, with a new self-signed certificate for localhost, 127.0.0.1 and ::1")
		fs.StringVar(&o.tlsCAFile, "tls-ca-file", "", "`file` to write the certificate to, as PEM, for clients to trust")
		fs.BoolVar(&o.demo, "demo", false, "a small, busy population with a seed of its own: 12 incidents from ID 101 on, a tenth of them merged, 8 changes a minute; other flags override it")
		fs.BoolVar(&o.log, "log", false, "print a line for each request")
		fs.IntVar(&o.listIDs, "list-ids", 0, "print the first `n` incident IDs and exit")
		fs.IntVar(&c.RequestsKept, "requests-kept", c.RequestsKept, "number of requests kept in the journal; 0: all")
		fs.IntVar(&c.StatesKept, "states-kept", c.StatesKept, "number of past states kept of each incident; 0: all")
	})
	under("Population", func() {
		fs.Uint64Var(&c.Seed, "seed", c.Seed, "seed of all random choices")
		fs.IntVar(&c.Incidents, "incidents", c.Incidents, "number of incidents at the start")
		fs.Int64Var(&c.FirstID, "first-id", c.FirstID, "lowest incident `ID`; the others follow without gaps")
		fs.Float64Var(&c.MergedShare, "merged-share", c.MergedShare, "share of incidents that are already merged at the start, 0 to 1")
		fs.Func("statuses", "`mix` of active, in progress and resolved incidents at the start, such as 60/30/10; merged ones not included (default about 45/20/35)", func(text string) (err error) {
			c.Statuses, err = parseStatuses(text)
			return err
		})
		fs.Float64Var(&c.LargeShare, "large-share", c.LargeShare, "share of incidents with 150 alerts, 0 to 1")
		fs.IntVar(&c.AlertsPerIncident, "alerts-per-incident", c.AlertsPerIncident, "number of alerts in every incident, up to 150; 0: realistic numbers")
		fs.Float64Var(&c.LooseAlerts, "loose-alerts", c.LooseAlerts, "alerts outside of incidents, for each alert in one, 0 to 1; only Graph's list of alerts has them")
		fs.IntVar(&c.AlertBytes, "alert-bytes", c.AlertBytes, "size of every alert in `bytes`; 0: realistic sizes")
	})
	under("Change", func() {
		fs.Float64Var(&c.ChangesPerHour, "changes-per-hour", c.ChangesPerHour, "average `number` of changes, of all incidents together; 0: none")
		fs.Func("change-shares", "`shares` of kinds of change among all changes, such as alert-alone=0.17,merge=0; the other kinds divide the rest (default, in percent: "+shown(defendersim.DefaultWeights())+")", func(text string) (err error) {
			c.Weights, err = parseShares(text)
			return err
		})
		fs.BoolVar(&c.QuietAlertMoves, "quiet-alert-moves", c.QuietAlertMoves, "moving an alert to another incident leaves both incidents' lastUpdateTime unchanged")
		fs.BoolVar(&c.SilentAlertMoves, "silent-alert-moves", c.SilentAlertMoves, "moving an alert to another incident leaves all times unchanged, also the alert's own")
		fs.BoolVar(&c.Bursty, "bursty", c.Bursty, "make changes in bursts, mostly to the newest incidents")
		fs.Float64Var(&c.BackToActive, "back-to-active", c.BackToActive, "share of incidents in progress that become active again instead of resolved, 0 to 1")
		fs.IntVar(&c.CloseHourly, "close-hourly", c.CloseHourly, "number of open incidents that are resolved at the same moment, every hour; 0: none")
		fs.Float64Var(&c.NewPerHour, "new-per-hour", c.NewPerHour, "average `number` of new incidents; 0: none")
		fs.DurationVar(&c.ClockSkew, "clock-skew", c.ClockSkew, "how far the service's clock is ahead; negative: behind")
		fs.DurationVar(&c.QuietAfter, "quiet-after", c.QuietAfter, "stop changing resolved incidents this long after their last change; 0: never")
	})
	under("Limits", func() {
		fs.IntVar(&c.PerMinute, "per-minute", c.PerMinute, "limit of Defender XDR by ID in any minute; 0: none")
		fs.IntVar(&c.PerHour, "per-hour", c.PerHour, "limit of Defender XDR by ID in any hour; 0: none")
		fs.IntVar(&c.ForeignPerMinute, "foreign-per-minute", c.ForeignPerMinute, "requests by ID that another program sends to Defender XDR each minute")
		fs.BoolVar(&c.CountThrottled, "count-throttled", c.CountThrottled, "count requests that get a 429 against the limits too")
		fs.StringVar(&o.throttleForm, "throttle-form", "", "`how` a 429 says when to retry: message, retry-after, retry-after-date, bare, empty; not set: message for Defender XDR, retry-after for Graph")
	})
	under("List", func() {
		fs.IntVar(&c.ListPerMinute, "list-per-minute", c.ListPerMinute, "limit of the Defender XDR list in any minute; 0: none")
		fs.IntVar(&c.ListPerHour, "list-per-hour", c.ListPerHour, "limit of the Defender XDR list in any hour; 0: none")
		fs.IntVar(&c.ListForeignPerMinute, "list-foreign-per-minute", c.ListForeignPerMinute, "requests that another program sends to the Defender XDR list each minute")
		fs.DurationVar(&c.ListDelay, "list-delay", c.ListDelay, "longest time by which lists show a change later than requests by ID; random for each incident, under Graph for each change")
		fs.DurationVar(&c.ListLag, "list-lag", c.ListLag, "fixed time by which lists lag behind requests by ID, in addition to --list-delay")
		fs.BoolVar(&c.ListDiffers, "list-differs", c.ListDiffers, "the Defender XDR list spells determination and investigationState in another case than requests by ID")
		fs.BoolVar(&c.ListUpperBounds, "list-upper-bounds", c.ListUpperBounds, "the Defender XDR list supports lt and le in $filter; without this flag it returns 400")
		fs.StringVar((*string)(&c.ListStatusFilter), "list-status-filter", string(c.ListStatusFilter), "`what` the Defender XDR list does with a $filter on status: honoured, ignored (returns all incidents), refused (400)")
		fs.IntVar(&c.ListMaxSkip, "list-max-skip", c.ListMaxSkip, "largest $skip of the Defender XDR list; more returns 400; 0: no limit")
		fs.StringVar(&c.ListLinkHost, "list-link-host", c.ListLinkHost, "scheme and `host` in links to further pages, also of alerts; empty: those of the request")
		o.listFault.define(fs, "list-fault", "requests for the list of incidents")
		fs.BoolVar(&o.listFault.onSkip, "list-fault-on-skip", false, "the fault does not affect first pages")
	})
	under("Microsoft Graph", func() {
		fs.IntVar(&c.GraphPerMinute, "graph-per-minute", c.GraphPerMinute, "limit of Graph, all requests in any minute; 0: none")
		fs.IntVar(&c.GraphPerHour, "graph-per-hour", c.GraphPerHour, "limit of Graph, all requests in any hour; 0: none")
		fs.IntVar(&c.GraphForeignPerMinute, "graph-foreign-per-minute", c.GraphForeignPerMinute, "requests that another program sends to Graph each minute")
		fs.IntVar(&c.AlertsPage, "alerts-page", c.AlertsPage, "alerts in one page of an incident; 0: all")
		fs.BoolVar(&c.AlertsSkipToken, "alerts-skip-token", c.AlertsSkipToken, "links to more alerts have a $skiptoken instead of a $skip")
		fs.BoolVar(&c.GraphCoarseTimes, "graph-coarse-times", c.GraphCoarseTimes, "truncate times to the millisecond")
		fs.IntVar(&c.GraphExpandFails, "graph-expand-fails", c.GraphExpandFails, "return 500 to $expand=alerts for incidents with at least this many alerts; 0: never")
		fs.BoolVar(&c.GraphSkipToken, "graph-skip-token", c.GraphSkipToken, "links of lists have a $skiptoken, which can skip any number of rows, instead of a $skip, which returns 400 beyond 500")
		fs.BoolVar(&c.NoAlertList, "no-alert-list", c.NoAlertList, "the list of all alerts returns 404, as in China's cloud")
		fs.BoolVar(&c.GraphNoCount, "graph-no-count", c.GraphNoCount, "lists ignore $count=true")
		fs.BoolVar(&c.GraphOrderByAlone, "graph-orderby-alone", c.GraphOrderByAlone, "lists return 400 to $orderby together with $filter")
		fs.BoolVar(&c.GraphNoUpperBounds, "graph-no-upper-bounds", c.GraphNoUpperBounds, "lists return 400 to lt and le in $filter")
		o.alertsFault.define(fs, "alerts-fault", "pages of an incident's alerts")
		o.alertListFault.define(fs, "alert-list-fault", "the list of all alerts")
		fs.BoolVar(&o.alertListFault.onSkip, "alert-list-fault-on-skip", false, "the fault does not affect first pages")
	})
	under("Sign-in", func() {
		fs.StringVar(&c.TenantID, "tenant-id", c.TenantID, "tenant `ID`")
		fs.StringVar(&c.ClientID, "client-id", c.ClientID, "application `ID`")
		fs.StringVar(&c.ClientSecret, "client-secret", c.ClientSecret, "`secret` of the application")
		fs.Func("roles", "`roles` in all tokens, separated by commas; empty: none; not set: those that each API needs", func(text string) error {
			c.Roles = splitRoles(text)
			return nil
		})
		fs.BoolVar(&c.NoAlertRole, "no-alert-role", c.NoAlertRole, "tokens for Graph lack SecurityAlert.Read.All, which the list of all alerts needs")
		fs.DurationVar(&c.TokenLifetime, "token-lifetime", defaultLifetime, "how long a token is valid")
		fs.BoolVar(&c.AllowAnonymous, "allow-anonymous", c.AllowAnonymous, "accept requests without a token")
		o.tokenFault.define(fs, "token-fault", "requests for a token")
	})
	under("Responses", func() {
		o.fault.define(fs, "fault", "requests for an incident")
		fs.DurationVar(&c.LatencyMin, "latency-min", c.LatencyMin, "shortest time until an API responds")
		fs.DurationVar(&c.LatencyMax, "latency-max", c.LatencyMax, "longest time until an API responds; 0: at once")
		fs.BoolVar(&c.RawDeflate, "raw-deflate", c.RawDeflate, "send deflate without its zlib wrapping")
		fs.BoolVar(&c.NoCompression, "no-compression", c.NoCompression, "never compress responses")
	})
	return fs, groups
}

// parse reads the command line. With --demo it is read once more over the
// demo's defaults, so that flags count wherever they stand.
func parse(args []string) (options, error) {
	o, err := parseOver(defaults(), args)
	if err == nil && o.demo {
		o, err = parseOver(demoDefaults(), args)
	}
	return o, err
}

func parseOver(o options, args []string) (options, error) {
	fs, _ := flagSet(&o)
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o.sim.ThrottleForm = defendersim.ThrottleForm(o.throttleForm)
	return o, o.check()
}

func (o options) check() error {
	if o.listIDs < 0 {
		return fmt.Errorf("--list-ids: %d is negative", o.listIDs)
	}
	if o.tlsCAFile != "" && !o.tls {
		return errors.New("--tls-ca-file needs --tls")
	}
	for _, f := range o.faults() {
		if _, err := f.options.rule(f.flag, f.where); err != nil {
			return err
		}
	}
	return o.checkListen()
}

func (o options) checkListen() error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if !o.allowNonLoopback && !loopback(host) {
		return fmt.Errorf("--listen: %s can be reached from other machines, and the simulator gives tokens to anyone; add --allow-non-loopback to allow that", o.listen)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// shown is each kind of change with its weight.
func shown(weights defendersim.Weights) string {
	kinds := make([]string, len(weights))
	for k, weight := range weights {
		kinds[k] = fmt.Sprintf("%v %v", defendersim.Kind(k), weight)
	}
	return strings.Join(kinds, ", ")
}

// parseStatuses reads a mix of statuses such as 60/30/10.
func parseStatuses(text string) (mix defendersim.StatusMix, err error) {
	parts := strings.Split(text, "/")
	weights := []*float64{&mix.Active, &mix.InProgress, &mix.Resolved}
	if len(parts) != len(weights) {
		return mix, errors.New("not three numbers separated by slashes")
	}
	for n, part := range parts {
		if *weights[n], err = strconv.ParseFloat(part, 64); err != nil {
			return mix, fmt.Errorf("%q is not a number", part)
		}
	}
	return mix, nil
}

// parseShares reads shares of kinds of change, such as "alert-alone=0.17,merge=0".
func parseShares(text string) (defendersim.Weights, error) {
	shares := make(map[defendersim.Kind]float64)
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		kind, err := defendersim.ParseKind(name)
		if err != nil {
			return defendersim.Weights{}, err
		}
		if _, twice := shares[kind]; twice {
			return defendersim.Weights{}, fmt.Errorf("share of %v: set twice", kind)
		}
		if shares[kind], err = strconv.ParseFloat(value, 64); err != nil {
			return defendersim.Weights{}, fmt.Errorf("share of %v: %q is not a number", kind, value)
		}
	}
	return defendersim.DefaultWeights().WithShares(shares)
}

// splitRoles never returns nil, which would stand for the default role.
func splitRoles(text string) []string {
	roles := []string{}
	for role := range strings.SplitSeq(text, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}
