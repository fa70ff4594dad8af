// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	odd       = int64(9007199254740993) // 2^53+1
	successor = int64(437)
	evidence  = int64(924565) // everything about it is known, and its two alerts have evidence

	gone = "" // instead of a file: 404
)

// responses is an auth extension that responds to requests itself. It returns the
// next file for the incident, repeats the last one, and returns 404 if there is none.
type responses struct {
	component.StartFunc
	component.ShutdownFunc
	t     *testing.T
	api   receiver.API
	files map[int64][]string
}

func (a *responses) RoundTripper(http.RoundTripper) (http.RoundTripper, error) {
	return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
		id, err := strconv.ParseInt(filepath.Base(r.URL.Path), 10, 64)
		require.NoError(a.t, err)
		response := &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Header: http.Header{}, Request: r}
		if left := a.files[id]; len(left) > 0 && left[0] == gone {
			a.files[id] = left[1:]
		} else if len(left) > 0 {
			body, err := os.ReadFile(filepath.Join("testdata", "incidents", string(a.api), left[0]))
			require.NoError(a.t, err)
			response.StatusCode, response.Body = http.StatusOK, io.NopCloser(bytes.NewReader(body))
			if len(left) > 1 {
				a.files[id] = left[1:]
			}
		}
		return response, nil
	}), nil
}

// cases have the names of the golden files, which exist for each API.
func cases() map[string]goldenCase {
	first, second := []string{"odd.json"}, []string{"odd.json", "odd_resolved.json"}
	return map[string]goldenCase{
		"first_seen_split":      {files: map[int64][]string{odd: first}, polls: 1},
		"first_seen_embedded":   {files: map[int64][]string{odd: first}, polls: 1, config: func(c *receiver.Config) { c.Alerts = receiver.AlertsEmbedded }},
		"first_seen_none":       {files: map[int64][]string{odd: first}, polls: 1, config: func(c *receiver.Config) { c.Alerts = receiver.AlertsNone }},
		"resolved_split":        {files: map[int64][]string{odd: second}, polls: 2},
		"resolved_embedded":     {files: map[int64][]string{odd: second}, polls: 2, config: func(c *receiver.Config) { c.Alerts = receiver.AlertsEmbedded }},
		"snapshots":             {files: map[int64][]string{odd: first}, polls: 2, config: func(c *receiver.Config) { c.Emit = receiver.EmitSnapshots }},
		"original":              {files: map[int64][]string{odd: {"redirected.json"}}, polls: 1, config: func(c *receiver.Config) { c.IncludeOriginal = true }},
		"merged_stub":           {files: map[int64][]string{odd: {"odd.json", "redirected.json"}, successor: {"successor.json"}}, polls: 2},
		"merged_into_the_shown": {files: map[int64][]string{odd: {"odd.json", "successor.json"}, successor: {"successor.json"}}, polls: 3}, // as two responses show
		"not_found":             {polls: 1},
		"evidence_split":        {files: map[int64][]string{evidence: {"evidence.json", "evidence_later.json"}}, polls: 2},
		"evidence_embedded": {
			files: map[int64][]string{evidence: {"evidence.json", "evidence_later.json"}}, polls: 2,
			config: func(c *receiver.Config) { c.Alerts = receiver.AlertsEmbedded },
		},
		"evidence_gone":   {files: map[int64][]string{evidence: {"evidence.json", gone}}, polls: 2},
		"evidence_merged": {files: map[int64][]string{evidence: {"evidence.json", "evidence_merged.json"}, successor: {"successor.json"}}, polls: 2},
	}
}

type goldenCase struct {
	config func(*receiver.Config)
	files  map[int64][]string
	polls  int
}

func TestRecordsMatchGoldenFiles(t *testing.T) {
	for name, test := range cases() {
		t.Run(name, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				cfg := harness.DefaultConfig(api)
				cfg.IncidentIDs = []int64{odd}
				if _, listed := test.files[evidence]; listed {
					cfg.IncidentIDs = []int64{evidence}
				}
				if test.config != nil {
					test.config(cfg)
				}
				require.NoError(t, cfg.Validate())
				settings := receivertest.NewNopSettings(receiver.NewFactory().Type())
				settings.BuildInfo.Version = "0.0.0-test"
				sink := &harness.Sink{}
				r, err := receiver.NewFactory().CreateLogs(t.Context(), settings, cfg, sink)
				require.NoError(t, err)
				require.NoError(t, r.Start(t.Context(), &harness.Host{Extensions: map[component.ID]component.Component{
					harness.AuthID(): &responses{t: t, api: api, files: maps.Clone(test.files)},
				}}))
				harness.Sleep(time.Duration(test.polls-1)*cfg.CollectionInterval + time.Second)
				require.NoError(t, r.Shutdown(context.Background()))
				compareWithGolden(t, api, name, sink.AllLogs())
			})
		})
	}
}

func goldenFile(api receiver.API, name string) string {
	return filepath.Join("testdata", "records", string(api), name+".yaml")
}

func compareWithGolden(t *testing.T, api receiver.API, name string, delivered []plog.Logs) {
	t.Helper()
	all := plog.NewLogs()
	for _, logs := range delivered {
		logs.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	if *update {
		require.NoError(t, golden.WriteLogsToFile(goldenFile(api, name), all))
	}
	want, err := golden.ReadLogs(goldenFile(api, name))
	require.NoError(t, err)
	require.NoError(t, plogtest.CompareLogs(want, all))
}

// vocabulary lists the attributes with values for which each API has its own words,
// and those that depend on the raw content.
func vocabulary() []string {
	return []string{
		"microsoft.defender.incident.status", "microsoft.defender.incident.previous_status", "microsoft.defender.incident.severity",
		"microsoft.defender.incident.previous_severity", "microsoft.defender.incident.classification",
		"microsoft.defender.incident.determination", "microsoft.defender.incident.url", "microsoft.defender.incident.changed_fields",
		"microsoft.defender.alert.status", "microsoft.defender.alert.previous_status", "microsoft.defender.alert.severity",
		"microsoft.defender.alert.classification", "microsoft.defender.alert.determination", "microsoft.defender.alert.changed_fields",
		"microsoft.defender.alert.url", "microsoft.defender.alert.service_source", "microsoft.defender.alert.detection_source",
		"log.record.uid", "log.record.original",
	}
}

// Dashboards must work under either API.
func TestRecordsOfBothAPIsDifferOnlyInTheirVocabulary(t *testing.T) {
	for name := range cases() {
		xdr, graph := common(t, receiver.APIDefenderXDR, name), common(t, receiver.APIGraph, name)
		require.Equal(t, xdr, graph, name)
	}
}

// common returns what the golden records of a case have in common under both APIs.
func common(t *testing.T, api receiver.API, name string) []map[string]any {
	t.Helper()
	logs, err := golden.ReadLogs(goldenFile(api, name))
	require.NoError(t, err)
	var records []map[string]any
	for _, resource := range logs.ResourceLogs().All() {
		about := resource.Resource().Attributes().AsRaw()
		delete(about, "server.address")
		for _, r := range resource.ScopeLogs().At(0).LogRecords().All() {
			attributes := r.Attributes().AsRaw()
			for _, name := range []string{"microsoft.defender.alert.classification", "microsoft.defender.alert.determination"} {
				if attributes[name] == "unknown" { // Graph's word for what is null under Defender XDR
					delete(attributes, name)
				}
			}
			for _, words := range vocabulary() {
				if value, found := attributes[words]; found {
					attributes[words] = fmt.Sprintf("%T", value)
				}
			}
			records = append(records, map[string]any{
				"event": r.EventName(), "timestamp": r.Timestamp(), "severity": r.SeverityNumber(), "has text": r.SeverityText() != "",
				"resource": about, "attributes": attributes,
			})
		}
	}
	return records
}
