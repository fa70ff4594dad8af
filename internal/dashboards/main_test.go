package dashboards

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// collector is the path of the built collector; empty: what needs one, and
// a Prometheus, is not run.
var collector string

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "dashboards.collector", "", "absolute path of the built collector")
	flag.Parse()
	if collector == "" {
		if err := flag.Set("test.skip", "^TestProm"); err != nil {
			fmt.Fprintln(os.Stderr, "dashboards:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
