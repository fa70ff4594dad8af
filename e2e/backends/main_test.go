// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var (
	// collector is the path of the collector; empty: none.
	collector string
	// lokiProgram is the path of Loki; empty: none.
	lokiProgram string
	// victoriaLogsProgram is the path of VictoriaLogs; empty: none.
	victoriaLogsProgram string
)

// TestMain runs the tests whose requirements are met: those named TestCollector
// need the collector, those named TestLoki and TestVictoriaLogs need that program,
// too. The others are not reported as passed or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.StringVar(&lokiProgram, "e2e.loki", "", "absolute path of the built Loki")
	flag.StringVar(&victoriaLogsProgram, "e2e.victorialogs", "", "absolute path of the built VictoriaLogs")
	// The tests mostly wait. -parallel on the command line overrides this.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "backends:", err)
		os.Exit(1)
	}
	flag.Parse()
	var without []string
	for program, tests := range map[*string]string{&collector: "Collector|Loki|VictoriaLogs", &lokiProgram: "Loki", &victoriaLogsProgram: "VictoriaLogs"} {
		if *program == "" {
			without = append(without, tests)
		}
	}
	if len(without) > 0 {
		skipped := "^Test(" + strings.Join(without, "|") + ")"
		fmt.Printf("backends: without %s; give -e2e.collector, -e2e.loki and -e2e.victorialogs (make e2e-backends)\n", skipped)
		if err := flag.Set("test.skip", skipped); err != nil {
			fmt.Fprintln(os.Stderr, "backends:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
