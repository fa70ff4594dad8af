// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goDebug makes the Go runtime of a process log its goroutines every ten
// seconds, and the size of the live heap after each garbage collection. It needs
// neither code in the collector nor an open port.
const goDebug = "GODEBUG=schedtrace=10000,scheddetail=1,gctrace=1"

// series is a measure over time since the start of the process.
type series []sample

type sample struct {
	at    time.Duration
	value int64
}

// lowest returns the minimum between two times: a leak raises it, temporary work
// does not. If nothing was measured between them, it returns the last value
// before.
func (s series) lowest(from, to time.Duration) int64 {
	least, within := int64(0), false
	for _, m := range s {
		switch {
		case m.at > to:
			return least
		case !within || m.value < least:
			least = m.value
		}
		within = m.at >= from
	}
	return least
}

func (s series) last() int64 { return s[len(s)-1].value }

func (s series) highest() int64 {
	most := int64(0)
	for _, m := range s {
		most = max(most, m.value)
	}
	return most
}

// vitals are the resources of a process over time.
type vitals struct {
	began      time.Time
	start, end time.Duration // when the two spans begin that are compared

	goroutines series
	files      series // open descriptors
	heap       series // bytes that are alive
	resident   series // bytes
}

// measure is one of the vitals and its allowed growth.
type measure struct {
	name   string
	series series
	unit   int64
	growth int64 // in that unit
}

// measures are compared at their minimum in two spans. A connection needs two
// goroutines and a descriptor, and the number of idle ones varies by a few. The
// stored state of incidents grows with their alerts, by some hundred bytes each.
// After a peak, the heap returns memory to the system only gradually.
func (v *vitals) measures() []measure {
	return []measure{
		{"goroutines", v.goroutines, 1, 10},
		{"open files", v.files, 1, 5},
		{"live heap, MiB", v.heap, 1 << 20, 4},
		{"resident memory, MiB", v.resident, 1 << 20, 64},
	}
}

// compare returns the minimum at the start and at the end, and the maximum.
func (v *vitals) compare(m measure) (start, end, highest int64) {
	return m.series.lowest(v.start, v.start+v.calm()) / m.unit, m.series.lowest(v.end, v.end+v.calm()) / m.unit, m.series.highest() / m.unit
}

// calm is the length of each of the two spans, which are without faults.
func (v *vitals) calm() time.Duration { return min(time.Minute, soak/4) }

func (v *vitals) requireNoLeak(t *testing.T) {
	t.Helper()
	for _, m := range v.measures() {
		start, end, _ := v.compare(m)
		require.Positive(t, start, m.name)
		require.Positive(t, end, m.name)
		require.LessOrEqual(t, end, start+m.growth, m.name)
	}
}

// look adds the current values of a process.
func (v *vitals) look(t *testing.T, pid int) {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	at := time.Since(v.began)
	v.resident = append(v.resident, sample{at, usageOf(t, pid).resident})
	v.files = append(v.files, sample{at, int64(len(open))})
}

// read adds what the Go runtime has logged.
func (v *vitals) read(t *testing.T, output string) {
	t.Helper()
	collection := regexp.MustCompile(`(?m)^gc \d+ @([\d.]+)s .*\d+->\d+->(\d+) MB`)
	for _, match := range collection.FindAllStringSubmatch(output, -1) {
		v.heap = append(v.heap, sample{inUnit(t, match[1], time.Second), int64(inUnit(t, match[2], 1)) << 20})
	}
	const dead = 6 // its place is kept for another
	goroutine := regexp.MustCompile(`(?m)^  G\d+: status=(\d+)\(`)
	for _, block := range strings.Split(output, "SCHED ")[1:] {
		moment, rest, found := strings.Cut(block, "ms:")
		require.True(t, found)
		alive := int64(0)
		for _, match := range goroutine.FindAllStringSubmatch(rest, -1) {
			if inUnit(t, match[1], 1)%4096 != dead { // beyond that is a bit for the collector
				alive++
			}
		}
		v.goroutines = append(v.goroutines, sample{inUnit(t, moment, time.Millisecond), alive})
	}
}

func inUnit(t *testing.T, number string, unit time.Duration) time.Duration {
	t.Helper()
	n, err := strconv.ParseFloat(number, 64)
	require.NoError(t, err)
	return time.Duration(n * float64(unit))
}
