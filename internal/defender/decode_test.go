// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func decodeXDR(body string) (*incident.Snapshot, error) { return decodeAs(xdr(), 1, []byte(body)) }

func TestValuesStayAsTheyAre(t *testing.T) {
	const zeroWidth = "a\u200bb\u2060\ufeff"
	for literal, want := range map[string]any{
		`0`:                       int64(0),
		`-0`:                      int64(0),
		`22631`:                   int64(22631),
		`9007199254740993`:        int64(1<<53 + 1),
		`9223372036854775807`:     int64(math.MaxInt64),
		`-9223372036854775808`:    int64(math.MinInt64),
		`9223372036854775808`:     "9223372036854775808",
		`-9223372036854775809`:    "-9223372036854775809",
		`18446744073709551616`:    "18446744073709551616",
		`1e400`:                   "1e400",
		`-1E+400`:                 "-1E+400",
		`1.5`:                     1.5,
		`1.0`:                     1.0,
		`1e2`:                     100.0,
		`2E-3`:                    0.002,
		`true`:                    true,
		`false`:                   false,
		`null`:                    nil,
		`""`:                      "",
		`[]`:                      []any{},
		`{}`:                      map[string]any{},
		`[null,[],{},"",0,false]`: []any{nil, []any{}, map[string]any{}, "", int64(0), false},
		`{"a":null,"b":[1,{"c":[]}]}`: map[string]any{
			"a": nil, "b": []any{int64(1), map[string]any{"c": []any{}}},
		},
		`"` + zeroWidth + `"`:                        zeroWidth,
		`"\u200b\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`: "\u200b\"\\/\b\f\n\r\té😀",
		`"\u0000"`: "\x00",
		`{"\u006eame\u200b":1,"":2,"\"":3,"n` + zeroWidth + `":4}`: map[string]any{
			"name\u200b": int64(1), "": int64(2), `"`: int64(3), "n" + zeroWidth: int64(4),
		},
	} {
		s, err := decodeXDR(`{"incidentId":1,"before":"x","it":` + literal + `,"after":7,"alerts":[{"alertId":"a","it":` + literal + `}]}`)
		require.NoError(t, err, literal)
		assert.Equal(t, map[string]any{"incidentId": int64(1), "before": "x", "it": want, "after": int64(7)}, raw(t, s.Object))
		assert.Equal(t, map[string]any{"alertId": "a", "it": want}, raw(t, s.Alerts[0].Object))
	}
}

func TestEscapedNameOfAFieldIsRecognized(t *testing.T) {
	s, err := decodeXDR(`{"incident\u0049d":1,"\u0061lerts":[{"alert\u0049d":"a"}],"st\u0061tus":"Active"}`)
	require.NoError(t, err)
	assert.Equal(t, "Active", s.Status)
	assert.Equal(t, "a", s.Alerts[0].ID)
	assert.Equal(t, map[string]any{"incidentId": int64(1), "status": "Active"}, raw(t, s.Object))
}

// nested is a value nested that deep.
func nested(levels int, kind string) string {
	if kind == "objects" {
		return strings.Repeat(`{"x":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
	}
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return b.String()
}

// withAlerts is an incident of n alerts with that many bytes of text in each.
func withAlerts(n, text int) string {
	alerts := make([]string, n)
	for i := range alerts {
		alerts[i] = fmt.Sprintf(`{"alertId":"a%d","title":"%s"}`, i, strings.Repeat("x", text))
	}
	return `{"incidentId":1,"alerts":[` + strings.Join(alerts, ",") + `]}`
}

func TestManyMoreAlertsThanTheAPIShowsAreAccepted(t *testing.T) {
	body := withAlerts(2000, 5000)
	require.Greater(t, len(body), 10_000_000)
	s, err := decodeXDR(body)
	require.NoError(t, err)
	assert.Len(t, s.Alerts, 2000)
	assert.Len(t, s.Alerts[1999].Title, 5000)
}

func TestLimitsOfAResponseAreExact(t *testing.T) {
	field := func(value string) string { return `{"incidentId":1,"it":` + value + `}` }
	alertField := func(value string) string { return `{"incidentId":1,"alerts":[{"alertId":"a","it":` + value + `}]}` }
	nulls := func(n int) string { return "[" + strings.Repeat("null,", n-1) + "null]" }
	for name, c := range map[string]struct{ good, bad, want string }{
		"arrays": {
			field(nested(maxDepth-1, "arrays")), field(nested(maxDepth, "arrays")), "nested deeper than 32 levels",
		},
		"objects": {
			field(nested(maxDepth-1, "objects")), field(nested(maxDepth, "objects")), "nested deeper than 32 levels",
		},
		"arrays in an alert": {
			alertField(nested(maxDepth-3, "arrays")), alertField(nested(maxDepth-2, "arrays")), "nested deeper than 32 levels",
		},
		"objects in an alert": {
			alertField(nested(maxDepth-3, "objects")), alertField(nested(maxDepth-2, "objects")), "nested deeper than 32 levels",
		},
		"members": {
			`{"incidentId":1` + members(maxMembers-2) + `,"alerts":[]}`,
			`{"incidentId":1` + members(maxMembers-1) + `,"alerts":[]}`, "an object with more than 1000 members",
		},
		"members of an alert": {
			`{"incidentId":1,"alerts":[{"alertId":"a"` + members(maxMembers-1) + `}]}`,
			`{"incidentId":1,"alerts":[{"alertId":"a"` + members(maxMembers) + `}]}`, "an object with more than 1000 members",
		},
		"values": { // the id and the list are values too
			field(nulls(maxValues - 2)), field(nulls(maxValues - 1)), "more than 1048576 values",
		},
		"alerts": {withAlerts(maxAlerts, 0), withAlerts(maxAlerts+1, 0), "more than 10000 alerts"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeXDR(c.good)
			require.NoError(t, err)
			_, err = decodeXDR(c.bad)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestResponseThatIsNotAnIncidentIsMalformedAndNotQuoted(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"nothing":                     {``, "EOF"},
		"text":                        {`hush`, "invalid character"},
		"a web page":                  {`<html><body>hush</body></html>`, "invalid character"},
		"null":                        {`null`, "null instead of an object"},
		"a list":                      {`[{"incidentId":1,"status":"hush"}]`, "an array instead of an object"},
		"a string":                    {`"hush"`, "a string instead of an object"},
		"a number":                    {`42`, "a number instead of an object"},
		"a boolean":                   {`false`, "a boolean instead of an object"},
		"an empty object":             {`{}`, "no incidentId"},
		"an id of null":               {`{"incidentId":null,"status":"hush"}`, "no incidentId"},
		"an id of zero":               {`{"incidentId":0}`, "no incidentId"},
		"a negative id":               {`{"incidentId":-1}`, "no incidentId"},
		"an id as text":               {`{"incidentId":"hush"}`, "no incidentId"},
		"an id with a fraction":       {`{"incidentId":1.5}`, "no incidentId"},
		"an id beyond 64 bits":        {`{"incidentId":9223372036854775808}`, "no incidentId"},
		"a list of incidents":         {`{"value":[{"incidentId":1,"status":"hush"}]}`, "no incidentId"},
		"the error object":            {`{"error":{"code":"hush","message":"hush"}}`, "no incidentId"},
		"an alert without an id":      {`{"incidentId":1,"alerts":[{"title":"hush"}]}`, "an alert without alertId"},
		"an alert with an empty id":   {`{"incidentId":1,"alerts":[{"alertId":"","title":"hush"}]}`, "an alert without alertId"},
		"an alert with a number":      {`{"incidentId":1,"alerts":[{"alertId":7,"title":"hush"}]}`, "an alert without alertId"},
		"two alerts with one id":      {`{"incidentId":1,"alerts":[{"alertId":"hush"},{"alertId":"b"},{"alertId":"hush"}]}`, "two alerts with the same id"},
		"alerts as an object":         {`{"incidentId":1,"alerts":{"a":"hush"}}`, "an object instead of an array"},
		"alerts as text":              {`{"incidentId":1,"alerts":"hush"}`, "a string instead of an array"},
		"an alert of null":            {`{"incidentId":1,"alerts":[null]}`, "null instead of an object"},
		"an alert of text":            {`{"incidentId":1,"alerts":["hush"]}`, "a string instead of an object"},
		"an end too early":            {`{"incidentId":1,"status":"hush"`, "unexpected EOF"},
		"an end in alerts":            {`{"incidentId":1,"alerts":[`, "unexpected EOF"},
		"an end before alerts":        {`{"incidentId":1,"alerts":`, "unexpected EOF"},
		"an end in a name":            {`{"incidentId":1,"alerts`, "unexpected EOF"},
		"an end in a text":            {`{"incidentId":1,"status":"hush`, "unexpected EOF"},
		"a second object":             {`{"incidentId":1}{"incidentId":2,"status":"hush"}`, "more than one JSON value"},
		"a second null":               {`{"incidentId":1} null`, "more than one JSON value"},
		"something behind it":         {`{"incidentId":1} hush`, "more than one JSON value"},
		"one name twice":              {`{"incidentId":1,"status":"Resolved","status":"hush"}`, `duplicate object member name`},
		"one name twice, escaped":     {`{"incidentId":1,"status":"Resolved","st\u0061tus":"hush"}`, `duplicate object member name`},
		"alerts twice":                {`{"incidentId":1,"alerts":[],"alerts":[{"alertId":"hush"}]}`, `duplicate object member name`},
		"one name twice, in an alert": {`{"incidentId":1,"alerts":[{"alertId":"a","status":"New","status":"hush"}]}`, `duplicate object member name`},
		"a bare control character":    {"{\"incidentId\":1,\"status\":\"hush\n\"}", "invalid character"},
		"half an escape":              {`{"incidentId":1,"status":"\u12hush"}`, "invalid escape sequence in string after offset"},
		"an escape across a line":     {"{\"incidentId\":1,\"status\":\"\\u\nhush\"}", "invalid escape sequence in string after offset"},
		"an error within a name":      {`{"incidentId":1,"hush":{"hush":[{"hush":tru}]}}`, "invalid character"},
		"an error within an alert":    {`{"incidentId":1,"alerts":[{"alertId":"a","customDetails":{"hush":tru}}]}`, "invalid character"},
		"one name twice, of content":  {`{"incidentId":1,"hush":1,"hush":2}`, `duplicate object member name`},
		"bytes where a value begins":  {"{\"incidentId\":1,\"hush\":\xff}", "invalid character"},
		"an unknown escape":           {`{"incidentId":1,"status":"hush\x20"}`, "invalid escape"},
		"a leading zero":              {`{"incidentId":01,"status":"hush"}`, "invalid character"},
		"NaN":                         {`{"incidentId":1,"it":NaN}`, "invalid character"},
		"a comma too many":            {`{"incidentId":1,"status":"hush",}`, "invalid character"},
		"a name without quotes":       {`{incidentId:1}`, "invalid character"},
		"a number as a name":          {`{1:"hush"}`, "object member name must be a string"},
		"100,000 arrays":              {`{"incidentId":1,"it":` + nested(100_000, "arrays") + `}`, "exceeded max depth"},
		"100,000 objects":             {`{"incidentId":1,"it":` + nested(100_000, "objects") + `}`, "exceeded max depth"},
		"100,000 brackets, no end":    {strings.Repeat(`[`, 100_000), "an array instead of an object"},
		"20,000 members":              {`{"incidentId":1` + members(20_000) + `}`, "an object with more than 1000 members"},
	} {
		t.Run(name, func(t *testing.T) {
			result := get(t, responding(200, c.body))
			failure := failed(t, result)
			assert.Equal(t, Malformed, failure.Kind)
			assert.Equal(t, 200, failure.Status)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, len(c.body), result.Size)
		})
	}
}

// Text that is JSON but not Unicode does not fail an incident: the API stores
// what people and programs wrote.
func TestInvalidUnicodeIsReplaced(t *testing.T) {
	for text, want := range map[string]string{
		`Phish \ud83d`:        "Phish \ufffd",
		`\ud83d Phish`:        "\ufffd Phish",
		`\ude00`:              "\ufffd",
		`\ude00\ud83d`:        "\ufffd\ufffd",
		`\ud83d\ud83d\ude00`:  "\ufffd😀",
		`\uD83D\n`:            "\ufffd\n",
		`\ud83d\\ude00`:       "\ufffd\\ude00",
		"a\xffb":              "a\ufffdb",
		"\xed\xa0\xbd":        "\ufffd", // a surrogate half in UTF-8
		"\xc0\xaf\xe2\x82":    "\ufffd",
		"\xff\\ud83d\\\"\xff": "\ufffd\ufffd\"\ufffd",
		`\u0000`:              "\x00",
		"\ufeff\ufffd\uffff":  "\ufeff\ufffd\uffff",
	} {
		body := `{"incidentId":1,"incidentName":"` + text + `","it":["` + text + `",{"x":{"n` + text + `":"` + text + `"}}],"n` + text + `":1,` +
			`"alerts":[{"alertId":"a` + text + `","title":"` + text + `","n` + text + `":1,"mitreTechniques":["` + text + `"]}],"comments":[]}`
		result := limited(t, responding(200, body), maxBody).Get(t.Context(), 1)
		require.NoError(t, result.Err, text)
		s := result.Snapshot
		assert.Equal(t, want, s.Name)
		assert.Equal(t, "a"+want, s.Alerts[0].ID)
		assert.Equal(t, want, s.Alerts[0].Title)
		assert.Equal(t, []string{want}, s.Alerts[0].MitreTechniques)
		assert.Equal(t, map[string]any{
			"incidentId": int64(1), "incidentName": want, "it": []any{want, map[string]any{"x": map[string]any{"n" + want: want}}},
			"n" + want: int64(1), "comments": []any{},
		}, raw(t, s.Object))
		assert.Equal(t, map[string]any{
			"alertId": "a" + want, "title": want, "n" + want: int64(1), "mitreTechniques": []any{want},
		}, raw(t, s.Alerts[0].Object))
		assert.True(t, utf8.Valid(s.Original))
		if utf8.ValidString(body) {
			assert.Equal(t, body, string(s.Original), "an escape stays as it was received")
		}

		page := decodePageAs(xdr(), []byte(pageOf(body)), 0, true)
		require.NoError(t, page.Err)
		require.NoError(t, page.Rows[0].Err)
		s.Source = incident.FromList
		assert.Equal(t, shown(t, s), shown(t, page.Rows[0].Snapshot))
	}
}

func TestNamesThatDifferOnlyInInvalidUnicodeAreEqual(t *testing.T) {
	_, err := decodeXDR(`{"incidentId":1,"a\ud800":1,"a\ud801":2}`)
	require.EqualError(t, err, "duplicate object member name")
}

func TestErrorWithInvalidUnicodeIsRecognized(t *testing.T) {
	for _, message := range []string{`no \ud83d such`, "no \xff such"} {
		failure := failed(t, get(t, responding(404, `{"error":{"code":"NotFound","message":"`+message+`","\ud83d":"`+message+`"}}`)))
		assert.Equal(t, NotFound, failure.Kind)
		assert.Equal(t, "no \ufffd such", failure.Message)
		failure = failed(t, get(t, responding(429, `{"error":{"code":"429","message":"`+message+`. You can send requests again in 8 seconds."}}`)))
		assert.Equal(t, WaitFromMessage, failure.WaitFrom)
	}
}

func TestMalformedResponsesOfTheSimulatorAreRecognized(t *testing.T) {
	for _, fault := range []string{"empty", "html", "nested", "duplicate-keys"} {
		result := clientAt(t, endpoint, faulty(t, fault).RoundTripper()).Get(t.Context(), 1001)
		assert.Equal(t, Malformed, failed(t, result).Kind, fault)
	}
	for _, fault := range []string{"content-type", "big-number", "invalid-utf8"} {
		result := clientAt(t, endpoint, faulty(t, fault).RoundTripper()).Get(t.Context(), 1001)
		assert.NoError(t, result.Err, fault)
	}
}

func TestDigestsDependOnNeitherIgnoredFieldsNorOrder(t *testing.T) {
	decoded := func(body string, ignored ...string) *incident.Snapshot {
		json := newDecoder(incident.Ignore(ignored...)).reset(strings.NewReader(body), math.MaxInt64)
		s, rest, err := xdr().decode(1, json)
		require.NoError(t, err)
		json.print.Snapshot(s)
		require.Nil(t, rest)
		return s
	}
	one := decoded(`{"incidentId":1,"riskScore":"a","it":{"riskScore":1,"x":{"riskScore":[1,{"y":2}],"z":1,"a":{}}},`+
		`"alerts":[{"alertId":"a","title":"t","devices":[{"riskScore":"x","n":1,"m":[2,1]}]}],"status":"Active"}`, "riskScore")
	two := decoded(`{"status":"Active","alerts":[{"devices":[{"m":[1,2],"n":1}],"alertId":"a","riskScore":{},"title":"t"}],`+
		`"it":{"x":{"a":{},"z":1},"riskScore":null},"incidentId":1}`, "riskScore")
	assert.Equal(t, one.Fields, two.Fields)
	assert.Equal(t, one.Alerts[0].Digest, two.Alerts[0].Digest)
	for _, name := range []string{"incidentId", "it", "status"} {
		assert.Contains(t, fmt.Sprint(one.Fields), name)
	}

	other := decoded(`{"status":"Active","alerts":[{"devices":[{"m":[1,2],"n":2}],"alertId":"a","title":"t"}],"it":{"x":{"a":{},"z":2}},"incidentId":1}`, "riskScore")
	assert.NotEqual(t, one.Fields, other.Fields)
	assert.NotEqual(t, one.Alerts[0].Digest, other.Alerts[0].Digest)
	seeing := decoded(`{"status":"Active","alerts":[{"devices":[{"m":[1,2],"n":1}],"alertId":"a","riskScore":{},"title":"t"}],"it":{"x":{"a":{},"z":1},"riskScore":null},"incidentId":1}`)
	assert.NotEqual(t, two.Fields, seeing.Fields)
	assert.NotEqual(t, two.Alerts[0].Digest, seeing.Alerts[0].Digest)
}
