// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

const rulesFile = "../../dashboards/alerts.yaml"

// ruleFile is the part of Prometheus's rule files that has alerts.
type ruleFile struct {
	Groups []struct {
		Name  string `mapstructure:"name" json:"name"`
		Rules []rule `mapstructure:"rules" json:"rules"`
	} `mapstructure:"groups" json:"groups"`
}

type rule struct {
	Alert       string            `mapstructure:"alert" json:"alert"`
	Expr        string            `mapstructure:"expr" json:"expr"`
	For         string            `mapstructure:"for" json:"for"`
	Labels      map[string]string `mapstructure:"labels" json:"labels"`
	Annotations map[string]string `mapstructure:"annotations" json:"annotations"`
}

func readRules(t *testing.T) ruleFile {
	t.Helper()
	var file ruleFile
	readYAML(t, rulesFile, &file)
	require.NotEmpty(t, file.all())
	return file
}

func (f ruleFile) all() []rule {
	var all []rule
	for _, group := range f.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// readYAML fails for unknown fields, unless an option allows them.
func readYAML(t *testing.T, path string, form any, options ...confmap.UnmarshalOption) {
	t.Helper()
	file, err := confmaptest.LoadConf(path)
	require.NoError(t, err)
	require.NoError(t, file.Unmarshal(form, options...), path)
}

func TestEveryAlertSaysWhatItIsAndWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, r := range readRules(t).all() {
		require.Regexp(t, `^DefenderIncidents[A-Z]`, r.Alert)
		require.False(t, names[r.Alert], "%s is there twice", r.Alert)
		names[r.Alert] = true
		require.NotEmpty(t, r.For, r.Alert)
		subject := "receiver"
		if strings.Contains(r.Expr, "otelcol_exporter_") { // whose metrics do not say from which receiver the records are
			subject = "exporter"
			require.Contains(t, r.Expr, "and on (job, instance) otelcol_receiver_defender_incidents_", "%s is about collectors without the receiver", r.Alert)
		}
		for _, by := range grouped.FindAllStringSubmatch(r.Expr, -1) {
			if by[1] != "job, instance" || subject == "receiver" {
				require.Contains(t, by[1], subject, "%s would mix several of them", r.Alert)
			}
		}
		require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		of := "instance"
		if !strings.Contains(r.Expr, "instance") { // all collectors together
			of = "job"
		}
		require.Contains(t, r.Annotations["summary"], "{{ $labels."+subject+" }} of {{ $labels."+of+" }}", r.Alert)
		require.Contains(t, r.Annotations["description"], "docs/troubleshooting.md#", r.Alert)
		require.Contains(t, r.Annotations["runbook_url"], "docs/monitoring.md#", r.Alert)
	}
}
