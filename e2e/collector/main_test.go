// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	// collector is the path of the collector.
	collector string
	// kills is how often it is killed at random times.
	kills int
	// seed is for those times and all other random choices; 0: from the clock.
	seed uint64
	// soak is how long TestSoak runs; 0: not at all.
	soak time.Duration
	// electing says that the collector has the extension k8s_leader_elector.
	electing bool
	// measuring enables the tests that only measure, TestMeasure...
	measuring bool
	// report is the file for the report of TestSoak; empty: none.
	report string
)

// TestMain runs no test without a collector, so that none is reported as passed
// or skipped.
func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.IntVar(&kills, "e2e.kills", 20, "how often the collector is killed at random times")
	flag.Uint64Var(&seed, "e2e.seed", 0, "seed of random choices; 0: from the clock")
	flag.DurationVar(&soak, "e2e.soak", 0, "how long TestSoak runs; 0: not at all")
	flag.BoolVar(&electing, "e2e.electing", false, "the collector has the extension k8s_leader_elector")
	flag.BoolVar(&measuring, "e2e.measure", false, "run the tests that only measure, TestMeasure...")
	flag.StringVar(&report, "e2e.report", "", "file for the report of TestSoak")
	// The tests mostly wait. -parallel on the command line overrides this.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	flag.Parse()
	if collector == "" {
		fmt.Println("e2e: give -e2e.collector (make e2e)")
		return
	}
	if err := flag.Set("test.skip", skippedByDefault()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// skippedByDefault is the pattern of the tests that run only if a flag requests
// them.
func skippedByDefault() string {
	var patterns []string
	if soak == 0 {
		patterns = append(patterns, "^TestSoak$")
	}
	if !measuring {
		patterns = append(patterns, "^TestMeasure")
	}
	return strings.Join(patterns, "|")
}
