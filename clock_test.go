// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver_test

import (
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	otelreceiver "go.opentelemetry.io/collector/receiver"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// machine has a clock that can be set and that stops while the machine is
// suspended. It behaves like Go's clock on Linux: the monotonic clock continues
// when the wall clock is set, and stops while the machine is suspended.
type machine struct {
	booted time.Time

	mu        sync.Mutex
	moved     time.Duration // how far the wall clock was set, in all
	suspended time.Duration // in all
	awake     time.Time     // the end of the last suspension
}

func (m *machine) move(by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved += by
}

// suspend suspends the machine for that long. Readers of its clock wait in the meantime.
func (m *machine) suspend(length time.Duration) {
	m.mu.Lock()
	m.suspended += length
	m.awake = time.Now().Add(length)
	m.mu.Unlock()
	time.Sleep(length)
}

func (m *machine) now() time.Time {
	m.mu.Lock()
	awake := m.awake
	m.mu.Unlock()
	time.Sleep(time.Until(awake))
	m.mu.Lock()
	defer m.mu.Unlock()
	return reading(time.Now().Add(m.moved), time.Since(m.booted)-m.suspended)
}

// reading is what time.Now returns outside a bubble: a time with a monotonic
// part. Package time has no function for that, so it is assembled like
// time.Time: bit 63 of the first word says that there is a monotonic part; 33
// bits of seconds since 1885 and 30 bits of nanoseconds of the wall clock
// follow; the second word is the monotonic part.
func reading(wall time.Time, monotonic time.Duration) time.Time {
	since1885 := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	t := wall
	words := (*[2]uint64)(unsafe.Pointer(&t))
	words[0] = 1<<63 | uint64(since1885)<<30 | uint64(wall.Nanosecond())
	words[1] = uint64(monotonic)
	return t
}

func TestReadingHasAWallAndAMonotonicClock(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	before, after := reading(noon, time.Hour), reading(noon.Add(-time.Hour), time.Hour+time.Second)
	require.True(t, noon.Equal(before.Round(0)))
	require.Equal(t, time.Second, after.Sub(before))
	require.True(t, after.After(before))
	require.True(t, after.Round(0).Before(before.Round(0)))
}

// The quota is always needed, so each hour shows whether limits and pace are kept.
func TestClockChangesNeitherBreakLimitsNorStopPolling(t *testing.T) {
	for name, change := range map[string]func(*harness.Harness, *machine){
		"set an hour forward":   func(_ *harness.Harness, m *machine) { m.move(time.Hour) },
		"set an hour back":      func(_ *harness.Harness, m *machine) { m.move(-time.Hour) },
		"suspended for an hour": func(_ *harness.Harness, m *machine) { m.suspend(time.Hour) },
		"set back before a restart": func(h *harness.Harness, m *machine) {
			m.move(-time.Hour)
			h.Stop()
			h.Start()
		},
		"set forward shortly before a restart": func(h *harness.Harness, m *machine) {
			m.move(time.Hour)
			time.Sleep(time.Second)
			h.Stop()
			h.Start()
		},
		"suspended before a restart": func(h *harness.Harness, m *machine) {
			m.suspend(time.Hour)
			time.Sleep(time.Second)
			h.Stop()
			h.Start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.OneAlert(150)
				population.PerMinute, population.PerHour = 10, 100
				h := harness.New(t, population, harness.WithLimits(10, 100))
				m := &machine{booted: time.Now()}
				h.BeforeStart = func(made otelreceiver.Logs) { receiver.SetClock(made, m.now) }
				h.Start()
				time.Sleep(time.Hour)
				for range 2 {
					change(h, m)
					before := h.Polls(0)
					time.Sleep(time.Hour)
					require.Greater(t, h.Polls(0)-before, 80, "the pace is kept")
				}
				h.Stop()
				_, rateLimited := h.PollsSince(time.Time{})
				require.Zero(t, rateLimited)
				require.Equal(t, 10, h.Sim.MaxInWindow(time.Minute))
				require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), 100)
				require.Empty(t, h.Warnings())
			})
		})
	}
}
