// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listGraph lists incidents with the given options, name and value in turn.
func listGraph(t *testing.T, s *Sim, options ...string) listed {
	t.Helper()
	return listGraphAt(t, s, incidentsPath+strings.TrimPrefix(listPath(options...), "/api/incidents"))
}

func listGraphAt(t *testing.T, s *Sim, path string) listed {
	t.Helper()
	resp, body := callGraph(t, s, http.MethodGet, path)
	return readPage(t, resp, body)
}

// graphIDs are those of the rows, in their order.
func (p listed) graphIDs(t *testing.T) (ids []int64) {
	t.Helper()
	for _, row := range p.Value {
		var i struct {
			ID int64 `json:"id,string"`
		}
		require.NoError(t, json.Unmarshal(row, &i))
		ids = append(ids, i.ID)
	}
	return ids
}

func TestListOfGraphShowsIncidentsWithoutAlertsInNoOrder(t *testing.T) {
	s := newSim(t, func(c *Config) { c.MergedShare = 0.3 })
	page := listGraph(t, s)

	assert.Equal(t, "https://graph.microsoft.com/v1.0/$metadata#security/incidents", page.Context)
	assert.Empty(t, page.NextLink)
	ids := page.graphIDs(t)
	newest := list(t, s).ids(t)
	assert.ElementsMatch(t, newest, ids)
	assert.NotEqual(t, newest, ids)
	slices.Sort(newest)
	assert.NotEqual(t, newest, ids)
	for n, id := range ids {
		_, one := getGraph(t, s, id, "")
		_, own, _ := strings.Cut(string(one), `$entity",`)
		assert.Equal(t, "{"+own, string(page.Value[n]))
	}
	first := s.Journal()[0]
	assert.Equal(t, EndpointList, first.Endpoint)
	assert.Equal(t, APIGraph, first.API)
	require.Len(t, first.Rows, 10)
	for n, id := range ids {
		assert.Equal(t, Row{id, 0}, first.Rows[n])
	}
	for id, served := range s.AllServed() {
		want := 1 // the row of Defender XDR; one without alerts serves no state
		if i, err := s.Incident(id); err == nil && i.RedirectID != 0 {
			want = 2 // a merged one has no alerts
		}
		assert.Len(t, served, want, id)
	}
	assert.Len(t, listGraphAt(t, s, incidentsPath+"/").Value, 10)
}

func TestPagesOfGraphHoldFiftyAndLinkToTheNext(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 120 })
	var got []int64
	var sizes []int
	for path := incidentsPath; path != ""; {
		page := listGraphAt(t, s, path)
		got = append(got, page.graphIDs(t)...)
		sizes = append(sizes, len(page.Value))
		path = ""
		if page.NextLink != "" {
			path = page.path(t)
		}
	}
	assert.Equal(t, []int{50, 50, 20}, sizes)
	assert.ElementsMatch(t, s.IDs(), got)

	filter := "createdDateTime gt 2020-01-01T00:00:00Z"
	assert.Equal(t, "http://api.example/v1.0/security/incidents?$skip=50", listGraph(t, s).NextLink)
	assert.Equal(t, "http://api.example/v1.0/security/incidents?$filter=createdDateTime%20gt%202020-01-01T00%3A00%3A00Z&$top=2&$skip=2", listGraph(t, s, "$filter", filter, "$top", "2").NextLink)
	s = newSim(t, func(c *Config) { c.ListLinkHost = "https://graph.microsoft.com" })
	assert.Equal(t, "https://graph.microsoft.com/v1.0/security/incidents?$top=2&$skip=5", listGraph(t, s, "$top", "2", "$skip", "3").NextLink)
}

func TestFiltersOfGraphCompareItsOwnWords(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 0 })
	for id, i := range map[int64]Incident{
		1: {LastUpdate: at(t, "2026-03-01T10:00:00.1Z"), AssignedTo: "o'brien@contoso.example", Severity: SeverityHigh, Determination: "Malware"},
		2: {LastUpdate: at(t, "2026-03-01T10:00:00.1000001Z"), Status: StatusInProgress, Classification: "TruePositive"},
		3: {LastUpdate: at(t, "2026-03-01T10:00:01Z"), Status: StatusAwaitingAction},
	} {
		i.ID, i.Created = id, at(t, "2026-02-01T00:00:00Z").AddDate(0, 0, int(id))
		require.NoError(t, s.Add(i))
	}
	for filter, want := range map[string][]int64{
		"lastUpdateDateTime ge 2026-03-01T10:00:00.1000001Z":                     {3, 2},
		"lastUpdateDateTime gt 2026-03-01T10:00:00.1000001Z":                     {3},
		"lastUpdateDateTime lt 2026-03-01T10:00:00.1000001Z":                     {1},
		"lastUpdateDateTime le 2026-03-01T10:00:00.1000001Z":                     {2, 1},
		"createdDateTime ge 2026-02-03T00:00:00Z":                                {3, 2},
		"status eq 'active'":                                                     {1},
		"status eq 'inProgress'":                                                 {2},
		"status eq 'awaitingAction'":                                             {3},
		"status eq 'Active'":                                                     nil,
		"severity eq 'high'":                                                     {1},
		"severity eq 'unknown'":                                                  {3, 2},
		"assignedTo eq 'o''brien@contoso.example'":                               {1},
		"classification eq 'truePositive'":                                       {2},
		"classification eq 'unknown' and determination eq 'unknown'":             {3},
		"determination eq 'malware' and createdDateTime lt 2026-02-03T00:00:00Z": {1},
	} {
		assert.ElementsMatch(t, want, listGraph(t, s, "$filter", filter).graphIDs(t), filter)
	}
	for _, query := range []string{
		"$filter=lastUpdateTime ge 2026-03-01T10:00:00Z", "$filter=id eq '1'", "$filter=displayName eq 'x'", "$filter=status ne 'active'", "$filter=",
		"$top=51", "$top=0", "$skip=-1", "$skip=501", "$skiptoken=x", "$count=yes", "$expand=alerts($top=1)", "$orderby=severity", "$orderby=createdDateTime,severity",
		"$orderby=createdDateTime up", "$orderby=", "$select=", "$select=incidentId", "$select=id,comments/comment", "$search=x",
	} {
		resp, body := callGraph(t, s, http.MethodGet, incidentsPath+"?"+strings.ReplaceAll(query, " ", "%20"))
		code, message := graphError(t, body)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, query)
		assert.Equal(t, "BadRequest", code)
		assert.NotEmpty(t, message)
	}
	for name, fields := range map[string]map[string]field{"lastUpdateTime": newXDR(Config{}).fields, "lastUpdateDateTime": newGraph(Config{}).fields} {
		f, _ := parseFilter(name+" ge 2026-03-01T10:00:00Z", fields)
		assert.False(t, f.spans[byUpdate].from.IsZero(), "the search stops at %s", name)
	}
	_, body := callGraph(t, s, http.MethodGet, incidentsPath+"?$top=51")
	_, message := graphError(t, body)
	assert.Equal(t, "Query option 'Top' is limited to 50.", message)
}

func TestListOfGraphExpandsAlertsUnlessItFiltersToo(t *testing.T) {
	s := paged(t, nil)
	page := listGraph(t, s, "$expand", "alerts")
	_, one := getGraph(t, s, 1001, expanded)
	_, own, _ := strings.Cut(string(one), `$entity",`)
	assert.Equal(t, "{"+own, string(page.Value[0]), "and no more of them than Get")
	assert.Contains(t, string(page.Value[0]), `"alerts@odata.nextLink":"http://api.example/v1.0/security/incidents/1001/alerts?$skip=2"`)

	resp, body := callGraph(t, s, http.MethodGet, incidentsPath+"?$expand=alerts&$filter=status%20eq%20%27active%27")
	code, message := graphError(t, body)
	assert.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	assert.Equal(t, "InternalServerError", code)
	assert.Empty(t, message)
	s = newSim(t, nil)
	assert.Equal(t, "http://api.example/v1.0/security/incidents?$top=1&$expand=alerts&$skip=1", listGraph(t, s, "$expand", "alerts", "$top", "1").NextLink)
}

func TestListOfGraphIsAsLateAsThatOfDefenderXDR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ListLag = time.Minute })
		time.Sleep(time.Hour)
		filter := "lastUpdateDateTime ge " + time.Now().UTC().Format(timeForm)
		touch(t, s, 1001)
		time.Sleep(time.Minute - time.Nanosecond)
		assert.Empty(t, listGraph(t, s, "$filter", filter).Value)
		time.Sleep(time.Nanosecond)
		assert.Equal(t, []int64{1001}, listGraph(t, s, "$filter", filter).graphIDs(t))
		journal := s.Journal()
		assert.Equal(t, []Row{{1001, 1}}, journal[len(journal)-1].Rows)
	})
}
