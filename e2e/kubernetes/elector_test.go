// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/k8sleaderelector"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	defenderincidents "github.com/seed2514a141/defenderincidentsreceiver"
)

// The receiver does not import the extension: it calls this method, by an interface
// of its own. This does not compile once the method has changed.
var _ func(k8sleaderelector.LeaderElection, func(context.Context), func()) = k8sleaderelector.LeaderElection.SetCallBackFuncs

const kubeConfig = `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// The extension is not started, so it never leads.
func TestReceiverAcceptsTheLeaderElector(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, []byte(kubeConfig), 0o600))
	t.Setenv("KUBECONFIG", path)
	factory := k8sleaderelector.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"auth_type": "kubeConfig", "lease_name": "otelcol-defender", "lease_namespace": "defender",
	}).Unmarshal(cfg))
	elector, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)

	receivers := defenderincidents.NewFactory()
	receiverCfg := receivers.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"incident_ids": []any{437}, "http": map[string]any{"endpoint": "https://127.0.0.1:1"}, "k8s_leader_elector": "k8s_leader_elector",
	}).Unmarshal(receiverCfg))
	logged, logs := observer.New(zap.InfoLevel)
	settings := receivertest.NewNopSettings(receivers.Type())
	settings.Logger = zap.New(logged)
	receiver, err := receivers.CreateLogs(t.Context(), settings, receiverCfg, consumertest.NewNop())
	require.NoError(t, err)

	require.NoError(t, receiver.Start(t.Context(), host{component.MustNewID("k8s_leader_elector"): elector}))
	require.NoError(t, receiver.Shutdown(t.Context()))
	require.Equal(t, 1, logs.FilterMessage("on standby; polling starts when this collector becomes the leader").Len())
}
