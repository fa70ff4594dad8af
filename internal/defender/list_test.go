// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// list requests the first page through the transport.
func list(t testing.TB, transport http.RoundTripper) Page {
	t.Helper()
	return clientAt(t, endpoint, transport).List(t.Context(), ListRequest{Top: 100})
}

// unlistedAs is the error of a page that brought nothing.
func unlistedAs(t testing.TB, page Page) *Error {
	t.Helper()
	require.Empty(t, page.Rows)
	require.Zero(t, page.Next)
	failure, ok := errors.AsType[*Error](page.Err)
	require.True(t, ok, "%v", page.Err)
	return failure
}

func TestListRequestsAPageAsDocumented(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	for _, c := range []struct {
		endpoint string
		request  ListRequest
		want     string
	}{
		{endpoint, ListRequest{Top: 100}, endpoint + "/api/incidents?$top=100"},
		{endpoint, ListRequest{Top: 1, Skip: 99}, endpoint + "/api/incidents?$top=1&$skip=99"},
		{
			endpoint,
			ListRequest{Since: at, Top: 100, Skip: 100},
			endpoint + "/api/incidents?$filter=lastUpdateTime+ge+2026-11-23T12:00:00.1234567Z&$top=100&$skip=100",
		},
		{
			endpoint,
			ListRequest{Since: at.Truncate(time.Second).In(time.FixedZone("", 3600)), Top: 50},
			endpoint + "/api/incidents?$filter=lastUpdateTime+ge+2026-11-23T12:00:00.0000000Z&$top=50",
		},
		{endpoint, ListRequest{Status: "InProgress", Top: 100}, endpoint + "/api/incidents?$filter=status+eq+%27InProgress%27&$top=100"},
		{
			endpoint,
			ListRequest{Since: at.Truncate(time.Second), Status: "O'Hara", Top: 1},
			endpoint + "/api/incidents?$filter=lastUpdateTime+ge+2026-11-23T12:00:00.0000000Z+and+status+eq+%27O%27%27Hara%27&$top=1",
		},
		{"https://gateway.example/defender/", ListRequest{Top: 2}, "https://gateway.example/defender/api/incidents?$top=2"},
	} {
		requests := 0
		page := clientAt(t, c.endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
			requests++
			assert.Equal(t, http.MethodGet, r.Method)
			assert.Equal(t, c.want, r.URL.String())
			assert.Equal(t, http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"}}, r.Header)
			assert.Equal(t, http.NoBody, r.Body)
			if !c.request.Since.IsZero() {
				assert.True(t, strings.HasPrefix(r.URL.Query().Get("$filter"), "lastUpdateTime ge 2026-"))
			}
			_, _ = io.WriteString(w, `{"value":[]}`)
		})).List(t.Context(), c.request)
		require.NoError(t, page.Err)
		assert.Equal(t, Page{Reached: 1, Size: len(`{"value":[]}`)}, page)
		assert.Equal(t, 1, requests)
	}
}

func TestEachListIsRequestedWithItsOwnParameters(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456700, time.UTC)
	all := ListRequest{
		Since: at, Before: at.Add(time.Minute), CreatedSince: at.Add(time.Hour), CreatedBefore: at.Add(2 * time.Hour), Status: "resolved",
		ByCreation: true, Count: true, Narrow: true, Top: 7, Skip: 14,
	}
	alerts := all
	alerts.Alerts = true
	const incidentList, alertList = endpoint + "/v1.0/security/incidents?", endpoint + "/v1.0/security/alerts_v2?"
	const filter = "$filter=lastUpdateDateTime+ge+2026-11-23T12:00:00.1234567Z+and+lastUpdateDateTime+lt+2026-11-23T12:01:00.1234567Z" +
		"+and+createdDateTime+ge+2026-11-23T13:00:00.1234567Z+and+createdDateTime+lt+2026-11-23T14:00:00.1234567Z+and+status+eq+%27resolved%27"
	for _, c := range []struct {
		api     API
		request ListRequest
		want    string
	}{
		{Graph, ListRequest{Top: 50}, incidentList + "$top=50"},
		{Graph, ListRequest{Alerts: true, Top: 200}, alertList + "$top=200"},
		{Graph, ListRequest{ByCreation: true, Top: 1}, incidentList + "$orderby=createdDateTime+asc&$top=1"},
		{Graph, ListRequest{Count: true, Top: 1}, incidentList + "$count=true&$top=1"},
		{Graph, ListRequest{Narrow: true, Top: 1}, incidentList + "$select=id,createdDateTime,lastUpdateDateTime&$top=1"},
		{Graph, ListRequest{Alerts: true, Narrow: true, Top: 1}, alertList + "$select=id,createdDateTime,lastUpdateDateTime,incidentId&$top=1"},
		{Graph, ListRequest{Before: at, Top: 1}, incidentList + "$filter=lastUpdateDateTime+lt+2026-11-23T12:00:00.1234567Z&$top=1"},
		{Graph, ListRequest{CreatedSince: at, Top: 1}, incidentList + "$filter=createdDateTime+ge+2026-11-23T12:00:00.1234567Z&$top=1"},
		{Graph, ListRequest{CreatedBefore: at, Top: 1}, incidentList + "$filter=createdDateTime+lt+2026-11-23T12:00:00.1234567Z&$top=1"},
		{
			Graph, all,
			incidentList + filter + "&$orderby=createdDateTime+asc&$select=id,createdDateTime,lastUpdateDateTime&$count=true&$top=7&$skip=14",
		},
		{
			Graph, alerts,
			alertList + filter + "&$orderby=createdDateTime+asc&$select=id,createdDateTime,lastUpdateDateTime,incidentId&$count=true&$top=7&$skip=14",
		},
		{Graph, ListRequest{Alerts: true, Count: true, Top: 2, Skip: 4, Token: "a+b"}, alertList + "$count=true&$top=2&$skiptoken=a%2Bb"},
		{Graph, ListRequest{Top: 1, Skip: 501}, incidentList + "$top=1&$skip=501"},
		{
			XDR, all,
			endpoint + "/api/incidents?" + strings.NewReplacer("lastUpdateDateTime", "lastUpdateTime", "createdDateTime", "createdTime").Replace(filter) +
				"&$orderby=createdTime+asc&$select=incidentId,createdTime,lastUpdateTime&$count=true&$top=7&$skip=14",
		},
	} {
		requests := 0
		page := graphClient(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
			requests++
			assert.Equal(t, c.want, r.URL.String())
			prefer := r.Header.Get("Prefer")
			assert.Equal(t, c.api == Graph, prefer == "include-unknown-enum-members", prefer)
			_, _ = io.WriteString(w, `{"value":[],"@odata.count":3}`)
		}), func(s *Settings) { s.API = c.api }).List(t.Context(), c.request)
		require.NoError(t, page.Err)
		assert.Equal(t, 3, page.Total)
		assert.Equal(t, 1, requests)
	}
}

func TestRoundedBoundsLeaveNothingOut(t *testing.T) {
	for nanoseconds, want := range map[int][2]string{
		0:         {"00.0000000", "00.0000000"},
		1:         {"00.0000000", "00.0000001"},
		99:        {"00.0000000", "00.0000001"},
		100:       {"00.0000001", "00.0000001"},
		101:       {"00.0000001", "00.0000002"},
		999999999: {"00.9999999", "01.0000000"},
	} {
		at := time.Date(2026, 11, 23, 12, 0, 0, nanoseconds, time.FixedZone("", 3600))
		query := graph().query(ListRequest{Since: at, Before: at, CreatedSince: at, CreatedBefore: at, Top: 1})
		assert.Equal(t, "$filter=lastUpdateDateTime+ge+2026-11-23T11:00:"+want[0]+"Z+and+lastUpdateDateTime+lt+2026-11-23T11:00:"+want[1]+
			"Z+and+createdDateTime+ge+2026-11-23T11:00:"+want[0]+"Z+and+createdDateTime+lt+2026-11-23T11:00:"+want[1]+"Z&$top=1", query)
	}
}

func TestPageThatTheAPIWouldRefuseIsNotRequested(t *testing.T) {
	unused := roundTrip(func(*http.Request) (*http.Response, error) {
		assert.Fail(t, "the API was asked")
		return nil, errors.New("asked")
	})
	client, ofGraph := clientAt(t, endpoint, unused), graphClient(t, endpoint, unused)
	assert.Equal(t, []any{100, 0, 0, false}, []any{client.MaxTop(), client.MaxAlertTop(), client.MaxSkip(), client.ListsAlerts()})
	assert.Equal(t, []any{50, 200, 500, true}, []any{ofGraph.MaxTop(), ofGraph.MaxAlertTop(), ofGraph.MaxSkip(), ofGraph.ListsAlerts()})
	for _, c := range []struct {
		client  *Client
		request ListRequest
		want    string
	}{
		{client, ListRequest{}, "a page must have 1 to 100 rows and cannot skip a negative number of rows"},
		{client, ListRequest{Top: -1}, "a page must have 1 to 100 rows and cannot skip a negative number of rows"},
		{client, ListRequest{Top: 101}, "a page must have 1 to 100 rows and cannot skip a negative number of rows"},
		{client, ListRequest{Top: math.MaxInt}, "a page must have 1 to 100 rows and cannot skip a negative number of rows"},
		{client, ListRequest{Top: 1, Skip: -1}, "a page must have 1 to 100 rows and cannot skip a negative number of rows"},
		{client, ListRequest{Top: 1, Alerts: true}, "the API has no list of alerts"},
		{ofGraph, ListRequest{Top: 51}, "a page must have 1 to 50 rows and cannot skip a negative number of rows"},
		{ofGraph, ListRequest{Top: 0, Alerts: true}, "a page must have 1 to 200 rows and cannot skip a negative number of rows"},
		{ofGraph, ListRequest{Top: 201, Alerts: true}, "a page must have 1 to 200 rows and cannot skip a negative number of rows"},
		{ofGraph, ListRequest{Top: 1, Skip: -1, Alerts: true}, "a page must have 1 to 200 rows and cannot skip a negative number of rows"},
	} {
		page := c.client.List(t.Context(), c.request)
		assert.Equal(t, Rejected, unlistedAs(t, page).Kind)
		assert.EqualError(t, page.Err, "rejected: "+c.want)
		assert.Zero(t, page.Reached)
	}
}

func TestMissingListIsNotAMissingIncident(t *testing.T) {
	for body, want := range map[string]string{
		"": "rejected (HTTP status 404): there is no list of incidents; check http::endpoint",
		words("ResourceNotFound", "No such path"): "rejected (HTTP status 404): ResourceNotFound: No such path: " +
			"there is no list of incidents; check http::endpoint",
		webPage: "malformed response (HTTP status 404): not in the API's error format; check http::endpoint and any proxy",
	} {
		page := list(t, responding(404, body))
		assert.EqualError(t, unlistedAs(t, page), want)
		assert.Equal(t, 1, page.Reached)
	}
}

func TestFailedListReportsTheSameAsAFailedGet(t *testing.T) {
	const token = "Bearer x.eyJhdWQiOiJodHRwczovL2dyYXBoLm1pY3Jvc29mdC5jb20iLCJyb2xlcyI6WyJJbmNpZGVudC5SZWFkLkFsbCJdfQ.x"
	throttling := words("429", "API calls quota exceeded! Maximum allowed 30 per 00:01:00 for the key. You can send requests again in 8 seconds.")
	for name, transport := range map[string]http.RoundTripper{
		"no connection":  unreachable(errors.New("connection refused")),
		"no token":       signingIn("hush", newSim(t, nil).RoundTripper(), newSim(t, nil).RoundTripper()),
		"bad request":    responding(400, words("BadRequest", "Not a filter")),
		"bad token":      authorized(token, responding(401, words("Unauthorized", "Bad token"))),
		"no role":        authorized(token, responding(403, words("Forbidden", "Missing application roles."))),
		"throttled":      responding(429, throttling),
		"down":           responding(503, webPage),
		"redirected":     responding(302, "", "Location", "https://elsewhere.example/api/incidents?code=hush"),
		"no content":     responding(204, ""),
		"another coding": responding(200, "{}", "Content-Encoding", "br"),
		"too large":      responding(200, strings.Repeat(" ", maxBody+1)),
		"a web page":     responding(200, webPage),
	} {
		t.Run(name, func(t *testing.T) {
			result, page := get(t, transport), list(t, transport)
			assert.Equal(t, failed(t, result), unlistedAs(t, page))
			assert.Equal(t, result.Reached, page.Reached)
			assert.Equal(t, result.Size, page.Size)
			assert.NotContains(t, page.Err.Error(), "hush")
		})
	}
	assert.NotEmpty(t, unlistedAs(t, list(t, authorized(token, responding(403, "")))).Advice)
	assert.Equal(t, 8*time.Second, unlistedAs(t, list(t, responding(429, throttling))).RetryAfter)
}

func TestTokenIsNotSentToTheTargetOfARedirectOfTheList(t *testing.T) {
	var visited []string
	page := list(t, withToken(handled(func(w http.ResponseWriter, r *http.Request) {
		visited = append(visited, r.URL.String())
		w.Header().Set("Location", "https://elsewhere.example/api/incidents?$skip=100")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})))
	assert.Equal(t, Redirect, unlistedAs(t, page).Kind)
	assert.Equal(t, []string{"https://api.example/api/incidents?$top=100"}, visited)
}

func TestCanceledListReturnsTheErrorOfItsContextAndAHangingOneATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientAt(t, endpoint, stalling(""))
		client.http.Timeout = 30 * time.Second
		assert.Equal(t, Timeout, unlistedAs(t, client.List(t.Context(), ListRequest{Top: 1})).Kind)
		client.http.Timeout = 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		page := client.List(ctx, ListRequest{Top: 1})
		assert.Equal(t, ctx.Err(), page.Err)
		assert.Error(t, page.Err)
		assert.Equal(t, 1, page.Reached)
	})
}

func TestPageHasTheTimeOfTheResponse(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Time{
		"Mon, 23 Nov 2026 12:00:00 GMT":  at,
		"Monday, 23-Nov-26 12:00:00 GMT": at,
		"":                               {},
		"2026-11-23T12:00:00Z":           {},
		"hush":                           {},
		"Sat, 01 Jan 0000 00:00:00 GMT":  {},
		"Fri, 31 Dec 9999 23:59:59 GMT":  {},
	} {
		for status, body := range map[int]string{200: `{"value":[]}`, 429: "", 202: ""} {
			assert.Equal(t, want, list(t, responding(status, body, "Date", header)).Date, "%d %s", status, header)
		}
	}
}

func TestPageWithAnotherSuccessStatusIsPartial(t *testing.T) {
	body := pageOf(`{"incidentId":1,"lastUpdateTime":"2026-02-03T04:05:06Z","alerts":[]}`)
	for status, partial := range map[int]bool{200: false, 201: true, 203: true, 206: true, 299: true} {
		page := list(t, responding(status, body, "Warning", "199 - \"a\tb\u00e9\""))
		require.NoError(t, page.Err)
		assert.Equal(t, partial, page.Partial, status)
		assert.Equal(t, `199 - "a b "`, page.Warning)
		require.Len(t, page.Rows, 1)
		assert.Equal(t, partial, page.Rows[0].Snapshot == nil, "then it is fetched by ID")
		assert.False(t, page.Rows[0].LastUpdate.IsZero())
	}
}

func TestNextPageIsRequestedFromTheEndpointNotFromTheLink(t *testing.T) {
	var visited []string
	client := clientAt(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
		visited = append(visited, r.URL.String())
		_, _ = io.WriteString(w, `{"value":[],"@odata.nextLink":"https://user:hush@elsewhere.example/other?$filter=x&$top=9&$skip=100"}`)
	}))
	page := client.List(t.Context(), ListRequest{Top: 100})
	require.NoError(t, page.Err)
	require.NoError(t, page.LinkErr)
	page = client.List(t.Context(), ListRequest{Top: 100, Skip: page.Next})
	require.NoError(t, page.Err)
	assert.Error(t, page.LinkErr, "the link leads to itself")
	assert.Zero(t, page.Next)
	client.List(t.Context(), ListRequest{Top: 100, Skip: 100, Token: "a+b&c"})
	assert.Equal(t, []string{
		"https://api.example/api/incidents?$top=100", "https://api.example/api/incidents?$top=100&$skip=100",
		"https://api.example/api/incidents?$top=100&$skiptoken=a%2Bb%26c",
	}, visited)
}

func TestErrorAboutAnOversizePageNamesItsFirstIncident(t *testing.T) {
	const limit = 32 << 10
	fill := strings.Repeat("x", limit)
	row := `{"@odata.context":"https://api.example/api/$metadata#Incidents","value":[{"incidentId":924565,"incidentName":"`
	for name, c := range map[string]struct {
		body string
		want int64
	}{
		"as the API writes it":    {row + fill, 924565},
		"its id behind much":      {`{"value":[{"alerts":[[],{"incidentId":7}],"incidentId":924565,"incidentName":"` + fill, 924565},
		"invalid and doubled":     {"{\"a\":1,\"a\":\"\xff\",\"value\":[{\"x\":0,\"x\":1,\"incidentId\":924565,\"incidentName\":\"" + fill, 924565},
		"rows behind it":          {`{"value":[{"incidentId":924565},{"incidentId":2,"incidentName":"` + fill, 924565},
		"its id too far behind":   {`{"value":[{"incidentName":"` + fill + `","incidentId":924565}`, 0},
		"cut off within its id":   {`{"value":[{"incidentId":92456` + strings.Repeat("5", limit), 0},
		"a first row without one": {`{"value":[{},{"incidentId":924565,"incidentName":"` + fill, 0},
		"a first row of null":     {`{"value":[null,{"incidentId":924565,"incidentName":"` + fill, 0},
		"an id below zero":        {`{"value":[{"incidentId":-924565,"incidentName":"` + fill, 0},
		"an id as text":           {`{"value":[{"incidentId":"924565","incidentName":"` + fill, 924565},
		"an id with a fraction":   {`{"value":[{"incidentId":"9245.65","incidentName":"` + fill, 0},
		"no rows":                 {`{"value":[],"x":"` + fill, 0},
		"an incident alone":       {`{"incidentId":924565,"incidentName":"` + fill, 0},
		"no JSON":                 {webPage + fill, 0},
		"brackets without an end": {strings.Repeat("[", limit+1), 0},
		"objects without an end":  {strings.Repeat(`{"value":[`, limit), 0},
	} {
		for _, coding := range []string{"", "gzip", "deflate"} {
			transport := responding(200, encoded(coding, c.body), "Content-Encoding", coding)
			page := limited(t, transport, limit).List(t.Context(), ListRequest{Top: 100})
			failure := unlistedAs(t, page)
			assert.Equal(t, Oversize, failure.Kind, name)
			assert.ErrorContains(t, failure, "max_response_body_size")
			assert.Equal(t, c.want, page.First, name)
		}
	}
}

func TestTruncatedIDIsNotReported(t *testing.T) {
	body := `{"value":[{"incidentId":924565,"lastUpdateTime":"2026-02-03T04:05:06Z","x":0}]}`
	for limit := 1; limit < len(body); limit++ {
		page := limited(t, responding(200, body), int64(limit)).List(t.Context(), ListRequest{Top: 1})
		assert.Equal(t, Oversize, unlistedAs(t, page).Kind)
		if limit < len(`{"value":[{"incidentId":924565`) {
			assert.Zero(t, page.First, limit)
		} else {
			assert.EqualValues(t, 924565, page.First, limit)
		}
	}
	whole := limited(t, responding(200, body), int64(len(body)))
	assert.NoError(t, whole.List(t.Context(), ListRequest{Top: 1}).Err)
}
