package defenderincidentsreceiver

import (
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// machine has a clock that people move and that stands still in its sleep. Its
// readings are such as Go's on Linux: the monotonic clock goes on when the wall
// clock is moved, and stands still while the machine is suspended.
type machine struct {
	booted time.Time

	mu        sync.Mutex
	moved     time.Duration // of the wall clock, by people
	suspended time.Duration // in all
	awake     time.Time     // the end of the last sleep
}

func (m *machine) move(by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved += by
}

// suspend has the machine stand still for so long: all that looks at its clock
// waits.
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

// reading is what time.Now returns outside of a bubble, with a monotonic part.
// The package time makes none from parts, so it is put together as time.Time
// keeps it: bit 63 of the first word says that there is a monotonic part, then
// come 33 bits of seconds since 1885 and 30 of nanoseconds by the wall clock; the
// second word is the monotonic part.
func reading(wall time.Time, monotonic time.Duration) time.Time {
	since1885 := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	t := wall
	words := (*[2]uint64)(unsafe.Pointer(&t))
	words[0] = 1<<63 | uint64(since1885)<<30 | uint64(wall.Nanosecond())
	words[1] = uint64(monotonic)
	return t
}

func TestAReadingKeepsItsTwoClocksApart(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	before, after := reading(noon, time.Hour), reading(noon.Add(-time.Hour), time.Hour+time.Second)
	require.True(t, noon.Equal(before.Round(0)))
	require.Equal(t, time.Second, after.Sub(before))
	require.True(t, after.After(before))
	require.True(t, after.Round(0).Before(before.Round(0)))
}

// TestNoClockBreaksALimitOrStopsTheSchedule runs for hours in which the quota is
// always wanted, and holds each of them against the limits and the pace.
func TestNoClockBreaksALimitOrStopsTheSchedule(t *testing.T) {
	for name, happens := range map[string]func(*world, *machine){
		"moved an hour forward": func(_ *world, m *machine) { m.move(time.Hour) },
		"moved an hour back":    func(_ *world, m *machine) { m.move(-time.Hour) },
		"suspended for an hour": func(_ *world, m *machine) { m.suspend(time.Hour) },
		"moved back before a restart": func(w *world, m *machine) {
			m.move(-time.Hour)
			w.stop()
			w.start()
		},
		"moved forward before a restart that the receiver has seen": func(w *world, m *machine) {
			m.move(time.Hour)
			time.Sleep(time.Second)
			w.stop()
			w.start()
		},
		"suspended before a restart": func(w *world, m *machine) {
			m.suspend(time.Hour)
			time.Sleep(time.Second)
			w.stop()
			w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				population := oneAlert(150)
				population.PerMinute, population.PerHour = 10, 100
				w := newWorldUnder(t, api, population, func(cfg *Config) {
					cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 10, RequestsPerHour: 100}
				})
				w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
				m := &machine{booted: time.Now()}
				w.clock = m.now
				w.start()
				time.Sleep(time.Hour)
				for range 2 {
					happens(w, m)
					before := w.requests(0)
					time.Sleep(time.Hour)
					require.Greater(t, w.requests(0)-before, 80, "the pace is kept")
				}
				w.stop()
				_, throttled := w.throttled(time.Time{})
				require.Zero(t, throttled)
				require.Equal(t, 10, w.sim.MaxInWindow(time.Minute))
				require.LessOrEqual(t, w.sim.MaxInWindow(time.Hour), 100)
				require.Empty(t, w.complaints())
			})
		})
	}
}
