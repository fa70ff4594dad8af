// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// digestOf returns the digest of a field with this value, given as JSON.
func digestOf(value string) Digest { return fingerprint(`{"value":` + value + `}`).fields[0].Digest }

// value draws any JSON value.
func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(), rapid.String().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.SliceOfN(value(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(rapid.StringMatching(`[a-c]{0,2}`), value(depth-1), 0, 4).AsAny())...)
}

func TestTheOrderOfKeysAndElementsDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(4).Draw(t, "value")
		shuffled := written(v, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		require.Equal(t, digestOf(literal(v)), digestOf(shuffled))
		one, two := fingerprint(`{"a":`+literal(v)+`,"b":1}`), fingerprint(`{"b":1,"a":`+shuffled+`}`)
		require.Equal(t, one.object, two.object)
		require.Equal(t, one.fields, two.fields)
	})
}

// A checkpoint holds digests, so those of an earlier receiver must be the same.
func TestDigestsStayWhatTheyWere(t *testing.T) {
	many := make([]any, 200)
	for i := range many {
		many[i] = int64(i)
	}
	f := fingerprint(literal(map[string]any{
		"text": "a\u200b\"b\"", "int": int64(1<<53 + 1), "double": 1.5, "null": nil, "true": true, "false": false,
		"list": []any{"b", "a", []any{}, map[string]any{"y": int64(2), "x": "1"}}, "many": many, "empty": map[string]any{},
		"@odata.context": "x",
	}))
	digests := map[string]string{"": textOf(t, f.object)}
	for _, field := range f.fields {
		digests[field.Name] = textOf(t, field.Digest)
	}
	require.Equal(t, map[string]string{
		"":       "H6Cd9FIZ5XU4bbWkZQ697A",
		"double": "PiMMM3FE-pAmfoy5m0QMiw",
		"empty":  "GHNVsQHk0fZseUj5PRCbYw",
		"false":  "JS8QyDYQ68oaBZwLroJV6w",
		"int":    "VU633chSDfFcmpaTq6INfQ",
		"list":   "waX_OsO2JDk0GOez-H58Zw",
		"many":   "KUPBNDCo9c4jsH6cWqZeNQ",
		"null":   "Gxax31OLoS3D-X7buFyqcA",
		"text":   "NgPkT7wlSchGecvrDbTfHg",
		"true":   "47mKTaMaEn1L3m5DAz9mug",
	}, digests)
}

func textOf(t *testing.T, d Digest) string {
	t.Helper()
	text, err := d.MarshalText()
	require.NoError(t, err)
	return string(text)
}

func TestDifferentContentHasADifferentDigest(t *testing.T) {
	values := []any{
		nil, true, false, int64(0), int64(1), int64(1<<53 + 1), int64(1 << 53), float64(0), float64(1), "", "0", "1", "n",
		"\u200bname", "name",
		[]any{},
		map[string]any{},
		[]any{nil},
		[]any{[]any{}},
		[]any{"a", "b"},
		[]any{"ab"},
		[]any{"a", "a"},
		[]any{"a"},
		map[string]any{"a": nil},
		map[string]any{"a": "b"},
		map[string]any{"b": "a"},
		[]any{[]any{"a"}, []any{"b"}},
		[]any{[]any{"a", "b"}, []any{}},
		[]any{map[string]any{"a": int64(1)}, map[string]any{"b": int64(2)}},
		[]any{map[string]any{"a": int64(1), "b": int64(2)}},
	}
	seen := map[Digest]any{}
	for _, raw := range values {
		d := digestOf(literal(raw))
		require.NotContains(t, seen, d, "%v and %v", raw, seen[d])
		seen[d] = raw
	}
}

func TestAnnotationsOfTheResponseDoNotCount(t *testing.T) {
	one := fingerprint(`{"id":"1","@odata.context":"one","alerts@odata.nextLink":{"x":[{}]},"inner":{"@odata.type":"a"}}`)
	two := fingerprint(`{"id":"1","@odata.context":"two","inner":{}}`)
	require.Equal(t, one.fields, two.fields)
	require.Equal(t, one.object, two.object)
}

func TestAFingerprintServesOneObjectAfterAnother(t *testing.T) {
	var f Fingerprint
	for _, text := range []string{`{"a":[2,{"b":[1,{"x":1,"c":[]}]},1],"z":{"y":{}}}`, `{"c":"d"}`, `{}`} {
		o := built(text)
		want := fingerprint(text)
		require.Equal(t, want.fields, f.fields(o))
		require.Equal(t, want.object, f.digestOf(o))
		require.Equal(t, want.fields, f.fields(o))
	}
}

func TestASnapshotHasTheDigestsOfItsContent(t *testing.T) {
	const incident, first, second = `{"incidentId":1,"b":{"riskScore":1,"a":[]}}`, `{"alertId":"1"}`, `{"alertId":"2"}`
	s := Snapshot{Object: built(incident, "riskScore"), Alerts: []Alert{{Object: built(first)}, {Object: built(second)}}}
	var f Fingerprint
	f.Snapshot(&s)
	require.Equal(t, fingerprint(incident, "riskScore").fields, s.Fields)
	require.Equal(t, []Digest{fingerprint(first).object, fingerprint(second).object}, []Digest{s.Alerts[0].Digest, s.Alerts[1].Digest})
}

func TestADigestSurvivesItsText(t *testing.T) {
	d := digestOf(`"x"`)
	text, err := d.MarshalText()
	require.NoError(t, err)
	var back Digest
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, d, back)
	require.ErrorContains(t, back.UnmarshalText([]byte("AAAA")), "3 bytes, not 16")
	require.ErrorContains(t, back.UnmarshalText([]byte("not base64!")), "read a digest")
}

func TestTheStatesDigestCoversAlertsOnlyWhereTheyBelongToIt(t *testing.T) {
	c := comparer(Split)
	one := delivered(t, c, snapshot(t))
	two := delivered(t, c, snapshot(t, alertStatus(0, "Resolved")))
	three := delivered(t, c, snapshot(t, later))
	require.Equal(t, one.Digest(false), two.Digest(false))
	require.NotEqual(t, one.Digest(true), two.Digest(true))
	require.NotEqual(t, one.Digest(false), three.Digest(false))
}
