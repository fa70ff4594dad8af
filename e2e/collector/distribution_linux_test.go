// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// TestMeasureDistribution measures a distribution with one incident: as it is, and if it
// has the extension k8s_leader_elector also while it leads.
func TestMeasureDistribution(t *testing.T) {
	const runs = 3
	info, err := os.Stat(collector)
	require.NoError(t, err)
	t.Logf("%s: %.1f MB", collector, float64(info.Size())/1e6)
	for range runs {
		w := watch(t, quiet(1), func(*harness.Settings) {})
		t.Log(w.row("one incident"))
		require.Less(t, w.share(), maxCPUShare)
	}
	if !electing {
		return
	}
	for range runs {
		w := watch(t, quiet(1), func(s *harness.Settings) { s.Further, s.Env = leading(t, s.Env) })
		t.Log(w.row("one incident, leading"))
		require.Less(t, w.share(), maxCPUShare)
	}
}

// leading returns the path of a configuration that adds a leader elector, which wins
// its lease at once, and the environment for it.
func leading(t *testing.T, env []string) (further string, _ []string) {
	t.Helper()
	api := httptest.NewServer(&leases{})
	t.Cleanup(api.Close)
	kubeConfig := harness.WriteFile(t, "kubeconfig", `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "`+api.URL+`"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`)
	further = harness.WriteFile(t, "further.yaml", `
extensions:
  k8s_leader_elector: {auth_type: kubeConfig, lease_name: otelcol-defender, lease_namespace: defender}
receivers:
  defender_incidents: {k8s_leader_elector: k8s_leader_elector}
service:
  extensions: [k8s_leader_elector, file_storage, oauth2client]
`)
	return further, append(env, "KUBECONFIG="+kubeConfig)
}

// leases is as much of the Kubernetes API as a single candidate for a lease uses.
type leases struct {
	mu          sync.Mutex
	lease       []byte // nil: it does not exist
	contentType string // protobuf or JSON, as the client has sent it
}

func (l *leases) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method != http.MethodGet {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		l.lease, l.contentType = body, r.Header.Get("Content-Type")
	}
	if l.lease == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", l.contentType)
	_, _ = w.Write(l.lease)
}
