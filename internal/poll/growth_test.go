// SPDX-License-Identifier: Apache-2.0

//go:build unix

package poll_test

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

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// cost is what the receiver spends in an hour.
type cost struct {
	incidents    int
	gets, lists  float64       // requests
	delivered    float64       // changes
	cpu, without time.Duration // without: the part that is not counted
	live         float64       // bytes, after a collection
}

// spent is what the process has spent so far.
type spent struct {
	cpu  time.Duration
	live float64 // bytes, now
}

// spending waits until the receiver is idle and runs the garbage collector twice,
// since pooled memory survives one collection.
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
		cpu:  time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		live: float64(memory.HeapAlloc),
	}
}

func (s spent) less(other spent) spent {
	return spent{s.cpu - other.cpu, s.live - other.live}
}

// during returns what the process spends while f runs.
func during(t *testing.T, f func()) spent {
	t.Helper()
	before := spending(t)
	f()
	return spending(t).less(before)
}

// counter is a pipeline that counts deliveries and drops them.
type counter struct{ deliveries atomic.Int64 }

func (*counter) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (c *counter) ConsumeLogs(context.Context, plog.Logs) error {
	c.deliveries.Add(1)
	return nil
}

// collected is the longest time between two garbage collections of Go's runtime.
// Simulated time passes too quickly for it, so the measurement collects.
const collected = 2 * time.Minute

// growth is one measurement: how many incidents are polled, how many hours it
// takes until polling has settled, and how many hours are then measured.
type growth struct{ incidents, settling, hours int }

// cost polls incidents from a checkpoint, after a break of one cycle. From what the process
// spends, it subtracts what the same responses and collections cost without a receiver.
func (g growth) cost(t *testing.T, config ...func(*receiver.Config)) (c cost) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api, disk, delivered := harness.NewStubAPI(t, g.incidents), harness.NewDisk(), &counter{}
		pollAll(t, api, disk)
		harness.Sleep(time.Duration(g.incidents) * time.Hour / 1425)
		h := withStub(t, api, disk, config...)
		h.StartWith(delivered)
		harness.Sleep(time.Duration(g.settling)*time.Hour + collected/4) // between polls

		requests, deliveries := api.Requests(), delivered.deliveries.Load()
		collections := g.hours * int(time.Hour/collected)
		takes := during(t, func() {
			for range collections {
				harness.Sleep(collected)
				runtime.GC()
			}
		})
		requests = api.Requests().Since(requests)
		deliveries = delivered.deliveries.Load() - deliveries
		live := spending(t).live
		h.Stop()
		h.Receiver = nil
		live -= spending(t).live
		without := during(t, func() {
			repeat(t, api, requests)
			for range collections {
				runtime.GC()
			}
		})
		runtime.KeepAlive(disk) // which is not part of the receiver

		takes = takes.less(without)
		hours := float64(g.hours)
		c = cost{
			incidents: g.incidents,
			gets:      float64(requests.Gets) / hours, lists: float64(requests.Lists) / hours, delivered: float64(deliveries) / hours,
			cpu: max(time.Millisecond, takes.cpu/time.Duration(g.hours)), without: without.cpu / time.Duration(g.hours),
			live: live,
		}
	})
	return c
}

// withStub returns a harness with a receiver that polls the stub.
func withStub(t *testing.T, api *harness.StubAPI, disk *harness.Disk, config ...func(*receiver.Config)) *harness.Harness {
	t.Helper()
	h := harness.New(t, harness.Quiet(0), append(config, harness.WithIDs(api.IDs()...))...)
	h.Host.Extensions[harness.AuthID()], h.Host.Extensions[*h.Config.StorageID] = api, disk
	h.Settings.Logger = zap.NewNop() // the harness would keep every log line
	return h
}

// pollAll runs a receiver until the disk knows all incidents.
func pollAll(t *testing.T, api *harness.StubAPI, disk *harness.Disk) {
	t.Helper()
	h := withStub(t, api, disk, harness.WithFeed(func(feed *receiver.ChangeFeedConfig) { feed.Discover = true }))
	h.StartWith(&counter{})
	for !api.AllShown() {
		harness.Sleep(time.Hour)
	}
	h.Stop()
}

// repeat sends the same number of requests, for pages with the same number of rows.
// It does not read the responses: that is the receiver's cost.
func repeat(t *testing.T, api *harness.StubAPI, requests harness.StubRequests) {
	t.Helper()
	send := func(path string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/api/incidents"+path, http.NoBody)
		require.NoError(t, err)
		response, err := api.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	for n := range requests.Gets {
		send("/" + strconv.Itoa(harness.StubFirstID+n%len(api.IDs())))
	}
	for range requests.Lists {
		send("?$top=" + strconv.Itoa(requests.Rows/requests.Lists))
	}
}

// TestCostOverGrowth prints the table in docs/performance.md.
func TestCostOverGrowth(t *testing.T) {
	if !*simulate {
		return
	}
	t.Log("| incidents | | incident requests | list requests | changes delivered | processor | left out | live |")
	row := func(name string, c cost) {
		t.Logf("| %d | %s | %.0f | %.0f | %.0f | %v | %v | %.2f MB |", c.incidents, name, c.gets, c.lists, c.delivered,
			c.cpu.Round(time.Millisecond), c.without.Round(time.Millisecond), c.live/1e6)
		require.LessOrEqual(t, c.gets, 1500.0)
		require.LessOrEqual(t, c.lists, 1500.0)
		require.Less(t, c.live, 1e6+5e2*float64(c.incidents), "memory grows no faster than the number of incidents")
		require.Greater(t, c.live, 50*float64(c.incidents), "else something else still holds the receiver")
	}
	for _, g := range []struct{ alone, fed growth }{
		{growth{10, 1, 12}, growth{10, 1, 12}},
		{growth{100, 1, 6}, growth{100, 1, 6}},
		{growth{1000, 2, 4}, growth{1000, 1, 2}},
		{growth{10_000, 8, 2}, growth{10_000, 1, 1}}, // sweeps settle after one hour
		{alone: growth{100_000, 1, 1}},
	} {
		row("polling alone", g.alone.cost(t))
		if g.fed.incidents == 0 {
			continue
		}
		c := g.fed.cost(t, harness.WithFeed())
		row("with the change feed", c)
		changes := float64(c.incidents) / 5
		require.InDelta(t, changes, c.delivered, 1+changes/20, "the feed keeps up with %d incidents", c.incidents)
	}
}
