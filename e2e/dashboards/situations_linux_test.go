// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// speedup divides every duration in the alerts under test: each `for`, range,
// offset and number of seconds. promtool_linux_test.go tests them unchanged.
const speedup = 30

// situation is what can happen to a collector, and the alerts for it.
type situation struct {
	population defendersim.Config
	settings   func(*harness.Settings)
	faults     map[int64]string // from the start
	then       func(*setup)     // called after each incident was fetched; nil: nothing happens

	fires []string // alerts that must fire
	spare []string // alerts that must be about to fire, and then must not
	may   []string // alerts that may fire as well
	shows string   // title of a panel that must be above 0; empty: none
	of    string   // legend of the line in that panel
}

const (
	changesLate     = "DefenderIncidentsChangesLate"
	cycleTooLong    = "DefenderIncidentsCycleTooLong"
	throttled       = "DefenderIncidentsThrottled"
	denied          = "DefenderIncidentsDenied"
	nothing         = "DefenderIncidentsNothingAnswered"
	notAccepted     = "DefenderIncidentsNotAccepted"
	feedNotWorking  = "DefenderIncidentsFeedNotWorking"
	sweepNotWorking = "DefenderIncidentsSweepNotWorking"
	checkpoint      = "DefenderIncidentsCheckpointFailing"
	rejected        = "DefenderIncidentsRecordsRejected"
	dropped         = "DefenderIncidentsRecordsDropped"
	queueFilling    = "DefenderIncidentsQueueFilling"
	noLeader        = "DefenderIncidentsNoLeader"
)

// lively is a population with a change every few seconds and without rate limits
// that are reached.
func lively(incidents int) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.MergedShare, cfg.AlertsPerIncident, cfg.ChangesPerHour = incidents, 0, 2, 3600
	cfg.PerMinute, cfg.PerHour, cfg.ListPerMinute, cfg.ListPerHour = 6000, 60000, 6000, 60000
	return cfg
}

func lagging(lag time.Duration) defendersim.Config {
	cfg := lively(12)
	cfg.ListLag = lag
	return cfg
}

// unswept is a population whose list refuses sweeps.
func unswept() defendersim.Config {
	cfg := lively(20)
	cfg.ChangesPerHour, cfg.ListStatusFilter = 60, defendersim.StatusFilterRefused
	return cfg
}

const healthy = "healthy"

func situations() map[string]situation {
	often := func(c *harness.Settings) { c.Interval = 2 * time.Second }
	feeding := func(c *harness.Settings) {
		c.Interval = 2 * time.Second
		c.ChangeFeed = "{interval: 1s, rate_limit: {requests_per_minute: 600, requests_per_hour: 6000}}"
	}
	byFeed := func(c *harness.Settings) {
		feeding(c)
		c.Interval = 10 * time.Minute
	}
	swept := func(c *harness.Settings) { // polling by ID would take 6 s
		feeding(c)
		c.RateLimit = "{requests_per_minute: 120, requests_per_hour: 0}"
	}
	queued := func(c *harness.Settings) {
		swept(c)
		c.Queue, c.GiveUp = "{queue_size: 100}", "0"
	}
	discovering := func(c *harness.Settings) {
		c.Interval, c.IDs = 2*time.Second, nil
		c.ChangeFeed = "{interval: 1s, discover: true}"
	}
	refused := func(c *harness.Settings) {
		feeding(c)
		c.RateLimit = "{requests_per_minute: 8, requests_per_hour: 0}"
	}
	limited := func(c *harness.Settings) {
		c.Interval, c.RateLimit = time.Second, "{requests_per_minute: 8, requests_per_hour: 0}"
	}
	return map[string]situation{
		healthy: {population: lively(12), settings: queued},
		"late": {
			population: lagging(80 * time.Second), settings: byFeed,
			fires: []string{changesLate}, shows: "Change delay", of: "95 %",
		},
		"slow": {
			population: lively(60), settings: limited,
			fires: []string{cycleTooLong}, may: []string{nothing, changesLate}, // 8 requests at once, then none for a minute
			shows: "Overdue", of: "overdue",
		},
		"throttled": {
			population: lively(12), settings: feeding, // the list still works
			then:  func(s *setup) { s.setFault(defendersim.AllIncidents, "429=10m") },
			fires: []string{throttled}, shows: "Throttle wait", of: "incident",
		},
		"throttled a little": { // the wait is over before Prometheus scrapes it
			population: lively(12), settings: feeding,
			then:  func(s *setup) { s.setFault(defendersim.AllIncidents, "429=1s") },
			fires: []string{throttled}, shows: "Throttled requests", of: "incident",
		},
		"denied": {
			population: lively(12), settings: often,
			then:  func(s *setup) { s.setFault(defendersim.AllIncidents, "403") },
			fires: []string{denied}, may: []string{nothing}, shows: "Requests by outcome", of: "incident denied",
		},
		"denied once": {
			population: lively(12), settings: often,
			then:  func(s *setup) { s.failOnce(s.Sim.IDs()[0], "403") },
			spare: []string{denied},
		},
		"signed out": {
			population: lively(12), settings: often, faults: map[int64]string{defendersim.TokenRequests: "401"},
			fires: []string{nothing}, shows: "Sign-in failures", of: "signed out",
		},
		"signed out, with discovery alone": {
			population: lively(12), settings: discovering, faults: map[int64]string{defendersim.TokenRequests: "401"},
			fires: []string{nothing, feedNotWorking}, shows: "Age of the change feed", of: "signed out, with discovery alone list",
		},
		"discovered": {
			population: lively(12), settings: discovering, shows: "Discovered incidents", of: "discovered",
		},
		"down": {
			population: lively(12), settings: often,
			then:  func(s *setup) { s.setFault(defendersim.AllIncidents, "503") },
			fires: []string{nothing}, shows: "Incidents", of: "failing",
		},
		"without list": {
			population: lively(12), settings: feeding, faults: map[int64]string{defendersim.ListRequests: "503"},
			fires: []string{feedNotWorking}, shows: "Age of the change feed", of: "without list list",
		},
		"without sweeps": {
			population: unswept(), settings: refused,
			fires: []string{sweepNotWorking}, may: []string{nothing, changesLate}, // 8 requests at once, then none for a minute
			shows: "Age of the last sweep", of: "without sweeps",
		},
		"backend down": {
			population: lively(12), settings: often, then: (*setup).refuse,
			fires: []string{notAccepted}, may: []string{nothing}, shows: "Accepted and refused", of: "refused",
		},
		"rejected": {
			population: lively(12), settings: often, then: (*setup).reject,
			fires: []string{rejected}, shows: "Accepted and refused", of: "rejected",
		},
		"rejected behind the queue": {
			population: lively(12), settings: func(c *harness.Settings) { often(c); c.Queue, c.GiveUp = "{queue_size: 100}", "0" }, then: (*setup).reject,
			fires: []string{dropped}, shows: "Dropped behind the queue", of: "otlp_http",
		},
		"given up behind the queue": {
			population: lively(12), settings: func(c *harness.Settings) { often(c); c.Queue = "{queue_size: 100}" }, then: (*setup).refuse,
			fires: []string{dropped}, shows: "Dropped behind the queue", of: "otlp_http",
		},
		"backend down, with a queue": {
			population: lively(12), settings: func(c *harness.Settings) { often(c); c.Queue, c.GiveUp = "{queue_size: 5, num_consumers: 1}", "0" },
			then:  (*setup).refuse,
			fires: []string{queueFilling}, may: []string{notAccepted, nothing}, shows: "Fill of the queue", of: "otlp_http",
		},
		"full disk for a moment": {
			population: lively(12), settings: often, then: (*setup).fillDiskForAMoment, spare: []string{checkpoint},
		},
		"full disk": {
			population: lively(12), settings: often, then: func(s *setup) { s.fillDisk() },
			fires: []string{checkpoint}, shows: "Checkpoint failures", of: "full disk",
		},
	}
}

func TestPrometheusAlertsFireWhenTheyShouldAndEveryPanelHasData(t *testing.T) {
	rules, alerts := shortenedRules(t)
	all, setups := situations(), map[string]*setup{}
	covered := []string{noLeader} // by promtool: this collector has no leader elector
	for name, s := range all {
		setups[name] = newSetup(t, s.population, s.settings, s.faults)
		covered = append(covered, s.fires...)
	}
	for _, alert := range alerts {
		require.Contains(t, covered, alert, "an alert without a situation")
	}
	p := newPrometheus(t, setups, rules)
	for name, s := range all {
		if s.then == nil {
			continue
		}
		first := `sum(otelcol_receiver_defender_incidents_records{change="first_seen", event="incident", instance="` + name + `"})`
		p.await("the first cycle of "+name, func() bool {
			lines := p.now(first)
			return len(lines) == 1 && int(lines[0].Value.value) == s.population.Incidents
		})
		s.then(setups[name])
	}

	fired := map[string]map[string]bool{}
	for name := range all {
		fired[name] = map[string]bool{}
	}
	missing, spared := map[string]bool{}, map[string]map[string]bool{} // spared: they are about to fire, then false: no longer
	for name := range all {
		spared[name] = map[string]bool{}
	}
	d, shown := readDashboard(t), map[string]bool{}
	p.await("the alerts", func() bool {
		pending := p.alerts("pending")
		for name, s := range all {
			for _, alert := range s.spare {
				if _, seen := spared[name][alert]; seen || slices.Contains(pending[name], alert) {
					spared[name][alert] = slices.Contains(pending[name], alert)
				}
			}
		}
		for name, alerts := range p.alerts("firing") {
			for _, alert := range alerts {
				if !fired[name][alert] {
					t.Logf("%s: %s", name, alert)
				}
				fired[name][alert] = true
				require.Contains(t, append(all[name].fires, all[name].may...), alert, "must not fire in situation %s", name)
			}
		}
		clear(missing)
		for name, s := range all {
			for _, alert := range s.fires {
				if !fired[name][alert] {
					missing[name+" "+alert] = true
				}
			}
			for _, alert := range s.spare {
				if still, seen := spared[name][alert]; still || !seen {
					missing[name+" "+alert] = true
				}
			}
			// A panel may show it for a moment only: a request that is denied is retried
			// after minutes.
			if shown[name] = shown[name] || s.shows == "" || highest(t, p, d, s.shows, s.of, name) > 0; !shown[name] {
				missing[name+" "+s.shows] = true
			}
		}
		return len(missing) == 0
	})
	requireData(t, p, d)
}

// requireData runs each query of the dashboard, which must return data for the
// healthy collector.
func requireData(t *testing.T, p *prometheus, d dashboard) {
	t.Helper()
	for _, q := range d.queries() {
		lines := p.now(filled(q.expr, healthy, "1m", "10s"))
		require.NotEmpty(t, lines, q.of)
		for _, l := range lines {
			require.False(t, math.IsNaN(l.Value.value) || math.IsInf(l.Value.value, 0), "%s is %v", q.of, l.Value.value)
			require.NotContains(t, legend(q.legend, l.Metric), "{{", q.of)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition == "" {
			continue
		}
		parts := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition)
		require.NotNil(t, parts, v.Name)
		require.NotEmpty(t, p.values(parts[2], filled(parts[1], healthy, "", "")), v.Name)
	}
}

// highest returns the current maximum of a line in a panel for an instance.
func highest(t *testing.T, p *prometheus, d dashboard, title, name, instance string) float64 {
	t.Helper()
	n := slices.IndexFunc(d.Panels, func(panel panel) bool { return panel.Title == title && panel.Type == "timeseries" })
	require.GreaterOrEqual(t, n, 0, "a panel %s", title)
	value := math.Inf(-1)
	for _, each := range d.Panels[n].Targets {
		for _, l := range p.now(filled(each.Expr, instance, "1m", "20s")) {
			if legend(each.LegendFormat, l.Metric) == name && !math.IsNaN(l.Value.value) {
				value = max(value, l.Value.value)
			}
		}
	}
	return value
}

// legend returns the name of a line.
func legend(format string, labels map[string]string) string {
	return braced.ReplaceAllStringFunc(format, func(text string) string {
		value, found := labels[braced.FindStringSubmatch(text)[1]]
		if !found {
			return text
		}
		return value
	})
}

// shortenedRules returns the rules with all durations divided by speedup, as a
// file, and the names of their alerts.
func shortenedRules(t *testing.T) (file string, alerts []string) {
	t.Helper()
	rules := readRules(t)
	for _, group := range rules.Groups {
		for n := range group.Rules {
			r := &group.Rules[n]
			alerts = append(alerts, r.Alert)
			r.For, r.Expr = shorten(t, r.For), shortenQuery(t, r.Expr)
		}
	}
	text, err := json.Marshal(rules) // JSON is YAML, too
	require.NoError(t, err)
	return string(text), alerts
}

// durations matches the durations in a query: a range, an offset, or seconds in
// a comparison.
var durations = regexp.MustCompile(`(\[|offset )(\d+[mh])|(> )([1-9]\d+)`)

func shortenQuery(t *testing.T, expr string) string {
	t.Helper()
	return durations.ReplaceAllStringFunc(expr, func(text string) string {
		parts := durations.FindStringSubmatch(text)
		if parts[2] != "" {
			return parts[1] + shorten(t, parts[2])
		}
		seconds, err := strconv.Atoi(parts[4])
		require.NoError(t, err)
		return parts[3] + strconv.Itoa(seconds/speedup)
	})
}

func shorten(t *testing.T, duration string) string {
	t.Helper()
	d, err := time.ParseDuration(duration)
	require.NoError(t, err)
	require.Zero(t, d%(speedup*time.Second), "%s in whole seconds", duration)
	return strconv.Itoa(int((d / speedup).Seconds())) + "s"
}
