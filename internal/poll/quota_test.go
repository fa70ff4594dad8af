package poll_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestShutdownStoresTheTimesOfAllRequests(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		began := time.Now()
		h.RunOnce()
		require.JSONEq(t, fmt.Sprintf(`{"since":%d,"ended":[%[1]d]}`, began.UnixMilli()), h.Disk.Entry(quotaKey(receiver.APIDefenderXDR)))
	})
}

func TestRequestIsStoredBeforeItIsSent(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Fail(1001, "hang")
		began := time.Now()
		h.Start()
		time.Sleep(time.Second)
		h.Disk.Kill() // while the request is in flight
		h.Stop()
		require.JSONEq(t, fmt.Sprintf(`{"since":%d,"in_flight":1}`, began.UnixMilli()), h.Disk.Entry(quotaKey(receiver.APIDefenderXDR)))
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
		time.Sleep(time.Second)
		h.Stop()
		require.JSONEq(t, fmt.Sprintf(`{"since":%d,"ended":[%d]}`, began.UnixMilli(), time.Now().UnixMilli()), h.Disk.Entry(quotaKey(receiver.APIDefenderXDR)),
			"and not with the next start, however much later that is")
	})
}
