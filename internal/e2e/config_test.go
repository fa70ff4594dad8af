//go:build unix

package e2e

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

// settings are what tests vary of the collector's configuration.
type settings struct {
	API, Scope             string // to ask, and what a token for it is asked for with
	Endpoint, SignIn, Sink string // their addresses
	Tenant                 string
	ClientID               string
	ClientSecret           string
	Storage                string // directory
	IDs                    []int64
	IDsFile                string             // empty: there is none
	Shares                 map[string][]int64 // receivers by name, with their ids, in the place of the one that has IDs
	Interval               time.Duration
	Timeout                time.Duration // of a request
	RateLimit              string        // as YAML; empty: the receiver's own defaults
	ChangeFeed             string        // as YAML; empty: there is none
	Concurrent             int           // requests at most
	Exporter               string        // otlp_http, or debug: nothing leaves the process
	Compression            string
	LogLevel               string
	Env                    []string // of the process
	Health                 string   // where the health check listens, host and port; empty: there is none
}

// Receivers are the ids of each receiver that there is to be.
func (s settings) Receivers() map[string][]int64 {
	if s.Shares != nil {
		return s.Shares
	}
	return map[string][]int64{"defender_incidents": s.IDs}
}

// scopeOf is what a token for an API is asked for with.
func scopeOf(api string) string {
	if api == defendersim.APIGraph {
		return "https://graph.microsoft.com/.default"
	}
	return "https://api.security.microsoft.com/.default"
}

// maxConcurrentRequests is the receiver's default.
const maxConcurrentRequests = 4

// The exporter gives up soon, so that a refusal reaches the receiver.
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
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: true, initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: 500ms}

service:
  extensions: [file_storage, oauth2client{{if .Health}}, health_check{{end}}]
  telemetry:
    logs: {level: {{.LogLevel}}}
    metrics: {level: none}
  pipelines:
    logs:
      receivers: [{{range $name, $ids := .Receivers}}{{$name}}, {{end}}]
      exporters: [{{.Exporter}}]
`

// write makes a file of the settings and returns its path.
func (s settings) write(t *testing.T) string {
	t.Helper()
	form, err := template.New("config").Funcs(template.FuncMap{"list": list}).Parse(configText)
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, form.Execute(&text, s))
	return writeConfig(t, text.String())
}

// arguments are those of the collector's command line.
func (s settings) arguments(t *testing.T) []string {
	t.Helper()
	args := []string{"--config", s.write(t)}
	if s.Health != "" { // else components' status does not reach the health check
		args = append(args, "--feature-gates=+extension.healthcheck.useComponentStatus")
	}
	return args
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// list writes ids as YAML.
func list(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
