// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// alertsShown is what a response of Graph shows of an incident's alerts.
type alertsShown struct {
	Context string
	IDs     []string
	Link    string
}

// next is the path and the query of the link, whatever host it names.
func (a alertsShown) next(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(a.Link)
	require.NoError(t, err)
	return u.RequestURI()
}

// alertsIn reads a response to Get or a page of alerts.
func alertsIn(t *testing.T, s *Sim, path string) (shown alertsShown) {
	t.Helper()
	resp, body := callGraph(t, s, http.MethodGet, path)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &members))
	prefix, name := "", "value"
	if _, whole := members["alerts"]; whole {
		prefix, name = "alerts", "alerts"
	}
	var alerts []struct{ ID string }
	require.NoError(t, json.Unmarshal(members[name], &alerts))
	for _, a := range alerts {
		shown.IDs = append(shown.IDs, a.ID)
	}
	require.NoError(t, json.Unmarshal(members[prefix+"@odata.context"], &shown.Context))
	if link, given := members[prefix+"@odata.nextLink"]; given {
		require.NoError(t, json.Unmarshal(link, &shown.Link))
	}
	return shown
}

// paged makes a simulator of one incident, 1001, with five alerts that come two
// at a time.
func paged(t *testing.T, change func(*Config)) *Sim {
	t.Helper()
	return newSim(t, func(c *Config) {
		c.Incidents, c.AlertsPerIncident, c.AlertBytes, c.AlertsPage = 1, 5, 1, 2
		if change != nil {
			change(c)
		}
	})
}

func alertIDs(t *testing.T, s *Sim, id int64) (ids []string) {
	t.Helper()
	for _, a := range mustGet(t, s, id).Alerts {
		ids = append(ids, a.ID)
	}
	return ids
}

const of1001 = incidentsPath + "/1001"

func TestAlertsComeAPageAtATime(t *testing.T) {
	for _, tokens := range []bool{false, true} {
		s := paged(t, func(c *Config) { c.AlertsSkipToken = tokens })
		ids := alertIDs(t, s, 1001)

		first := alertsIn(t, s, of1001+expanded)
		second := alertsIn(t, s, first.next(t))
		third := alertsIn(t, s, second.next(t))

		assert.Equal(t, [][]string{ids[:2], ids[2:4], ids[4:]}, [][]string{first.IDs, second.IDs, third.IDs})
		assert.Empty(t, third.Link)
		if tokens {
			assert.Regexp(t, `^http://api\.example/v1\.0/security/incidents/1001/alerts\?\$skiptoken=[\w-]+$`, first.Link)
		} else {
			assert.Equal(t, "http://api.example/v1.0/security/incidents/1001/alerts?$skip=2", first.Link)
			assert.Equal(t, "http://api.example/v1.0/security/incidents/1001/alerts?$skip=4", second.Link)
		}
		for _, page := range []alertsShown{first, second} {
			assert.Equal(t, "https://graph.microsoft.com/v1.0/$metadata#security/incidents('1001')/alerts", page.Context)
		}
	}
}

func TestNoLinkFollowsAlertsThatJustFit(t *testing.T) {
	for size, links := range map[int]bool{0: false, 4: true, 5: false, 6: false} {
		s := paged(t, func(c *Config) { c.AlertsPage = size })
		shown := alertsIn(t, s, of1001+expanded)
		assert.Equal(t, links, shown.Link != "", size)
		page := alertsIn(t, s, of1001+"/alerts")
		assert.Equal(t, shown.IDs, page.IDs)
		assert.Empty(t, alertsIn(t, s, of1001+"/alerts?$skip=5").IDs)
		assert.Empty(t, alertsIn(t, s, of1001+"/alerts?$skip=99999").IDs)
	}
}

func TestPagesOfAlertsAreAsLargeAsAskedFor(t *testing.T) {
	for name, c := range map[string]struct{ configured, first, second int }{
		"unlimited":                 {0, 3, 2},
		"less than the service has": {4, 3, 2},
		"more than the service has": {2, 2, 2},
	} {
		s := paged(t, func(c2 *Config) { c2.AlertsPage = c.configured })
		ids := alertIDs(t, s, 1001)
		first := alertsIn(t, s, of1001+"/alerts?$top=3")
		assert.Equal(t, ids[:c.first], first.IDs, name)
		second := alertsIn(t, s, first.next(t))
		assert.Equal(t, ids[c.first:c.first+c.second], second.IDs, name)
	}
	assert.Len(t, alertsIn(t, paged(t, func(c *Config) { c.AlertsPage = 0 }), of1001+"/alerts?$top=5000").IDs, 5, "as many as there may be")
}

func TestExpandedAlertsFailFromANumberOfThemOn(t *testing.T) {
	for from, status := range map[int]int{0: 200, 5: 500, 6: 200} {
		s := paged(t, func(c *Config) { c.GraphExpandFails = from })
		resp, body := getGraph(t, s, 1001, expanded)
		assert.Equal(t, status, resp.StatusCode, from)
		if status == http.StatusInternalServerError {
			_, message := graphError(t, body)
			assert.Empty(t, message)
		}
		resp, _ = getGraph(t, s, 1001, "")
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Len(t, alertsIn(t, s, of1001+"/alerts").IDs, 2)
		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusOK, resp.StatusCode, "Defender XDR has no such option")
	}
}

func TestLinksToAlertsMayNameAnotherHost(t *testing.T) {
	s := paged(t, func(c *Config) { c.ListLinkHost = "https://graph.microsoft.com" })
	assert.Equal(t, "https://graph.microsoft.com/v1.0/security/incidents/1001/alerts?$skip=2", alertsIn(t, s, of1001+expanded).Link)
}

func TestAnAlertThatLeavesMakesAnotherBeSkippedUnlessTheLinkIsAMark(t *testing.T) {
	for tokens, second := range map[bool][]int{false: {3, 4}, true: {2, 3}} {
		for _, leaving := range []int{0, 1} { // the last one that was shown, or one before it
			s := paged(t, func(c *Config) { c.AlertsSkipToken = tokens })
			ids := alertIDs(t, s, 1001)
			first := alertsIn(t, s, of1001+expanded)
			require.NoError(t, s.RemoveAlert(1001, ids[leaving]))
			assert.Equal(t, []string{ids[second[0]], ids[second[1]]}, alertsIn(t, s, first.next(t)).IDs)
		}
	}
}

func TestMarksTellAlertsOfTheSameTimeApart(t *testing.T) {
	s := paged(t, func(c *Config) { c.AlertsSkipToken, c.AlertsPage = true, 1 })
	moment := at(t, "2026-03-01T10:00:00Z")
	alerts := []Alert{{ID: "c", Created: moment}, {ID: "a", Created: moment}, {ID: "b", Created: moment}}
	require.NoError(t, s.Add(Incident{ID: 7, Alerts: alerts}))
	var got []string
	page := alertsIn(t, s, incidentsPath+"/7"+expanded)
	require.NoError(t, s.RemoveAlert(7, "a"))
	for got = page.IDs; page.Link != ""; got = append(got, page.IDs...) {
		page = alertsIn(t, s, page.next(t))
	}
	assert.Equal(t, []string{"a", "b", "c"}, got)
	assert.Equal(t, []string{"c", "b"}, alertIDs(t, s, 7), "Defender XDR keeps its own order")
}

func TestTokensThatAreNotOursAreRefused(t *testing.T) {
	s := paged(t, func(c *Config) { c.AlertsSkipToken, c.Incidents = true, 2 })
	_, token, _ := strings.Cut(alertsIn(t, s, of1001+expanded).Link, "$skiptoken=")
	_, foreign, _ := strings.Cut(alertsIn(t, s, incidentsPath+"/1002"+expanded).Link, "$skiptoken=")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	bad := []string{"", "x", "*", foreign, token[:len(token)-4], token + "AAAA", token + "*", "AAAA" + token, base64.RawURLEncoding.EncodeToString(raw[:macSize])}
	for n := range raw {
		damaged := slices.Clone(raw)
		damaged[n] ^= 1
		bad = append(bad, base64.RawURLEncoding.EncodeToString(damaged))
	}
	for _, token := range bad {
		resp, body := callGraph(t, s, http.MethodGet, of1001+"/alerts?$skiptoken="+token)
		code, _ := graphError(t, body)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, token)
		assert.Equal(t, "BadRequest", code)
	}
	assert.Len(t, alertsIn(t, s, of1001+"/alerts?$skiptoken="+token).IDs, 2)
}

// The State of each request of a sequence, and when the last was served.
func TestTheLastPageOfAlertsServesTheStateIfItIsStillThatOfTheGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := paged(t, nil)
		stateOf := func(rest string) int {
			time.Sleep(time.Second)
			getGraph(t, s, 1001, rest)
			journal := s.Journal()
			return journal[len(journal)-1].State
		}
		assert.Equal(t, -1, stateOf("/alerts?$skip=4"), "no Get has shown anything")
		assert.Equal(t, []int{-1, -1, 0}, []int{stateOf(expanded), stateOf("/alerts?$skip=2"), stateOf("/alerts?$skip=4")})
		served := Served{time.Now(), 0, EndpointAlerts}
		assert.Equal(t, fmt.Sprint([]Served{served}), fmt.Sprint(s.Served(1001)))
		assert.Equal(t, s.Served(1001), s.AllServed()[1001])
		assert.Equal(t, 0, stateOf("/alerts?$skip=4"), "once more")

		touch(t, s, 1001)
		assert.Equal(t, -1, stateOf("/alerts?$skip=4"), "the Get was of another state")
		get(t, s, 1001)
		assert.Equal(t, -1, stateOf("/alerts?$skip=4"), "a Get of Defender XDR has no pages")
		assert.Equal(t, -1, stateOf(""), "its alerts come separately")
		assert.Equal(t, 1, stateOf("/alerts?$skip=4"))
		stateOf(expanded)
		assert.Equal(t, 1, stateOf("/alerts?$skip=4"))
		require.NoError(t, s.SetFault(1001, Rule{Fault: Fault{Name: "500"}, Times: 1}))
		touch(t, s, 1001)
		stateOf(expanded)
		assert.Equal(t, -1, stateOf("/alerts?$skip=4"), "nor one that failed")
		last := s.Journal()[1]
		assert.Equal(t, EndpointIncident, last.Endpoint)
		assert.Equal(t, Request{
			Number: 3, Time: s.Journal()[3].Time, Ended: s.Journal()[3].Time, API: APIGraph, Endpoint: EndpointAlerts, Method: http.MethodGet,
			Path: of1001 + "/alerts", Query: "$skip=4", ID: 1001, Status: 200, Bytes: s.Journal()[3].Bytes, State: 0, Served: s.Journal()[3].Time,
		}, s.Journal()[3])
	})
}

func TestGetsAndPagesOfAlertsSayWhatStateTheyShow(t *testing.T) {
	s := paged(t, nil)
	getGraph(t, s, 1001, "/alerts?$skip=4")
	require.NoError(t, s.Update(1001, func(i *Incident) { i.Severity = SeverityInformational }))
	getGraph(t, s, 1001, "")
	get(t, s, 1001)
	callGraph(t, s, http.MethodGet, incidentsPath)
	require.NoError(t, s.SetFault(1001, Rule{Fault: Fault{Name: "500"}}))
	get(t, s, 1001)
	var shown []int
	for _, r := range s.Journal() {
		shown = append(shown, r.Shown)
	}
	assert.Equal(t, []int{0, 1, 1, -1, -1}, shown)
	states, _ := s.History(1001)
	assert.Equal(t, SeverityInformational, states[1].Severity)
}

func TestAGetWithoutALinkServesTheStateItself(t *testing.T) {
	s := paged(t, func(c *Config) { c.AlertsPage = 5 })
	getGraph(t, s, 1001, expanded)
	assert.Equal(t, 0, s.Journal()[0].State)
	assert.Equal(t, EndpointIncident, s.Served(1001)[0].Endpoint)
}

func TestGetsAndPagesOfAlertsAreCountedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := paged(t, nil)
		get(t, s, 1001)
		time.Sleep(20 * time.Second)
		getGraph(t, s, 1001, expanded)
		getGraph(t, s, 1001, "/alerts")
		callGraph(t, s, http.MethodGet, incidentsPath)
		time.Sleep(40 * time.Second)
		getGraph(t, s, 1001, "/alerts")
		assert.Equal(t, 3, s.MaxInWindow(time.Minute))
		assert.Equal(t, 4, s.MaxInWindow(time.Minute+1))
		assert.Equal(t, 2, s.MaxInWindowOf(EndpointIncident, time.Minute))
		assert.Equal(t, 2, s.MaxInWindowOf(EndpointAlerts, time.Minute))
	})
}
