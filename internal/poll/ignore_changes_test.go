// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestOtherNamesInIgnoreChangesEmitNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5), harness.WithFeed(slowFeed))
		h.RunOnce()
		for _, names := range [][]string{{"riskScore"}, {"riskScore", "healthStatus"}, {"healthStatus"}, nil} {
			h.Config.IgnoreChanges = names
			h.Start()
			harness.Sleep(time.Hour)
			require.Empty(t, h.Sink.Changes(), "%v", names)
			h.Assign(1002)
			harness.Sleep(6 * time.Minute)
			require.Equal(t, []string{"1002 updated"}, h.Sink.Changes(), "what changes then is emitted")
			h.Stop()
		}
		require.Empty(t, h.Warnings())
	})
}

func TestChangeWhileIgnoreChangesIsChangedIsEmitted(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		h.RunOnce()
		h.Assign(1002)
		h.Config.IgnoreChanges = []string{"riskScore"}
		harness.Sleep(10 * time.Minute)
		h.Start()
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 updated"}, h.Sink.Changes())
	})
}
