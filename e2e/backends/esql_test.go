// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// runESQL runs a query in ES|QL over documents. It knows what the documented
// queries use, as Elastic's reference describes it, and fails on anything else.
func runESQL(t *testing.T, query, index string, documents []row, now time.Time) []row {
	t.Helper()
	for n, command := range strings.Split(query, "\n| ") {
		command = strings.TrimSpace(command)
		verb, rest, _ := strings.Cut(command, " ")
		switch {
		case n == 0:
			require.Equal(t, "FROM "+index, command)
		case verb == "WHERE":
			condition := parse(t, rest, now)
			documents = filtered(documents, func(r row) bool { return condition(r) == true })
		case verb == "INLINE":
			documents = withMaximum(t, documents, rest)
		case verb == "SORT":
			match := regexp.MustCompile(`^([\w.@]+)( DESC)?$`).FindStringSubmatch(rest)
			require.NotNil(t, match, rest)
			documents = sorted(t, documents, "0 "+strings.Replace(match[2], " DESC", "- ", 1)+match[1])
		case verb == "KEEP":
			documents = keeping(t, documents, rest)
		default:
			require.Fail(t, "unknown command", command)
		}
	}
	return documents
}

// withMaximum reads STATS NAME = MAX(FIELD) BY FIELD and adds the maximum of its
// group to each document.
func withMaximum(t *testing.T, documents []row, command string) []row {
	t.Helper()
	match := regexp.MustCompile(`^STATS (\w+) = MAX\(([\w.]+)\) BY ([\w.]+)$`).FindStringSubmatch(command)
	require.NotNil(t, match, "unknown command: INLINE %s", command)
	newest := map[any]float64{}
	for _, r := range documents {
		newest[r[match[3]]] = max(newest[r[match[3]]], r[match[2]].(float64))
	}
	var added []row
	for _, r := range documents {
		copied := row{match[1]: newest[r[match[3]]]}
		for name, value := range r {
			copied[name] = value
		}
		added = append(added, copied)
	}
	return added
}

func keeping(t *testing.T, documents []row, names string) []row {
	t.Helper()
	var kept []row
	for _, r := range documents {
		one := row{}
		for _, name := range strings.Split(names, ",") {
			name = strings.TrimSpace(name)
			require.Regexp(t, `^[\w.@]+$`, name)
			one[name] = r[name]
		}
		kept = append(kept, one)
	}
	return kept
}

// runSearch runs a request of Elasticsearch's search API over documents: a filter,
// an order, and the first document of each value of a field.
func runSearch(t *testing.T, request, index string, documents []row) []row {
	t.Helper()
	text, is := strings.CutPrefix(request, "GET "+index+"/_search\n")
	require.True(t, is, request)
	body := harness.Object(t, []byte(text))
	exists := body["query"].(map[string]any)["exists"].(map[string]any)["field"].(string)
	documents = filtered(documents, func(r row) bool { return r[exists] != nil })
	order := body["sort"].([]any)
	require.Len(t, order, 1)
	for name, direction := range order[0].(map[string]any) {
		require.Equal(t, "desc", direction)
		documents = sorted(t, documents, "0 - "+name)
	}
	return deduplicated(documents, body["collapse"].(map[string]any)["field"].(string))
}
