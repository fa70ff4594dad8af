// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Example is a file of examples/ as a test runs it: the file itself, and further
// configuration on top of it.
type Example struct {
	Name     string            // relative to examples/
	Env      map[string]string // the variables that the file needs, except those for signing in
	Overlays []string          // YAML; later ones win, empty ones are skipped
}

// Arguments writes the overlays and returns the collector's command line.
func (e Example) Arguments(t *testing.T) []string {
	t.Helper()
	args := []string{"--config", e.path(t)}
	for _, overlay := range e.Overlays {
		if overlay == "" {
			continue
		}
		args = append(args, "--config", WriteFile(t, "overlay.yaml", overlay))
	}
	return args
}

// Environment returns the environment variables that the file needs. It fails if
// the test sets one that the file does not use, or lacks one that it uses, or if
// the file uses one that its comment does not explain.
func (e Example) Environment(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(e.path(t))
	require.NoError(t, err)
	text := string(content)
	var environment []string
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`\$\{env:([A-Z_]+)\}`).FindAllStringSubmatch(text, -1) {
		name := match[1]
		if used[name] {
			continue
		}
		used[name] = true
		value, known := e.Env[name]
		if strings.HasPrefix(name, "AZURE_") {
			value, known = "example", true // for the extension that the overlay replaces
		}
		require.True(t, known, "%s uses %s", e.Name, name)
		require.Contains(t, text, "#   "+name+" ", "%s does not explain a variable", e.Name)
		environment = append(environment, name+"="+value)
	}
	for name := range e.Env {
		require.True(t, used[name], "%s does not use %s", e.Name, name)
	}
	return environment
}

func (e Example) path(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "examples", e.Name))
	require.NoError(t, err)
	return path
}

const overlayText = `
extensions:
  oauth2client:
    token_url: {{.SignIn}}/{{.Tenant}}/oauth2/v2.0/token
    client_id: {{.ClientID}}
    client_secret: {{.ClientSecret}}
    scopes: ["{{.Scope}}"]
  file_storage: {directory: "{{.Storage}}"}
receivers:
  defender_incidents:
    api: {{.API}}
    incident_ids: {{list .IDs}}
    collection_interval: {{.Interval}}
    rate_limit: {requests_per_minute: 6000, requests_per_hour: 60000}
    http: {endpoint: "{{.Endpoint}}", auth: {authenticator: oauth2client}}
service:
  extensions: [file_storage, oauth2client]
  telemetry: {metrics: {level: none}}
`

// Overlay returns the settings as an overlay of an example: which incidents to
// poll from where, how to sign in there, and where to store the checkpoint.
func (s Settings) Overlay(t *testing.T) string {
	t.Helper()
	return s.fill(t, overlayText)
}
