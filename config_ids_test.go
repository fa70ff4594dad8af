// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfigTakesIDsInQuotes(t *testing.T) {
	require.Equal(t, []int64{437, 552, 553, math.MaxInt64}, load(t, "defaults.yaml", "ids_in_quotes").IncidentIDs)
}

func TestConfigLeavesNegativeIDsInQuotesToValidate(t *testing.T) {
	cfg := usableConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"incident_ids": []any{"-437", "0", "552", 552}}).Unmarshal(cfg))
	err := cfg.Validate()
	require.ErrorContains(t, err, "incident_ids[0]: -437 is not a positive number")
	require.ErrorContains(t, err, "incident_ids[1]: 0 is not a positive number")
	require.ErrorContains(t, err, "incident_ids[3]: 552 is listed twice")
}

// texts is a provider of configuration: ${text:name} is the text of that name.
type texts map[string]string

func (p texts) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(p[strings.TrimPrefix(uri, "text:")]))
}

func (texts) Scheme() string                 { return "text" }
func (texts) Shutdown(context.Context) error { return nil }

// resolve returns the texts of these names as one configuration, each over those
// before, expanded as the collector does.
func (p texts) resolve(t *testing.T, names ...string) (*confmap.Conf, error) {
	t.Helper()
	for i, name := range names {
		names[i] = "text:" + name
	}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: names,
		ProviderFactories: []confmap.ProviderFactory{
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return p }),
		},
	})
	require.NoError(t, err)
	return resolver.Resolve(t.Context())
}

// YAML 1.1 takes 0437 for octal. Where the collector keeps the text, the receiver
// refuses it; in the YAML itself only the number is left.
func TestConfigRefusesExpandedIDsThatYAMLReadsAsOtherNumbers(t *testing.T) {
	const one, all = `incident_ids: ["${text:it}", 5]`, `incident_ids: ${text:it}`
	for _, c := range []struct {
		config, it string
		ids        []int64
		want       string
	}{
		{config: one, it: "437", ids: []int64{437, 5}},
		{config: one, it: " 437\n", ids: []int64{437, 5}},
		{config: one, it: "437.0", ids: []int64{437, 5}},
		{config: one, it: "0437", want: `incident_ids[0]: "0437" is 287 in YAML; write 437`},
		{config: one, it: "0o437", want: `incident_ids[0]: "0o437" is 287 in YAML; write 287`},
		{config: one, it: "0x1B5", want: `incident_ids[0]: "0x1B5" is 437 in YAML; write 437`},
		{config: one, it: "0b11", want: `incident_ids[0]: "0b11" is 3 in YAML; write 3`},
		{config: one, it: "4_37", want: `incident_ids[0]: "4_37" is 437 in YAML; write 437`},
		{config: one, it: "+437", want: `incident_ids[0]: "+437" is 437 in YAML; write 437`},
		{config: one, it: "437,552", want: `incident_ids[0]: "437,552" is not an ID; write 437, 552`},
		{config: one, it: "437 552", want: `incident_ids[0]: "437 552" is not an ID`},
		{config: one, it: "", want: "incident_ids[0]: empty"},
		{config: all, it: "[437, 552]", ids: []int64{437, 552}},
		{config: all, it: "[437, \"552\", '553']", ids: []int64{437, 552, 553}},
		{config: all, it: "- 437\n- \"552\"\n", ids: []int64{437, 552}},
		{config: all, it: "# 0437 and others\n- 437\n- 552\n", ids: []int64{437, 552}},
		{config: all, it: "[]", ids: []int64{}},
		{config: all, it: "[552, 0437]", want: `incident_ids[1]: "0437" is 287 in YAML; write 437`},
		{config: all, it: "- 552\n- 0437\n", want: `incident_ids[1]: "0437" is 287 in YAML; write 437`},
		{config: all, it: "[552, \"0437\", 0x1B5]", want: `incident_ids[1]: "0437" begins with 0; write 437`},
		{config: all, it: "0437", want: "incident_ids: 287 is not a list; write [437]"},
	} {
		cfg := defaultConfig()
		conf, err := texts{"config": c.config, "it": c.it}.resolve(t, "config")
		require.NoError(t, err)
		require.NoError(t, conf.Unmarshal(cfg), c.it)
		err = cfg.misread.Err()
		if c.want != "" {
			require.ErrorContains(t, err, c.want, c.it)
			continue
		}
		require.NoError(t, err, c.it)
		require.Equal(t, c.ids, cfg.IncidentIDs, c.it)
	}
	cfg := defaultConfig()
	conf, err := texts{"config": "incident_ids: [0437]"}.resolve(t, "config")
	require.NoError(t, err)
	require.NoError(t, conf.Unmarshal(cfg))
	require.Equal(t, []int64{0o437}, cfg.IncidentIDs, "the collector tells no more: see docs/setup.md")
}

func TestConfigStaysAsItWasWritten(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{"incident_ids": []any{"437"}})
	for range 2 {
		cfg := defaultConfig()
		require.NoError(t, conf.Unmarshal(cfg))
		require.Equal(t, []int64{437}, cfg.IncidentIDs)
	}
}

func FuzzWrittenIDs(f *testing.F) {
	for _, text := range []string{"437", "0437", "0x1B5", "4_37", "437.0", "1e3", "-1", " 437 # x", "[437]", "{a: 1}", "null", "true", "9223372036854775808"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "${") {
			t.Skip()
		}
		read, err := confmap.NewRetrievedFromYAML([]byte(text))
		if err != nil {
			t.Skip() // the collector refuses it
		}
		cfg := defaultConfig()
		conf, err := texts{"config": `incident_ids: ["${text:it}"]`, "it": text}.resolve(t, "config")
		require.NoError(t, err, read)
		require.NoError(t, conf.Unmarshal(cfg))
		if cfg.misread.Err() == nil {
			require.Len(t, cfg.IncidentIDs, 1)
			if digits := strings.TrimSpace(text); strings.Trim(digits, "0123456789") == "" {
				decimal, err := strconv.ParseInt(digits, 10, 64)
				require.NoError(t, err)
				require.Equal(t, decimal, cfg.IncidentIDs[0])
			}
		}

		cfg = defaultConfig()
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"incident_ids": []any{text}}).Unmarshal(cfg))
		if cfg.misread.Err() == nil {
			require.Equal(t, text, fmt.Sprint(cfg.IncidentIDs[0]))
		}
	})
}
