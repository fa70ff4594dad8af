//go:build unix

package defenderincidentsreceiver

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// cost is what the receiver takes in an hour.
type cost struct {
	gets, lists  float64       // requests
	told         float64       // changes
	cpu, without time.Duration // without: what is left out of it
	allocated    float64       // bytes
	live         float64       // bytes, after a collection
}

// spent is what the process has taken.
type spent struct {
	cpu       time.Duration
	allocated float64 // bytes
	live      float64 // bytes, now
}

// spending lets the receiver come to rest and collects, so that what is allocated
// is live: twice, for what is pooled outlives a collection.
func spending(t *testing.T) spent {
	t.Helper()
	synctest.Wait()
	runtime.GC()
	runtime.GC()
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return spent{
		cpu:       time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		allocated: float64(memory.TotalAlloc), live: float64(memory.HeapAlloc),
	}
}

func (s spent) less(other spent) spent {
	return spent{s.cpu - other.cpu, s.allocated - other.allocated, s.live - other.live}
}

// during is what the process takes while something happens.
func during(t *testing.T, happens func()) spent {
	t.Helper()
	before := spending(t)
	happens()
	return spending(t).less(before)
}

// counter is a pipeline that counts deliveries and drops them.
type counter struct{ deliveries atomic.Int64 }

func (*counter) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (c *counter) ConsumeLogs(context.Context, plog.Logs) error {
	c.deliveries.Add(1)
	return nil
}

// collected is how often Go's runtime collects at least. Simulated time passes
// too quickly for it, so the measurement does.
const collected = 2 * time.Minute

// growth is one measurement: how many are followed, for how many hours until all
// goes its way, and for how many more, which count.
type growth struct{ incidents, settling, hours int }

// cost follows incidents that are known from before, after a break of a round.
// Of what the process takes it leaves out what the same answers and collections
// take without a receiver.
func (g growth) cost(t *testing.T, config ...func(*Config)) (c cost) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api, kept, told := newStandIn(t, g.incidents), &disk{entries: map[string][]byte{}}, &counter{}
		api.beside(t, kept, feeding(func(feed *ChangeFeedConfig) { feed.Discover = true })).tellAll(api)
		time.Sleep(time.Duration(g.incidents) * time.Hour / 1425)
		w := api.beside(t, kept, config...)
		w.startWith(told)
		time.Sleep(time.Duration(g.settling)*time.Hour + collected/4) // at no moment of polling

		before, deliveries := api.soFar(), told.deliveries.Load()
		collections := g.hours * int(time.Hour/collected)
		takes := during(t, func() {
			for range collections {
				time.Sleep(collected)
				runtime.GC()
			}
		})
		asked := api.soFar().since(before)
		deliveries = told.deliveries.Load() - deliveries
		live := spending(t).live
		w.stop()
		live -= spending(t).live
		without := during(t, func() {
			api.repeat(t, asked)
			for range collections {
				runtime.GC()
			}
		})
		runtime.KeepAlive(kept) // which is no part of the receiver

		takes = takes.less(without)
		hours := float64(g.hours)
		c = cost{
			gets: float64(asked.gets) / hours, lists: float64(asked.lists) / hours, told: float64(deliveries) / hours,
			cpu: max(time.Millisecond, takes.cpu/time.Duration(g.hours)), without: without.cpu / time.Duration(g.hours),
			allocated: takes.allocated / hours, live: live,
		}
	})
	return c
}

// beside is a world whose receiver asks the stand-in.
func (s *standIn) beside(t *testing.T, kept *disk, config ...func(*Config)) *world {
	t.Helper()
	w := newWorld(t, quiet(0), append(config, listing(s.ids()...))...)
	w.host.extensions[authID], w.host.extensions[*w.cfg.StorageID] = s, kept
	w.settings.Logger = zap.NewNop() // the world keeps what is logged
	return w
}

// tellAll has a receiver with a feed tell all incidents.
func (w *world) tellAll(s *standIn) {
	w.t.Helper()
	w.startWith(&counter{})
	for !s.allShown() {
		time.Sleep(time.Hour)
	}
	w.stop()
}

// repeat makes as many calls, for pages of as many rows. Reading the answers is
// the receiver's part.
func (s *standIn) repeat(t *testing.T, asked calls) {
	t.Helper()
	call := func(path string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/api/incidents"+path, http.NoBody)
		require.NoError(t, err)
		answer, err := s.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	for n := range asked.gets {
		call("/" + strconv.Itoa(standInID+n%int(s.incidents)))
	}
	for range asked.lists {
		call("?$top=" + strconv.Itoa(asked.rows/asked.lists))
	}
}

// TestCostOverGrowth prints the table in docs/performance.md.
func TestCostOverGrowth(t *testing.T) {
	if !*simulate {
		return
	}
	t.Log("| incidents | | incident calls | list calls | changes told | processor | left out | allocated | live |")
	for _, g := range []growth{{10, 1, 12}, {100, 1, 6}, {1000, 2, 4}, {10_000, 8, 2}, {100_000, 1, 1}} {
		for _, mode := range []struct {
			name    string
			config  []func(*Config)
			changes float64 // records that must be emitted per hour; 0: any number
		}{
			{name: "round alone"},
			{"with the change feed", []func(*Config){feeding()}, float64(g.incidents) / 5},
		} {
			c := g.cost(t, mode.config...)
			t.Logf("| %d | %s | %.0f | %.0f | %.0f | %v | %v | %.0f MB | %.2f MB |", g.incidents, mode.name, c.gets, c.lists, c.told,
				c.cpu.Round(time.Millisecond), c.without.Round(time.Millisecond), c.allocated/1e6, c.live/1e6)
			require.LessOrEqual(t, c.gets, 1500.0)
			require.LessOrEqual(t, c.lists, 1500.0)
			require.Less(t, c.live, 1e6+5e2*float64(g.incidents), "memory grows no faster than the number of incidents")
			if mode.changes > 0 {
				require.InDelta(t, mode.changes, c.told, 1+mode.changes/20, "the feed keeps up with %d incidents", g.incidents)
			}
		}
	}
}
