// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
}

// Simulated time, so the alerts keep their real durations.
func TestPromtoolAlertsFireInTimeAndNotEarlier(t *testing.T) {
	const tests = "testdata/alerts_test.yaml"
	promtool(t, "test", "rules", tests)

	var file struct {
		Tests []struct {
			Alerts []struct {
				Name string `mapstructure:"alertname"`
				Exp  []any  `mapstructure:"exp_alerts"`
			} `mapstructure:"alert_rule_test"`
		} `mapstructure:"tests"`
	}
	readYAML(t, tests, &file, confmap.WithIgnoreUnused())
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Exp) > 0
			silent[a.Name] = silent[a.Name] || len(a.Exp) == 0
		}
	}
	for _, r := range readRules(t).all() {
		require.True(t, fires[r.Alert] && silent[r.Alert], "%s has a time when it fires and one when it does not", r.Alert)
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), installed(t, "promtool"), args...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", filepath.Base(command.Path), args, output)
}
