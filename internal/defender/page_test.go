// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// pageOf is a page of rows as the API writes it.
func pageOf(rows ...string) string {
	return `{"@odata.context":"https://api.example/api/$metadata#Incidents","value":[` + strings.Join(rows, ",") + `]}`
}

// rowsOf is a page of rows, which must be valid except for its rows.
func rowsOf(t testing.TB, rows ...string) Page {
	t.Helper()
	page := decodePageAs(xdr(), []byte(pageOf(rows...)), 0, false)
	require.NoError(t, page.Err)
	return page
}

func TestRowEqualsWhatGetShows(t *testing.T) {
	whole, merged := string(fixture(t, "incident.json")), string(fixture(t, "redirected.json"))
	page := rowsOf(t, whole, merged, `{"incidentId":3,"alerts":[]}`)
	require.Len(t, page.Rows, 3)
	for i, body := range []string{whole, merged, `{"incidentId":3,"alerts":[]}`} {
		row := page.Rows[i]
		want, err := decodeAs(xdr(), row.ID, []byte(body))
		require.NoError(t, err)
		want.Source = incident.FromList
		created, _ := raw(t, want.Object)["createdTime"].(string)
		assert.Equal(t, shownRow(t, Row{
			ID: want.ID, LastUpdate: want.LastUpdate, Created: moment(created), Closed: want.Merged, Snapshot: want,
		}), shownRow(t, row))
	}
	assert.EqualValues(t, 4711, page.Rows[0].ID)
	assert.Equal(t, incident.Everything, page.Rows[0].Snapshot.Shows)
	assert.Equal(t, time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), page.Rows[0].Created)
	assert.Equal(t, time.Date(2026, 2, 3, 5, 6, 7, 123456700, time.UTC), page.Rows[0].LastUpdate)
	assert.Len(t, page.Rows[0].Snapshot.Alerts, 2)
	assert.True(t, page.Rows[1].Snapshot.Merged)
	assert.Zero(t, page.Next)
	assert.Zero(t, page.First)
}

func TestOtherMembersOfAPageAreSkipped(t *testing.T) {
	for _, body := range []string{
		`{"value":[{"incidentId":1}]}`,
		`{"@odata.nextLink":null,"value":[{"incidentId":1}],"@odata.count":1}`,
		`{"a":{"value":[{"incidentId":2}],"@odata.nextLink":"?$skip=1"},"a":` + nested(1000, "arrays") + `,"value":[{"incidentId":1}],"b":"` + "\xff" + `"}`,
		` { "v\u0061lue" : [ { "incidentId" : 1 } ] } `,
		`{` + strings.TrimPrefix(members(5000), ",") + `,"value":[{"incidentId":1}]}`,
	} {
		page := decodePageAs(xdr(), []byte(body), 0, false)
		require.NoError(t, page.Err, body)
		require.Len(t, page.Rows, 1, body)
		assert.EqualValues(t, 1, page.Rows[0].ID)
		assert.NoError(t, page.Rows[0].Err)
		assert.Zero(t, page.Next)
	}
}

func TestOriginalOfARowIsOnlyTheRowAndOnlyOnRequest(t *testing.T) {
	row := `  { "incidentId": 1,  "alerts": [], "incidentName": "a\u200bb" } `
	body := []byte(pageOf(row, `{"incidentId":2,"alerts":7}`))
	for _, keep := range []bool{false, true} {
		page := decodePageAs(xdr(), body, 0, keep)
		require.NoError(t, page.Err)
		if !keep {
			assert.Nil(t, page.Rows[0].Snapshot.Original)
			continue
		}
		clear(body) // nothing of a page is kept for the sake of one row
		assert.Equal(t, strings.TrimSpace(row), string(page.Rows[0].Snapshot.Original))
	}
}

func TestPageHasTheNumberOfRowsInTheList(t *testing.T) {
	for count, want := range map[string]int{
		`0`: 0, `1`: 1, `4711`: 4711, `9223372036854775807`: math.MaxInt,
		`9223372036854775808`: 0, `1` + strings.Repeat("0", 400): 0, `-1`: 0, `-0`: 0, `-9223372036854775809`: 0, `7.0`: 0, `7.5`: 0, `7e2`: 0,
		`"7"`: 0, `"hush"`: 0, `""`: 0, `null`: 0, `true`: 0, `[7]`: 0, `{"@odata.count":7}`: 0,
	} {
		for _, body := range []string{
			`{"@odata.count":` + count + `,"value":[{"incidentId":1,"@odata.count":9}]}`, `{"value":[{"incidentId":1}],"@odata.count":` + count + `}`,
		} {
			page := decodePageAs(xdr(), []byte(body), 0, false)
			require.NoError(t, page.Err, count)
			assert.Equal(t, want, page.Total, count)
			assert.Len(t, page.Rows, 1)
		}
	}
	assert.Zero(t, rowsOf(t, `{"incidentId":1}`).Total)
}

// The word hush stands wherever an error might quote something.
func TestMalformedRowDoesNotAffectOtherRows(t *testing.T) {
	const head = `{"incidentId":7,"lastUpdateTime":"2026-02-03T04:05:06.5Z"`
	for name, c := range map[string]struct{ row, want string }{
		"two alerts with one id": {head + `,"alerts":[{"alertId":"hush"},{"alertId":"hush"}]}`, "two alerts with the same id"},
		"an alert without an id": {head + `,"alerts":[{"title":"hush"}]}`, "an alert without alertId"},
		"a name that is empty":   {head + `,"":"hush","alerts":"hush"}`, "a string instead of an array"},
		"alerts as text":         {head + `,"alerts":"hush"}`, "a string instead of an array"},
		"an alert of null":       {head + `,"alerts":[null]}`, "null instead of an object"},
		"too many alerts":        {head + "," + strings.TrimPrefix(withAlerts(maxAlerts+1, 0), `{"incidentId":1,`), "more than 10000 alerts"},
		"nested too deep":        {head + `,"it":` + nested(maxDepth, "objects") + `}`, "nested deeper than 32 levels"},
		"nested far too deep":    {head + `,"it":` + nested(9_000, "arrays") + `}`, "nested deeper than 32 levels"},
		"too many members":       {head + members(maxMembers) + `}`, "an object with more than 1000 members"},
		"too many values":        {head + `,"it":[` + strings.Repeat("0,", maxValues) + `0]}`, "more than 1048576 values"},
		"one name twice":         {head + `,"status":"New","status":"hush"}`, `duplicate object member name`},
		"its id twice":           {head + `,"incidentId":8}`, `duplicate object member name`},
		"an alert before its id": {`{"alerts":[null],` + head[1:] + `}`, "null instead of an object"},
		"names before its id":    {`{"status":"New","status":"hush",` + head[1:] + `}`, `duplicate object member name`},
		"names not in Unicode":   {"{\"hush\\ud83d\xff\":{\"hush\":1,\"hush\":2}," + head[1:] + `}`, `duplicate object member name`},
	} {
		t.Run(name, func(t *testing.T) {
			page := rowsOf(t, `{"incidentId":1,"alerts":[]}`, c.row, `{"incidentId":2,"alerts":[{"alertId":"a"}]}`)
			require.Len(t, page.Rows, 3)
			assert.Zero(t, page.Nameless)
			assert.EqualValues(t, 1, page.Rows[0].Snapshot.ID)
			assert.EqualValues(t, 2, page.Rows[2].Snapshot.ID)
			assert.Len(t, page.Rows[2].Snapshot.Alerts, 1)

			row := page.Rows[1]
			failure, ok := errors.AsType[*Error](row.Err)
			require.True(t, ok)
			assert.Equal(t, Malformed, failure.Kind)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			row.Err = nil
			assert.Equal(t, Row{ID: 7, LastUpdate: time.Date(2026, 2, 3, 4, 5, 6, 500000000, time.UTC)}, row)
		})
	}
}

func TestRowWithoutAnIDIsDroppedAndCounted(t *testing.T) {
	for _, row := range []string{
		`null`, `7`, `"hush"`, `true`, `[{"incidentId":7}]`, `{}`, `{"incidentName":"hush"}`, `{"incidentId":null}`, `{"incidentId":0}`,
		`{"incidentId":-7}`, `{"incidentId":"7.0"}`, `{"incidentId":7.5}`, `{"incidentId":9223372036854775808}`, `{"incidentId":{"incidentId":7}}`,
		`{"incidentId":` + nested(100, "arrays") + `}`, `{"alerts":[{"incidentId":7},null]}`,
	} {
		page := rowsOf(t, `{"incidentId":1,"alerts":[]}`, row, row, `{"incidentId":2,"alerts":[]}`)
		assert.Len(t, page.Rows, 2, row)
		assert.Equal(t, 2, page.Nameless, row)
		for _, r := range page.Rows {
			assert.NoError(t, r.Err)
		}
	}
}

func TestResponseThatIsNotAPageIsMalformed(t *testing.T) {
	row := `{"incidentId":1,"incidentName":"hush"}`
	for name, c := range map[string]struct{ body, want string }{
		"nothing":                   {``, "EOF"},
		"a web page":                {webPage, "invalid character"},
		"null":                      {`null`, "null instead of an object"},
		"the rows alone":            {`[` + row + `]`, "an array instead of an object"},
		"an incident":               {row, "no value"},
		"the error object":          {words("hush", "hush"), "no value"},
		"an empty object":           {`{}`, "no value"},
		"rows of null":              {`{"value":null}`, "null instead of an array"},
		"rows as an object":         {`{"value":` + row + `}`, "an object instead of an array"},
		"rows as text":              {`{"value":"hush"}`, "a string instead of an array"},
		"rows twice":                {`{"value":[],"value":[` + row + `]}`, "value twice"},
		"a count twice":             {`{"@odata.count":1,"value":[],"@odata.count":1}`, "@odata.count twice"},
		"an end within a count":     {`{"value":[],"@odata.count":1`, "unexpected EOF"},
		"a count that is no JSON":   {`{"value":[],"@odata.count":01}`, "invalid character"},
		"a link twice":              {`{"@odata.nextLink":null,"@odata.nextLink":"?$skip=1","value":[]}`, "@odata.nextLink twice"},
		"an end within a row":       {`{"value":[` + row[:20], "unexpected EOF"},
		"an end behind a row":       {`{"value":[` + row, "unexpected EOF"},
		"an end behind the rows":    {`{"value":[` + row + `]`, "unexpected EOF"},
		"an end within a link":      {`{"value":[],"@odata.nextLink":"hush`, "unexpected EOF"},
		"a second page":             {pageOf(row) + pageOf(row), "more than one JSON value"},
		"something behind it":       {pageOf(row) + `hush`, "more than one JSON value"},
		"a row that is no JSON":     {pageOf(row, `{"incidentId":2,"x":hush}`), "invalid character"},
		"no comma between rows":     {pageOf(row + row), "invalid character"},
		"more rows than a page has": {pageOf(strings.Repeat(row+",", maxRows) + row), "more than 1000 rows"},
		"more that name none":       {pageOf(strings.Repeat("0,", maxRows) + "0"), "more than 1000 rows"},
		"brackets without an end":   {`{"value":` + strings.Repeat("[", 100_000), "exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			page := list(t, responding(200, c.body))
			failure := unlistedAs(t, page)
			assert.Equal(t, Malformed, failure.Kind)
			assert.Equal(t, 200, failure.Status)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, len(c.body), page.Size)
			assert.Zero(t, page.Nameless)
		})
	}
	assert.Len(t, rowsOf(t, strings.Repeat(row+",", maxRows-1)+row).Rows, maxRows)
}

func TestPageFarBeyondTheLimitsOfOneIncidentIsOversize(t *testing.T) {
	values := func(id, n int) string {
		return fmt.Sprintf(`{"incidentId":%d,"alerts":[],"it":[%s0]}`, id, strings.Repeat("0,", n-3))
	}
	alerts := func(id, n int) string {
		return strings.Replace(withAlerts(n, 0), `"incidentId":1`, fmt.Sprintf(`"incidentId":%d`, id), 1)
	}
	unsound := `{"incidentId":4,"it":[` + strings.Repeat("0,", maxValues/2) + nested(maxDepth, "arrays") + `]}`
	for name, c := range map[string]struct{ good, bad []string }{
		"values": {
			[]string{values(7, maxValues/2), unsound, values(2, maxValues/2)},
			[]string{values(7, maxValues/2), values(2, maxValues/2), `{"incidentId":3,"alerts":[]}`},
		},
		"alerts": {
			append(slices.Repeat([]string{alerts(7, wholeAlerts)}, maxPageAlerts/wholeAlerts), alerts(2, maxPageAlerts%wholeAlerts), alerts(3, maxAlerts)),
			append(slices.Repeat([]string{alerts(7, wholeAlerts)}, maxPageAlerts/wholeAlerts), alerts(2, maxPageAlerts%wholeAlerts+1)),
		},
	} {
		assert.Len(t, rowsOf(t, c.good...).Rows, len(c.good), name)
		page := decodePageAs(xdr(), []byte(pageOf(c.bad...)), 0, false)
		assert.EqualError(t, unlistedAs(t, page), "oversize response (HTTP status 200): more values or alerts than the receiver reads at once", name)
		assert.EqualValues(t, 7, page.First)
	}
}

func TestOnlyTheSkipOfALinkToTheNextPageIsUsed(t *testing.T) {
	for link, want := range map[string]int{
		`"https://api.security.microsoft.com/api/incidents?$skip=100"`:                                              100,
		`"https://wdatpprd-weu.example:444/api/incidents?$filter=lastUpdateTime+ge+2026-01-01T00:00:00Z&$skip=200"`: 200,
		`"http://elsewhere.example/other?%24top=50&%24skip=100"`:                                                    100,
		`"https://api.example/api/incidents?$filter=lastUpdateTime ge 2026-01-01T00:00:00Z&$top=100&$skip=100"`:     100,
		`"/api/incidents?$skip=101"`:                           101,
		`"?\u0024skip=1000"`:                                   1000,
		`"::not an address\n%zz?$top=%zz&$skip=100&$filter=%"`: 100,
		`"https://api.example/?$skip=100&$skiptoken=abc"`:      100,
		`"https://api.example/?$skip=9223372036854775807"`:     1<<63 - 1,
		`"https://api.example/?$top=50&$skiptoken=abc"`:        100, // behind the one row
		`null`: 0,
	} {
		for _, body := range []string{
			`{"value":[{"incidentId":1}],"@odata.nextLink":` + link + `}`, `{"@odata.nextLink":` + link + `,"value":[{"incidentId":1}]}`,
		} {
			page := decodePageAs(xdr(), []byte(body), 99, false)
			require.NoError(t, page.Err, link)
			assert.Equal(t, want, page.Next, link)
		}
	}
}

func TestLinkWithInvalidUnicodeLeadsToTheNextPage(t *testing.T) {
	for _, link := range []string{"https://api.example/\xff?$skip=200", `https://api.example/\ud83d?x=\ude00&$skip=200`} {
		page := decodePageAs(xdr(), []byte(`{"value":[{"incidentId":1}],"@odata.nextLink":"`+link+`"}`), 100, false)
		require.NoError(t, page.Err)
		assert.Equal(t, 200, page.Next)
	}
}

func TestNextPageAfterAnUnusableLinkBeginsAfterTheRows(t *testing.T) {
	const none = "no $skip in the nextLink"
	for link, want := range map[string]string{
		`"https://api.example/?$skiptoken="`:               none,
		`"https://api.example/?$skip=hush&$skiptoken=a"`:   none,
		`"https://api.example/?$skip="`:                    none,
		`"https://api.example/?$skip=hush"`:                none,
		`"https://api.example/?$skip=1e3"`:                 none,
		`"https://api.example/?$skip=9223372036854775808"`: none,
		`"https://api.example/?skip=200"`:                  none,
		`"https://api.example/?x=$skip=200"`:               none,
		`"https://api.example/$skip=200"`:                  none,
		`"hush"`:                                           none,
		`""`:                                               none,
		`"https://api.example/?$skip=100"`:                 "the nextLink leads from $skip 100 to 100",
		`"https://api.example/?$skip=99"`:                  "the nextLink leads from $skip 100 to 99",
		`"https://api.example/?$skip=0"`:                   "the nextLink leads from $skip 100 to 0",
		`"https://api.example/?$skip=-100"`:                "the nextLink leads from $skip 100 to -100",
		`"https://api.example/?$skip=100&$skip=200"`:       "the nextLink leads from $skip 100 to 100",
		`200`:            "a number as the nextLink",
		`{"$skip":200}`:  "an object as the nextLink",
		`["?$skip=200"]`: "an array as the nextLink",
		`false`:          "a boolean as the nextLink",
	} {
		page := decodePageAs(xdr(), []byte(`{"value":[{"incidentId":1,"alerts":[]},{}],"@odata.nextLink":`+link+`}`), 100, false)
		require.NoError(t, page.Err, link)
		assert.ErrorContains(t, page.LinkErr, want, link)
		assert.NotContains(t, page.LinkErr.Error(), "hush")
		assert.Equal(t, 102, page.Next, link)
		assert.True(t, page.Counted, link)
		assert.Empty(t, page.Token)
		require.Len(t, page.Rows, 1, link)
		assert.NoError(t, page.Rows[0].Err, link)

		page = decodePageAs(xdr(), []byte(`{"value":[],"@odata.nextLink":`+link+`}`), 100, false)
		assert.ErrorContains(t, page.LinkErr, want, link)
		assert.Zero(t, page.Next, "nothing says how to go on")
	}
}

func TestEmptyPageWithALinkLeadsToTheNextPage(t *testing.T) {
	page := decodePageAs(graph(), []byte(`{"value":[],"@odata.nextLink":"https://x.example/?$skiptoken=a%2Bb"}`), 50, false)
	require.NoError(t, page.LinkErr)
	assert.Equal(t, "a+b", page.Token)
	assert.Equal(t, 50, page.Next)
	page = decodePageAs(graph(), []byte(`{"value":[],"@odata.nextLink":"https://x.example/?$skip=100"}`), 50, false)
	require.NoError(t, page.LinkErr)
	assert.Equal(t, 100, page.Next)
	assert.Empty(t, page.Token)
	page = decodePageAs(graph(), []byte(`{"value":[],"@odata.nextLink":"?$skiptoken=`+strings.Repeat("a", maxLinkToken+1)+`"}`), 50, false)
	assert.ErrorContains(t, page.LinkErr, "a $skiptoken of more than 2048 bytes")
	assert.Empty(t, page.Token)
}

func TestRowWithoutAListOfAlertsDoesNotShowItsIncident(t *testing.T) {
	for row, whole := range map[string]bool{
		`{"incidentId":1}`:                                     false,
		`{"incidentId":1,"alerts":null}`:                       false,
		`{"incidentId":1,"alerts":[]}`:                         true,
		`{"incidentId":1,"status":"Redirected"}`:               true,
		`{"incidentId":1,"status":"Redirected","alerts":null}`: true,
	} {
		page := list(t, responding(200, pageOf(row)))
		require.NoError(t, page.Err)
		require.Len(t, page.Rows, 1)
		require.NoError(t, page.Rows[0].Err)
		assert.Equal(t, whole, page.Rows[0].Snapshot != nil, row)

		client := clientAt(t, endpoint, responding(200, pageOf(row)))
		client.noAlerts = true
		page = client.List(t.Context(), ListRequest{Top: 100})
		assert.NotNil(t, page.Rows[0].Snapshot, "%s, and nobody looks at alerts", row)
	}
}
