// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func TestShutdownStoresTheTimesOfAllRequests(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		began := time.Now()
		h.RunOnce()
		require.Equal(t, quota.Stored{Since: began.UTC(), Ended: []time.Time{began.UTC()}}, storedQuota(t, h))
	})
}

func TestRequestIsStoredBeforeItIsSent(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Fail(1001, "hang")
		began := time.Now()
		h.Start()
		harness.Sleep(time.Second)
		h.Disk.Kill() // while the request is in flight
		h.Stop()
		require.Equal(t, quota.Stored{Since: began.UTC(), InFlight: 1}, storedQuota(t, h))
	})
}

func TestRequestCancelledByShutdownEndsThen(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Fail(1001, "hang")
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			time.Sleep(time.Second) // cancelling takes a moment
			return response, err
		})
		began := time.Now()
		h.Start()
		harness.Sleep(time.Second)
		h.Stop()
		require.Equal(t, quota.Stored{Since: began.UTC(), Ended: []time.Time{time.Now().UTC()}}, storedQuota(t, h),
			"and not with the next start, however much later that is")
	})
}
