// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestCollectorToSplunkUnderBothAPIs(t *testing.T) {
	t.Parallel()
	for _, api := range []string{defendersim.APIDefenderXDR, defendersim.APIGraph} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, api, 1001)
			s.addHuge()
			splunk := &hec{notifier: s.Notifier}
			p := s.start("splunk.yaml", map[string]string{"SPLUNK_HEC_URL": harness.Serve(t, splunk) + "/services/collector", "SPLUNK_HEC_TOKEN": hecToken}, unhurried("splunk_hec"))
			s.play(p)
			s.awaitAll(p, splunk)
			p.Stop(t)

			require.Empty(t, splunk.Problems())
			events := splunk.events()
			s.requireAll(recordsOfEvents(t, events))
			fields := map[string]bool{}
			largest := 0
			for _, e := range events {
				require.Equal(t, sourceTypes()[e.Fields["event.name"].(string)], e.SourceType)
				require.Equal(t, "otelcol-defender", e.Source)
				require.Equal(t, "127.0.0.1", e.Host, "the API's")
				require.Empty(t, e.Index, "the token's")
				requireTimeOfTheChange(t, e)
				largest = max(largest, len(e.Event))
				fields["sourcetype="+e.SourceType] = true
				for name := range e.Fields {
					require.NotContains(t, name, "com.splunk.")
					fields[name] = true
				}
			}
			t.Logf("%d events, the largest of %d bytes", len(events), largest)
			for name := range readTemplate(t).record() {
				fields[name] = true // also attributes of changes that this population does not make
			}
			requireKnown(t, "splunk.md", "spl", fields)
		})
	}
}

// sourceTypes maps events to the source types of the Splunk Add-on for Microsoft
// Security.
func sourceTypes() map[string]string {
	return map[string]string{incidentEvent: "ms365:defender:incident", alertEvent: "ms365:defender:incident:alerts"}
}

// recordsOfEvents reads the records out of what Splunk was sent.
func recordsOfEvents(t *testing.T, events []hecEvent) []record {
	t.Helper()
	records := make([]record, len(events))
	for i, e := range events {
		r := record{time: moment(e), attributes: map[string]string{}, body: harness.Object(t, e.Event)}
		for name, value := range e.Fields {
			switch value := value.(type) {
			case []any:
				text, err := json.Marshal(value)
				require.NoError(t, err)
				r.attributes[name] = string(text)
			default:
				r.attributes[name] = fmt.Sprint(value)
			}
		}
		r.event, r.severity = r.attributes["event.name"], r.attributes["otel.log.severity.text"]
		records[i] = r
	}
	return records
}

func moment(e hecEvent) time.Time {
	if e.Time == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(*e.Time*1000 + 0.5))
}

// requireTimeOfTheChange requires that Splunk sorts by the time in the API's
// response, to the millisecond, and without an object by the time of the
// response.
func requireTimeOfTheChange(t *testing.T, e hecEvent) {
	t.Helper()
	r := recordsOfEvents(t, []hecEvent{e})[0]
	wanted, within := r.proof(t).Time, time.Millisecond
	if wanted.IsZero() {
		wanted, within = time.Now(), timeLimit
	}
	require.WithinDuration(t, wanted, r.time, within, "%v", r.attributes)
}
