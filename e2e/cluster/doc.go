// SPDX-License-Identifier: Apache-2.0

// Package cluster tests the manifests in deploy/kubernetes, and two built collectors
// that compete for a lease, against a real kube-apiserver and etcd on this machine.
// There are no nodes, so no pod runs; the collectors are processes of the test. make
// e2e-kubernetes runs it with the paths of the programs; without them, no test runs.
//
// apiserver_test.go starts both programs, certificates_test.go makes what they
// identify themselves with, client_test.go sends requests, nodes_test.go starts
// collectors, link_test.go is a network that can be cut, senders_test.go notes which
// collector sends.
package cluster
