package defenderincidentsreceiver

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

var update = flag.Bool("update", false, "write the golden records anew")

const (
	odd       = int64(9007199254740993) // 2^53+1
	successor = int64(437)
)

// answers is an auth extension that answers itself: to each request the next
// of the files for that incident, the last one again and again, and 404 where
// there is none.
type answers struct {
	component.StartFunc
	component.ShutdownFunc
	t     *testing.T
	files map[int64][]string
}

func (a *answers) RoundTripper(http.RoundTripper) (http.RoundTripper, error) {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		id, err := strconv.ParseInt(filepath.Base(r.URL.Path), 10, 64)
		require.NoError(a.t, err)
		answer := &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Header: http.Header{}, Request: r}
		if left := a.files[id]; len(left) > 0 {
			body, err := os.ReadFile(filepath.Join("testdata", "incidents", left[0]))
			require.NoError(a.t, err)
			answer.StatusCode, answer.Body = http.StatusOK, io.NopCloser(bytes.NewReader(body))
			if len(left) > 1 {
				a.files[id] = left[1:]
			}
		}
		return answer, nil
	}), nil
}

func TestRecordsAreThoseOfTheGoldenFiles(t *testing.T) {
	first, second := []string{"odd.json"}, []string{"odd.json", "odd_resolved.json"}
	tests := map[string]struct {
		config func(*Config)
		files  map[int64][]string
		polls  int
	}{
		"first_seen_split":      {files: map[int64][]string{odd: first}, polls: 1},
		"first_seen_embedded":   {files: map[int64][]string{odd: first}, polls: 1, config: func(c *Config) { c.Alerts = AlertsEmbedded }},
		"first_seen_none":       {files: map[int64][]string{odd: first}, polls: 1, config: func(c *Config) { c.Alerts = AlertsNone }},
		"resolved_split":        {files: map[int64][]string{odd: second}, polls: 2},
		"resolved_embedded":     {files: map[int64][]string{odd: second}, polls: 2, config: func(c *Config) { c.Alerts = AlertsEmbedded }},
		"snapshots":             {files: map[int64][]string{odd: first}, polls: 2, config: func(c *Config) { c.Emit = EmitSnapshots }},
		"original":              {files: map[int64][]string{odd: {"redirected.json"}}, polls: 1, config: func(c *Config) { c.IncludeOriginal = true }},
		"merged_stub":           {files: map[int64][]string{odd: {"odd.json", "redirected.json"}, successor: {"successor.json"}}, polls: 2},
		"merged_into_the_shown": {files: map[int64][]string{odd: {"odd.json", "successor.json"}, successor: {"successor.json"}}, polls: 2},
		"not_found":             {polls: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := createDefaultConfig().(*Config)
				cfg.IncidentIDs = []int64{odd}
				cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: authID})
				if test.config != nil {
					test.config(cfg)
				}
				require.NoError(t, cfg.Validate())
				settings := receivertest.NewNopSettings(NewFactory().Type())
				settings.BuildInfo.Version = "0.0.0-test"
				into := &sink{}
				r, err := NewFactory().CreateLogs(t.Context(), settings, cfg, into)
				require.NoError(t, err)
				require.NoError(t, r.Start(t.Context(), &host{extensions: map[component.ID]component.Component{
					authID: &answers{t: t, files: test.files},
				}}))
				time.Sleep(time.Duration(test.polls-1)*cfg.CollectionInterval + time.Second)
				require.NoError(t, r.Shutdown(context.Background()))
				compareWithGolden(t, name, into.AllLogs())
			})
		})
	}
}

func compareWithGolden(t *testing.T, name string, delivered []plog.Logs) {
	t.Helper()
	all := plog.NewLogs()
	for _, logs := range delivered {
		logs.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	file := filepath.Join("testdata", "records", name+".yaml")
	if *update {
		require.NoError(t, golden.WriteLogsToFile(file, all))
	}
	want, err := golden.ReadLogs(file)
	require.NoError(t, err)
	require.NoError(t, plogtest.CompareLogs(want, all))
}
