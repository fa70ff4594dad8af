// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const alertsPath = "/v1.0/security/alerts_v2"

// alertRow is what tests read of a row of the list of alerts.
type alertRow struct {
	ID                 string
	IncidentID         *string `json:"incidentId"`
	CreatedDateTime    time.Time
	LastUpdateDateTime time.Time
	Status             string
}

// listAlerts lists alerts with the given options, name and value in turn.
func listAlerts(t *testing.T, s *Sim, options ...string) listed {
	t.Helper()
	return listGraphAt(t, s, alertsPath+strings.TrimPrefix(listPath(options...), "/api/incidents"))
}

func (p listed) alerts(t *testing.T) []alertRow {
	t.Helper()
	rows := make([]alertRow, len(p.Value))
	for n, row := range p.Value {
		require.NoError(t, json.Unmarshal(row, &rows[n]))
	}
	return rows
}

func (p listed) alertIDs(t *testing.T) (ids []string) {
	t.Helper()
	for _, row := range p.alerts(t) {
		ids = append(ids, row.ID)
	}
	return ids
}

// allAlerts are the ids of the alerts that are in incidents.
func allAlerts(t *testing.T, s *Sim) (ids []string) {
	t.Helper()
	for _, id := range s.IDs() {
		ids = append(ids, alertIDs(t, s, id)...)
	}
	return ids
}

func lastRequest(s *Sim) Request {
	journal := s.Journal()
	return journal[len(journal)-1]
}

func TestTheListOfAlertsShowsAlertsAsGetDoes(t *testing.T) {
	s := newSim(t, func(c *Config) { c.MergedShare, c.LooseAlerts = 0.3, 0 })
	page := listAlerts(t, s)

	assert.Equal(t, "https://graph.microsoft.com/v1.0/$metadata#security/alerts_v2", page.Context)
	assert.Empty(t, page.NextLink)
	assert.ElementsMatch(t, allAlerts(t, s), page.alertIDs(t))
	shown := map[string]string{}
	for _, id := range s.IDs() {
		resp, body := getGraph(t, s, id, "/alerts")
		for _, row := range readPage(t, resp, body).Value {
			shown[string(row)] = fmt.Sprint(id)
		}
	}
	for n, row := range page.Value {
		require.Contains(t, shown, string(row))
		require.Equal(t, shown[string(row)], *page.alerts(t)[n].IncidentID)
	}
	first := s.Journal()[0]
	assert.Equal(t, EndpointAlertList, first.Endpoint)
	assert.Equal(t, APIGraph, first.API)
	assert.Empty(t, first.Rows)
	require.Len(t, first.AlertRows, len(page.Value))
	for n, row := range page.alerts(t) {
		got := first.AlertRows[n]
		states, _ := s.History(got.Incident)
		assert.Equal(t, row.ID, got.ID)
		assert.Equal(t, *row.IncidentID, fmt.Sprint(got.Incident))
		assert.Contains(t, states[got.State].Alerts, AlertState{got.ID, got.LastUpdated})
		assert.True(t, row.LastUpdateDateTime.Equal(got.LastUpdated))
	}
	assert.Len(t, listGraphAt(t, s, alertsPath+"/").Value, len(page.Value))
}

func TestPagesOfTheListOfAlertsShowEachRowOnce(t *testing.T) {
	for _, tokens := range []bool{false, true} {
		for _, order := range []string{"", "createdDateTime", "createdDateTime desc", "lastUpdateDateTime"} {
			s := newSim(t, func(c *Config) { c.Incidents, c.LooseAlerts, c.GraphSkipToken = 60, 0, tokens })
			var got []alertRow
			for path := alertsPath + "?$count=true&$top=13&$orderby=" + strings.ReplaceAll(order, " ", "%20"); path != ""; {
				if order == "" {
					path = strings.Replace(path, "&$orderby=", "", 1)
				}
				page := listGraphAt(t, s, path)
				require.Equal(t, len(allAlerts(t, s)), page.Count)
				got = append(got, page.alerts(t)...)
				path = ""
				if page.NextLink != "" {
					assert.Equal(t, tokens, strings.Contains(page.NextLink, "$skiptoken="))
					assert.Equal(t, !tokens, strings.Contains(page.NextLink, "$skip="))
					path = page.path(t)
				}
			}
			var ids []string
			for _, row := range got {
				ids = append(ids, row.ID)
			}
			assert.ElementsMatch(t, allAlerts(t, s), ids)
			rising := slices.IsSortedFunc(got, func(a, b alertRow) int { return a.CreatedDateTime.Compare(b.CreatedDateTime) })
			falling := slices.IsSortedFunc(got, func(a, b alertRow) int { return b.CreatedDateTime.Compare(a.CreatedDateTime) })
			moved := slices.IsSortedFunc(got, func(a, b alertRow) int { return b.LastUpdateDateTime.Compare(a.LastUpdateDateTime) })
			assert.Equal(t, order == "createdDateTime", rising)
			assert.Equal(t, order == "createdDateTime desc", falling)
			assert.False(t, moved)
		}
	}
}

func TestTheListOfAlertsPassesWhatItsFilterSays(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.LooseAlerts = 0, 0 })
	for n, a := range []Alert{
		{ID: "a", LastUpdated: at(t, "2026-03-01T10:00:00.1Z"), Severity: SeverityHigh, AssignedTo: "o'brien@contoso.example"},
		{ID: "b", LastUpdated: at(t, "2026-03-01T10:00:00.1000001Z"), Status: StatusResolved, Classification: "TruePositive"},
		{ID: "c", LastUpdated: at(t, "2026-03-01T10:00:01Z"), ServiceSource: "OfficeATP", Determination: "Malware"},
	} {
		a.Created = at(t, "2026-02-01T00:00:00Z").AddDate(0, 0, n)
		require.NoError(t, s.Add(Incident{ID: int64(n) + 1, Alerts: []Alert{a}}))
	}
	for filter, want := range map[string]string{
		"lastUpdateDateTime ge 2026-03-01T10:00:00.1000001Z":                                                "bc",
		"lastUpdateDateTime gt 2026-03-01T10:00:00.1000001Z":                                                "c",
		"lastUpdateDateTime lt 2026-03-01T10:00:00.1000001Z":                                                "a",
		"lastUpdateDateTime ge 2026-03-01T10:00:00.1000001Z and lastUpdateDateTime lt 2026-03-01T10:00:01Z": "b",
		"createdDateTime ge 2026-02-02T00:00:00Z and createdDateTime lt 2026-02-03T00:00:00Z":               "b",
		"createdDateTime ge 2026-02-02T00:00:00Z and lastUpdateDateTime gt 2026-03-01T10:00:00.1000001Z":    "c",
		"lastUpdateDateTime lt 2026-03-01T10:00:00Z":                                                        "",
		"status eq 'new'":                                  "ac",
		"status eq 'resolved'":                             "b",
		"severity eq 'high'":                               "a",
		"assignedTo eq 'o''brien@contoso.example'":         "a",
		"classification eq 'truePositive'":                 "b",
		"determination eq 'malware'":                       "c",
		"serviceSource eq 'microsoftDefenderForOffice365'": "c",
	} {
		page := listAlerts(t, s, "$filter", filter, "$count", "true", "$top", "1", "$orderby", "createdDateTime")
		assert.Equal(t, len(want), page.Count, filter)
		page = listAlerts(t, s, "$filter", filter, "$orderby", "createdDateTime")
		assert.Equal(t, want, strings.Join(page.alertIDs(t), ""), filter)
	}
	for _, query := range []string{
		"$filter=incidentId eq '1'", "$filter=id eq 'a'", "$filter=lastUpdateTime ge 2026-03-01T10:00:00Z", "$filter=status ne 'new'",
		"$top=0", "$top=x", "$skip=501", "$skip=-1", "$expand=alerts", "$orderby=severity", "$select=entities", "$count=1",
	} {
		resp, body := callGraph(t, s, http.MethodGet, alertsPath+"?"+strings.ReplaceAll(query, " ", "%20"))
		code, _ := graphError(t, body)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, query)
		assert.Equal(t, "BadRequest", code)
	}
	assert.Empty(t, listAlerts(t, s, "$skip", "500").Value)
	assert.Equal(t, "Query option 'Skip' is limited to 500.", messageOf(t, s, alertsPath+"?$skip=501"))
}

func messageOf(t *testing.T, s *Sim, path string) string {
	t.Helper()
	_, body := callGraph(t, s, http.MethodGet, path)
	_, message := graphError(t, body)
	return message
}

func TestMoreThanAThousandAlertsAtATimeAreAThousand(t *testing.T) {
	s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.AlertBytes, c.LooseAlerts = 120, 1, 0 })
	for _, top := range []string{"1000", "1001", "5000"} {
		page := listAlerts(t, s, "$top", top)
		assert.Len(t, page.Value, 1000)
		assert.Contains(t, page.NextLink, "$skip=1000", "which is refused")
	}
	assert.Len(t, listAlerts(t, s).Value, 1000)
	assert.Len(t, listAlerts(t, s, "$top", "200", "$skip", "500").Value, 200)
}

func TestAlertsInNoIncidentAreInTheListOfAlertsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.LooseAlerts = 0.5 })
		in := allAlerts(t, s)
		page := listAlerts(t, s)
		assert.Len(t, page.Value, len(in)+(len(in)+1)/2)
		for n, row := range page.alerts(t) {
			got := lastRequest(s).AlertRows[n]
			if slices.Contains(in, row.ID) {
				assert.NotNil(t, row.IncidentID)
				continue
			}
			assert.Nil(t, row.IncidentID)
			assert.Contains(t, string(page.Value[n]), `"incidentId":null,`)
			assert.Contains(t, string(page.Value[n]), `"incidentWebUrl":null,`)
			assert.Equal(t, AlertRow{row.ID, got.LastUpdated, 0, -1}, got)
		}
		time.Sleep(time.Minute)
		since := time.Now().UTC().Format(timeForm)
		added := s.AddLooseAlert()
		assert.Equal(t, []string{added}, listAlerts(t, s, "$filter", "lastUpdateDateTime ge "+since).alertIDs(t))
		assert.NotEqual(t, added, s.AddLooseAlert())
	})
}

func TestTheListOfAlertsNeedsARoleOfItsOwn(t *testing.T) {
	s := newSim(t, nil)
	listAlerts(t, s)
	tell := func(s *Sim, roles []string) (int, string) {
		token := "Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com", Roles: roles})
		resp, body := call(t, s, http.MethodGet, alertsPath, "Authorization", token)
		return resp.StatusCode, string(body)
	}
	status, _ := tell(s, []string{"SecurityAlert.ReadWrite.All"})
	assert.Equal(t, http.StatusOK, status)
	status, body := tell(s, []string{"SecurityIncident.Read.All"})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, body, "Missing application roles. API required roles: SecurityAlert.Read.All,SecurityAlert.ReadWrite.All, application roles: SecurityIncident.Read.All.")

	s = newSim(t, func(c *Config) { c.NoAlertRole = true })
	status, _ = tell(s, nil)
	assert.Equal(t, http.StatusForbidden, status)
	listGraph(t, s)
}

func TestTheListOfAlertsFollowsEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.Incidents, c.ChangesPerHour, c.MergedShare, c.NewPerHour, c.LooseAlerts = 30, 1800, 0.1, 20, 0
			c.GraphPerMinute = 0
			c.Weights = Weights{ChangeAlertLeaves: 10, ChangeMerge: 1, ChangeNewAlert: 3, ChangeAlert: 3, ChangeAlertAlone: 3}
		})
		for n := range 16 {
			time.Sleep(20 * time.Second)
			if n == 8 {
				require.NoError(t, s.Remove(1001))
			}
			if n == 12 {
				require.NoError(t, s.Restore(1001))
			}
			want := map[string]string{}
			for _, id := range s.IDs() {
				resp, body := getGraph(t, s, id, "/alerts")
				if resp.StatusCode == http.StatusNotFound {
					continue
				}
				for _, row := range readPage(t, resp, body).Value {
					var a alertRow
					require.NoError(t, json.Unmarshal(row, &a))
					want[a.ID] = string(row)
				}
			}
			page := listAlerts(t, s)
			require.Len(t, page.Value, len(want))
			for n, row := range page.alerts(t) {
				require.Equal(t, want[row.ID], string(page.Value[n]))
				got := lastRequest(s).AlertRows[n]
				states, _ := s.History(got.Incident)
				version := AlertState{got.ID, got.LastUpdated}
				require.Contains(t, states[got.State].Alerts, version)
				if got.State > 0 && !states[got.State-1].Removed {
					require.NotContains(t, states[got.State-1].Alerts, version, "the first state of that version")
				}
			}
		}
	})
}

func TestNewerMembersAreInTheListOfAlertsForWhoAsksForThem(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 0 })
	require.NoError(t, s.Add(Incident{ID: 7, Alerts: []Alert{{ID: "dc1", ServiceSource: "MicrosoftDefenderForCloud"}}}))
	for range 2 { // what was kept of the one does not do for the other
		resp, with := callGraph(t, s, http.MethodGet, alertsPath, "Prefer", "include-unknown-enum-members")
		assert.Equal(t, "include-unknown-enum-members", resp.Header.Get("Preference-Applied"))
		assert.Contains(t, string(with), `"serviceSource":"microsoftDefenderForCloud"`)
		_, without := callGraph(t, s, http.MethodGet, alertsPath)
		assert.Contains(t, string(without), `"serviceSource":"unknownFutureValue"`)
	}
}
