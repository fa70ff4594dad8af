// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// victoriaLogs is a running VictoriaLogs.
type victoriaLogs struct {
	t       *testing.T
	program *harness.Program
	address string
}

// startVictoriaLogs starts a VictoriaLogs with its default settings, also for how
// long it keeps records, and waits until it is ready.
func startVictoriaLogs(t *testing.T) *victoriaLogs {
	t.Helper()
	h := harness.NewWithoutSim(t, timeLimit)
	address := harness.FreeAddress(t)
	v := &victoriaLogs{t: t, address: "http://" + address, program: harness.Launch(h.Ctx, t, h.Notifier, nil, victoriaLogsProgram,
		"-httpListenAddr="+address, "-storageDataPath="+t.TempDir())}
	h.Await(v.program, "the start of VictoriaLogs", func() bool { return strings.Contains(v.program.Log(), "started VictoriaLogs in ") })
	return v
}

// rows returns what a query finds, as the web interface shows it.
func (v *victoriaLogs) rows(logsQL string) []map[string]string {
	v.t.Helper()
	v.get("/internal/force_flush", nil) // what has just arrived can be found after a second only
	var rows []map[string]string
	d := json.NewDecoder(bytes.NewReader(v.get("/select/logsql/query", url.Values{"query": {logsQL}})))
	for {
		var row map[string]string
		err := d.Decode(&row)
		if err == io.EOF {
			return rows
		}
		require.NoError(v.t, err)
		rows = append(rows, row)
	}
}

// stats returns the labels of each result of a query that counts, as a rule of
// vmalert gets them.
func (v *victoriaLogs) stats(logsQL string) []map[string]string {
	v.t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
			} `json:"result"`
		} `json:"data"`
	}
	require.NoError(v.t, json.Unmarshal(v.get("/select/logsql/stats_query", url.Values{"query": {logsQL}}), &answer))
	rows := make([]map[string]string, len(answer.Data.Result))
	for i, result := range answer.Data.Result {
		rows[i] = result.Metric
	}
	return rows
}

func (v *victoriaLogs) get(path string, parameters url.Values) []byte {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.address+path+"?"+parameters.Encode(), nil)
	require.NoError(v.t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(v.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, response.Body.Close())
	require.Equal(v.t, http.StatusOK, response.StatusCode, "%s\n%s", parameters.Get("query"), body)
	return body
}

// dropped returns how many records it took and did not keep.
func (v *victoriaLogs) dropped() int {
	v.t.Helper()
	counters := regexp.MustCompile(`(?m)^vl_rows_dropped_total\{.*\} (\d+)$`).FindAllSubmatch(v.get("/metrics", nil), -1)
	require.NotEmpty(v.t, counters)
	n := 0
	for _, counter := range counters {
		one, err := strconv.Atoi(string(counter[1]))
		require.NoError(v.t, err)
		n += one
	}
	return n
}

// victoriaRecord converts a row. It takes the names of attributes from the mapping
// for Elastic, which has all of them.
func victoriaRecord(t *testing.T, mapped indexTemplate, row map[string]string) record {
	t.Helper()
	r := record{event: row["event_name"], severity: row["severity_text"], attributes: map[string]string{}, body: harness.Object(t, []byte(row["body"]))}
	if r.severity == "Unspecified" {
		r.severity = "" // VictoriaLogs' word for a severity that is not set
	}
	var err error
	r.time, err = time.Parse(time.RFC3339Nano, row["_time"])
	require.NoError(t, err)
	for _, names := range []map[string]field{mapped.record(), mapped.resource()} {
		for name := range names {
			if text, has := row[name]; has {
				r.attributes[name] = text
			}
		}
	}
	return r
}
