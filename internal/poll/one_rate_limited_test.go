package poll_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestIncidentThatIsAlwaysRateLimitedCostsTheOthersLittle(t *testing.T) {
	for _, fault := range []string{"429", "429-bare"} {
		t.Run(fault, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10))
				h.Fail(1001, fault)
				h.Start()
				time.Sleep(6 * time.Hour)
				others, limited := 0, 0
				for _, r := range h.Sim.Journal() {
					switch {
					case r.ID != 1001:
						others++
					case r.Status == http.StatusTooManyRequests:
						limited++
					}
				}
				require.Greater(t, others, 9*6*12*9/10)
				require.Greater(t, limited, 6, "it is still polled")
				require.LessOrEqual(t, len(logged(h)), 2, "%v", logged(h))
				require.Empty(t, h.Host.Statuses())

				h.Sim.ClearFaults()
				time.Sleep(10 * time.Minute)
				require.Contains(t, h.Sink.Changes(), "1001 first_seen")
			})
		})
	}
}
