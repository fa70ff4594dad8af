// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// listAlerts requests a page of Graph's list of alerts through the transport.
func listAlerts(t testing.TB, transport http.RoundTripper, change ...func(*Settings)) Page {
	t.Helper()
	return graphClient(t, endpoint, transport, change...).List(t.Context(), ListRequest{Alerts: true, Top: 200})
}

// alertRowsOf is a page of alerts, which must be valid except for its rows.
func alertRowsOf(t testing.TB, rows ...string) Page {
	t.Helper()
	page := listAlerts(t, responding(200, pageOf(rows...)))
	require.NoError(t, page.Err)
	return page
}

func TestRowOfTheAlertListEqualsTheAlertThatGetShows(t *testing.T) {
	rows := []string{string(fixture(t, "graph_alert.json")), `{"id":"b","incidentId":8,"title":"x","it":{"b":[2,1],"a":1.0}}`}
	body := pageOf(rows...)
	for _, ignored := range []incident.Ignored{nil, incident.Ignore("evidence", "lastUpdateDateTime", "b")} {
		settings := func(s *Settings) { s.Ignored, s.KeepOriginal = ignored, true }
		page := listAlerts(t, handled(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, endpoint+"/v1.0/security/alerts_v2?$top=200", r.URL.String())
			assert.Equal(t, http.Header{
				"Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"}, "Prefer": {"include-unknown-enum-members"},
			}, r.Header)
			_, _ = io.WriteString(w, body)
		}), settings)
		require.NoError(t, page.Err)
		require.Len(t, page.Rows, 2)

		result := graphClient(t, endpoint, responding(200, `{"id":"1","alerts":[`+strings.Join(rows, ",")+`]}`), settings).Get(t.Context(), 1)
		require.NoError(t, result.Err)
		for i, tenant := range []string{"0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", ""} {
			assert.Equal(t, shown(t, &incident.Snapshot{
				ID: []int64{4711, 8}[i], API: "graph", Source: incident.FromList, Shows: incident.SomeAlerts, TenantID: tenant,
				AlertsField: "alerts", LastUpdateField: "lastUpdateDateTime", AlertLastUpdateField: "lastUpdateDateTime",
				Alerts: result.Snapshot.Alerts[i : i+1],
			}), shown(t, page.Rows[i].Snapshot))
			assert.NotZero(t, page.Rows[i].Snapshot.Alerts[0].Digest)
		}
		for i := range page.Rows {
			page.Rows[i].Snapshot = nil
		}
		assert.Equal(t, []Row{
			{
				ID: 4711, Alert: "ad0001_1",
				LastUpdate: time.Date(2026, 2, 3, 5, 10, 0, 500000000, time.UTC), Created: time.Date(2026, 2, 3, 4, 5, 6, 123456700, time.UTC),
			},
			{ID: 8, Alert: "b"},
		}, page.Rows)
	}
}

func TestDigestOfAnAlertDoesNotDependOnTheSource(t *testing.T) {
	digest := func(row string, ignored ...string) incident.Digest {
		page := listAlerts(t, responding(200, pageOf(row)), func(s *Settings) { s.Ignored = incident.Ignore(ignored...) })
		require.NoError(t, page.Err)
		return page.Rows[0].Snapshot.Alerts[0].Digest
	}
	const row = `{"id":"a","incidentId":"7","status":"new"}`
	same := digest(row)
	assert.Equal(t, same, digest(`{"@odata.type":"#microsoft.graph.security.alert","status":"new","incidentId":"7", "id":"\u0061"}`))
	assert.Equal(t, digest(row, "status"), digest(`{"id":"a","incidentId":"7","status":"resolved"}`, "status"))
	for _, other := range []string{
		`{"id":"a","incidentId":"7","status":"resolved"}`, `{"id":"a","incidentId":"8","status":"new"}`, `{"id":"a","incidentId":7,"status":"new"}`,
	} {
		assert.NotEqual(t, same, digest(other), other)
	}
}

func TestTenantOfAnAlertIsItsOwnOrReadFromTheIncidentURL(t *testing.T) {
	const own, ofAddress = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "11111111-2222-3333-4444-555555555555"
	address := `"incidentWebUrl":"https://x.example/incident2/7/overview?tid=` + ofAddress + `"`
	for members, want := range map[string]string{
		`"tenantId":"` + own + `",` + address:              own,
		`"tenantId":"` + own + `"`:                         own,
		address:                                            ofAddress,
		`"tenantId":"contoso",` + address:                  ofAddress,
		`"tenantId":7,` + address:                          ofAddress,
		`"tenantId":"contoso"`:                             "",
		`"alertWebUrl":"https://x.example/?tid=contoso"`:   "",
		`"tenantId":null,"incidentWebUrl":{"tid":"hush"}`:  "",
		`"tenantId":["` + own + `"],"incidentWebUrl":null`: "",
	} {
		page := alertRowsOf(t, `{"id":"a","incidentId":"7",`+members+`}`)
		assert.Equal(t, want, page.Rows[0].Snapshot.TenantID, members)
	}
}

func TestAlertWithoutAnIncidentIsStillARow(t *testing.T) {
	const times = `,"createdDateTime":"2026-02-03T04:05:06Z","lastUpdateDateTime":"2026-02-03T05:06:07Z"`
	created := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for member, id := range map[string]int64{
		``: 0, `,"incidentId":null`: 0, `,"incidentId":""`: 0,
		`,"incidentId":"7"`: 7, `,"incidentId":7`: 7, `,"incident\u0049d":"\u0037"`: 7, `,"incidentId":"9223372036854775807"`: 9223372036854775807,
	} {
		page := alertRowsOf(t, `{"id":"a"`+member+times+`}`)
		require.Len(t, page.Rows, 1, member)
		row := page.Rows[0]
		assert.Equal(t, id != 0, row.Snapshot != nil, member)
		row.Snapshot = nil
		assert.Equal(t, Row{ID: id, Alert: "a", LastUpdate: created.Add(time.Hour + time.Minute + time.Second), Created: created}, row, member)
		assert.Zero(t, page.Nameless)
	}
}

// The word hush stands wherever an error might quote something.
func TestMalformedAlertRowDoesNotAffectOtherRows(t *testing.T) {
	const head = `{"id":"a","incidentId":"7","createdDateTime":"2026-02-03T04:05:06Z","lastUpdateDateTime":"2026-02-03T05:06:07Z"`
	const noIncident = "incidentId is not an incident ID"
	for name, c := range map[string]struct {
		row, want string
		id        int64
	}{
		"nested too deep":       {head + `,"it":` + nested(maxDepth-2, "objects") + `}`, "nested deeper than 32 levels", 7},
		"nested far too deep":   {head + `,"it":` + nested(9_000, "arrays") + `}`, "nested deeper than 32 levels", 7},
		"too many members":      {head + members(maxMembers) + `}`, "an object with more than 1000 members", 7},
		"too many values":       {head + `,"it":[` + strings.Repeat("0,", maxValues) + `0]}`, "more than 1048576 values", 7},
		"one name twice":        {head + `,"status":"new","status":"hush"}`, "duplicate object member name", 7},
		"its id twice":          {head + `,"id":"hush"}`, "duplicate object member name", 7},
		"its incident twice":    {head + `,"incidentId":"8"}`, "duplicate object member name", 7},
		"names before its id":   {`{"hush":1,"hush":2,` + head[1:] + `}`, "duplicate object member name", 7},
		"names not in Unicode":  {"{\"hush\\ud83d\xff\":{\"hush\":1,\"hush\":2}," + head[1:] + `}`, "duplicate object member name", 7},
		"incident of zero":      {strings.Replace(head, `"7"`, `0`, 1) + `}`, noIncident, 0},
		"incident of text":      {strings.Replace(head, `7`, `hush`, 1) + `}`, noIncident, 0},
		"incident with a sign":  {strings.Replace(head, `7`, `-7`, 1) + `}`, noIncident, 0},
		"incident in part":      {strings.Replace(head, `"7"`, `7.5`, 1) + `}`, noIncident, 0},
		"incident too large":    {strings.Replace(head, `"7"`, `9223372036854775808`, 1) + `}`, noIncident, 0},
		"incident as an object": {strings.Replace(head, `"7"`, `{"incidentId":"7"}`, 1) + `}`, noIncident, 0},
		"incident as an array":  {strings.Replace(head, `"7"`, `["7"]`, 1) + `}`, noIncident, 0},
		"incident as a boolean": {strings.Replace(head, `"7"`, `false`, 1) + `}`, noIncident, 0},
	} {
		t.Run(name, func(t *testing.T) {
			page := decodeListAs(graph(), []byte(pageOf(`{"id":"x","incidentId":1}`, c.row, `{"id":"y","incidentId":2}`)), ListRequest{Alerts: true}, true)
			require.NoError(t, page.Err)
			require.Len(t, page.Rows, 3)
			assert.Zero(t, page.Nameless)
			assert.EqualValues(t, 1, page.Rows[0].Snapshot.ID)
			assert.EqualValues(t, 2, page.Rows[2].Snapshot.ID)

			row := page.Rows[1]
			failure, ok := errors.AsType[*Error](row.Err)
			require.True(t, ok)
			assert.Equal(t, Malformed, failure.Kind)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			row.Err = nil
			assert.Equal(t, Row{
				ID: c.id, Alert: "a", LastUpdate: time.Date(2026, 2, 3, 5, 6, 7, 0, time.UTC), Created: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
			}, row)
		})
	}
	sound := alertRowsOf(t, head+`,"it":`+nested(maxDepth-3, "objects")+`}`)
	assert.NoError(t, sound.Rows[0].Err, "as deep as an alert may be in an incident")
}

func TestAlertRowWithoutAnIDIsDroppedAndCounted(t *testing.T) {
	for _, row := range []string{
		`null`, `7`, `"hush"`, `true`, `[{"id":"a","incidentId":"7"}]`, `{}`, `{"incidentId":"7"}`, `{"id":null,"incidentId":"7"}`,
		`{"id":"","incidentId":"7"}`, `{"id":7,"incidentId":"7"}`, `{"id":{"id":"a"},"incidentId":"7"}`, `{"id":["a"],"incidentId":"7"}`,
		`{"alertId":"a","incidentId":"7"}`, `{"":"a","incidentId":"7"}`, `{"id":` + nested(100, "arrays") + `,"incidentId":"7"}`,
	} {
		page := alertRowsOf(t, `{"id":"x","incidentId":"1"}`, row, row, `{"id":"y"}`)
		assert.Len(t, page.Rows, 2, row)
		assert.Equal(t, 2, page.Nameless, row)
		for _, r := range page.Rows {
			assert.NoError(t, r.Err)
		}
	}
}

func TestNarrowAlertRowHasOnlyIDsAndTimes(t *testing.T) {
	client := graphClient(t, endpoint, responding(200, pageOf(
		`{"id":"a","incidentId":"7","createdDateTime":"2026-02-03T04:05:06Z","lastUpdateDateTime":"2026-02-03T05:06:07Z"}`,
		`{"id":"b","incidentId":null,"title":"not asked for"}`,
		`{"id":"c","incidentId":"hush"}`,
	)))
	page := client.List(t.Context(), ListRequest{Alerts: true, Narrow: true, Top: 200})
	require.NoError(t, page.Err)
	require.Len(t, page.Rows, 3)
	assert.Error(t, page.Rows[2].Err)
	assert.Equal(t, []Row{
		{ID: 7, Alert: "a", LastUpdate: time.Date(2026, 2, 3, 5, 6, 7, 0, time.UTC), Created: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)},
		{Alert: "b"},
	}, page.Rows[:2])
}

func TestPartialPageOfAlertsShowsNoIncident(t *testing.T) {
	for status, partial := range map[int]bool{200: false, 206: true} {
		page := listAlerts(t, responding(status, `{"@odata.count":9,"value":[{"id":"a","incidentId":"7"}]}`, "Warning", "199 - some provider"))
		require.NoError(t, page.Err)
		assert.Equal(t, partial, page.Partial)
		assert.Equal(t, "199 - some provider", page.Warning)
		assert.Equal(t, 9, page.Total)
		require.Len(t, page.Rows, 1)
		assert.Equal(t, partial, page.Rows[0].Snapshot == nil, status)
		page.Rows[0].Snapshot = nil
		assert.Equal(t, []Row{{ID: 7, Alert: "a"}}, page.Rows)
	}
}

func TestLargestPageOfAlertsOfGraphIsAccepted(t *testing.T) {
	row := func(i int) string {
		return fmt.Sprintf(`{"id":"a%d","incidentId":"%d","evidence":[%s0]}`, i, i+1, strings.Repeat(`{"x":"y"},`, 200))
	}
	rows := make([]string, 0, maxRows+1)
	for i := range maxRows {
		rows = append(rows, row(i))
	}
	r := ListRequest{Alerts: true}
	page := decodeListAs(graph(), []byte(pageOf(rows...)), r, false)
	require.NoError(t, page.Err)
	require.Len(t, page.Rows, maxRows)
	for i, row := range page.Rows {
		require.NotNil(t, row.Snapshot)
		assert.EqualValues(t, i+1, row.Snapshot.ID)
	}
	page = decodeListAs(graph(), []byte(pageOf(append(rows, row(0))...)), r, false)
	assert.ErrorContains(t, unlistedAs(t, page), "more than 1000 rows")

	many := func(alert string, incidentID, n int) string {
		return fmt.Sprintf(`{"id":%q,"incidentId":%d,"it":[%s0]}`, alert, incidentID, strings.Repeat("0,", n))
	}
	page = decodeListAs(graph(), []byte(pageOf(many("x", 7, maxValues/2), many("y", 2, maxValues/2), many("z", 3, 0))), r, false)
	assert.Equal(t, Oversize, unlistedAs(t, page).Kind)
	assert.EqualValues(t, 7, page.First)
	assert.Equal(t, "x", page.FirstAlert)
}

func TestErrorAboutAnOversizePageNamesItsFirstAlert(t *testing.T) {
	const limit = 32 << 10
	fill := strings.Repeat("x", limit)
	for name, c := range map[string]struct {
		body, alert string
		id          int64
	}{
		"as the API writes it":    {`{"@odata.count":3,"value":[{"id":"a","providerAlertId":"b","incidentId":"7","title":"` + fill, "a", 7},
		"the incident before it":  {`{"value":[{"incidentId":7,"evidence":[{"id":"c"}],"id":"a","title":"` + fill, "a", 7},
		"in no incident":          {`{"value":[{"id":"a","incidentId":null,"title":"` + fill, "a", 0},
		"the incident too far":    {`{"value":[{"id":"a","title":"` + fill + `","incidentId":"7"}]}`, "a", 0},
		"rows behind it":          {`{"value":[{"id":"a"},{"id":"b","incidentId":"7","title":"` + fill, "a", 0},
		"its id too far behind":   {`{"value":[{"incidentId":"7","title":"` + fill + `","id":"a"}]}`, "", 0},
		"cut off within its id":   {`{"value":[{"incidentId":"7","id":"a,` + fill, "", 0},
		"a first row without one": {`{"value":[{"incidentId":"7"},{"id":"a","incidentId":"7","title":"` + fill, "", 0},
		"an id as a number":       {`{"value":[{"id":7,"incidentId":"7","title":"` + fill, "", 0},
		"no rows":                 {`{"value":[],"x":"` + fill, "", 0},
		"no JSON":                 {webPage + fill, "", 0},
	} {
		page := listAlerts(t, responding(200, c.body), func(s *Settings) { s.MaxBody = limit })
		failure := unlistedAs(t, page)
		assert.Equal(t, Oversize, failure.Kind, name)
		assert.Equal(t, c.alert, page.FirstAlert, name)
		assert.Equal(t, c.id, page.First, name)
	}
	page := listAlerts(t, responding(200, `{"value":[{"id":"a","incidentId":"7"}]}`))
	require.NoError(t, page.Err)
	assert.Empty(t, page.FirstAlert)
	assert.Zero(t, page.First)
}

func TestLinkOfTheAlertListLeadsToThatListOnly(t *testing.T) {
	var visited []string
	client := graphClient(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
		visited = append(visited, r.URL.String())
		_, _ = io.WriteString(w, `{"value":[],"@odata.nextLink":"https://elsewhere.example/other?$top=9&$skiptoken=a%2Bb"}`)
	}))
	page := client.List(t.Context(), ListRequest{Alerts: true, Top: 200})
	require.NoError(t, page.Err)
	client.List(t.Context(), ListRequest{Alerts: true, Top: 200, Skip: page.Next, Token: page.Token})
	assert.Equal(t, []string{
		endpoint + "/v1.0/security/alerts_v2?$top=200", endpoint + "/v1.0/security/alerts_v2?$top=200&$skiptoken=a%2Bb",
	}, visited)
}

func TestAdviceOnARefusedAlertListNamesItsPermission(t *testing.T) {
	const audience = `{"aud":"https://graph.microsoft.com",`
	for _, c := range []struct{ claims, permission, want string }{
		{
			audience + `"roles":["SecurityIncident.Read.All"]}`, "SecurityAlert.Read.All",
			"The token has none of the permissions that the API accepts. Grant the application permission SecurityAlert.Read.All " +
				"to the application and give admin consent; tokens issued before that last up to an hour.",
		},
		{
			audience + `"scp":"SecurityIncident.Read.All"}`, "SecurityAlert.Read.All",
			"The token has none of the permissions that the API accepts. Grant the delegated permission SecurityAlert.Read.All " +
				"to the application and give admin consent; tokens issued before that last up to an hour.",
		},
		{
			audience + `"roles":["SecurityAlert.ReadWrite.All"]}`, "SecurityAlert.Read.All",
			"Nothing in the token shows what is wrong. See the code and the message of the response.",
		},
		{
			audience + `"scp":"SecurityAlert.Read.All"}`, "SecurityAlert.Read.All",
			"Nothing in the token shows what is wrong. The token's user also needs a role in Microsoft Entra that may read alerts, " +
				"such as Security Reader. The token shows only the incidents that this user may see.",
		},
		{
			`{"aud":"https://api.security.microsoft.com","roles":["Incident.Read.All"]}`, "SecurityAlert.Read.All",
			`The token is for "https://api.security.microsoft.com", which is another API. ` +
				"Set the scope of the extension set in http::auth to https://graph.microsoft.com/.default.",
		},
	} {
		client := graphClient(t, "https://graph.microsoft.com", authorized(jwt(c.claims), responding(403, words("Forbidden", "Missing application roles."))))
		failure := unlistedAs(t, client.List(t.Context(), ListRequest{Alerts: true, Top: 1}))
		assert.Equal(t, Forbidden, failure.Kind)
		assert.EqualError(t, failure, "forbidden (HTTP status 403): Forbidden: Missing application roles.")
		assert.Equal(t, c.permission, failure.Permission)
		assert.Equal(t, c.want, failure.Advice)

		failure = unlistedAs(t, client.List(t.Context(), ListRequest{Top: 1}))
		assert.Equal(t, "SecurityIncident.Read.All", failure.Permission, "the list of incidents takes its own")
	}
	unsigned := graphClient(t, "https://graph.microsoft.com", authorized("", responding(401, "")))
	assert.Contains(t, unlistedAs(t, unsigned.List(t.Context(), ListRequest{Alerts: true, Top: 1})).Advice, "SecurityAlert.Read.All")
	assert.Contains(t, failed(t, unsigned.Get(t.Context(), 1)).Advice, "SecurityIncident.Read.All")
}

func TestMissingAlertListIsRejected(t *testing.T) {
	for body, want := range map[string]string{
		"": "rejected (HTTP status 404): there is no list of alerts",
		words("ResourceNotFound", "No such path"): "rejected (HTTP status 404): ResourceNotFound: No such path: there is no list of alerts",
		webPage: "malformed response (HTTP status 404): not in the API's error format; check http::endpoint and any proxy",
	} {
		page := listAlerts(t, responding(404, body))
		assert.EqualError(t, unlistedAs(t, page), want)
		assert.Equal(t, 1, page.Reached)
	}
}

func TestResponseThatIsNotAPageOfAlertsIsMalformed(t *testing.T) {
	row := `{"id":"a","incidentId":"7","title":"hush"}`
	for name, c := range map[string]struct{ body, want string }{
		"an alert":            {row, "no value"},
		"an empty object":     {`{}`, "no value"},
		"rows of null":        {`{"value":null}`, "null instead of an array"},
		"rows twice":          {`{"value":[` + row + `],"value":[]}`, "value twice"},
		"a count twice":       {`{"@odata.count":1,"value":[` + row + `],"@odata.count":2}`, "@odata.count twice"},
		"an end within a row": {`{"value":[` + row[:20], "unexpected EOF"},
		"a second page":       {pageOf(row) + pageOf(row), "more than one JSON value"},
	} {
		failure := unlistedAs(t, listAlerts(t, responding(200, c.body)))
		assert.Equal(t, Malformed, failure.Kind, name)
		assert.ErrorContains(t, failure, c.want, name)
		assert.NotContains(t, failure.Error(), "hush")
	}
}

func TestAlertRowDoesNotKeepItsPageInMemory(t *testing.T) {
	alert := fixture(t, "graph_alert.json")
	body := []byte(pageOf(string(alert), string(alert)))
	page := decodeListAs(graph(), body, ListRequest{Alerts: true}, true)
	require.NoError(t, page.Err)
	clear(body)
	require.Len(t, page.Rows, 2, "also where two rows show the same alert")
	assert.Equal(t, shownRow(t, page.Rows[0]), shownRow(t, page.Rows[1]))
	assert.Equal(t, "ad0001_1", page.Rows[0].Alert)
	assert.Equal(t, "Unfamiliar sign-in properties\u200b", page.Rows[0].Snapshot.Alerts[0].Title)
	assert.Nil(t, page.Rows[0].Snapshot.Original, "an alert is not the incident as received")
}
