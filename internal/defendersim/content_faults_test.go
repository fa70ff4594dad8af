// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// showingCalls are the calls that show 1001 or its alerts, and where their
// faults are set.
func showingCalls() []showingCall {
	return []showingCall{
		{APIDefenderXDR, "/api/incidents/1001", AllIncidents},
		{APIDefenderXDR, "/api/incidents", ListRequests},
		{APIGraph, of1001 + expanded, AllIncidents},
		{APIGraph, of1001 + "/alerts", AlertRequests},
		{APIGraph, incidentsPath, ListRequests},
	}
}

type showingCall struct {
	api, path string
	where     int64
}

// withAlerts reports whether alerts are in the response.
func (c showingCall) withAlerts() bool { return c.path != incidentsPath }

// responses are the responses without and with a fault to a call of a simulator
// with one incident, which has the given number of alerts.
func (c showingCall) responses(t *testing.T, fault string, alerts int) (s *Sim, resp *http.Response, regular, body string) {
	t.Helper()
	s = newSim(t, func(c *Config) { c.Incidents, c.AlertsPerIncident = 1, alerts })
	token := "Bearer " + s.TokenOf(c.api)
	_, before := call(t, s, http.MethodGet, c.path, "Authorization", token)
	setFault(t, s, c.where, fault)
	resp, after := call(t, s, http.MethodGet, c.path, "Authorization", token)
	return s, resp, string(before), string(after)
}

// served reports whether the last response, which a fault has changed,
// counts as served.
func served(s *Sim) bool {
	r := s.Journal()[1]
	return r.State >= 0 || len(r.Rows) > 0 && r.Rows[0].State >= 0
}

func replaceAll(pattern, text, with string) string {
	return regexp.MustCompile(pattern).ReplaceAllString(text, with)
}

func TestFaultsThatChangeTheFormKeepTheContent(t *testing.T) {
	for fault, undo := range map[string]func(c showingCall, body string) string{
		"time-no-zone": func(_ showingCall, body string) string {
			return replaceAll(`"(\d{4}-\d\d-\d\dT[\d:.]+)"`, body, `"${1}Z"`)
		},
		"time-offset": func(_ showingCall, body string) string { return strings.ReplaceAll(body, "+00:00", "Z") },
		"time-precision": func(_ showingCall, body string) string {
			return replaceAll(`(:\d\d)\.Z`, replaceAll(`(:\d\d\.\d*?)0+Z`, body, "${1}Z"), "${1}Z")
		},
		"id-type": func(c showingCall, body string) string {
			if c.api == APIGraph {
				return replaceAll(`"(id|incidentId)":(1001)`, body, `"$1":"$2"`)
			}
			return replaceAll(`"incidentId":"(1001)"`, body, `"incidentId":$1`)
		},
	} {
		for _, c := range showingCalls() {
			s, resp, regular, body := c.responses(t, fault, 3)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.NotEqual(t, regular, body, "%s of %s", fault, c.path)
			assert.Equal(t, regular, undo(c, body), "%s of %s", fault, c.path)
			assert.Equal(t, c.where != AlertRequests, served(s), "%s of %s", fault, c.path)
		}
	}
}

func TestFaultsThatReplaceTimesReplaceAll(t *testing.T) {
	for fault, moment := range map[string]string{
		"time-null": `null`,
		"time-0001": `"0001-01-01T00:00:00Z"`,
		"time-1601": `"1601-01-01T00:00:00Z"`,
		"time-1970": `"1970-01-01T00:00:00Z"`,
		"time-9999": `"9999-12-31T23:59:59.9999999Z"`,
	} {
		for _, c := range showingCalls() {
			s, _, regular, body := c.responses(t, fault, 3)
			assert.Equal(t, replaceAll(`"\d{4}-\d\d-\d\dT[\d:.]+Z"`, regular, moment), body, "%s of %s", fault, c.path)
			assert.False(t, served(s))
		}
	}
}

func TestNamesAndTitlesMayHoldHalfOfAPair(t *testing.T) {
	for _, c := range showingCalls() {
		_, _, regular, body := c.responses(t, "lone-surrogate", 3)
		assert.Equal(t, regular, strings.ReplaceAll(body, `\ud83d `, ""), c.path)
		want := 4 // the incident and its alerts
		switch {
		case c.where == AlertRequests:
			want = 3
		case !c.withAlerts():
			want = 1
		}
		assert.Equal(t, want, strings.Count(body, `\ud83d `), c.path)
		assert.True(t, json.Valid([]byte(body)), "its syntax is sound")
	}
}

func TestIncidentsMayComeUnderAnotherID(t *testing.T) {
	for _, c := range showingCalls() {
		s, _, regular, body := c.responses(t, "other-id=7", 1)
		want := replaceAll(`"(id|incidentId)":("?)1001`, regular, `"$1":${2}7`)
		assert.NotEqual(t, want, regular)
		assert.Equal(t, want, body, c.path)
		assert.False(t, served(s))
	}
	s := newSim(t, nil)
	f, err := ParseFault("other-id=1002")
	require.NoError(t, err)
	require.NoError(t, s.SetFault(1001, Rule{Fault: f, Times: 1}))
	_, body := get(t, s, 1001)
	assert.Contains(t, string(body), `"incidentId":1002`)
	_, body = get(t, s, 1001)
	assert.Contains(t, string(body), `"incidentId":1001`, "once")
}

func TestAlertsMayBeMissingOrNull(t *testing.T) {
	for _, c := range showingCalls() {
		if !c.withAlerts() {
			continue
		}
		name := "alerts"
		if c.where == AlertRequests {
			name = "value"
		}
		for fault, want := range map[string]json.RawMessage{"alerts-missing": nil, "alerts-null": json.RawMessage("null")} {
			s, _, _, body := c.responses(t, fault, 3)
			object := []byte(body)
			if c.where == ListRequests {
				var page listed
				require.NoError(t, json.Unmarshal(object, &page))
				object = page.Value[0]
			}
			var members map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(object, &members), body)
			got, there := members[name]
			assert.Equal(t, want, got, "%s of %s", fault, c.path)
			assert.Equal(t, want != nil, there)
			assert.False(t, served(s))
		}
	}
}

func TestAnAnswerMayBePartial(t *testing.T) {
	for _, c := range showingCalls() {
		s, resp, regular, body := c.responses(t, "partial", 4)
		assert.Equal(t, http.StatusPartialContent, resp.StatusCode)
		assert.Equal(t, `199 - "Microsoft/WDATP/401/228"`, resp.Header.Get("Warning"))
		title := []byte(`"title":`)
		assert.Equal(t, bytes.Count([]byte(regular), title)/2, bytes.Count([]byte(body), title), c.path)
		assert.False(t, served(s))
	}
}

func TestOneIncidentMayFailToExpand(t *testing.T) {
	s := paged(t, func(c *Config) { c.Incidents = 2 })
	setFault(t, s, 1001, "expand-500")
	for path, status := range map[string]int{
		of1001 + expanded:                  500,
		of1001:                             200,
		of1001 + "/alerts?$top=50":         200,
		incidentsPath + "/1002" + expanded: 200,
	} {
		resp, _ := callGraph(t, s, http.MethodGet, path)
		assert.Equal(t, status, resp.StatusCode, path)
	}
	resp, _ := get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

// The Get was of no state, so no page after it completes one.
func TestAnAlteredGetOpensNoState(t *testing.T) {
	s := paged(t, nil)
	getGraph(t, s, 1001, expanded)
	setFault(t, s, 1001, "partial")
	getGraph(t, s, 1001, expanded)
	getGraph(t, s, 1001, "/alerts?$skip=4")
	assert.Empty(t, s.Served(1001))
}

// The response for a removed incident is an error object, which has no alerts
// or times of incidents.
func TestOddContentLeavesErrorsAlone(t *testing.T) {
	for _, kind := range ContentFaultKinds() {
		s := newSim(t, nil)
		require.NoError(t, s.Remove(1001))
		setFault(t, s, 1001, kind.Name)
		resp, body := get(t, s, 1001)
		assert.Equal(t, http.StatusNotFound, resp.StatusCode, kind.Name)
		apiError(t, body)
	}
	s := newSim(t, nil)
	require.NoError(t, s.Remove(1001))
	setFault(t, s, 1001, "bom")
	resp, body := get(t, s, 1001)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	hasMark(t, resp, body)
}

func TestTimesKeepTheirMomentWithMoreDigits(t *testing.T) {
	for text, want := range map[string]string{
		`"2026-03-01T10:00:00Z"`:         "2026-03-01T10:00:00.000000000000Z",
		`"2026-03-01T10:00:00.1234567Z"`: "2026-03-01T10:00:00.123456700000Z",
	} {
		got := timesAs(preciseTime)(nil, []byte(text))
		assert.Equal(t, `"`+want+`"`, string(got))
		before, err := time.Parse(`"`+time.RFC3339Nano+`"`, text)
		require.NoError(t, err)
		assert.True(t, before.Equal(at(t, want)))
	}
}
