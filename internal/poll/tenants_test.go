// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// oneCollector makes receivers of one collector. Each has its own tenant, storage
// and incidents; they share telemetry and pipeline.
func oneCollector(t *testing.T, incidents ...int) []*harness.Harness {
	t.Helper()
	all := make([]*harness.Harness, len(incidents))
	for i, n := range incidents {
		h := harness.New(t, harness.OneAlert(n))
		h.Settings.ID = component.MustNewIDWithName("defender_incidents", fmt.Sprintf("tenant-%d", i))
		if i > 0 {
			h.Telemetry, h.Settings.MeterProvider, h.Sink = all[0].Telemetry, all[0].Settings.MeterProvider, all[0].Sink
		}
		all[i] = h
	}
	return all
}

func TestReceiversOfOneCollectorHaveSeparateMetrics(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		both := oneCollector(t, 3, 5)
		for _, h := range both {
			h.Start()
		}
		both[1].Fail(defendersim.AllIncidents, "503")
		harness.Sleep(5*time.Minute + 16*time.Second)

		tracked, requests := map[attribute.Set]int64{}, map[attribute.Set]int64{}
		for i, states := range []map[string]int64{{"open": 3}, {"failing": 5}} {
			for _, state := range []string{"waiting", "failing", "not_found", "resolved", "open"} {
				tracked[labels(both[i], "state", state)] = states[state]
			}
		}
		requests[labels(both[0], "call", "incident", "outcome", "ok")] = 3
		requests[labels(both[0], "call", "incident", "outcome", "unchanged")] = 3
		requests[labels(both[1], "call", "incident", "outcome", "failed")] = int64(both[1].Polls(0))
		metadatatest.AssertEqualReceiverDefenderIncidentsTracked(t, both[0].Telemetry, points(tracked), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, both[0].Telemetry, points(requests), metricdatatest.IgnoreTimestamp())
	})
}

// poll is one request for an incident, and how long after the start it was sent.
type poll struct {
	id int64
	at time.Duration
}

// pollsBeside runs ten tenants for six cycles beside ten others in the same
// collector and returns the polls of the first ten. The others fail, each in its
// own way, or work as well.
func pollsBeside(t *testing.T, failing bool) (polls [][]poll) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		all := oneCollector(t, slices.Repeat([]int{6}, 20)...)
		others, well := all[:10], all[10:]
		if failing {
			faults := []string{"hang", "500", "401", "429=10m", "nested=100", "huge=128KiB", "reset", "truncated", "redirect-other"}
			for i, fault := range faults {
				others[i].Config.MaxResponseBodySize = 64 << 10
				others[i].Fail(defendersim.AllIncidents, fault)
			}
			others[len(faults)].Auth.Fail(errors.New("no token"))
		}
		began := time.Now()
		for _, h := range all {
			h.Start()
		}
		harness.Sleep(29 * time.Minute)
		for _, h := range all {
			h.Stop()
		}
		for _, h := range others {
			require.Equal(t, failing, len(h.Sim.AllServed()) == 0)
		}
		for _, h := range well {
			var own []poll
			for _, r := range h.Sim.Journal() {
				own = append(own, poll{r.ID, r.Time.Sub(began)})
			}
			slices.SortFunc(own, func(a, b poll) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
			polls = append(polls, own)
		}
	})
	return polls
}

// In simulated time nothing competes for the processor, so any effect of one
// receiver on another would show, down to the nanosecond.
func TestFailingTenantsDoNotAffectTheSchedulesOfOthers(t *testing.T) {
	t.Parallel()
	alone, beside := pollsBeside(t, false), pollsBeside(t, true)
	for i := range alone {
		require.Len(t, alone[i], 6*6, "every five minutes")
	}
	require.Equal(t, alone, beside)
}
