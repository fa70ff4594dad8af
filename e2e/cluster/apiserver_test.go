// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// readyPoll is how often a program is checked for being ready.
const readyPoll = 200 * time.Millisecond

// cluster is a kube-apiserver with its etcd. Who may do what is decided by RBAC.
type cluster struct {
	*harness.Harness
	authority *authority
	address   string // host and port of kube-apiserver
	args      []string
	process   *harness.Program // kube-apiserver
	admin     *client          // may do everything
}

// newCluster starts etcd and kube-apiserver and waits until they are ready.
func newCluster(t *testing.T, h *harness.Harness) *cluster {
	t.Helper()
	c := &cluster{Harness: h, authority: newAuthority(t), address: harness.FreeAddress(t)}
	host, port, err := net.SplitHostPort(c.address)
	require.NoError(t, err)
	serving, key := c.authority.server(t)
	certFile, keyFile := harness.WriteFile(t, "server.crt", string(serving)), harness.WriteFile(t, "server.key", string(key))
	caFile := harness.WriteFile(t, "ca.crt", string(c.authority.pem()))
	accounts := harness.WriteFile(t, "accounts.key", string(keyPEM(t, newKey(t))))
	c.args = []string{
		"--etcd-servers=" + c.startEtcd(t),
		"--bind-address=" + host, "--secure-port=" + port, "--cert-dir=" + t.TempDir(),
		"--tls-cert-file=" + certFile, "--tls-private-key-file=" + keyFile,
		"--client-ca-file=" + caFile, "--anonymous-auth=false",
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + accounts, "--service-account-signing-key-file=" + accounts,
		"--service-cluster-ip-range=10.96.0.0/24",
		"--endpoint-reconciler-type=none", // which refuses an address of loopback
	}
	c.admin = c.user(t, "admin", "system:masters")
	c.start(t)
	return c
}

// startEtcd starts etcd and returns its URL.
func (c *cluster) startEtcd(t *testing.T) string {
	t.Helper()
	clients, peers := "http://"+harness.FreeAddress(t), "http://"+harness.FreeAddress(t)
	process := harness.Launch(c.Ctx, t, c.Notifier, nil, etcd,
		"--data-dir="+filepath.Join(t.TempDir(), "etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls="+clients, "--advertise-client-urls="+clients,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)
	plain := &http.Client{Timeout: 5 * time.Second}
	c.Poll(process, "etcd", readyPoll, func() bool { return succeeds(plain, clients+"/health") })
	return clients
}

// start starts kube-apiserver and waits until it is ready.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	c.process = harness.Launch(c.Ctx, t, c.Notifier, []string{"HOME=" + t.TempDir()}, apiserver, c.args...)
	c.Poll(c.process, "kube-apiserver", readyPoll, func() bool { return succeeds(c.admin.http, c.admin.url+"/readyz") })
}

// succeeds reports whether a GET gets a 200.
func succeeds(c *http.Client, url string) bool {
	response, err := c.Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// read returns a file of deploy/kubernetes.
func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifestsDir, name))
	require.NoError(t, err)
	return text
}
