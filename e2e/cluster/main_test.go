// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// apiserver and etcd are the paths of Kubernetes' programs.
var apiserver, etcd string

// TestMain runs no test without the programs, so that none is reported as passed
// or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&apiserver, "e2e.apiserver", "", "absolute path of the built kube-apiserver")
	flag.StringVar(&etcd, "e2e.etcd", "", "absolute path of the built etcd")
	flag.Parse()
	if apiserver == "" || etcd == "" {
		fmt.Println("cluster: give -e2e.apiserver and -e2e.etcd (make e2e-kubernetes)")
		return
	}
	os.Exit(m.Run())
}
