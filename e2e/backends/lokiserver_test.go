// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// loki is a running Loki.
type loki struct {
	program *harness.Program
	address string
}

// lokiConfig is Loki with its default limits, on this machine only, in one
// directory, and ready at once.
const lokiConfig = `
auth_enabled: false
analytics: {reporting_enabled: false}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: %[1]s
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: %[2]s
common:
  instance_addr: 127.0.0.1
  path_prefix: %[3]s
  storage:
    filesystem:
      chunks_directory: %[3]s/chunks
      rules_directory: %[3]s/rules
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
schema_config:
  configs:
    - {from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
`

// startLoki starts a Loki and waits until it is ready.
func startLoki(t *testing.T) *loki {
	t.Helper()
	h := harness.NewWithoutSim(t, timeLimit)
	web, grpc := harness.FreeAddress(t), harness.FreeAddress(t)
	_, webPort, err := net.SplitHostPort(web)
	require.NoError(t, err)
	_, grpcPort, err := net.SplitHostPort(grpc)
	require.NoError(t, err)
	config := harness.WriteFile(t, "loki.yaml", fmt.Sprintf(lokiConfig, webPort, grpcPort, t.TempDir()))
	l := &loki{address: "http://" + web, program: harness.Launch(h.Ctx, t, h.Notifier, nil, lokiProgram, "-config.file="+config)}
	h.Await(l.program, "the start of Loki", func() bool { return strings.Contains(l.program.Log(), `msg="Loki started"`) })
	return l
}

// lokiAnswer is the response of Loki's HTTP API to a query.
type lokiAnswer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Stream map[string]string `json:"stream"` // with a line's structured metadata
			Values [][2]string       `json:"values"` // time in ns, line
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"`
		} `json:"result"`
	} `json:"data"`
}

// lines returns log lines of the last day, newest first, as Grafana does.
func (l *loki) lines(t *testing.T, logQL string, limit int) []record {
	t.Helper()
	var records []record
	answer := l.ask(t, "/loki/api/v1/query_range", url.Values{
		"query": {logQL}, "limit": {strconv.Itoa(limit)}, "direction": {"backward"}, "since": {"24h"},
	})
	require.Equal(t, "streams", answer.Data.ResultType)
	for _, result := range answer.Data.Result {
		for _, value := range result.Values {
			records = append(records, lokiRecord(t, result.Stream, value))
		}
	}
	slices.SortStableFunc(records, func(a, b record) int { return b.time.Compare(a.time) })
	return records
}

// rows returns the labels of each series, as a table in Grafana shows them.
func (l *loki) rows(t *testing.T, logQL string) []map[string]string {
	t.Helper()
	var rows []map[string]string
	answer := l.ask(t, "/loki/api/v1/query", url.Values{"query": {logQL}})
	require.Equal(t, "vector", answer.Data.ResultType)
	for _, result := range answer.Data.Result {
		rows = append(rows, result.Metric)
	}
	return rows
}

func (l *loki) ask(t *testing.T, path string, parameters url.Values) lokiAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.address+path+"?"+parameters.Encode(), nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s\n%s", parameters.Get("query"), body)
	var answer lokiAnswer
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Equal(t, "success", answer.Status)
	return answer
}

// lokiRecord converts a log line. Loki replaces dots in names with underscores;
// this restores them.
func lokiRecord(t *testing.T, stream map[string]string, value [2]string) record {
	t.Helper()
	ns, err := strconv.ParseInt(value[0], 10, 64)
	require.NoError(t, err)
	r := record{event: stream["event_name"], time: time.Unix(0, ns), severity: stream["severity_text"], attributes: map[string]string{}, body: harness.Object(t, []byte(value[1]))}
	for name := range readTemplate(t).record() {
		if text, has := stream[underscored(name)]; has {
			r.attributes[name] = text
		}
	}
	for name := range readTemplate(t).resource() {
		if text, has := stream[underscored(name)]; has {
			r.attributes[name] = text
		}
	}
	return r
}

func underscored(name string) string { return strings.ReplaceAll(name, ".", "_") }
