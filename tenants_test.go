package defenderincidentsreceiver

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
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
)

// neighbours are receivers in one collector, each with a tenant, a storage and
// the incidents of its own. They share telemetry and pipeline.
func neighbours(t *testing.T, incidents ...int) []*world {
	t.Helper()
	all := make([]*world, len(incidents))
	for i, n := range incidents {
		w := newWorld(t, oneAlert(n))
		w.settings.ID = component.MustNewIDWithName("defender_incidents", fmt.Sprintf("tenant-%d", i))
		w.host.extensions[*w.cfg.StorageID] = &disk{entries: map[string][]byte{}}
		if i > 0 {
			w.telemetry, w.settings.MeterProvider, w.sink = all[0].telemetry, all[0].settings.MeterProvider, all[0].sink
		}
		all[i] = w
	}
	return all
}

func TestReceiversOfOneCollectorAreMeasuredApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := neighbours(t, 3, 5)
		for _, w := range both {
			w.start()
		}
		require.NoError(t, both[1].sim.SetFault(defendersim.AllIncidents, rule(t, "503")))
		time.Sleep(5*time.Minute + 16*time.Second)

		tracked, requests := map[attribute.Set]int64{}, map[attribute.Set]int64{}
		for i, states := range []map[string]int64{{"open": 3}, {"failing": 5}} {
			for _, state := range []string{"waiting", "failing", "not_found", "resolved", "open"} {
				tracked[both[i].labels("state", state)] = states[state]
			}
		}
		requests[both[0].labels("call", "incident", "outcome", "ok")] = 3
		requests[both[0].labels("call", "incident", "outcome", "unchanged")] = 3
		requests[both[1].labels("call", "incident", "outcome", "failed")] = int64(both[1].requests(0))
		metadatatest.AssertEqualReceiverDefenderIncidentsTracked(t, both[0].telemetry, points(tracked), metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualReceiverDefenderIncidentsRequests(t, both[0].telemetry, points(requests), metricdatatest.IgnoreTimestamp())
	})
}

// fetch is one request for an incident: which, and how long after the start.
type fetch struct {
	id int64
	at time.Duration
}

// fetchesBeside has ten tenants followed for six rounds beside ten others, which
// share collector and pipeline with them, and returns the fetches of the ten. The
// others are in trouble, each in its own way, or as well as they are.
func fetchesBeside(t *testing.T, inTrouble bool) (fetches [][]fetch) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		all := neighbours(t, slices.Repeat([]int{6}, 20)...)
		others, well := all[:10], all[10:]
		if inTrouble {
			faults := []string{"hang", "500", "401", "429=10m", "nested=100", "huge=128KiB", "reset", "truncated", "redirect-other"}
			for i, fault := range faults {
				others[i].cfg.MaxResponseBodySize = 64 << 10
				require.NoError(t, others[i].sim.SetFault(defendersim.AllIncidents, rule(t, fault)))
			}
			others[len(faults)].auth().fail(errors.New("no token"))
		}
		began := time.Now()
		for _, w := range all {
			w.start()
		}
		time.Sleep(29 * time.Minute)
		for _, w := range all {
			w.stop()
		}
		for _, w := range others {
			require.Equal(t, inTrouble, len(w.sim.AllServed()) == 0)
		}
		for _, w := range well {
			var own []fetch
			for _, r := range w.sim.Journal() {
				own = append(own, fetch{r.ID, r.Time.Sub(began)})
			}
			slices.SortFunc(own, func(a, b fetch) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
			fetches = append(fetches, own)
		}
	})
	return fetches
}

// In simulated time nothing competes for the processor, so whatever one receiver
// did to another would show to the nanosecond.
func TestTenantsInTroubleLeaveTheOthersSchedulesAsTheyAre(t *testing.T) {
	alone, beside := fetchesBeside(t, false), fetchesBeside(t, true)
	for i := range alone {
		require.Len(t, alone[i], 6*6, "each five minutes")
	}
	require.Equal(t, alone, beside)
}
