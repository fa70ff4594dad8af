// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestCollectorToElasticUnderBothAPIs(t *testing.T) {
	t.Parallel()
	for _, api := range []string{defendersim.APIDefenderXDR, defendersim.APIGraph} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, api, 1001)
			huge := s.addHuge()
			elastic := harness.NewSink(s.Notifier)
			elastic.SetLimit(4 << 20)
			p := s.start("elastic.yaml", map[string]string{"ELASTIC_OTLP_ENDPOINT": harness.Serve(t, elastic), "ELASTIC_API_KEY": "a2V5"}, unhurried("otlp_http"))
			s.play(p)
			s.awaitAll(p, elastic)
			p.Stop(t)

			require.Empty(t, elastic.Problems())
			for _, header := range elastic.Headers() {
				require.Equal(t, "ApiKey a2V5", header.Get("Authorization"))
			}
			s.requireAll(recordsOf(t, elastic.Deliveries()))
			_, _, size := s.shown(huge)
			require.Greater(t, size, 4<<20, "more than the endpoint accepts at once")
			mapped := readTemplate(t)
			for _, logs := range elastic.Deliveries() {
				for _, resource := range logs.ResourceLogs().All() {
					dataset, _ := resource.Resource().Attributes().Get("data_stream.dataset")
					require.Equal(t, "microsoft_defender", dataset.AsString())
					require.Equal(t, []string{"logs-" + dataset.AsString() + ".otel-*"}, mapped.IndexPatterns)
					resource.Resource().Attributes().Remove("data_stream.dataset") // it selects the data stream
					mapped.requireMapped(t, mapped.resource(), resource.Resource().Attributes())
					for _, r := range resource.ScopeLogs().At(0).LogRecords().All() {
						mapped.requireMapped(t, mapped.record(), r.Attributes())
						require.LessOrEqual(t, depth(r.Body()), mapped.body().DepthLimit)
					}
				}
			}
		})
	}
}

// requireMapped requires each attribute to be in the mapping with its type.
// Otherwise users could not search for it.
func (m indexTemplate) requireMapped(t *testing.T, mapped map[string]field, attributes pcommon.Map) {
	t.Helper()
	types := map[pcommon.ValueType]string{
		pcommon.ValueTypeStr: "keyword", pcommon.ValueTypeInt: "long", pcommon.ValueTypeSlice: "keyword",
	}
	for name, value := range attributes.All() {
		require.Contains(t, mapped, name)
		wanted := types[value.Type()]
		if strings.HasSuffix(name, dateSuffix) {
			wanted = "date"
		}
		require.Equal(t, wanted, mapped[name].Type, name)
	}
}

// depth returns how many levels of objects a value has.
func depth(value pcommon.Value) int {
	deepest := 0
	switch value.Type() {
	case pcommon.ValueTypeMap:
		for _, v := range value.Map().All() {
			deepest = max(deepest, depth(v))
		}
		return deepest + 1
	case pcommon.ValueTypeSlice:
		for _, v := range value.Slice().All() {
			deepest = max(deepest, depth(v))
		}
	}
	return deepest
}
