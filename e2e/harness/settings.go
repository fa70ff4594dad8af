// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// Settings are what tests vary in the collector's configuration.
type Settings struct {
	API, Scope             string // the API, and the scope of its tokens
	Endpoint, SignIn, Sink string // URLs
	Tenant                 string
	ClientID               string
	ClientSecret           string
	Storage                string // directory
	IDs                    []int64
	IDsFile                string             // empty: none
	Shares                 map[string][]int64 // receivers by name with their IDs, instead of one receiver with IDs
	Interval               time.Duration
	Timeout                time.Duration // of a request
	RateLimit              string        // as YAML; empty: the receiver's default
	ChangeFeed             string        // as YAML; empty: none
	Concurrent             int           // max_concurrent_requests
	Exporter               string        // otlp_http, or debug: nothing leaves the process
	Compression            string
	Queue                  string // sending_queue of otlp_http, as YAML; empty: none
	GiveUp                 string // retry_on_failure::max_elapsed_time of otlp_http; empty: soon, so that a refusal reaches the receiver
	LogLevel               string
	Env                    []string // environment of the process
	Health                 string   // host and port of the health check; empty: none
	MetricsHost            string   // where Prometheus scrapes the collector; empty: nowhere
	MetricsPort            string
	Further                string // path of another configuration, which is merged into this one; empty: none
}

// Receivers returns the IDs of each receiver.
func (s Settings) Receivers() map[string][]int64 {
	if s.Shares != nil {
		return s.Shares
	}
	return map[string][]int64{"defender_incidents": s.IDs}
}

// ScopeOf returns the scope of the tokens for an API.
func ScopeOf(api string) string {
	if api == defendersim.APIGraph {
		return "https://graph.microsoft.com/.default"
	}
	return "https://api.security.microsoft.com/.default"
}

const configText = `
extensions:
  oauth2client:
    token_url: {{.SignIn}}/{{.Tenant}}/oauth2/v2.0/token
    client_id: {{.ClientID}}
    client_secret: {{.ClientSecret}}
    scopes: [{{.Scope}}]
  file_storage:
    directory: {{.Storage}}
    create_directory: true
    fsync: true
{{- with .Health}}
  health_check:
    http:
      endpoint: {{.}}
      status: {enabled: true, path: /health}
    component_health: {include_recoverable_errors: true, recovery_duration: 0s}
{{- end}}

receivers:
{{- range $name, $ids := .Receivers}}
  {{$name}}:
    api: {{$.API}}
    incident_ids: {{list $ids}}
    {{with $.IDsFile}}incident_ids_file: {{.}}{{end}}
    collection_interval: {{$.Interval}}
    max_concurrent_requests: {{$.Concurrent}}
    http:
      endpoint: {{$.Endpoint}}
      timeout: {{$.Timeout}}
      auth: {authenticator: oauth2client}
    {{with $.RateLimit}}rate_limit: {{.}}{{end}}
    {{with $.ChangeFeed}}change_feed: {{.}}{{end}}
    storage: file_storage
{{- end}}

exporters:
  debug: {}
  otlp_http:
    endpoint: {{.Sink}}
    compression: {{.Compression}}
    sending_queue: {{or .Queue "{enabled: false}"}}
    retry_on_failure: {enabled: true, initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: {{or .GiveUp "500ms"}}}

service:
  extensions: [file_storage, oauth2client{{if .Health}}, health_check{{end}}]
  telemetry:
    logs: {level: {{.LogLevel}}}
    {{- if .MetricsHost}}
    metrics:
      level: detailed
      readers: [{pull: {exporter: {prometheus: {host: {{.MetricsHost}}, port: {{.MetricsPort}}}}}}]
    {{- else}}
    metrics: {level: none}
    {{- end}}
  pipelines:
    logs:
      receivers: [{{range $name, $ids := .Receivers}}{{$name}}, {{end}}]
      exporters: [{{.Exporter}}]
`

// WriteConfig writes the configuration and returns the path of the file.
func (s Settings) WriteConfig(t *testing.T) string {
	t.Helper()
	return WriteFile(t, "config.yaml", s.fill(t, configText))
}

// Arguments writes the configuration and returns the collector's command line.
func (s Settings) Arguments(t *testing.T) []string {
	t.Helper()
	args := []string{"--config", s.WriteConfig(t)}
	if s.Further != "" {
		args = append(args, "--config", s.Further)
	}
	if s.Health != "" { // otherwise the status of components does not reach the health check
		args = append(args, "--feature-gates=+extension.healthcheck.useComponentStatus")
	}
	return args
}

func (s Settings) fill(t *testing.T, text string) string {
	t.Helper()
	form, err := template.New("config").Funcs(template.FuncMap{"list": List}).Parse(text)
	require.NoError(t, err)
	var filled strings.Builder
	require.NoError(t, form.Execute(&filled, s))
	return filled.String()
}

// WriteFile writes a file in a directory of the test and returns its path.
func WriteFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// List writes IDs as YAML.
func List(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
