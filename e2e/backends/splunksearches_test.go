// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

func TestCollectorToSplunkDocumentedSearchesFindWhatTheySay(t *testing.T) {
	t.Parallel()
	splunk := &hec{notifier: harness.NewNotifier()}
	environment := map[string]string{"SPLUNK_HEC_URL": harness.Serve(t, splunk) + "/services/collector", "SPLUNK_HEC_TOKEN": hecToken}
	tellStory(t, harness.Example{Name: "splunk.yaml", Env: environment}, splunk.notifier, splunk)
	var events []row
	for _, e := range splunk.events() {
		events = append(events, splunkRow(t, e))
	}
	require.Empty(t, requireAnswers(t, queries(t, "splunk.md", "spl"), func(t *testing.T, q query) []map[string]string {
		t.Helper()
		return texts(runSPL(t, q.text, events, time.Now()))
	}))
}

// splunkRow returns an event as a search sees it. Splunk has indexed it in the
// second after the observation, as if every record had been sent at once.
func splunkRow(t *testing.T, e hecEvent) row {
	t.Helper()
	r := row{"sourcetype": e.SourceType, "_time": *e.Time}
	for name, value := range e.Fields {
		r[name] = plain(t, value)
	}
	observed, is := r["otel.log.observed_time"].(float64)
	require.True(t, is, "%v", r)
	r["_indextime"] = math.Floor(observed) + 1
	return r
}

// plain returns a value of JSON in the form of a row.
func plain(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case json.Number:
		number, err := value.Float64()
		require.NoError(t, err)
		return number
	case int64:
		return float64(value)
	case []any:
		list := make([]string, len(value))
		for i, element := range value {
			list[i] = element.(string)
		}
		return list
	}
	return value
}

// texts returns rows as a table shows them.
func texts(rows []row) []map[string]string {
	var shown []map[string]string
	for _, r := range rows {
		one := map[string]string{}
		for name, value := range r {
			switch value := value.(type) {
			case string:
				one[name] = value
			case float64:
				one[name] = strconv.FormatFloat(value, 'f', -1, 64)
			case int:
				one[name] = strconv.Itoa(value)
			}
		}
		shown = append(shown, one)
	}
	return shown
}
