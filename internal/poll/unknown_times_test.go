// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

var timesOfChange = regexp.MustCompile(`("(?:lastUpdateTime|lastUpdatedTime|lastUpdateDateTime)":)"[^"]*"`)

// withTimes replaces each time of change with that value, in lists too.
func withTimes(value string) harness.Middleware {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		shown, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		shown = timesOfChange.ReplaceAll(shown, []byte("${1}"+value))
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(shown)), int64(len(shown))
		return response, nil
	}
}

func TestIncidentsOfUnknownTimesAreComparedByContent(t *testing.T) {
	harness.Long(t)
	for _, value := range []string{`"9999-12-31T23:59:59.9999999Z"`, `"0001-01-01T00:00:00"`, `"1970-01-01T00:00:00Z"`, `"2038-01-19T03:14:07Z"`, `null`, `""`} {
		t.Run(value, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				h := harness.NewUnder(t, api, harness.OneAlert(1), harness.WithDiscovery())
				h.Auth.Use(withTimes(value))
				h.Assign(1001) // within the lookback
				h.Start()
				harness.Sleep(10 * time.Minute)
				requireArrival(t, h)
				require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())

				h.Assign(1001)
				harness.Sleep(70 * time.Minute)
				requireArrival(t, h)
				require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())

				h.Stop()
				h.Start()
				require.NoError(t, h.Sim.Update(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
				harness.Sleep(70 * time.Minute)
				requireArrival(t, h)
				require.Equal(t, []string{"1001 resolved"}, h.Sink.Changes())
				require.Empty(t, h.Warnings())
			})
		})
	}
}

// requireArrival requires that all records have times within the last 70 minutes.
func requireArrival(t *testing.T, h *harness.Harness) {
	t.Helper()
	for _, r := range h.Sink.Records() {
		require.WithinRange(t, r.Time, time.Now().Add(-70*time.Minute), time.Now())
	}
}
