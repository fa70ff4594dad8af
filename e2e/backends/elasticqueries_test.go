// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

func TestCollectorToElasticDocumentedQueriesFindWhatTheySay(t *testing.T) {
	t.Parallel()
	n := harness.NewNotifier()
	elastic := harness.NewSink(n)
	tellStory(t, harness.Example{Name: "elastic.yaml", Env: map[string]string{"ELASTIC_OTLP_ENDPOINT": harness.Serve(t, elastic), "ELASTIC_API_KEY": "a2V5"}}, n, elastic)
	mapped := readTemplate(t)
	var documents []row
	for _, logs := range elastic.Deliveries() {
		for _, resource := range logs.ResourceLogs().All() {
			for _, r := range resource.ScopeLogs().At(0).LogRecords().All() {
				mapped.requireMapped(t, mapped.record(), r.Attributes())
				document := row{
					"@timestamp": seconds(r.Timestamp()), "observed_timestamp": seconds(r.ObservedTimestamp()),
					"event_name": r.EventName(), "severity_text": r.SeverityText(),
				}
				for name, value := range r.Attributes().All() {
					document["attributes."+name] = mapped.value(t, name, value)
				}
				documents = append(documents, document)
			}
		}
	}
	ask := func(t *testing.T, q query) []map[string]string {
		t.Helper()
		if strings.HasPrefix(q.text, "GET ") {
			return withoutPrefix(texts(runSearch(t, q.text, mapped.IndexPatterns[0], documents)))
		}
		return withoutPrefix(texts(runESQL(t, q.text, mapped.IndexPatterns[0], documents, time.Now())))
	}
	require.Empty(t, requireAnswers(t, append(queries(t, "elastic.md", "json"), queries(t, "elastic.md", "esql")...), ask))
}

func seconds(at pcommon.Timestamp) float64 { return float64(at) / 1e9 }

// value returns a value as the mapping makes Elasticsearch see it.
func (m indexTemplate) value(t *testing.T, name string, value pcommon.Value) any {
	t.Helper()
	if m.record()[name].Type != "date" {
		return plain(t, value.AsRaw())
	}
	read, err := time.Parse(time.RFC3339Nano, value.Str())
	require.NoError(t, err)
	return float64(read.UnixNano()) / 1e9
}

// withoutPrefix returns rows with attributes under their own names.
func withoutPrefix(rows []map[string]string) []map[string]string {
	var shown []map[string]string
	for _, r := range rows {
		one := map[string]string{}
		for name, value := range r {
			one[strings.TrimPrefix(name, "attributes.")] = value
		}
		shown = append(shown, one)
	}
	return shown
}
