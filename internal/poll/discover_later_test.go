// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestDiscoveryThatIsTurnedOnLaterLooksBack(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.Quiet(0), harness.WithFeed(slowFeed), harness.WithIDs(1))
		for id, age := range map[int64]time.Duration{1: time.Hour, 2: 5 * time.Hour, 3: 20 * time.Hour, 4: 40 * time.Hour} {
			changed := time.Now().Add(-age)
			require.NoError(t, h.Sim.Add(defendersim.Incident{ID: id, Created: changed, LastUpdate: changed}))
		}
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{"1 first_seen"}, h.Sink.Changes())
		h.Stop()

		harness.WithFeed(slowFeed, func(f *receiver.ChangeFeedConfig) { f.Discover = true })(h.Config)
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.ElementsMatch(t, []string{"2 first_seen", "3 first_seen"}, h.Sink.Changes(), "lookback is 24 h")
		h.Stop()

		lists := len(h.Lists())
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Empty(t, h.Sink.Changes())
		require.NotContains(t, h.Lists()[lists].Query, "top=1&", "the next start continues where the feed stopped")
	})
}

func TestDiscoveryThatIsTurnedOnAgainLooksBack(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithDiscovery(slowFeed), harness.WithIDs(1003))
		harness.Sleep(48 * time.Hour)
		h.Assign(1001)
		harness.Sleep(time.Hour)
		h.Assign(1003) // so that the feed has come further than 1001
		discovering := h.Config.ChangeFeed
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Contains(t, h.Sink.Changes(), "1001 first_seen")
		h.Stop()

		h.Config.ChangeFeed = configoptional.None[receiver.ChangeFeedConfig]()
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []int64{1003}, h.Disk.Incidents(), "only what is configured is kept")
		h.Stop()

		h.Config.ChangeFeed = discovering
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
	})
}
