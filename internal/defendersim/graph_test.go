// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	incidentsPath = "/v1.0/security/incidents"
	expanded      = "?$expand=alerts"
)

// callGraph sends a request with a token that is good for Graph.
func callGraph(t *testing.T, s *Sim, method, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return call(t, s, method, path, append([]string{"Authorization", "Bearer " + s.TokenOf(APIGraph)}, headers...)...)
}

// getGraph gets an incident; rest follows its ID.
func getGraph(t *testing.T, s *Sim, id int64, rest string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return callGraph(t, s, http.MethodGet, fmt.Sprintf("%s/%d%s", incidentsPath, id, rest), headers...)
}

// graphError reads Graph's error object.
func graphError(t *testing.T, body []byte) (code, message string) {
	t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			InnerError    map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(body, &e), string(body))
	require.Len(t, e.Error.InnerError, 3)
	_, err := time.Parse("2006-01-02T15:04:05", e.Error.InnerError["date"])
	require.NoError(t, err)
	require.NotEmpty(t, e.Error.InnerError["request-id"])
	require.NotEmpty(t, e.Error.InnerError["client-request-id"])
	return e.Error.Code, e.Error.Message
}

func TestWithoutExpandThereAreNoAlerts(t *testing.T) {
	s := newSim(t, nil)
	_, with := getGraph(t, s, 1001, expanded)
	_, without := getGraph(t, s, 1001, "")

	head, _, found := strings.Cut(string(with), `,"alerts@odata.context":`)
	require.True(t, found)
	assert.Equal(t, head+"}", string(without))
	assert.Equal(t, 0, s.Journal()[0].State)
	assert.Equal(t, -1, s.Journal()[1].State, "its alerts were not served")
}

func TestUnderGraphAChangeIsShownAndNothingElseIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ChangesPerHour, c.AlertBytes, c.MergedShare = 2000, 1, 0.2 })
		bodies := map[string]string{} // by incident and state
		states := map[string]string{} // by body
		for range 20 {
			time.Sleep(20 * time.Second)
			for _, id := range s.IDs() {
				_, body := getGraph(t, s, id, expanded)
				journal := s.Journal()
				key := fmt.Sprint(id, " ", journal[len(journal)-1].State)
				before, known := bodies[key]
				require.True(t, !known || before == string(body), "state %s was shown differently", key)
				other, known := states[string(body)]
				require.True(t, !known || other == key, "states %s and %s are shown alike", key, other)
				bodies[key], states[string(body)] = string(body), key
			}
		}
		require.Greater(t, len(bodies), 60)
	})
}

func TestNewerMembersAreShownToWhoAsksForThem(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(Incident{ID: 7, Status: StatusAwaitingAction, Alerts: []Alert{{
		ID: "dc1", ServiceSource: "MicrosoftDefenderForCloud", DetectionSource: "16777232", InvestigationState: "Running",
		Entities: []Entity{{Type: "Ip", RemediationStatus: "Active"}, {Type: "Ip", RemediationStatus: "Blocked"}},
	}}}))
	words := []string{
		`"status":"awaitingAction"`, `"serviceSource":"microsoftDefenderForCloud"`, `"detectionSource":"microsoftDefenderForServers"`, `"remediationStatus":"active"`,
	}
	for _, prefer := range []string{
		"include-unknown-enum-members", "Include-Unknown-Enum-Members", "odata.maxpagesize=5, include-unknown-enum-members", "respond-async,include-unknown-enum-members;x=1",
	} {
		resp, body := getGraph(t, s, 7, expanded, "Prefer", prefer)
		assert.Equal(t, "include-unknown-enum-members", resp.Header.Get("Preference-Applied"), prefer)
		assert.NotContains(t, string(body), "unknownFutureValue")
		for _, word := range words {
			assert.Contains(t, string(body), word)
		}
	}
	for _, prefer := range []string{"", "include-unknown-enum-members-not", "respond-async"} {
		resp, body := getGraph(t, s, 7, expanded, "Prefer", prefer)
		assert.Empty(t, resp.Header.Get("Preference-Applied"), prefer)
		assert.Equal(t, 4, strings.Count(string(body), "unknownFutureValue"))
		for _, word := range words {
			assert.NotContains(t, string(body), word)
		}
		assert.Contains(t, string(body), `"investigationState":"running"`, "an old member of another enumeration")
	}
	resp, _ := get(t, s, 7, "Prefer", "include-unknown-enum-members")
	assert.NotContains(t, resp.Header, "Preference-Applied", "Defender XDR knows no such thing")
	resp, _ = get(t, s, 7)
	assert.NotContains(t, resp.Header, "Preference-Applied")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example"+incidentsPath, nil)
	require.NoError(t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + s.TokenOf(APIGraph)}, "Prefer": {"respond-async", "include-unknown-enum-members"}}
	resp, err = s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.NotEmpty(t, resp.Header.Get("Preference-Applied"), "in a header line of its own")
}

func TestWhatGraphDoesNotHaveIsRefusedWithItsErrorObject(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodPatch, "/1001", 405, "MethodNotAllowed"},
		{http.MethodPost, "", 405, "MethodNotAllowed"},
		{http.MethodDelete, "/1001/alerts", 405, "MethodNotAllowed"},
		{http.MethodGet, "/abc", 400, "BadRequest"},
		{http.MethodGet, "/-1/alerts", 400, "BadRequest"},
		{http.MethodGet, "/1001?$expand=comments", 400, "BadRequest"},
		{http.MethodGet, "/1001?$expand=", 400, "BadRequest"},
		{http.MethodGet, "/1001?$select=status", 400, "BadRequest"},
		{http.MethodGet, "/1001?$skip=1", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$top=0", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$skip=-1", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$skip=1&$skip=1", 400, "BadRequest"},
		{http.MethodGet, "/999999", 404, "ResourceNotFound"},
		{http.MethodGet, "/999999/alerts", 404, "ResourceNotFound"},
		{http.MethodGet, "/1001/comments", 404, "NotFound"},
		{http.MethodGet, "?$expand=alerts&$filter=" + "status%20eq%20%27active%27", 500, "InternalServerError"},
	} {
		resp, body := callGraph(t, s, c.method, incidentsPath+c.path)
		code, _ := graphError(t, body)
		assert.Equal(t, c.status, resp.StatusCode, c.path)
		assert.Equal(t, c.code, code, c.path)
	}
	resp, _ := getGraph(t, s, 1001, "?api-version=1")
	assert.Equal(t, http.StatusOK, resp.StatusCode, "what is none of OData's is passed over")
	resp, _ = get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = call(t, s, http.MethodGet, "/api/incidents/1001?$expand=x")
	assert.Equal(t, http.StatusOK, resp.StatusCode, "Defender XDR looks at no option of Get")
	resp, body := call(t, s, http.MethodGet, "/api/incidents/1001/alerts")
	apiError(t, body)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode, "and has no pages of alerts")
}

func TestErrorsOfGraphNameTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ClockSkew = time.Hour })
		inner := func(headers ...string) map[string]string {
			var e struct {
				Error struct{ InnerError map[string]string }
			}
			_, body := getGraph(t, s, 5, "", headers...)
			require.NoError(t, json.Unmarshal(body, &e))
			return e.Error.InnerError
		}
		first, second := inner(), inner("client-request-id", "mine")
		assert.Equal(t, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05"), first["date"])
		assert.Equal(t, first["request-id"], first["client-request-id"])
		assert.NotEqual(t, first["request-id"], second["request-id"])
		assert.Equal(t, "mine", second["client-request-id"])
	})
}

func TestBothAPIsShowTheSamePopulation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ChangesPerHour, c.MergedShare = 2000, 0.2 })
		time.Sleep(10 * time.Minute)
		for _, id := range s.IDs() {
			var xdr struct {
				LastUpdateTime     string
				RedirectIncidentID *int64 `json:"redirectIncidentId"`
				Alerts             []struct{ AlertID, LastUpdatedTime string }
			}
			var graph struct {
				ID                 string
				LastUpdateDateTime string
				RedirectIncidentID *string `json:"redirectIncidentId"`
				Alerts             []struct{ ID, LastUpdateDateTime string }
			}
			_, body := get(t, s, id)
			require.NoError(t, json.Unmarshal(body, &xdr))
			_, body = getGraph(t, s, id, expanded)
			require.NoError(t, json.Unmarshal(body, &graph))
			require.Equal(t, fmt.Sprint(id), graph.ID)
			require.Equal(t, xdr.LastUpdateTime, graph.LastUpdateDateTime)
			require.Equal(t, xdr.RedirectIncidentID == nil, graph.RedirectIncidentID == nil)
			if graph.RedirectIncidentID != nil {
				require.Equal(t, fmt.Sprint(*xdr.RedirectIncidentID), *graph.RedirectIncidentID)
			}
			times := func(id, at string) string { return id + " " + at }
			var a, b []string
			for n := range xdr.Alerts {
				a = append(a, times(xdr.Alerts[n].AlertID, xdr.Alerts[n].LastUpdatedTime))
			}
			for n := range graph.Alerts {
				b = append(b, times(graph.Alerts[n].ID, graph.Alerts[n].LastUpdateDateTime))
			}
			require.ElementsMatch(t, a, b)
		}
		apis := map[string]int{}
		for _, r := range s.Journal() {
			require.Equal(t, EndpointIncident, r.Endpoint)
			apis[r.API]++
		}
		require.Equal(t, map[string]int{APIDefenderXDR: 10, APIGraph: 10}, apis)
		call(t, s, http.MethodGet, "/v1.0/security/secureScores")
		require.Empty(t, s.Journal()[20].API)
	})
}
