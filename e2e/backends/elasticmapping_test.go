// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dateSuffix is how the name of an attribute ends that has a time.
const dateSuffix = ".created_time"

// indexTemplate is the part of examples/elastic-index-template.json that the
// tests read.
type indexTemplate struct {
	IndexPatterns []string `json:"index_patterns"`
	Priority      int      `json:"priority"`
	Template      struct {
		Mappings field `json:"mappings"`
	} `json:"template"`
}

// field is a field of a mapping.
type field struct {
	Type            string           `json:"type"`
	Dynamic         *bool            `json:"dynamic"`
	DepthLimit      int              `json:"depth_limit"`
	IgnoreMalformed bool             `json:"ignore_malformed"`
	IgnoreAbove     int              `json:"ignore_above"`
	Index           *bool            `json:"index"`
	DocValues       *bool            `json:"doc_values"`
	Properties      map[string]field `json:"properties"`
}

func readTemplate(t *testing.T) indexTemplate {
	t.Helper()
	var read indexTemplate
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "elastic-index-template.json"))
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&read))
	return read
}

func (m indexTemplate) record() map[string]field {
	return m.Template.Mappings.Properties["attributes"].Properties
}

func (m indexTemplate) resource() map[string]field {
	return m.Template.Mappings.Properties["resource"].Properties["attributes"].Properties
}

func (m indexTemplate) body() field {
	return m.Template.Mappings.Properties["body"].Properties["structured"]
}

func TestElasticMappingHasTheAttributesOfTheRecords(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "records.md"))
	require.NoError(t, err)
	types := map[string]string{"int": "long", "string": "keyword", "string[]": "keyword"}

	listed := map[string]string{}
	rows := regexp.MustCompile("(?m)^\\| `((?:microsoft\\.defender|log\\.record)\\.[a-z._]+)` \\| ([a-z\\[\\]]+) \\|").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 20, "the tables of docs/records.md have a different format")
	for _, row := range rows {
		require.Contains(t, types, row[2], "unknown type of %s", row[1])
		listed[row[1]] = types[row[2]]
		if strings.HasSuffix(row[1], dateSuffix) {
			listed[row[1]] = "date"
		}
	}
	affected := regexp.MustCompile("(?m)^\\| `(microsoft\\.defender\\.alert\\.(?:hosts|users|ip_addresses|file_hashes|urls|mailboxes|processes))` \\|").FindAllStringSubmatch(string(text), -1)
	require.Len(t, affected, 7, "the table of what an alert affects")
	for _, row := range affected {
		listed[row[1]] = types["string[]"]
	}
	mapped := readTemplate(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(mapped.record())), slices.Collect(maps.Keys(listed)))
	for name, kind := range listed {
		require.Equal(t, kind, mapped.record()[name].Type, name)
	}

	var resource []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:microsoft\\.tenant|server|cloud)\\.[a-z.]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		resource = append(resource, row[1])
	}
	require.Len(t, resource, 3)
	require.ElementsMatch(t, resource, slices.Collect(maps.Keys(mapped.resource())))
}

// Fields that Microsoft adds later do not become fields of the index: a body is
// one field whatever it contains, and an attribute without a mapping is stored
// but not indexed. No value is too long to be indexed, because Elasticsearch
// would reject the record: a term may have 32,766 bytes, and a character up to
// 4.
func TestElasticMappingDoesNotGrowAndRejectsNoValue(t *testing.T) {
	mapped := readTemplate(t)
	require.Greater(t, mapped.Priority, 120, "that of Elastic's own template for logs-*.otel-*")
	mappings := mapped.Template.Mappings
	for name, closed := range map[string]field{
		"the record": mappings, "attributes": mappings.Properties["attributes"],
		"the resource's": mappings.Properties["resource"].Properties["attributes"],
	} {
		require.NotNil(t, closed.Dynamic, name)
		require.False(t, *closed.Dynamic, name)
	}
	require.Equal(t, "flattened", mapped.body().Type)
	require.Greater(t, mapped.body().DepthLimit, 32, "as deep as the receiver accepts")
	bounded := []field{mapped.body()}
	for _, fields := range []map[string]field{mapped.record(), mapped.resource()} {
		bounded = slices.AppendSeq(bounded, maps.Values(fields))
	}
	for _, f := range bounded {
		switch {
		case f.Type == "long":
		case f.Type == "date":
			require.True(t, f.IgnoreMalformed, "a record with something else would be refused")
		case f.Index != nil && !*f.Index:
			require.NotNil(t, f.DocValues)
			require.False(t, *f.DocValues, "not indexed, and not kept as a term either")
		default:
			require.Positive(t, f.IgnoreAbove)
			require.LessOrEqual(t, f.IgnoreAbove, 32766/4)
		}
	}
}
