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
		fs.BoolVar(&o.allowNonLoopback, "allow-non-loopback", false, "listen where others can reach it too; it hands out tokens and lets anyone steer it")
		fs.BoolVar(&o.tls, "tls", false, "speak HTTP/2 and HTTP/1.1 over TLS, with a new, self-signed certificate for localhost, 127.0.0.1 and ::1")
		fs.StringVar(&o.tlsCAFile, "tls-ca-file", "", "`file` that the certificate is written to as PEM, for clients to trust")
		fs.BoolVar(&o.demo, "demo", false, "a small, lively population: 12 incidents, 8 changes a minute; other flags still count")
		fs.BoolVar(&o.log, "log", false, "print a line per request")
		fs.IntVar(&o.listIDs, "list-ids", 0, "print the first `n` incident ids and exit")
		fs.IntVar(&c.RequestsKept, "requests-kept", c.RequestsKept, "how many requests the journal remembers; 0: all")
		fs.IntVar(&c.StatesKept, "states-kept", c.StatesKept, "how many states of each incident are remembered; 0: all")
	})
	under("Population", func() {
		fs.Uint64Var(&c.Seed, "seed", c.Seed, "decides everything that looks like chance")
		fs.IntVar(&c.Incidents, "incidents", c.Incidents, "how many incidents there are")
		fs.Int64Var(&c.FirstID, "first-id", c.FirstID, "lowest incident `id`; the others follow without a gap")
		fs.Float64Var(&c.MergedShare, "merged-share", c.MergedShare, "share of the incidents that are merged at the start, 0 to 1")
		fs.Func("statuses", "`mix` of statuses at the start, among those not merged: active, in progress and resolved, such as 60/30/10", func(text string) (err error) {
			c.Statuses, err = parseStatuses(text)
			return err
		})
		fs.Float64Var(&c.LargeShare, "large-share", c.LargeShare, "share of the incidents that have 150 alerts, 0 to 1")
		fs.IntVar(&c.AlertsPerIncident, "alerts-per-incident", c.AlertsPerIncident, "alerts of every incident, up to 150; 0: as in real life")
		fs.Float64Var(&c.LooseAlerts, "loose-alerts", c.LooseAlerts, "alerts in no incident for each one that is in an incident, 0 to 1; only Graph's list of alerts shows them")
		fs.IntVar(&c.AlertBytes, "alert-bytes", c.AlertBytes, "size of every alert in `bytes`; 0: as in real life")
	})
	under("Change", func() {
		fs.Float64Var(&c.ChangesPerHour, "changes-per-hour", c.ChangesPerHour, "mean `number` of changes in the whole population; 0: none")
		fs.Func("change-shares", "`kinds` of change and the share of each of all changes, such as alert-alone=0.17,merge=0; the others divide the rest as usual", func(text string) (err error) {
			c.Weights, err = parseShares(text)
			return err
		})
		fs.BoolVar(&c.QuietAlertMoves, "quiet-alert-moves", c.QuietAlertMoves, "an alert that moves to another incident moves the lastUpdateTime of neither")
		fs.BoolVar(&c.SilentAlertMoves, "silent-alert-moves", c.SilentAlertMoves, "an alert that moves to another incident moves no time, its own neither")
		fs.BoolVar(&c.Bursty, "bursty", c.Bursty, "changes come in bursts, and mostly to the newest incidents")
		fs.Float64Var(&c.BackToActive, "back-to-active", c.BackToActive, "how often an incident in progress becomes active again instead of resolved, 0 to 1")
		fs.IntVar(&c.CloseHourly, "close-hourly", c.CloseHourly, "how many open incidents are resolved at the same moment, each hour after the start; 0: none")
		fs.Float64Var(&c.NewPerHour, "new-per-hour", c.NewPerHour, "mean `number` of incidents that appear; 0: none")
		fs.DurationVar(&c.ClockSkew, "clock-skew", c.ClockSkew, "how far the service's clock is ahead, or behind where negative")
		fs.DurationVar(&c.QuietAfter, "quiet-after", c.QuietAfter, "leave resolved incidents alone after so long without a change; 0: never")
	})
	under("Limits", func() {
		fs.IntVar(&c.PerMinute, "per-minute", c.PerMinute, "Get calls of Defender XDR in any minute; 0: not limited")
		fs.IntVar(&c.PerHour, "per-hour", c.PerHour, "Get calls of Defender XDR in any hour; 0: not limited")
		fs.IntVar(&c.ForeignPerMinute, "foreign-per-minute", c.ForeignPerMinute, "Get calls of Defender XDR per minute that another program takes")
		fs.BoolVar(&c.CountThrottled, "count-throttled", c.CountThrottled, "requests answered 429 take quota too")
		fs.StringVar(&o.throttleForm, "throttle-form", "", "`how` a 429 says when to come back: message, retry-after, retry-after-date, bare, empty; not given: message, under Graph retry-after")
	})
	under("List", func() {
		fs.IntVar(&c.ListPerMinute, "list-per-minute", c.ListPerMinute, "List calls of Defender XDR in any minute; 0: not limited")
		fs.IntVar(&c.ListPerHour, "list-per-hour", c.ListPerHour, "List calls of Defender XDR in any hour; 0: not limited")
		fs.IntVar(&c.ListForeignPerMinute, "list-foreign-per-minute", c.ListForeignPerMinute, "List calls of Defender XDR per minute that another program takes")
		fs.DurationVar(&c.ListDelay, "list-delay", c.ListDelay, "how much later than Get lists show a change, at most; each incident has its part of it, under Graph each change")
		fs.DurationVar(&c.ListLag, "list-lag", c.ListLag, "how far lists lie behind Get for all incidents")
		fs.BoolVar(&c.ListDiffers, "list-differs", c.ListDiffers, "that of Defender XDR writes determination and investigationState in another case than Get")
		fs.BoolVar(&c.ListUpperBounds, "list-upper-bounds", c.ListUpperBounds, "that of Defender XDR takes lt and le in $filter; otherwise they are a 400")
		fs.StringVar((*string)(&c.ListStatusFilter), "list-status-filter", string(c.ListStatusFilter), "`what` that of Defender XDR does with a $filter on status: honoured, ignored (all incidents pass), refused (400)")
		fs.IntVar(&c.ListMaxSkip, "list-max-skip", c.ListMaxSkip, "largest $skip of that of Defender XDR, more is a 400; 0: there is none")
		fs.StringVar(&c.ListLinkHost, "list-link-host", c.ListLinkHost, "`host` that links to the next page name, of alerts too, with its scheme; empty: the one that was asked")
		o.listFault.define(fs, "list-fault", "List calls")
		fs.BoolVar(&o.listFault.onSkip, "list-fault-on-skip", false, "the fault spares first pages")
	})
	under("Microsoft Graph", func() {
		fs.IntVar(&c.GraphPerMinute, "graph-per-minute", c.GraphPerMinute, "calls of any kind in any minute; 0: not limited")
		fs.IntVar(&c.GraphPerHour, "graph-per-hour", c.GraphPerHour, "calls of any kind in any hour; 0: not limited")
		fs.IntVar(&c.GraphForeignPerMinute, "graph-foreign-per-minute", c.GraphForeignPerMinute, "calls per minute that another program takes")
		fs.IntVar(&c.AlertsPage, "alerts-page", c.AlertsPage, "alerts of an incident that come at a time; 0: all at once")
		fs.BoolVar(&c.AlertsSkipToken, "alerts-skip-token", c.AlertsSkipToken, "links to more alerts carry a $skiptoken instead of a $skip")
		fs.BoolVar(&c.GraphCoarseTimes, "graph-coarse-times", c.GraphCoarseTimes, "times are cut to the millisecond")
		fs.IntVar(&c.GraphExpandFails, "graph-expand-fails", c.GraphExpandFails, "answer 500 to $expand=alerts for incidents with so many alerts or more; 0: for none")
		fs.BoolVar(&c.GraphSkipToken, "graph-skip-token", c.GraphSkipToken, "links of lists carry a $skiptoken, which may lead past any number of rows, instead of a $skip, which is a 400 beyond 500")
		fs.BoolVar(&c.NoAlertList, "no-alert-list", c.NoAlertList, "there is no list of all alerts, as in China's cloud: a 404")
		fs.BoolVar(&c.GraphNoCount, "graph-no-count", c.GraphNoCount, "lists ignore $count=true")
		fs.BoolVar(&c.GraphOrderByAlone, "graph-orderby-alone", c.GraphOrderByAlone, "lists answer 400 to $orderby together with $filter")
		fs.BoolVar(&c.GraphNoUpperBounds, "graph-no-upper-bounds", c.GraphNoUpperBounds, "lists answer 400 to lt and le in $filter")
		o.alertsFault.define(fs, "alerts-fault", "pages of an incident's alerts")
		o.alertListFault.define(fs, "alert-list-fault", "the list of all alerts")
		fs.BoolVar(&o.alertListFault.onSkip, "alert-list-fault-on-skip", false, "the fault spares first pages")
	})
	under("Sign-in", func() {
		fs.StringVar(&c.TenantID, "tenant-id", c.TenantID, "tenant `id`")
		fs.StringVar(&c.ClientID, "client-id", c.ClientID, "application `id`")
		fs.StringVar(&c.ClientSecret, "client-secret", c.ClientSecret, "`secret` of the application")
		fs.Func("roles", "`roles` in all tokens, separated by commas; empty: none; not given: what each API asks for", func(text string) error {
			c.Roles = splitRoles(text)
			return nil
		})
		fs.BoolVar(&c.NoAlertRole, "no-alert-role", c.NoAlertRole, "tokens for Graph lack SecurityAlert.Read.All, which the list of all alerts needs")
		fs.DurationVar(&c.TokenLifetime, "token-lifetime", defaultLifetime, "how long a token lasts")
		fs.BoolVar(&c.AllowAnonymous, "allow-anonymous", c.AllowAnonymous, "answer requests without a token")
		o.tokenFault.define(fs, "token-fault", "requests for a token")
	})
	under("Answers", func() {
		o.fault.define(fs, "fault", "every incident")
		fs.DurationVar(&c.LatencyMin, "latency-min", c.LatencyMin, "least time that a response of the APIs takes")
		fs.DurationVar(&c.LatencyMax, "latency-max", c.LatencyMax, "most time that a response of the APIs takes; 0: none")
		fs.BoolVar(&c.RawDeflate, "raw-deflate", c.RawDeflate, "send deflate without its zlib wrapping")
		fs.BoolVar(&c.NoCompression, "no-compression", c.NoCompression, "never compress answers")
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
		return fmt.Errorf("--listen: %s can be reached from elsewhere, and the simulator hands out tokens: add --allow-non-loopback if that is meant", o.listen)
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

// parseStatuses reads a mix of statuses such as 60/30/10.
func parseStatuses(text string) (mix defendersim.StatusMix, err error) {
	parts := strings.Split(text, "/")
	weights := []*float64{&mix.Active, &mix.InProgress, &mix.Resolved}
	if len(parts) != len(weights) {
		return mix, errors.New("not three numbers with slashes between them")
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
			return defendersim.Weights{}, fmt.Errorf("share of %v: given twice", kind)
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
