// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

// elector is the module that only the distribution for Kubernetes has.
const elector = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/k8sleaderelector"

// The two manifests for ocb must not drift apart: what works with one distribution
// works with the other.
func TestDistributionForKubernetesAddsOnlyTheLeaderElector(t *testing.T) {
	standard, err := confmaptest.LoadConf("builder-config.yaml")
	require.NoError(t, err)
	kubernetes, err := confmaptest.LoadConf("builder-config-kubernetes.yaml")
	require.NoError(t, err)
	want, got := standard.ToStringMap(), kubernetes.ToStringMap()

	extensions, ok := got["extensions"].([]any)
	require.True(t, ok)
	isElector := func(module any) bool {
		name, _ := module.(map[string]any)["gomod"].(string)
		return strings.HasPrefix(name, elector+" ")
	}
	require.True(t, slices.ContainsFunc(extensions, isElector), "what the distribution for Kubernetes is for")
	got["extensions"] = slices.DeleteFunc(extensions, isElector)

	for key, suffixed := range map[string]bool{"module": true, "output_path": true, "name": false, "description": false, "version": false} {
		value, ok := want["dist"].(map[string]any)[key].(string)
		require.True(t, ok, key)
		if suffixed {
			want["dist"].(map[string]any)[key] = value + "-kubernetes"
		}
	}
	require.Equal(t, want, got)
}

// The client of Kubernetes would add 29 MB to every collector with the receiver.
func TestReceiverDoesNotImportTheClientOfKubernetes(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	imported := strings.Fields(string(output))
	require.Contains(t, imported, "go.opentelemetry.io/collector/receiver")
	for _, path := range imported {
		require.False(t, strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, elector), path)
	}
}
