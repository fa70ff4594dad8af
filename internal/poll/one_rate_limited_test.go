// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestIncidentThatIsAlwaysRateLimitedCostsTheOthersLittle(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		const incidents, limited = 100, 1
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1))
		addBare(t, h, incidents)
		h.Fail(limited, "429")
		h.Start()
		harness.Sleep(3 * time.Hour)
		others, refused := 0, 0
		for _, r := range h.Sim.Journal() {
			switch {
			case r.ID != limited:
				others++
			case r.Status == http.StatusTooManyRequests:
				refused++
			}
		}
		require.Greater(t, others, (incidents-1)*3*12*9/10)
		require.Greater(t, refused, 3, "it is still polled")
		require.LessOrEqual(t, len(logged(h)), 2, "%v", logged(h))
		require.Empty(t, h.Host.Statuses())

		h.Sim.ClearFaults()
		harness.Sleep(10 * time.Minute)
		require.Contains(t, h.Sink.Changes(), "1 first_seen")
	})
}
