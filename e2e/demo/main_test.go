// SPDX-License-Identifier: Apache-2.0

//go:build linux

package demo

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	// script is the path of the demo's script; empty: nothing was built for it.
	script string
	// screenshot is where a picture of the web interface is written; empty: nowhere.
	screenshot string
)

// TestMain runs the tests if there is a demo to run. Otherwise they are not reported
// as passed or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&script, "e2e.demo", "", "absolute path of tools/demo/run.sh, whose programs are built")
	flag.StringVar(&screenshot, "e2e.screenshot", "", "absolute path of a file for a screenshot of the web interface")
	flag.Parse()
	if script == "" {
		fmt.Println("demo: no test without -e2e.demo (make e2e-demo)")
		os.Exit(0)
	}
	os.Exit(m.Run())
}
