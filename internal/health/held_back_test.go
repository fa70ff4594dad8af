// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestANotFoundThatIsHeldBackIsRetriedLessAndLessOften(t *testing.T) {
	for name, c := range map[string]struct {
		interval time.Duration
		want     []time.Duration
	}{
		"up to the interval": {interval, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, interval, interval}},
		"a short interval":   {10 * time.Second, []time.Duration{doubtRetry, doubtRetry, doubtRetry}},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, 9)
			h.population.Delivered, h.population.Interval = 9, c.interval
			var waits []time.Duration
			for range c.want {
				v := h.do(step{1, defender.NotFound})
				require.False(t, v.Missing)
				waits = append(waits, v.Retry)
				h.wait(v.Retry)
			}
			require.Equal(t, c.want, waits)
			for range 100 {
				require.Equal(t, max(c.interval, doubtRetry), h.do(step{1, defender.NotFound}).Retry)
			}
		})
	}
}
