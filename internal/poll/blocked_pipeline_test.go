// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// blockUntil makes deliveries block until then.
func blockUntil(h *harness.Harness, reopens time.Time) {
	h.Sink.Refuse = func(ctx context.Context) error {
		timer := time.NewTimer(time.Until(reopens))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestPipelineThatBlocksIsLoggedOnceAndLosesNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002", "1003")
		h := harness.New(t, harness.OneAlert(5), file.only)
		h.Fail(defendersim.AllIncidents, "slow=5s")
		blockUntil(h, time.Now().Add(time.Hour))
		h.Start()
		harness.Sleep(time.Minute + 4*time.Second)
		require.Empty(t, h.Warnings())
		harness.Sleep(2 * time.Second)
		require.Equal(t, []string{msgBlocked}, h.Warnings(), "a minute after the first response")

		file.write("1001", "1002", "1003", "1004", "1005")
		harness.Sleep(30 * time.Second)
		requireWaiting(t, h, 5)
		harness.Sleep(58 * time.Minute)
		require.Equal(t, []string{msgBlocked}, h.Warnings())
		require.Empty(t, h.Logs.FilterMessage(msgUnblocked).All())
		require.LessOrEqual(t, h.Polls(0), h.Config.MaxConcurrentRequests)

		harness.Sleep(time.Minute)
		require.Len(t, h.Logs.FilterMessage(msgUnblocked).All(), 1)
		require.Len(t, h.Sink.Changes(), 5*2, "nothing is lost, and nothing comes twice")
		requireWaiting(t, h, 0)

		blockUntil(h, time.Now().Add(time.Hour))
		h.Assign(1001)
		harness.Sleep(7 * time.Minute)
		require.Equal(t, []string{msgBlocked, msgBlocked}, h.Warnings(), "it is logged again when it blocks again")
		h.Sim.ClearFaults()
		harness.Sleep(time.Hour)
		require.Equal(t, updated(1001), h.Sink.Changes())
	})
}

// requireWaiting requires that the gauge shows this number of incidents as not
// delivered yet, and all others as open.
func requireWaiting(t *testing.T, h *harness.Harness, waiting int64) {
	t.Helper()
	metadatatest.AssertEqualReceiverDefenderIncidentsTracked(t, h.Telemetry, points(map[attribute.Set]int64{
		labels(h, "state", "open"): 5 - waiting, labels(h, "state", "resolved"): 0, labels(h, "state", "not_found"): 0,
		labels(h, "state", "failing"): 0, labels(h, "state", "waiting"): waiting,
	}), metricdatatest.IgnoreTimestamp())
}
