//go:build unix

package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is a file of examples/ as a test runs it: the very file, with what a
// test has to have otherwise laid over it.
type example struct {
	name        string            // without its folder
	environment map[string]string // what the file asks for, but for what signs in
	over        string            // YAML that is laid over it
}

// arguments are those of the collector's command line. Later files win.
func (e example) arguments(t *testing.T) []string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "examples", e.name))
	require.NoError(t, err)
	over := filepath.Join(t.TempDir(), "over.yaml")
	require.NoError(t, os.WriteFile(over, []byte(e.over), 0o600))
	return []string{"--config", path, "--config", over}
}

// variables are the environment that the example asks for. All of it is given:
// one that the test does not know is a mistake, of the test or of the example.
func (e example) variables(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", e.name))
	require.NoError(t, err)
	var variables []string
	asked := map[string]bool{}
	for _, match := range regexp.MustCompile(`\$\{env:([A-Z_]+)\}`).FindAllStringSubmatch(string(text), -1) {
		name := match[1]
		if asked[name] {
			continue
		}
		asked[name] = true
		value, known := e.environment[name]
		if strings.HasPrefix(name, "AZURE_") {
			value, known = "example", true // of the extension that the test replaces
		}
		require.True(t, known, "%s asks for %s", e.name, name)
		require.Contains(t, string(text), "#   "+name+" ", "%s does not say what it asks for", e.name)
		variables = append(variables, name+"="+value)
	}
	for name := range e.environment {
		require.True(t, asked[name], "%s does not ask for %s", e.name, name)
	}
	return variables
}
