// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callsOfGraph are where faults are set, and a call that each of them strikes.
func callsOfGraph() map[int64]string {
	return map[int64]string{AllIncidents: of1001 + expanded, AlertRequests: of1001 + "/alerts?$skip=2", ListRequests: incidentsPath + "?$top=1", AlertListRequests: alertsPath + "?$top=1"}
}

func setFault(t *testing.T, s *Sim, where int64, fault string) {
	t.Helper()
	f, err := ParseFault(fault)
	require.NoError(t, err)
	require.NoError(t, s.SetFault(where, Rule{Fault: f}))
}

func TestEveryFaultStrikesEveryCallOfGraph(t *testing.T) {
	for where, path := range callsOfGraph() {
		for _, kind := range slices.Concat(FaultKinds(), EncodingFaultKinds(), ContentFaultKinds(), LinkFaultKinds()) {
			synctest.Test(t, func(t *testing.T) {
				s := paged(t, func(c *Config) { c.Incidents = 2 })
				setFault(t, s, where, kind.Name)
				client := &http.Client{Transport: s.RoundTripper(), Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example"+path, nil)
				require.NoError(t, err)
				r.Header.Set("Authorization", "Bearer "+s.TokenOf(APIGraph))
				resp, err := client.Do(r)
				if err == nil {
					_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
					require.NoError(t, resp.Body.Close())
				}
				synctest.Wait()
				require.Contains(t, s.Journal()[0].Fault, kind.Name)
				require.Equal(t, APIGraph, s.Journal()[0].API)
			})
		}
	}
}

func TestFaultsOfOneCallOfGraphSpareTheOthers(t *testing.T) {
	for struck := range callsOfGraph() {
		s := paged(t, nil)
		setFault(t, s, struck, "503")
		for where, path := range callsOfGraph() {
			resp, _ := callGraph(t, s, http.MethodGet, path)
			assert.Equal(t, where == struck, resp.StatusCode == http.StatusServiceUnavailable, path)
		}
		s.ClearFault(struck)
		resp, _ := callGraph(t, s, http.MethodGet, callsOfGraph()[struck])
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
	s := paged(t, nil)
	setFault(t, s, 1001, "503")
	resp, _ := getGraph(t, s, 1001, expanded)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

func TestFaultsSpeakGraphToo(t *testing.T) {
	for where, path := range callsOfGraph() {
		for fault, want := range map[string][2]string{
			"400":    {"BadRequest", "The request is invalid."},
			"401":    {"InvalidAuthenticationToken", "Account mode is inactive"},
			"403":    {"Forbidden", "API required roles: SecurityIncident.Read.All,SecurityIncident.ReadWrite.All, application roles: Alert.Read.All."},
			"429=9s": {"TooManyRequests", "Too many requests. You can send requests again in 9 seconds."},
			"500":    {"InternalServerError", ""},
		} {
			s := paged(t, nil)
			setFault(t, s, where, fault)
			resp, body := callGraph(t, s, http.MethodGet, path)
			code, message := graphError(t, body)
			assert.Equal(t, fault[:3], fmt.Sprint(resp.StatusCode))
			assert.Equal(t, want[0], code)
			if where == AlertListRequests {
				want[1] = strings.ReplaceAll(want[1], "SecurityIncident", "SecurityAlert")
			}
			assert.Contains(t, message, want[1])
		}
	}
}

func TestBrokenAnswersOfGraphHaveItsForm(t *testing.T) {
	for where, path := range callsOfGraph() {
		s := paged(t, nil)
		_, regular := callGraph(t, s, http.MethodGet, path)
		setFault(t, s, where, "big-number")
		_, body := callGraph(t, s, http.MethodGet, path)
		assert.True(t, json.Valid(body))
		assert.Equal(t, string(regular), strings.Replace(string(body), `,"bigNumber":123456789012345678901234567890`, "", 1))

		setFault(t, s, where, "huge=1MiB")
		_, body = callGraph(t, s, http.MethodGet, path)
		assert.True(t, json.Valid(body))
		assert.InDelta(t, 1<<20, len(body), 100)
		head := map[int64]string{AllIncidents: `{"id":"1001"`, AlertRequests: `{"value":[{"id":"1001"`, ListRequests: `{"value":[{"id":"0"`, AlertListRequests: `{"value":[{"id":"0"`}
		assert.True(t, strings.HasPrefix(string(body), head[where]+`,"displayName":"x`), path)
	}
	s := paged(t, nil)
	for where, path := range map[int64]string{AllIncidents: "/7" + expanded, AlertRequests: "/7/alerts"} {
		setFault(t, s, where, "big-number")
		_, body := callGraph(t, s, http.MethodGet, incidentsPath+path)
		assert.Contains(t, string(body), `{"id":"7","bigNumber":123456789012345678901234567890}`)
	}
}

func TestWhatIsBrokenOffServesNoStateUnderGraph(t *testing.T) {
	s := paged(t, func(c *Config) { c.AlertsPage = 0 })
	setFault(t, s, 1001, "truncated")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example"+of1001+expanded, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.TokenOf(APIGraph))
	resp, err := s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, resp.Body.Close())
	getGraph(t, s, 1001, "/alerts")
	assert.Empty(t, s.Served(1001), "nor does a page of alerts after it")
}

// linkOf reads the link of a response as it is written, "" where there is none.
func linkOf(t *testing.T, s *Sim, path string) string {
	t.Helper()
	_, body := callGraph(t, s, http.MethodGet, path)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &members))
	return string(members["@odata.nextLink"]) + string(members["alerts@odata.nextLink"])
}

func TestLinksOfGraphMayBeSpoiled(t *testing.T) {
	const requested, alerts = `"http://api.example`, of1001 + "/alerts"
	for fault, want := range map[string]map[int64]string{
		"link-stuck":     {AllIncidents: requested + alerts + `?$skip=0"`, AlertRequests: requested + alerts + `?$skip=2"`, ListRequests: requested + incidentsPath + `?$top=1&$skip=0"`, AlertListRequests: requested + alertsPath + `?$top=1&$skip=0"`},
		"link-elsewhere": {AllIncidents: `"https://elsewhere.contoso.example` + alerts + `?$skip=2"`, AlertRequests: `"https://elsewhere.contoso.example` + alerts + `?$skip=4"`, ListRequests: `"https://elsewhere.contoso.example` + incidentsPath + `?$top=1&$skip=1"`, AlertListRequests: `"https://elsewhere.contoso.example` + alertsPath + `?$top=1&$skip=1"`},
		"link-bare":      {AllIncidents: requested + alerts + `"`, AlertRequests: requested + alerts + `"`, ListRequests: requested + incidentsPath + `?$top=1"`, AlertListRequests: requested + alertsPath + `?$top=1"`},
		"link-broken":    {AllIncidents: "7", AlertRequests: "7", ListRequests: "7", AlertListRequests: "7"},
		"link-empty":     {AllIncidents: `""`, AlertRequests: `""`, ListRequests: `""`, AlertListRequests: `""`},
	} {
		for where, path := range callsOfGraph() {
			s := paged(t, func(c *Config) { c.Incidents, c.ListLinkHost = 2, "http://api.example" })
			require.NotEqual(t, want[where], linkOf(t, s, path))
			setFault(t, s, where, fault)
			assert.Equal(t, want[where], linkOf(t, s, path), "%s at %s", fault, path)
			assert.Equal(t, -1, s.Journal()[1].State)
		}
	}
}

func TestAStuckLinkRepeatsItsTokenForEver(t *testing.T) {
	s := paged(t, func(c *Config) { c.AlertsSkipToken = true })
	setFault(t, s, AlertRequests, "link-stuck")
	first := alertsIn(t, s, of1001+expanded)
	second := alertsIn(t, s, first.next(t))
	assert.Equal(t, first.Link, second.Link)
	assert.Equal(t, second, alertsIn(t, s, second.next(t)))
}

func TestEachPageMayComeAfterAnEmptyOne(t *testing.T) {
	for _, tokens := range []bool{false, true} { // from an empty page it is a token in any case
		s := paged(t, func(c *Config) { c.AlertsSkipToken = tokens })
		setFault(t, s, AllIncidents, "page-empty")
		setFault(t, s, AlertRequests, "page-empty")
		var sizes []int
		var ids []string
		page := alertsIn(t, s, of1001+expanded)
		for ; page.Link != ""; page = alertsIn(t, s, page.next(t)) {
			sizes, ids = append(sizes, len(page.IDs)), append(ids, page.IDs...)
		}
		assert.Equal(t, []int{0, 2, 0, 2, 0}, sizes)
		assert.Equal(t, alertIDs(t, s, 1001), append(ids, page.IDs...))
		assert.Len(t, s.Served(1001), 1, "with the last page all of it has gone out")
	}

	s := newSim(t, nil)
	setListFault(t, s, "page-empty", Rule{})
	first := list(t, s, "$top", "6")
	assert.Empty(t, first.Value)
	assert.Empty(t, s.AllServed())
	assert.Regexp(t, `^http://api\.example/api/incidents/\?\$top=6&\$skiptoken=[\w-]+$`, first.NextLink)
	second := listAt(t, s, first.path(t))
	assert.Equal(t, newestFirst(t, s)[:6], second.ids(t))
	assert.Equal(t, "http://api.example/api/incidents/?$top=6&$skip=6", second.NextLink)
	third := listAt(t, s, second.path(t))
	assert.Empty(t, third.Value)
	assert.Equal(t, newestFirst(t, s)[6:], listAt(t, s, third.path(t)).ids(t))
}

// A token means the same whether the fault is set or not, and for one call only.
func TestTokensOfEmptyPagesOutliveTheFault(t *testing.T) {
	s := paged(t, func(c *Config) { c.Incidents = 2 })
	setFault(t, s, AllIncidents, "page-empty")
	alerts := alertsIn(t, s, of1001+expanded)
	order := listGraph(t, s).graphIDs(t)
	setListFault(t, s, "page-empty", Rule{Times: 1})
	rows := listGraph(t, s, "$top", "1", "$skip", "1")
	assert.Empty(t, alerts.IDs)
	assert.Empty(t, rows.Value)
	s.ClearFaults()
	assert.Equal(t, alertIDs(t, s, 1001)[:2], alertsIn(t, s, alerts.next(t)).IDs)
	assert.Equal(t, order[1:], listGraphAt(t, s, rows.path(t)).graphIDs(t))

	_, token, _ := strings.Cut(rows.NextLink, "$skiptoken=")
	_, ofAlerts, _ := strings.Cut(alerts.Link, "$skiptoken=")
	for _, path := range []string{of1001 + "/alerts?$skiptoken=" + token, incidentsPath + "/1002/alerts?$skiptoken=" + ofAlerts, incidentsPath + "?$skiptoken=" + ofAlerts, alertsPath + "?$skiptoken=" + token} {
		resp, _ := callGraph(t, s, http.MethodGet, path)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, path)
	}
}

func TestLinksMayLeadOnForEver(t *testing.T) {
	s := paged(t, nil)
	setFault(t, s, AlertRequests, "link-endless")
	page := alertsIn(t, s, of1001+expanded)
	seen := map[string]bool{}
	for range 10 {
		assert.False(t, seen[page.Link])
		seen[page.Link] = true
		page = alertsIn(t, s, page.next(t))
	}
	assert.Empty(t, page.IDs)
	assert.Empty(t, s.Served(1001), "the last page never comes")
}

func TestWhichLinksAreThereWhereNothingFollows(t *testing.T) {
	made := []string{"link-stuck", "link-empty", "link-endless", "page-empty"}
	for _, kind := range LinkFaultKinds() {
		for where, path := range map[int64]string{AllIncidents: of1001 + expanded, AlertRequests: of1001 + "/alerts", ListRequests: incidentsPath, AlertListRequests: alertsPath} {
			s := paged(t, func(c *Config) { c.AlertsPage = 0 })
			setFault(t, s, where, kind.Name)
			getGraph(t, s, 1001, expanded)
			assert.Equal(t, slices.Contains(made, kind.Name), linkOf(t, s, path) != "", kind.Name)
		}
		s := paged(t, func(c *Config) { c.AlertsPage = 0 })
		setFault(t, s, AllIncidents, kind.Name)
		_, body := getGraph(t, s, 1001, "")
		assert.NotContains(t, string(body), "nextLink", "there is no place for one without alerts")
		_, body = get(t, s, 1001)
		assert.NotContains(t, string(body), "nextLink")
		assert.Equal(t, 0, s.Journal()[1].State, "Defender XDR has all alerts in one answer")
	}
}

func TestALinkThatWasMadeUpKeepsAStateFromBeingServed(t *testing.T) {
	s := paged(t, nil)
	getGraph(t, s, 1001, expanded)
	setFault(t, s, AlertRequests, "link-stuck")
	getGraph(t, s, 1001, "/alerts?$skip=4")
	assert.Empty(t, s.Served(1001))
	s.ClearFaults()
	getGraph(t, s, 1001, "/alerts?$skip=4")
	assert.Len(t, s.Served(1001), 1)
}

func TestTokensHaveNoLinksToSpoil(t *testing.T) {
	s := newSim(t, nil)
	for _, kind := range LinkFaultKinds() {
		assert.ErrorContains(t, s.SetFault(TokenRequests, Rule{Fault: Fault{Name: kind.Name}}), "no links")
	}
	assert.ErrorContains(t, s.SetFault(AlertRequests, Rule{Fault: Fault{Name: "row-twice"}}), "List requests only")
}
