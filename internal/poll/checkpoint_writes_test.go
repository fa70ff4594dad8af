// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// There are more new incidents than the limits allow to be fetched, so the whole
// quota is used at once.
func TestAccountOfRequestsIsSmallAndSurvivesKills(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		const perHour = 1500
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1))
		addBare(t, h, 3*perHour)
		disk := useStubbornDisk(t, h)
		h.Start()
		for _, runs := range []time.Duration{7 * time.Minute, 5 * time.Minute, 46 * time.Minute} {
			harness.Sleep(runs)
			synctest.Wait() // a receiver that is killed must not run on without its disk
			h.Disk.Kill()
			h.Stop()
			harness.Sleep(3 * time.Minute)
			h.Start()
		}
		before, written := h.Polls(0), disk.writtenUnder("v1/quota/")
		harness.Sleep(10 * time.Minute)
		requests := h.Polls(0) - before
		require.Greater(t, requests, perHour/3)
		require.LessOrEqual(t, (disk.writtenUnder("v1/quota/")-written)/requests, 2000, "bytes a request")

		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), perHour)
		require.Greater(t, h.Sim.MaxInWindow(time.Hour), perHour*9/10, "the limit is used")
		require.Empty(t, h.Warnings())
	})
}

func TestOnlyTheAccountIsWrittenBeforeEachPage(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const incidents = 200
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(incidents), harness.WithFeed(), withUnusableRows, func(cfg *receiver.Config) {
			cfg.CollectionInterval, cfg.MaxConcurrentRequests = 24*time.Hour, 1 // so that nothing else is written before a page
		})
		disk := useStubbornDisk(t, h)
		h.Start()
		harness.Sleep(5 * time.Minute)
		h.Sink.Reset()

		var pages, largest atomic.Int64
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/incidents") {
				pages.Add(1)
				largest.Store(max(largest.Load(), int64(disk.lastWrite())))
			}
			return next.RoundTrip(r)
		})
		h.Fail(defendersim.AllIncidents, "503")
		h.Assign(h.Sim.IDs()...)
		harness.Sleep(10 * time.Minute)
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		require.Greater(t, pages.Load(), int64(50))
		require.Less(t, largest.Load(), int64(2000), "bytes")
		require.Empty(t, h.Sink.Changes())
		require.Equal(t, incidents, strings.Count(h.Disk.Entry("v1/feed"), `"noted":`))

		h.Sim.ClearFaults()
		h.Fail(defendersim.ListRequests, "503")
		h.Start()
		harness.Sleep(5 * time.Minute)
		require.ElementsMatch(t, updated(h.Sim.IDs()...), h.Sink.Changes(), "the changes are known without the list")
	})
}
