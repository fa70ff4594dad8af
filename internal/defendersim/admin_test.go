// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func admin[T any](t *testing.T, s *Sim, method, path string, status int) T {
	t.Helper()
	resp, body := call(t, s, method, path)
	require.Equal(t, status, resp.StatusCode, string(body))
	var value T
	if len(body) > 0 {
		require.NoError(t, json.Unmarshal(body, &value))
	}
	return value
}

func TestAdminSetsAndClearsFaults(t *testing.T) {
	s := newSim(t, nil)
	status := func(id int64) int { resp, _ := get(t, s, id); return resp.StatusCode }

	admin[any](t, s, http.MethodPut, "/sim/faults?fault=503", http.StatusNoContent)
	admin[any](t, s, http.MethodPut, "/sim/faults/1001?fault=429%3D5s&times=2&probability=1", http.StatusNoContent)
	admin[any](t, s, http.MethodPut, "/sim/faults/token?fault=500", http.StatusNoContent)

	admin[any](t, s, http.MethodPut, "/sim/faults/list?fault=row-twice&on_skip=true", http.StatusNoContent)

	admin[any](t, s, http.MethodPut, "/sim/faults/alerts?fault=link-broken&every=1h", http.StatusNoContent)

	admin[any](t, s, http.MethodPut, "/sim/faults/alert-list?fault=count-high%3D7&on_skip=true", http.StatusNoContent)

	assert.Equal(t, 429, status(1001))
	assert.Equal(t, 503, status(1002))
	assert.Equal(t, []faultShown{
		{Target: "alert-list", Fault: "count-high=7", Every: "0s", OnSkip: true},
		{Target: "alerts", Fault: "link-broken", Every: "1h0m0s"},
		{Target: "list", Fault: "row-twice", Every: "0s", OnSkip: true},
		{Target: "token", Fault: "500", Every: "0s"},
		{Target: "all incidents", Fault: "503", Every: "0s", Hits: 1},
		{Target: "1001", Fault: "429=5s", Probability: 1, Times: 2, Every: "0s", Hits: 1},
	}, admin[[]faultShown](t, s, http.MethodGet, "/sim/faults", http.StatusOK))

	for _, path := range []string{"/token?fault=AADSTS7000222", "/list?fault=partial", "/alerts?fault=page-empty", "?fault=bom", "/1001?fault=other-id%3D1002"} {
		admin[any](t, s, http.MethodPut, "/sim/faults"+path, http.StatusNoContent)
	}
	_, body := get(t, s, 1001)
	assert.Contains(t, string(body), `"incidentId":1002,`)
	admin[any](t, s, http.MethodDelete, "/sim/faults/1001", http.StatusNoContent)
	assert.Equal(t, 200, status(1001), "the fault of all incidents is another one by now")
	admin[any](t, s, http.MethodDelete, "/sim/faults/list", http.StatusNoContent)
	admin[any](t, s, http.MethodDelete, "/sim/faults/alerts", http.StatusNoContent)
	admin[any](t, s, http.MethodDelete, "/sim/faults/alert-list", http.StatusNoContent)
	assert.Len(t, admin[[]faultShown](t, s, http.MethodGet, "/sim/faults", http.StatusOK), 2)
	admin[any](t, s, http.MethodDelete, "/sim/faults", http.StatusNoContent)
	assert.Equal(t, 200, status(1001))
}

func TestAdminSteersIncidents(t *testing.T) {
	s := newSim(t, nil)

	merged := admin[Summary](t, s, http.MethodPost, "/sim/incidents/1001/merge?into=1002", http.StatusOK)
	assert.Contains(t, merged.Summary, "merged into 1002")
	assert.EqualValues(t, 1002, mustGet(t, s, 1001).RedirectID)

	before := len(mustGet(t, s, 1003).Alerts)
	admin[Summary](t, s, http.MethodPost, "/sim/incidents/1003/change?kind=new-alert", http.StatusOK)
	assert.Len(t, mustGet(t, s, 1003).Alerts, before+1)

	removed := admin[Summary](t, s, http.MethodPost, "/sim/incidents/1004/remove", http.StatusOK)
	assert.Contains(t, removed.Summary, "removed")
	resp, _ := get(t, s, 1004)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	admin[Summary](t, s, http.MethodPost, "/sim/incidents/1004/restore", http.StatusOK)
	resp, _ = get(t, s, 1004)
	assert.Equal(t, http.StatusOK, resp.StatusCode)

	fresh := admin[Summary](t, s, http.MethodPost, "/sim/incidents", http.StatusOK)
	assert.EqualValues(t, 1011, fresh.ID)
	resp, _ = get(t, s, 1011)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestAdminShowsIncidentsStatesAndJournal(t *testing.T) {
	s := newSim(t, nil)
	assert.Empty(t, admin[[]Request](t, s, http.MethodGet, "/sim/journal", http.StatusOK))
	get(t, s, 1001)
	require.NoError(t, s.Change(1002, ChangeName))

	journal := admin[[]Request](t, s, http.MethodGet, "/sim/journal", http.StatusOK)
	require.Len(t, journal, 1, "admin requests are not in it")
	assert.Equal(t, "/api/incidents/1001", journal[0].Path)
	assert.Equal(t, EndpointIncident, journal[0].Endpoint)
	assert.Equal(t, http.StatusOK, journal[0].Status)
	assert.Positive(t, journal[0].Bytes)
	assert.Empty(t, journal[0].Rows)
	list(t, s, "$top", "1")
	journal = admin[[]Request](t, s, http.MethodGet, "/sim/journal", http.StatusOK)
	assert.Equal(t, []Row{{1002, 1}}, journal[1].Rows)
	assert.Len(t, admin[[]Summary](t, s, http.MethodGet, "/sim/incidents", http.StatusOK), 10)
	assert.Len(t, admin[[]incidentStates](t, s, http.MethodGet, "/sim/states", http.StatusOK), 10)
	one := admin[[]incidentStates](t, s, http.MethodGet, "/sim/states?id=1002", http.StatusOK)
	require.Len(t, one, 1)
	assert.Len(t, one[0].States, 2)
}

func TestAdminRefusesAnIncidentThatDoesNotExist(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct{ method, path string }{
		{http.MethodPut, "/sim/faults/999999?fault=500"},
		{http.MethodPost, "/sim/incidents/999999/remove"},
		{http.MethodPost, "/sim/incidents/999999/merge?into=1002"},
		{http.MethodPost, "/sim/incidents/1001/merge?into=999999"},
	} {
		got := admin[map[string]string](t, s, c.method, c.path, http.StatusNotFound)
		assert.Equal(t, "there is no incident 999999", got["error"], c.path)
	}
	assert.Empty(t, admin[[]faultShown](t, s, http.MethodGet, "/sim/faults", http.StatusOK))

	require.NoError(t, s.Remove(1001))
	admin[any](t, s, http.MethodPut, "/sim/faults/1001?fault=500", http.StatusNoContent) // it can be restored
}

func TestSummaryCountsAlerts(t *testing.T) {
	s := newSim(t, nil)
	for n, want := range []string{", 0 alerts, ", ", 1 alert, ", ", 2 alerts, "} {
		require.NoError(t, s.Update(1001, func(i *Incident) { i.Alerts = make([]Alert, n) }))
		assert.Contains(t, s.Summaries()[0].Summary, want)
	}
}

func TestAdminSaysWhatIsWrong(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct{ method, path, word string }{
		{http.MethodPut, "/sim/faults?fault=nope", "nope"},
		{http.MethodPut, "/sim/faults?fault=500&times=x", "times"},
		{http.MethodPut, "/sim/faults?fault=500&probability=x", "probability"},
		{http.MethodPut, "/sim/faults?fault=500&probability=2", "between 0 and 1"},
		{http.MethodPut, "/sim/faults/all?fault=500", "all"},
		{http.MethodPut, "/sim/faults?fault=row-twice", "List requests only"},
		{http.MethodPut, "/sim/faults/1001?fault=AADSTS7000222", "token endpoint only"},
		{http.MethodPut, "/sim/faults/token?fault=partial", "which has no incidents"},
		{http.MethodPut, "/sim/faults/list?fault=500&on_skip=x", "on_skip"},
		{http.MethodPut, "/sim/faults/list?fault=500&every=x", "every"},
		{http.MethodDelete, "/sim/faults/all", "all"},
		{http.MethodPost, "/sim/incidents/1001/merge", "into"},
		{http.MethodPost, "/sim/incidents/1001/change?kind=x", "unknown kind"},
	} {
		got := admin[map[string]string](t, s, c.method, c.path, http.StatusBadRequest)
		assert.Contains(t, got["error"], c.word, c.path)
	}
}
