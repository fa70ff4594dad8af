// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// Even if a page of the list takes longer than the time between two pages, polls by ID get the only slot in turn.
func TestSweepsLeaveTheOnlySlotToOtherPolls(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(2000)
		population.Statuses = defendersim.StatusMix{Active: 9, Resolved: 1}
		h := harness.New(t, population, harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "status") {
				select {
				case <-time.After(16 * time.Second):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(30 * time.Minute)
		before := h.Polls(0)
		harness.Sleep(time.Hour)
		require.Greater(t, h.Polls(0)-before, 100, "some 200 resolved incidents are polled by ID")
	})
}

// A job adds an ID each minute, and a page takes 3 s.
func TestChangesOfTheIDsDoNotBeginTheFirstPassAgain(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		var ids []string
		for id := range 3900 {
			ids = append(ids, strconv.Itoa(1001+id))
		}
		file := newIDsFile(t, ids...)
		h := harness.New(t, open(4000), harness.WithFeed(), file.only)
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/incidents") {
				time.Sleep(3 * time.Second)
			}
			return next.RoundTrip(r)
		})
		h.Start()
		for i := range 20 {
			harness.Sleep(time.Minute)
			ids = append(ids, strconv.Itoa(4901+i))
			file.write(ids...)
		}
		delivered := map[int64]bool{}
		for _, r := range h.Sink.Records() {
			delivered[r.Incident] = true
		}
		t.Logf("%d incidents delivered, %d pages, %d polls by ID", len(delivered), len(h.Lists()), h.Polls(0))
		require.Greater(t, len(delivered), 3900)
	})
}

// The list returns 429 for pages of sweeps only.
func TestSweepPagesThatAreRateLimitedDoNotHoldUpTheFeed(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(400), harness.WithFeed())
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "status") {
				refused := respond(r, http.StatusTooManyRequests, "")
				refused.Header.Set("Retry-After", "600")
				return refused, nil
			}
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(4 * time.Hour)
		before := len(h.Lists())
		harness.Sleep(2 * time.Hour)
		require.Greater(t, len(h.Lists())-before, 100, "the feed lists every 30 s")
	})
}

// Each row of the list is larger than the limit, so sweeps show nothing.
func TestSweepsThatShowNothingAreGivenUp(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		const limit = 64 << 10
		h := harness.New(t, open(300), harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = limit })
		padding := []byte(`"padding":"` + strings.Repeat("x", limit) + `","incidentId":`)
		h.Auth.Use(edited(func(r *http.Request, _ *int, _ http.Header, body []byte) []byte {
			if !strings.HasSuffix(r.URL.Path, "/incidents") || len(body) < 200 {
				return body
			}
			return bytes.Replace(body, []byte(`"incidentId":`), padding, 1) // one is enough for a page
		}))
		h.Start()
		harness.Sleep(time.Hour)
		before, swept := len(h.Lists()), sweepPages(h)
		harness.Sleep(2 * time.Hour)
		t.Logf("%d list requests an hour, %d of them of sweeps", (len(h.Lists())-before)/2, (sweepPages(h)-swept)/2)
		require.Less(t, (sweepPages(h)-swept)/2, 200)
	})
}
