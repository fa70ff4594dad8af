//go:build unix

package backends

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	// collector is the path of the program under test; empty: there is none.
	collector string
	// lokiProgram is the path of Loki; empty: there is none.
	lokiProgram string
)

// TestMain runs the tests for which there is what they need: those named
// TestCollector need the collector, those named TestLoki need Loki too. The others
// are not reported as passed or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.StringVar(&lokiProgram, "e2e.loki", "", "absolute path of the built Loki")
	// The tests wait more than they work. On the command line -parallel still counts.
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
