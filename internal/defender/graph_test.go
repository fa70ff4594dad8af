// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// graphClient is a client of Graph at the endpoint, through the transport.
func graphClient(t testing.TB, endpoint string, transport http.RoundTripper, change ...func(*Settings)) *Client {
	t.Helper()
	parsed, err := url.Parse(endpoint)
	require.NoError(t, err)
	settings := Settings{API: Graph, Endpoint: parsed, MaxBody: maxBody}
	for _, f := range change {
		f(&settings)
	}
	return NewClient(&http.Client{Transport: transport}, settings)
}

func TestGraphIncidentIsReadCompletely(t *testing.T) {
	s, err := decodeAs(graph(), 4711, fixture(t, "graph_incident.json"))
	require.NoError(t, err)

	object := raw(t, s.Object)
	assert.Len(t, object, 17)
	assert.Equal(t, "4711", object["id"])
	assert.EqualValues(t, 72, object["priorityScore"])
	assert.NotContains(t, object, "alerts")
	require.Len(t, s.Alerts, 2)
	assert.Equal(t, map[string]any{
		"id":                 "ad0001_1",
		"incidentId":         "4711",
		"serviceSource":      "azureAdIdentityProtection",
		"lastUpdateDateTime": "2026-02-03T05:10:00.5Z",
		"resolvedDateTime":   nil,
		"title":              "Unfamiliar sign-in properties",
		"category":           "InitialAccess",
		"status":             "new",
		"severity":           "medium",
		"detectionSource":    "azureAdIdentityProtection",
		"mitreTechniques":    []any{"T1078", "T1078.004"},
		"evidence": []any{
			map[string]any{"@odata.type": "#microsoft.graph.security.deviceEvidence", "osBuild": int64(22631), "azureAdDeviceId": nil, "tags": []any{"kiosk"}},
			map[string]any{"@odata.type": "#microsoft.graph.security.kindOfTomorrowEvidence", "whatever": map[string]any{"deep": []any{int64(1)}}},
		},
	}, raw(t, s.Alerts[0].Object))

	assert.Equal(t, &incident.Snapshot{
		API:             "graph",
		ID:              4711,
		Name:            "Sign-in from an unusual place\u200b involving one user",
		Status:          "awaitingAction",
		Severity:        "high",
		Classification:  "truePositive",
		Determination:   "multiStagedAttack",
		AssignedTo:      "soc@contoso.example",
		URL:             "https://security.example.com/incident2/4711/overview?tid=11111111-2222-3333-4444-555555555555",
		TenantID:        "0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		Created:         time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		LastUpdate:      time.Date(2026, 2, 3, 5, 6, 7, 123456700, time.UTC),
		Comments:        new(1),
		AlertsField:     "alerts",
		LastUpdateField: "lastUpdateDateTime", AlertLastUpdateField: "lastUpdateDateTime",
		Alerts: []incident.Alert{{
			ID:              "ad0001_1",
			Title:           "Unfamiliar sign-in properties",
			Status:          "new",
			Severity:        "medium",
			Category:        "InitialAccess",
			ServiceSource:   "azureAdIdentityProtection",
			DetectionSource: "azureAdIdentityProtection",
			MitreTechniques: []string{"T1078", "T1078.004"},
			LastUpdate:      time.Date(2026, 2, 3, 5, 10, 0, 500000000, time.UTC),
		}, {
			ID: "da0002_1", Status: "resolved", Severity: "unknown",
		}},
	}, described(s))
}

func TestTenantOfAGraphIncidentIsReadFromItsURLIfAbsent(t *testing.T) {
	const tenant = "11111111-2222-3333-4444-555555555555"
	for _, member := range []string{``, `"tenantId":null,`, `"tenantId":"",`, `"tenantId":"contoso",`, `"tenantId":7,`} {
		s, err := decodeAs(graph(), 1, []byte(`{"id":"1",`+member+`"incidentWebUrl":"https://x.example/incident2/1/overview?tid=`+tenant+`"}`))
		require.NoError(t, err)
		assert.Equal(t, tenant, s.TenantID)
	}
}

func TestMergeIsRecognizedUnderGraph(t *testing.T) {
	s, err := decodeAs(graph(), 1, []byte(`{"id":"1","status":"redirected","redirectIncidentId":"2","alerts":[]}`))
	require.NoError(t, err)
	assert.True(t, s.Merged)
	assert.EqualValues(t, 2, s.SuccessorID)

	s, err = decodeAs(graph(), 1, []byte(`{"id":"2","tenantId":"11111111-2222-3333-4444-555555555555","alerts@odata.nextLink":"?$skip=1"}`))
	require.ErrorIs(t, err, errAnotherIncident, "and its alerts are not requested")
	assert.True(t, s.Merged)
	assert.EqualValues(t, 2, s.SuccessorID)
	assert.Equal(t, "11111111-2222-3333-4444-555555555555", s.TenantID)
	assert.Equal(t, "graph", s.API)
	assert.Equal(t, map[string]any{"id": "1", "redirectIncidentId": "2"}, raw(t, s.Object))
}

func TestGraphRequestsIncludeAlertsAndNewerEnumMembers(t *testing.T) {
	for endpoint, want := range map[string]string{
		endpoint:                         endpoint + "/v1.0/security/incidents/437?$expand=alerts",
		"https://gateway.example/graph/": "https://gateway.example/graph/v1.0/security/incidents/437?$expand=alerts",
	} {
		result := graphClient(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, want, r.URL.String())
			assert.Equal(t, http.Header{
				"Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"}, "Prefer": {"include-unknown-enum-members"},
			}, r.Header)
			_, _ = io.WriteString(w, `{"id":"437"}`)
		})).Get(t.Context(), 437)
		require.NoError(t, result.Err)
		assert.EqualValues(t, 437, result.Snapshot.ID)
		assert.Equal(t, 1, result.Reached)
	}
}

func TestRowOfGraphShowsAnIncidentWithoutItsAlerts(t *testing.T) {
	rows := []string{
		`{"id":"7","status":"active","createdDateTime":"2026-11-20T12:00:00Z","lastUpdateDateTime":"2026-11-23T12:00:02Z","customTags":[]}`,
		`{"id":"8","status":"resolved","lastUpdateDateTime":"2026-11-23T12:00:01Z","alerts":[{"id":"a"}],"alerts@odata.nextLink":"?$skip=1"}`,
		`{"id":"9","status":"redirected","redirectIncidentId":"7","lastUpdateDateTime":"2026-11-23T12:00:00.5Z"}`,
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, keep := range []bool{false, true} {
		client := graphClient(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, endpoint+"/v1.0/security/incidents?$filter=lastUpdateDateTime+ge+2026-11-23T12:00:00.0000000Z&$top=50&$skip=50", r.URL.String())
			_, _ = io.WriteString(w, `{"value":[`+strings.Join(rows, ",")+`],"@odata.nextLink":"https://elsewhere.example/v1.0/security/incidents?$skip=100"}`)
		}), func(s *Settings) { s.KeepOriginal = keep })
		page := client.List(t.Context(), ListRequest{Since: at, Top: 50, Skip: 50})
		require.NoError(t, page.Err)
		require.Len(t, page.Rows, len(rows))
		assert.Equal(t, 100, page.Next)
		for i, want := range []Row{
			{ID: 7, LastUpdate: at.Add(2 * time.Second), Created: at.AddDate(0, 0, -3)},
			{ID: 8, LastUpdate: at.Add(time.Second), Closed: true},
			{ID: 9, LastUpdate: at.Add(500 * time.Millisecond), Closed: true},
		} {
			var err error
			want.Snapshot, _, err = graph().decode(want.ID, newDecoder(nil).reset(strings.NewReader(rows[i]), math.MaxInt64))
			require.NoError(t, err)
			want.Snapshot.Source, want.Snapshot.Shows, want.Snapshot.Alerts = incident.FromList, incident.OwnFields, nil
			new(incident.Fingerprint).Snapshot(want.Snapshot)
			if keep {
				want.Snapshot.Original = []byte(rows[i])
			}
			assert.Equal(t, shownRow(t, want), shownRow(t, page.Rows[i]))
		}
	}
}

func TestNarrowRowShowsNoIncident(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const times = `"createdDateTime":"2026-11-20T12:00:00Z","lastUpdateDateTime":"2026-11-23T12:00:00Z"`
	for body, want := range map[string]Row{
		`{"id":"7",` + times + `}`:                   {ID: 7, LastUpdate: at, Created: at.AddDate(0, 0, -3)},
		`{"id":"7",` + times + `,"displayName":"x"}`: {ID: 7, LastUpdate: at, Created: at.AddDate(0, 0, -3)},
		`{"id":"7"}`: {ID: 7},
	} {
		page := graphClient(t, endpoint, responding(200, pageOf(body))).List(t.Context(), ListRequest{Narrow: true, Top: 50})
		require.NoError(t, page.Err)
		assert.Equal(t, []Row{want}, page.Rows)
	}
	page := list(t, responding(200, pageOf(string(fixture(t, "incident.json")))))
	require.NotNil(t, page.Rows[0].Snapshot)
	page = clientAt(t, endpoint, responding(200, pageOf(string(fixture(t, "incident.json"))))).List(t.Context(), ListRequest{Narrow: true, Top: 1})
	require.NoError(t, page.Err)
	assert.Nil(t, page.Rows[0].Snapshot)
	assert.EqualValues(t, 4711, page.Rows[0].ID)
}

func TestOnlyGraphHasOneBudgetForAllRequests(t *testing.T) {
	assert.True(t, graphClient(t, endpoint, responding(200, "{}")).OneBudget())
	assert.False(t, clientAt(t, endpoint, responding(200, "{}")).OneBudget())
}

func TestAdviceUnderGraphSaysWhatTheTokenLacks(t *testing.T) {
	const xdrToken = `{"aud":"https://api.security.microsoft.com","roles":["Incident.Read.All"]}`
	for _, c := range []struct{ endpoint, claims, want string }{
		{
			"https://graph.microsoft.com", xdrToken,
			`The token is for "https://api.security.microsoft.com", which is another API. ` +
				"Set the scope of the extension set in http::auth to https://graph.microsoft.com/.default.",
		},
		{
			"https://dod-graph.microsoft.us", xdrToken,
			`The token is for "https://api.security.microsoft.com", which is another API. ` +
				"Set the scope of the extension set in http::auth to https://dod-graph.microsoft.us/.default.",
		},
		{
			"https://gateway.example", xdrToken,
			`The token is for "https://api.security.microsoft.com", which is another API. ` +
				"Set the scope of the extension set in http::auth to that of this API, on the commercial cloud https://graph.microsoft.com/.default.",
		},
		{
			"https://graph.microsoft.us", `{"aud":"https://graph.microsoft.us","roles":["SecurityAlert.Read.All"]}`,
			"The token has none of the permissions that the API accepts. Grant the application permission SecurityIncident.Read.All " +
				"to the application and give admin consent; tokens issued before that last up to an hour.",
		},
		{
			"https://graph.microsoft.com", `{"aud":"00000003-0000-0000-c000-000000000000","scp":"SecurityIncident.Read.All"}`,
			"Nothing in the token shows what is wrong. The token's user also needs a role in Microsoft Entra that may read incidents, " +
				"such as Security Reader. The token shows only the incidents that this user may see.",
		},
	} {
		transport := authorized(jwt(c.claims), responding(403, words("Forbidden", "Missing application roles.")))
		failure := failed(t, graphClient(t, c.endpoint, transport).Get(t.Context(), 1))
		assert.Equal(t, Forbidden, failure.Kind)
		assert.Equal(t, c.want, failure.Advice)
	}
	failure := failed(t, graphClient(t, "https://graph.microsoft.us", authorized("Bearer opaque", responding(401, ""))).Get(t.Context(), 1))
	assert.Equal(t, "The request had no readable token. The extension set in http::auth must send one with the application permission "+
		"SecurityIncident.Read.All or the delegated permission SecurityIncident.Read.All, requested with the scope https://graph.microsoft.us/.default.", failure.Advice)
}
