// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// hiding returns 404 for incident 1001, while the list still shows it.
type hiding struct{ on atomic.Bool }

func (g *hiding) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if g.on.Load() && strings.HasSuffix(r.URL.Path, "/1001") {
		r = r.Clone(r.Context())
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "1001") + "9999"
	}
	return next.RoundTrip(r)
}

func TestIncidentThatIsGoneButStillListedIsPolledHourlyUntilItIsBack(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		var gone hiding
		population := harness.OneAlert(3)
		population.ClockSkew = 30 * time.Hour // the service dates a change later than we request the incident
		h := harness.NewUnder(t, api, population, harness.WithFeed(slowFeed), func(cfg *receiver.Config) { cfg.CollectionInterval = 2 * time.Hour })
		h.Auth.Use(gone.roundTrip)
		h.Assign(1001) // so that it is the row that the feed begins with
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		gone.on.Store(true)
		harness.Sleep(3 * time.Hour)
		require.Equal(t, []string{"1001 not_found"}, h.Sink.IncidentChanges())
		before := h.Polls(9999)
		harness.Sleep(24 * time.Hour)
		require.LessOrEqual(t, h.Polls(9999)-before, 30)
		require.Empty(t, h.Sink.Changes())

		harness.Sleep(10 * time.Minute)
		gone.on.Store(false)
		h.Assign(1001)
		harness.Sleep(h.Config.ChangeFeed.Get().Interval + time.Second)
		require.Equal(t, []string{"1001 first_seen"}, h.Sink.IncidentChanges(), "its time is newer than the last 404")
	})
}
