// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

const (
	// leaseDuration, renewDeadline and retryPeriod are a third of the extension's
	// defaults or less, for short tests. A leader stops renewDeadline and retryPeriod after it
	// renewed the lease for the last time, 2 s before another can take it.
	leaseDuration = 5 * time.Second
	renewDeadline = 2500 * time.Millisecond
	retryPeriod   = 500 * time.Millisecond
)

// node is where a collector runs: with a link of its own to kube-apiserver.
type node struct {
	name    string
	link    *link
	env     []string
	process *harness.Program // the running collector
	lives   int              // collectors that have run here
}

// newNode returns a node that identifies itself with the token of a service account.
func (c *cluster) newNode(t *testing.T, name, token string) *node {
	t.Helper()
	l := newLink(t, c.address)
	kubeconfig := harness.WriteFile(t, "kubeconfig", fmt.Sprintf(`
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "https://%s", certificate-authority-data: %s}}]
users: [{name: test, user: {token: %s}}]
`, l.address, base64.StdEncoding.EncodeToString(c.authority.pem()), token))
	return &node{name: name, link: l, env: []string{"KUBECONFIG=" + kubeconfig}}
}

// sender is the name that the present collector of the node sends.
func (n *node) sender() string { return fmt.Sprintf("%s%d", n.name, n.lives) }

// start starts the next collector of the node, and waits until it is on standby.
func (f *failover) start(n *node) {
	f.T.Helper()
	n.lives++
	overlay := harness.WriteFile(f.T, "overlay.yaml", fmt.Sprintf(`
extensions:
  k8s_leader_elector:
    auth_type: kubeConfig
    lease_name: %s
    lease_namespace: %s
    lease_duration: %v
    renew_deadline: %v
    retry_period: %v
receivers:
  defender_incidents:
    k8s_leader_elector: k8s_leader_elector
    http: {headers: {%s: %s}}
service:
  extensions: [file_storage, oauth2client, k8s_leader_elector]
`, f.lease, f.namespace, leaseDuration, renewDeadline, retryPeriod, senderHeader, n.sender()))
	n.process = harness.Launch(f.Ctx, f.T, f.Notifier, n.env, collector, append(f.settings.Arguments(f.T), "--config", overlay)...)
	f.Await(n.process, "the start", func() bool { return strings.Contains(n.process.Log(), "on standby; polling starts when") })
}

// terms returns how often the present collector of the node has been elected, and
// polls how often it has started to poll.
func (n *node) terms() int { return strings.Count(n.process.Log(), "elected leader; polling") }
func (n *node) polls() int { return strings.Count(n.process.Log(), "\tpolling incidents\t") }

// stopped reports whether the present collector of the node has stopped polling each
// time it was elected.
func (n *node) stopped() bool {
	return strings.Count(n.process.Log(), "no longer the leader") == n.terms()
}

// other returns the node that a node is not.
func (f *failover) other(n *node) *node {
	if n == f.nodes[0] {
		return f.nodes[1]
	}
	return f.nodes[0]
}
