// SPDX-License-Identifier: Apache-2.0

// Package cluster applies the manifests in deploy/kubernetes to a real kube-apiserver
// with etcd on this machine. There are no nodes and no controllers, so no pod runs.
// make e2e-kubernetes runs it with the paths of the programs; without them, no test
// runs.
//
// apiserver_test.go starts both programs, certificates_test.go makes what they
// identify themselves with, client_test.go sends requests.
package cluster
