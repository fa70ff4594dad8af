// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// collector is the path of the built collector. If it is empty, the tests that
// need a collector and Prometheus do not run.
var collector string

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.Parse()
	if collector == "" {
		if err := flag.Set("test.skip", "^(TestPrometheus|TestPromtool)"); err != nil {
			fmt.Fprintln(os.Stderr, "dashboards:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
