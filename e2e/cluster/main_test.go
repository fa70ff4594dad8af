// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	// apiserver and etcd are the paths of Kubernetes' programs.
	apiserver, etcd string
	// collector is the path of a collector with the extension k8s_leader_elector.
	collector string
	// seed is for all random choices; 0: from the clock.
	seed uint64
	// report is the file for the table of the failovers; empty: none.
	report string
)

// TestMain runs no test without the programs, so that none is reported as passed
// or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&apiserver, "e2e.apiserver", "", "absolute path of the built kube-apiserver")
	flag.StringVar(&etcd, "e2e.etcd", "", "absolute path of the built etcd")
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the collector built for Kubernetes")
	flag.Uint64Var(&seed, "e2e.seed", 0, "seed of random choices; 0: from the clock")
	flag.StringVar(&report, "e2e.report", "", "file for the table of the failovers")
	flag.Parse()
	if apiserver == "" || etcd == "" || collector == "" {
		fmt.Println("cluster: give -e2e.apiserver, -e2e.etcd and -e2e.collector (make e2e-kubernetes)")
		return
	}
	os.Exit(m.Run())
}
