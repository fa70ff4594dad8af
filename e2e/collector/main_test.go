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
	// collector is the path of the program under test.
	collector string
	// kills is how often it is killed at random moments.
	kills int
	// seed decides about those moments and all else that is chance; 0: the clock does.
	seed uint64
	// soak is how long TestSoak runs; 0: it does not.
	soak time.Duration
	// measuring has the tests run that only measure, whose names begin with
	// TestMeasure.
	measuring bool
	// report is the file for what TestSoak reports; empty: none.
	report string
)

// TestMain runs no test where there is no collector to run: nothing is reported
// as passed or skipped then.
func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.IntVar(&kills, "e2e.kills", 20, "how often the collector is killed at random moments")
	flag.Uint64Var(&seed, "e2e.seed", 0, "decides what is chance; 0: the clock does")
	flag.DurationVar(&soak, "e2e.soak", 0, "how long TestSoak runs; 0: not at all")
	flag.BoolVar(&measuring, "e2e.measure", false, "run the tests that only measure, TestMeasure...")
	flag.StringVar(&report, "e2e.report", "", "file for what TestSoak reports")
	// The tests wait more than they work. On the command line -parallel still counts.
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

// skippedByDefault are the tests that run only when they are asked for, as a pattern.
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
