// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// query is a query in docs/backends/.
type query struct {
	title string // the heading above it
	text  string
}

// queries returns the queries of a page in a language.
func queries(t *testing.T, page, language string) []query {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "backends", page))
	require.NoError(t, err)
	var found []query
	title, inside := "", false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```"+language+"\n"):
			inside = true
			found = append(found, query{title: title})
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			found[len(found)-1].text += line
		case strings.HasPrefix(line, "#"):
			title = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	require.NotEmpty(t, found, "%s has no queries in %s", page, language)
	return found
}

// requireKnown requires that each name in the page's queries has arrived:
// attributes in quotes, and source types.
func requireKnown(t *testing.T, page, language string, arrived map[string]bool) {
	t.Helper()
	names := regexp.MustCompile(`sourcetype="([^"]+)"|["']?((?:microsoft\.defender|event|otel)\.[a-z._]+[a-z])`)
	seen := 0
	for _, q := range queries(t, page, language) {
		for _, match := range names.FindAllStringSubmatch(q.text, -1) {
			name := match[2]
			if match[1] != "" {
				name = "sourcetype=" + match[1]
			}
			require.True(t, arrived[strings.TrimSuffix(name, "*")], "%s: %q uses %s, which never arrived", page, q.title, name)
			seen++
		}
	}
	require.NotZero(t, seen)
}

func TestDocumentedQueriesIgnoreTheCaseOfValues(t *testing.T) {
	compared := regexp.MustCompile(`.{0,10}'[a-z.]+\.(?:status|severity\.text)'`)
	for _, q := range queries(t, "splunk.md", "spl") {
		for _, use := range compared.FindAllString(q.text, -1) {
			require.Contains(t, use, "lower('", "%q", q.title)
		}
		require.NotRegexp(t, `(status|severity)[a-z.]*(::|=)`, strings.ReplaceAll(strings.ReplaceAll(q.text, "status=lower(", ""), "severity=lower(", ""), "%q", q.title)
	}
	for _, q := range queries(t, "elastic.md", "esql") {
		require.NotRegexp(t, `(?m)(status|severity_text) *[!=]=`, q.text, "%q", q.title)
	}
	for _, q := range queries(t, "loki.md", "logql") {
		require.NotRegexp(t, `(status|severity_text)(="|=~"[^(])`, q.text, "%q", q.title)
	}
}

func TestElasticQueriesUseFieldsOfTheMapping(t *testing.T) {
	mapped := readTemplate(t)
	name := regexp.MustCompile(`attributes\.((?:microsoft|log)\.[a-z._]+)`)
	seen := 0
	for _, q := range append(queries(t, "elastic.md", "json"), queries(t, "elastic.md", "esql")...) {
		require.Contains(t, q.text, mapped.IndexPatterns[0], "%q", q.title)
		for _, match := range name.FindAllStringSubmatch(q.text, -1) {
			require.Contains(t, mapped.record(), match[1], "%q", q.title)
			seen++
		}
		if body, is := strings.CutPrefix(q.text, "GET "+mapped.IndexPatterns[0]+"/_search\n"); is {
			require.NotEmpty(t, harness.Object(t, []byte(body))["collapse"], "%q", q.title)
		}
	}
	require.Greater(t, seen, 5)
}
