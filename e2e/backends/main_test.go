//go:build unix

package backends

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	// collector is the path of the collector; empty: none.
	collector string
	// lokiProgram is the path of Loki; empty: none.
	lokiProgram string
)

// TestMain runs the tests whose requirements are met: those named TestCollector
// need the collector, those named TestLoki need Loki too. The others are not
// reported as passed or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.StringVar(&lokiProgram, "e2e.loki", "", "absolute path of the built Loki")
	// The tests mostly wait. -parallel on the command line overrides this.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "backends:", err)
		os.Exit(1)
	}
	flag.Parse()
	without := ""
	switch {
	case collector == "":
		without = "^Test(Collector|Loki)"
	case lokiProgram == "":
		without = "^TestLoki"
	}
	if without != "" {
		fmt.Printf("backends: without %s; give -e2e.collector and -e2e.loki (make e2e-backends)\n", without)
		if err := flag.Set("test.skip", without); err != nil {
			fmt.Fprintln(os.Stderr, "backends:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
