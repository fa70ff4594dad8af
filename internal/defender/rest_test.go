// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// pages responds to each request for incident 1 with the next body, and keeps
// the requested addresses.
type pages struct {
	bodies    []string
	requested []string
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.requested = append(p.requested, r.URL.String())
	body := p.bodies[0]
	p.bodies = p.bodies[1:]
	return handled(func(w http.ResponseWriter, _ *http.Request) {
		if body == "404" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, body)
	})(r)
}

// whole requests incident 1 and goes on to the end. It returns each response.
func whole(t testing.TB, client *Client) []Result {
	t.Helper()
	return upTo(t, 20, client)
}

// upTo is whole with a limit on the number of requests.
func upTo(t testing.TB, requests int, client *Client) []Result {
	t.Helper()
	results := []Result{client.Get(t.Context(), 1)}
	for results[len(results)-1].Rest != nil {
		require.Nil(t, results[len(results)-1].Snapshot)
		require.Less(t, len(results), requests+1)
		require.EqualValues(t, 1, results[len(results)-1].Rest.ID())
		results = append(results, client.Continue(t.Context(), results[len(results)-1].Rest))
	}
	return results
}

// alertsOf are alerts by id; what follows a colon is their status.
func alertsOf(ids ...string) string {
	var all []string
	for _, each := range ids {
		id, status, _ := strings.Cut(each, ":")
		all = append(all, fmt.Sprintf(`{"id":%q,"status":%q}`, id, status))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// opening is incident 1 with its first alerts and a link to the rest.
func opening(link string, ids ...string) string {
	return fmt.Sprintf(`{"id":"1","alerts":%s,"alerts@odata.nextLink":%s}`, alertsOf(ids...), link)
}

// further is a page of alerts with a link to the next.
func further(link string, ids ...string) string {
	return fmt.Sprintf(`{"@odata.context":"x","value":%s,"@odata.nextLink":%s}`, alertsOf(ids...), link)
}

func idsOf(s *incident.Snapshot) string {
	var ids []string
	for _, a := range s.Alerts {
		ids = append(ids, strings.TrimSuffix(a.ID+":"+a.Status, ":"))
	}
	return strings.Join(ids, " ")
}

func TestAllPagesOfAlertsAreRequestedFromTheEndpoint(t *testing.T) {
	const at = endpoint + "/v1.0/security/incidents/1"
	for name, c := range map[string]struct {
		bodies    []string
		requested []string
	}{
		"by skip, and one that is known already": {
			[]string{
				opening(`"https://hush.example/v1.0/security/incidents('1')/alerts?$skip=2&$top=9"`, "a", "b"),
				further(`"?$skip=4"`, "b", "c", "d"), further(`null`, "d", "e"),
			},
			[]string{at + "?$expand=alerts", at + "/alerts?$skip=1", at + "/alerts?$skip=3"},
		},
		"by token": {
			[]string{
				opening(`"https://hush.example/?$skiptoken=a%2Bb%26%24skip%3D7"`, "a", "b"),
				further(`"https://hush.example/?$skiptoken=t"`, "c"), `{"value":[{"id":"d"},{"id":"e"}]}`,
			},
			[]string{at + "?$expand=alerts", at + "/alerts?$skiptoken=a%2Bb%26%24skip%3D7", at + "/alerts?$skiptoken=t"},
		},
		"by one and then the other": {
			[]string{opening(`"?$skip=2"`, "a", "b"), further(`"?$skiptoken=t"`, "b", "c"), further(`null`, "d", "e")},
			[]string{at + "?$expand=alerts", at + "/alerts?$skip=1", at + "/alerts?$skiptoken=t"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			served := &pages{bodies: c.bodies}
			original := c.bodies[0]
			results := whole(t, graphClient(t, endpoint, served, func(s *Settings) { s.KeepOriginal = true }))
			require.Len(t, results, 3)
			for i, result := range results {
				require.NoError(t, result.Err)
				assert.Equal(t, 1, result.Reached)
				assert.Equal(t, len(c.bodies[i]), result.Size)
			}
			assert.Equal(t, c.requested, served.requested)
			s := results[2].Snapshot
			assert.Equal(t, "a b c d e", idsOf(s))
			assert.False(t, s.Incomplete)
			assert.Equal(t, map[string]any{"id": "1"}, raw(t, s.Object), "the link is followed, not shown")
			assert.Equal(t, original, string(s.Original))
		})
	}
}

func TestAlertOnTwoPagesIsShownOnceAsReadLast(t *testing.T) {
	for name, c := range map[string]struct {
		page       string
		want       string
		incomplete bool
	}{
		"nothing moved":             {further(`null`, "b:old", "c"), "a:old b:old c", false},
		"one came before":           {further(`null`, "a:new", "b:new", "c"), "a:new b:new c", true},
		"one left before":           {further(`null`, "c", "d"), "a:old b:old c d", true},
		"all that followed left":    {further(`null`), "a:old b:old", true},
		"the last one has changed":  {further(`null`, "b:new"), "a:old b:new", false},
		"all changed places":        {further(`null`, "c", "b:new", "a:new"), "a:new b:new c", true},
		"the last is the first now": {further(`null`, "b:old", "a:old"), "a:old b:old", false},
	} {
		results := whole(t, graphClient(t, endpoint, &pages{bodies: []string{opening(`"?$skip=2"`, "a:old", "b:old"), c.page}}))
		require.NoError(t, results[1].Err, name)
		assert.Equal(t, c.want, idsOf(results[1].Snapshot), name)
		assert.Equal(t, c.incomplete, results[1].Snapshot.Incomplete, name)
	}
	// With a token, the API keeps the position itself, so no alert can be missed.
	results := whole(t, graphClient(t, endpoint, &pages{bodies: []string{opening(`"?$skiptoken=t"`, "a"), further(`null`)}}))
	assert.False(t, results[1].Snapshot.Incomplete)
	// Where a page must begin is known only if there was one before.
	results = whole(t, graphClient(t, endpoint, &pages{bodies: []string{
		`{"id":"1","alerts":null,"alerts@odata.nextLink":"?$skip=1"}`, further(`null`, "a"),
	}}))
	assert.True(t, results[1].Snapshot.Incomplete)
}

func TestPagesThatLeadNowhereAreMalformed(t *testing.T) {
	token := strings.Repeat("t", maxLinkToken)
	for name, c := range map[string]struct {
		bodies []string
		want   string
	}{
		"no such page":           {[]string{opening(`"?$skip=1"`, "a"), "404"}, "malformed response (HTTP status 404): the incident's link to more alerts leads to a 404"},
		"the same page again":    {[]string{opening(`"?$skip=1"`, "a"), further(`"?$skip=1"`, "a")}, "the nextLink leads to no new alert"},
		"the same token again":   {[]string{opening(`"?$skiptoken=t"`, "a"), further(`"?$skiptoken=t"`, "a")}, "the nextLink leads to no new alert"},
		"no alert, same place":   {[]string{opening(`"?$skip=1"`, "a"), further(`"?$skip=1"`)}, "the nextLink leads to no new alert"},
		"an empty link":          {[]string{opening(`""`, "a")}, "no $skip in the nextLink"},
		"an object as the link":  {[]string{opening(`{}`, "a")}, "an object as the nextLink"},
		"a link to the start":    {[]string{opening(`"?$skip=0"`, "a")}, "the nextLink leads to $skip 0"},
		"a link to before it":    {[]string{opening(`"?$skip=-1"`, "a")}, "the nextLink leads to $skip -1"},
		"a link to nowhere":      {[]string{opening(`"https://hush.example/"`, "a")}, "no $skip in the nextLink"},
		"no link":                {[]string{opening(`7`, "a")}, "a number as the nextLink"},
		"a token without end":    {[]string{opening(`"?$skiptoken=`+token+`t"`, "a")}, "a $skiptoken of more than 2048 bytes in the nextLink"},
		"a later link to no end": {[]string{opening(`"?$skip=1"`, "a"), further(`"?$skip=x"`, "a", "b")}, "no $skip in the nextLink"},
		"no page":                {[]string{opening(`"?$skip=1"`, "a"), `{"id":"1"}`}, "no value"},
		"a page twice":           {[]string{opening(`"?$skip=1"`, "a"), `{"value":[],"value":[]}`}, "value twice"},
		"a link twice":           {[]string{opening(`"?$skip=1"`, "a"), `{"value":[],"@odata.nextLink":null,"@odata.nextLink":null}`}, "@odata.nextLink twice"},
		"an alert twice":         {[]string{opening(`"?$skip=1"`, "a"), further(`null`, "a", "b", "b")}, "two alerts with the same id"},
		"an alert without an id": {[]string{opening(`"?$skip=1"`, "a"), further(`null`, "")}, "an alert without id"},
		"more than a page":       {[]string{opening(`"?$skip=1"`, "a"), further(`null`, "a") + "{}"}, "more than one JSON value"},
		"half a page":            {[]string{opening(`"?$skip=1"`, "a"), `{"value":[`}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			results := whole(t, graphClient(t, endpoint, &pages{bodies: c.bodies}))
			require.Len(t, results, len(c.bodies))
			last := results[len(results)-1]
			failure := failed(t, last)
			assert.Equal(t, Malformed, failure.Kind)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, 1, last.Reached)
			assert.Nil(t, last.Rest)
			require.NotNil(t, last.Partial, "what is known")
			assert.True(t, last.Partial.Incomplete)
			assert.Equal(t, "a", idsOf(last.Partial)[:1])
		})
	}
	served := &pages{bodies: []string{opening(`"?$skiptoken=`+token+`"`, "a"), further(`null`, "b")}}
	results := whole(t, graphClient(t, endpoint, served))
	require.NoError(t, results[1].Err, "a token of the greatest length")
	assert.Equal(t, "a b", idsOf(results[1].Snapshot))
}

func TestAllPagesTogetherHaveTheLimitsOfOneIncident(t *testing.T) {
	many := func(from, n int) []string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint(from + i)
		}
		return ids
	}
	values := func(n int) string { return strings.Repeat("0,", n-1) + "0" }
	one, two := opening(`"?$skip=1"`, "a"), further(`null`, "a", "b")
	for name, c := range map[string]struct {
		bodies []string
		limit  int64
		want   string // empty: within the bounds
	}{
		"size":            {[]string{one, two}, int64(len(one) + len(two)), ""},
		"a byte too many": {[]string{one, two}, int64(len(one) + len(two) - 1), "oversize response (HTTP status 200): larger than max_response_body_size"},
		"alerts":          {[]string{opening(`"?$skip=5000"`, many(0, 5000)...), further(`null`, many(4999, 5001)...)}, maxBody, ""},
		"an alert too many": {
			[]string{opening(`"?$skip=5000"`, many(0, 5000)...), further(`null`, many(4999, 5002)...)},
			maxBody,
			"more than 10000 alerts",
		},
		"values": { // beside those counted out here: the id of the incident, of each alert, and two arrays
			[]string{
				`{"id":"1","it":[` + values(maxValues/2-3) + `],"alerts":[{"id":"a"}],"alerts@odata.nextLink":"?$skip=1"}`,
				`{"value":[{"id":"a","it":[` + values(maxValues/2-2) + `]}]}`,
			}, 4 * maxBody, "",
		},
		"a value too many": {
			[]string{
				`{"id":"1","it":[` + values(maxValues/2-3) + `],"alerts":[{"id":"a"}],"alerts@odata.nextLink":"?$skip=1"}`,
				`{"value":[{"id":"a","it":[` + values(maxValues/2-1) + `]}]}`,
			}, 4 * maxBody, "more than 1048576 values",
		},
	} {
		t.Run(name, func(t *testing.T) {
			results := whole(t, graphClient(t, endpoint, &pages{bodies: c.bodies}, func(s *Settings) { s.MaxBody = c.limit }))
			require.Len(t, results, 2)
			if c.want == "" {
				require.NoError(t, results[1].Err)
				return
			}
			assert.ErrorContains(t, failed(t, results[1]), c.want)
		})
	}
}

func TestPageWithoutAlertsLeadsToTheNextPage(t *testing.T) {
	token := func(n int) string { return fmt.Sprintf(`"?$skiptoken=%d"`, n) }
	bodies := []string{opening(token(0), "a")}
	for n := range maxBarren {
		bodies = append(bodies, further(token(n+1)))
	}
	found := append(slices.Clone(bodies), further(token(100), "b"), further(`null`, "c"))
	results := upTo(t, 100, graphClient(t, endpoint, &pages{bodies: found}))
	last := results[len(results)-1]
	require.NoError(t, last.Err)
	assert.Equal(t, "a b c", idsOf(last.Snapshot))
	assert.False(t, last.Snapshot.Incomplete)

	results = upTo(t, 100, graphClient(t, endpoint, &pages{bodies: append(bodies, further(token(100)))}))
	last = results[len(results)-1]
	assert.ErrorContains(t, failed(t, last), "more than 10 pages without a new alert")
	assert.Equal(t, "a", idsOf(last.Partial))
}

func TestPagesOfAlertsEnd(t *testing.T) {
	n := 0
	results := upTo(t, maxPages, graphClient(t, endpoint, handled(func(w http.ResponseWriter, _ *http.Request) {
		n++
		link, id := fmt.Sprintf(`"?$skiptoken=%d"`, n), fmt.Sprint(n)
		if n == 1 {
			_, _ = io.WriteString(w, opening(link, id))
			return
		}
		_, _ = io.WriteString(w, further(link, id))
	})))
	last := results[len(results)-1]
	assert.ErrorContains(t, failed(t, last), "more than 1000 pages of alerts")
	assert.Len(t, last.Partial.Alerts, maxPages)
}

func TestFailedPageKeepsWhatIsKnownOfTheIncident(t *testing.T) {
	for _, status := range []int{400, 403, 404, 429, 500} {
		served := 0
		results := whole(t, graphClient(t, endpoint, handled(func(w http.ResponseWriter, _ *http.Request) {
			if served++; served > 1 {
				w.WriteHeader(status)
				return
			}
			_, _ = io.WriteString(w, opening(`"?$skip=2"`, "a", "b"))
		})))
		failure := failed(t, results[1])
		assert.Equal(t, status, failure.Status)
		require.NotNil(t, results[1].Partial)
		assert.Equal(t, "a b", idsOf(results[1].Partial))
		assert.True(t, results[1].Partial.Incomplete)
	}
}

func TestResponseWithAnotherSuccessStatusIsIncomplete(t *testing.T) {
	body := string(fixture(t, "partial_206.json"))
	for status, partial := range map[int]bool{200: false, 203: true, 206: true} {
		result := graphClient(t, endpoint, responding(status, body, "Warning", `199 - "Microsoft/WDATP/401/228"`)).Get(t.Context(), 101)
		require.NoError(t, result.Err)
		assert.Equal(t, partial, result.Snapshot.Incomplete)
		assert.Equal(t, "da1:new", idsOf(result.Snapshot))
		assert.Equal(t, `199 - "Microsoft/WDATP/401/228"`, result.Warning)
	}
	results := whole(t, graphClient(t, endpoint, responsesInTurn(
		responding(200, opening(`"?$skiptoken=t"`, "a")), responding(206, further(`"?$skiptoken=u"`, "b")), responding(200, further(`null`, "c")))))
	require.NoError(t, results[2].Err)
	assert.Equal(t, "a b c", idsOf(results[2].Snapshot))
	assert.True(t, results[2].Snapshot.Incomplete, "since one of its pages is")
}

// responsesInTurn is a transport that uses the next transport for each request.
func responsesInTurn(transports ...roundTrip) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		next := transports[0]
		transports = transports[1:]
		return next(r)
	}
}

func TestWarningIsBoundedAndPrintable(t *testing.T) {
	long := strings.Repeat("w", maxWarning)
	for given, want := range map[string]string{
		"":                  "",
		`299 - "old"`:       `299 - "old"`,
		"a\x01b\u202ec\xff": "a b c",
		long + "x":          long,
	} {
		assert.Equal(t, want, warning(http.Header{"Warning": {given}}))
	}
	assert.Equal(t, "a, b", warning(http.Header{"Warning": {"a", "b"}}))
}

func FuzzWarning(f *testing.F) {
	f.Add(`199 - "Microsoft/WDATP/401/228"`, `299 - "old"`)
	f.Add("\x1b[31m\r\nlevel=error", "\u202e\xff\x7f")
	f.Add(strings.Repeat("\u00e9", maxWarning), " ")
	f.Fuzz(func(t *testing.T, first, second string) {
		shown := warning(http.Header{"Warning": {first, second}})
		assert.LessOrEqual(t, len(shown), maxWarning)
		assert.False(t, strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }), "%q", shown)
		assert.Equal(t, strings.TrimSpace(shown), shown)
		assert.Equal(t, shown, warning(http.Header{"Warning": {shown}}))
		if short := warning(http.Header{"Warning": {first}}); len(first) < maxWarning {
			assert.True(t, strings.HasPrefix(shown, short) || short == "", "%q before %q", short, shown)
		}
	})
}

func TestAlertsAreFetchedSeparately(t *testing.T) {
	const at = endpoint + "/v1.0/security/incidents/1"
	for name, c := range map[string]struct {
		bodies    []string
		requested []string
		want      string
	}{
		"one page":  {[]string{`{"id":"1"}`, further(`null`, "a", "b")}, []string{at, at + "/alerts"}, "a b"},
		"no alerts": {[]string{`{"id":"1","alerts":null}`, further(`null`)}, []string{at, at + "/alerts"}, ""},
		"more pages": {
			[]string{`{"id":"1"}`, further(`"?$skip=2"`, "a", "b"), further(`"?$skiptoken=t"`, "b", "c"), further(`null`, "d")},
			[]string{at, at + "/alerts", at + "/alerts?$skip=1", at + "/alerts?$skiptoken=t"},
			"a b c d",
		},
		"a link nobody asked for": {[]string{`{"id":"1","alerts@odata.nextLink":7}`, further(`null`, "a")}, []string{at, at + "/alerts"}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			served := &pages{bodies: c.bodies}
			client := graphClient(t, endpoint, served, func(s *Settings) { s.KeepOriginal = true })
			require.True(t, client.CanSeparate())
			first := c.bodies[0]
			result := client.GetSeparately(t.Context(), 1)
			for result.Rest != nil {
				result = client.Continue(t.Context(), result.Rest)
			}
			require.NoError(t, result.Err)
			assert.Equal(t, c.requested, served.requested)
			assert.Equal(t, len(c.requested), result.Pages)
			assert.NotNil(t, result.Snapshot.Alerts)
			assert.Equal(t, c.want, idsOf(result.Snapshot))
			assert.False(t, result.Snapshot.Incomplete)
			assert.Equal(t, first, string(result.Snapshot.Original))
		})
	}

	result := graphClient(t, endpoint, &pages{bodies: []string{`{"id":"1"}`, "404"}}).GetSeparately(t.Context(), 1)
	require.NotNil(t, result.Rest)
	client := graphClient(t, endpoint, responding(500, ""))
	result = client.Continue(t.Context(), result.Rest)
	assert.Equal(t, ServerError, failed(t, result).Kind)
	assert.Nil(t, result.Partial.Alerts, "no list, not an empty one")
	result = graphClient(t, endpoint, responding(200, `{"id":"1","status":"redirected","redirectIncidentId":"2"}`)).GetSeparately(t.Context(), 1)
	require.NotNil(t, result.Snapshot, "a merged incident has no alerts")
	assert.Equal(t, ServerError, failed(t, client.GetSeparately(t.Context(), 1)).Kind)
}

func TestUnusedAlertsAreNotRequested(t *testing.T) {
	served := &pages{bodies: []string{`{"id":"1","alerts@odata.nextLink":"?$skip=1"}`}}
	client := graphClient(t, endpoint, served, func(s *Settings) { s.NoAlerts = true })
	result := client.Get(t.Context(), 1)
	require.NoError(t, result.Err)
	assert.NotNil(t, result.Snapshot)
	assert.Equal(t, []string{endpoint + "/v1.0/security/incidents/1"}, served.requested)
	assert.False(t, client.CanSeparate())
	assert.False(t, clientAt(t, endpoint, served).CanSeparate(), "Defender XDR always shows them")
}

// The older API has no such link, so one is a member like any other there.
func TestLinkToMoreAlertsIsFollowedOnlyUnderGraph(t *testing.T) {
	result := clientAt(t, endpoint, responding(200, `{"incidentId":1,"alerts":[],"alerts@odata.nextLink":"?$skip=1"}`)).Get(t.Context(), 1)
	require.NoError(t, result.Err)
	assert.Nil(t, result.Rest)
	assert.Contains(t, raw(t, result.Snapshot.Object), "alerts@odata.nextLink")
}

func FuzzRest(f *testing.F) {
	f.Add([]byte(opening(`"?$skip=2"`, "a", "b")), []byte(further(`"?$skip=3"`, "b", "c")), []byte(further(`null`, "c")))
	f.Add([]byte(opening(`"?$skiptoken=t"`, "a", "b")), []byte(further(`"?$skiptoken=t"`, "b", "c")), []byte(further(`null`, "c")))
	f.Add(fixture(f, "graph_incident.json"), []byte(`{"value":[]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, get, second, third []byte) {
		served := &pages{bodies: []string{string(get), string(second), string(third), "404"}}
		results := whole(t, graphClient(t, endpoint, served))
		for _, address := range served.requested {
			assert.True(t, strings.HasPrefix(address, endpoint+"/v1.0/security/incidents/1"), address)
		}
		last := results[len(results)-1]
		if last.Err != nil {
			assert.True(t, printable(last.Err.Error()), "%q", last.Err.Error())
			return
		}
		seen := map[string]bool{}
		for _, a := range last.Snapshot.Alerts {
			assert.False(t, seen[a.ID], a.ID)
			seen[a.ID] = true
		}
	})
}
