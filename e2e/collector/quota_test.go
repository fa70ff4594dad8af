// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuotaSurvivesStopsAndKills(t *testing.T) {
	t.Parallel()
	population := quiet(80)
	population.PerMinute = 30
	s := newSetup(t, population)
	for requests, end := range []func(){s.kill, func() { s.stop() }, s.kill} {
		s.start()
		s.await("requests", func() bool { return len(s.requests()) >= 9*(requests+1) })
		end()
	}
	s.start()
	s.await("more than a minute allows", func() bool { return len(s.requests()) >= 36 })
	s.stop()
	for _, r := range s.requests() {
		require.NotEqual(t, http.StatusTooManyRequests, r.Status)
	}
	require.LessOrEqual(t, s.Sim.MaxInWindow(time.Minute), 30)
}
