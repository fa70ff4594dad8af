// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap/zaptest/observer"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

const (
	// outageAt is how many different incidents in a row must fail for an outage.
	outageAt = 5
	// maxNamed is how many incidents with the same failure are logged.
	maxNamed = 10
)

var errUnavailable = errors.New("backend unavailable")

// updated returns the records of incidents that were updated.
func updated(ids ...int64) []string {
	var changes []string
	for _, id := range ids {
		changes = append(changes, harness.Describe(proof.Record{Incident: id, Change: "updated"}))
	}
	return changes
}

// busy is a population of 40 incidents with that many changes an hour. The seed decides which.
func busy(changesPerHour float64) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Seed, cfg.NoCompression, cfg.AlertBytes = *seed, true, 900
	cfg.Incidents, cfg.ChangesPerHour = 40, changesPerHour
	return cfg
}

// withUnusableRows makes each change take a request by ID under Graph, since records include the alerts, which rows do not show. Under Defender
// XDR it changes nothing: there, incidents with 150 alerts have such rows.
func withUnusableRows(cfg *receiver.Config) {
	if cfg.API == receiver.APIGraph {
		cfg.Alerts = receiver.AlertsEmbedded
	}
}

// withoutAlertFeed turns off the list of alerts, so that a change takes a request
// by ID for the alerts. Use it after harness.WithFeed or harness.WithDiscovery.
func withoutAlertFeed(cfg *receiver.Config) { cfg.ChangeFeed.Get().AlertFeed = false }

// addBare adds incidents without alerts, with IDs from 1, and lists them. It is the
// cheapest way to have thousands.
func addBare(t *testing.T, h *harness.Harness, incidents int) {
	t.Helper()
	h.Config.IncidentIDs = nil
	for n := range int64(incidents) {
		require.NoError(t, h.Sim.Add(defendersim.Incident{ID: n + 1}))
		h.Config.IncidentIDs = append(h.Config.IncidentIDs, n+1)
	}
}

// storedQuota returns the account of requests for single incidents that the next
// start will read.
func storedQuota(t *testing.T, h *harness.Harness) quota.Stored {
	t.Helper()
	client, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
	require.NoError(t, err)
	store, contents, err := checkpoint.Open(t.Context(), client, string(h.Config.API))
	require.NoError(t, err)
	require.NoError(t, store.Close(t.Context()))
	return contents.Quota
}

// labels returns the attributes of a data point: the receiver's ID and pairs of
// names and values.
func labels(h *harness.Harness, pairs ...string) attribute.Set {
	all := []attribute.KeyValue{attribute.String("receiver", h.Settings.ID.String())}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, attribute.String(pairs[i], pairs[i+1]))
	}
	return attribute.NewSet(all...)
}

// point is a single data point with no attributes except the receiver's ID.
func point[N int64 | float64](h *harness.Harness, value N) []metricdata.DataPoint[N] {
	return []metricdata.DataPoint[N]{{Attributes: labels(h), Value: value}}
}

func points[N int64 | float64](values map[attribute.Set]N) []metricdata.DataPoint[N] {
	var all []metricdata.DataPoint[N]
	for set, n := range values {
		all = append(all, metricdata.DataPoint[N]{Attributes: set, Value: n})
	}
	return all
}

// sum returns the total of a counter over all attributes.
func sum(t *testing.T, h *harness.Harness, name string) (total int64) {
	t.Helper()
	metric, err := h.Telemetry.GetMetric(name)
	require.NoError(t, err)
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		total += point.Value
	}
	return total
}

func mean(all []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return sum / time.Duration(len(all))
}

// durationOf returns a duration in a log line.
func durationOf(t *testing.T, line observer.LoggedEntry, field string) time.Duration {
	t.Helper()
	text, ok := line.ContextMap()[field].(string)
	require.True(t, ok, "%s: %v", field, line.ContextMap())
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}
