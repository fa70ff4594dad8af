// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// query is a PromQL query and where it is used.
type query struct{ of, expr, legend string }

// measures is the part of metadata.yaml about the receiver's metrics.
type measures struct {
	Attributes map[string]struct {
		Enum []string `mapstructure:"enum"`
	} `mapstructure:"attributes"`
	Telemetry struct {
		Metrics map[string]measure `mapstructure:"metrics"`
	} `mapstructure:"telemetry"`
}

type measure struct {
	Attributes []string `mapstructure:"attributes"`
	Histogram  any      `mapstructure:"histogram"` // nil: not a histogram
}

func readMeasures(t *testing.T) measures {
	t.Helper()
	var m measures
	readYAML(t, "../../metadata.yaml", &m, confmap.WithIgnoreUnused())
	require.NotEmpty(t, m.Telemetry.Metrics)
	return m
}

var (
	// selectors matches the receiver's metrics in a query, with their label matchers.
	selectors = regexp.MustCompile(`\botelcol_(receiver_defender_incidents_\w+)(?:\{([^}]*)\})?`)
	matchers  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouped   = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	braced    = regexp.MustCompile(`{{\s*(\w+)\s*}}`)
)

// metricsOf maps the receiver's metrics in a query to their label matchers. By
// default the collector does not append units and types to names; a histogram
// has three metrics.
func (m measures) metricsOf(t *testing.T, q query) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, s := range selectors.FindAllStringSubmatch(q.expr, -1) {
		name := s[1]
		if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); base != name && m.Telemetry.Metrics[base].Histogram != nil {
			name = base
		} else {
			require.Nil(t, m.Telemetry.Metrics[name].Histogram, "%s: %s is a histogram", q.of, name)
		}
		require.Contains(t, m.Telemetry.Metrics, name, q.of)
		found[name] = append(found[name], s[2])
	}
	return found
}

// allQueries returns the queries of the dashboard, its variables and the alerts.
func allQueries(t *testing.T) []query {
	t.Helper()
	d := readDashboard(t)
	all := d.queries()
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			all = append(all, query{of: "variable " + v.Name, expr: v.Definition})
		}
	}
	for _, r := range readRules(t).all() {
		all = append(all, query{of: r.Alert, expr: r.Expr})
	}
	return all
}

func TestQueriesUseMetricsOfTheReceiver(t *testing.T) {
	m := readMeasures(t)
	target := []string{"job", "instance"} // Prometheus adds these
	for _, q := range allQueries(t) {
		labels := append([]string{"le", "exporter"}, target...) // exporter: of the collector's own metrics
		metrics := m.metricsOf(t, q)
		for name, asked := range metrics {
			own := slices.Concat(m.Telemetry.Metrics[name].Attributes, target)
			labels = append(labels, own...)
			for _, each := range matchers.FindAllStringSubmatch(strings.Join(asked, ", "), -1) {
				label, value := each[1], each[2]
				require.Contains(t, own, label, "%s uses it on %s", q.of, name)
				if values := m.Attributes[label].Enum; values != nil {
					require.Subset(t, values, strings.Split(value, "|"), "%s: values of %s", q.of, label)
				}
			}
		}
		if len(metrics) == 0 {
			continue // a metric of the collector itself
		}
		for _, each := range slices.Concat(grouped.FindAllStringSubmatch(q.expr, -1), braced.FindAllStringSubmatch(q.legend, -1)) {
			for _, label := range strings.Split(each[1], ",") {
				require.Contains(t, labels, strings.TrimSpace(label), q.of)
			}
		}
	}
}

func TestEveryMetricIsShownAndExplained(t *testing.T) {
	m := readMeasures(t)
	shown := map[string]bool{}
	for _, q := range readDashboard(t).queries() {
		for name := range m.metricsOf(t, q) {
			shown[name] = true
		}
	}
	text, err := os.ReadFile("../../docs/monitoring.md")
	require.NoError(t, err)
	for _, name := range slices.Sorted(maps.Keys(m.Telemetry.Metrics)) {
		require.True(t, shown[name], "%s is in no panel", name)
		require.Contains(t, string(text), "`"+strings.TrimPrefix(name, "receiver_defender_incidents_")+"`", "docs/monitoring.md")
	}
}
