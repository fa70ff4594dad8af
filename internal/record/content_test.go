// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// received returns the object as the API's client keeps it. Its incidentId must be 437.
func received(t *testing.T, text string) content.Object {
	t.Helper()
	endpoint, err := url.Parse("https://api.example")
	require.NoError(t, err)
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	})
	client := defender.NewClient(&http.Client{Transport: transport}, defender.Settings{Endpoint: endpoint, MaxBody: math.MaxInt64})
	answer := client.Get(t.Context(), 437)
	require.NoError(t, answer.Err)
	return answer.Snapshot.Object
}

// object returns an object as the API's client keeps it, with an incidentId besides
// the given members.
func object(t *testing.T, raw map[string]any) content.Object {
	t.Helper()
	raw["incidentId"] = 437
	text, err := json.Marshal(raw)
	require.NoError(t, err)
	return received(t, string(text))
}

func TestContentBecomesABodyAsItIs(t *testing.T) {
	const text = `{"incidentId":437,"text":"a\u200b\"b\"","n\u0061me":"x", "ints":[0,-0,9007199254740993,-9223372036854775808],"doubles":[1.0,2E-3],` +
		`"beyond":[9223372036854775808,1e400],"no":null,"yes":true,"not":false,"empty":[{},[],""],"deep":[{"a":[[{"b":1}]]}]}`
	body := pcommon.NewMap()
	new(writer).putObject(received(t, text), body, 0)
	require.Equal(t, map[string]any{
		"incidentId": int64(437), "text": "a\u200b\"b\"", "name": "x", "ints": []any{int64(0), int64(0), int64(1<<53 + 1), int64(math.MinInt64)},
		"doubles": []any{1.0, 0.002}, "beyond": []any{"9223372036854775808", "1e400"},
		"no": nil, "yes": true, "not": false, "empty": []any{map[string]any{}, []any{}, ""},
		"deep": []any{map[string]any{"a": []any{[]any{map[string]any{"b": int64(1)}}}}},
	}, body.AsRaw())
}
