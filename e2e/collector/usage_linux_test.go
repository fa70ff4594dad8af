// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usage is what a process uses at one moment.
type usage struct {
	resident  int64         // bytes
	anonymous int64         // of those, bytes without a file behind them, which the system cannot take back
	peak      int64         // the maximum of resident bytes since the start, or since forgetPeak
	cpu       time.Duration // user and system, since the start; in steps of 10 ms
}

// usageOf reads the usage of a process.
func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	status := procFile(t, pid, "status")
	return usage{
		resident: kibibytes(t, status, "VmRSS:"), anonymous: kibibytes(t, status, "RssAnon:"), peak: kibibytes(t, status, "VmHWM:"),
		cpu: cpuTime(t, procFile(t, pid, "stat")),
	}
}

// forgetPeak resets the peak to what is resident now.
func forgetPeak(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0))
}

func procFile(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	require.NoError(t, err)
	return string(text)
}

// kibibytes reads a line of /proc/<pid>/status, in bytes.
func kibibytes(t *testing.T, status, name string) int64 {
	t.Helper()
	_, after, found := strings.Cut(status, name)
	require.True(t, found, "no %s in %s", name, status)
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	require.NoError(t, err)
	return kib << 10
}

// cpuTime reads /proc/<pid>/stat (proc_pid_stat(5): fields 14 and 15, in
// hundredths of a second).
func cpuTime(t *testing.T, stat string) time.Duration {
	t.Helper()
	const utime, stime = 14, 15
	_, after, found := strings.Cut(stat, ") ") // behind the name, which is field 2
	require.True(t, found)
	fields := strings.Fields(after)
	var ticks int64
	for _, n := range []int{utime, stime} {
		value, err := strconv.ParseInt(fields[n-3], 10, 64)
		require.NoError(t, err)
		ticks += value
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// mebibytes formats a number of bytes for a table.
func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }
