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
	"pgregory.net/rapid"
)

// listsOfGraph are the paths of the lists.
func listsOfGraph() []string { return []string{incidentsPath, alertsPath} }

func withOptions(path string, options ...string) string {
	return path + strings.TrimPrefix(listPath(options...), "/api/incidents")
}

func TestRowsKeepTheirPlacesWhateverChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.Incidents = 40 })
		other := newSim(t, func(c *Config) { c.Incidents, c.Seed, c.Start = 40, 2, s.cfg.Start })
		incidents, alerts := listGraph(t, s).graphIDs(t), listAlerts(t, s).alertIDs(t)
		time.Sleep(time.Hour)
		for _, id := range s.IDs() {
			if i := mustGet(t, s, id); !i.redirected() {
				touch(t, s, id)
				require.NoError(t, s.UpdateAlert(id, i.Alerts[0].ID, func(a *Alert) { a.Title += "!" }))
			}
		}
		assert.Equal(t, incidents, listGraph(t, s).graphIDs(t))
		assert.Equal(t, alerts, listAlerts(t, s).alertIDs(t))
		assert.NotEqual(t, incidents, listGraph(t, other).graphIDs(t), "the seed decides")
	})
}

func TestSelectLeavesOutAllOtherMembers(t *testing.T) {
	s := newSim(t, nil)
	for _, path := range listsOfGraph() {
		all := listGraphAt(t, s, path)
		some := listGraphAt(t, s, withOptions(path, "$select", "createdDateTime, id,comments,lastUpdateDateTime"))
		require.Len(t, some.Value, len(all.Value))
		for n := range all.Value {
			var want, got map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(all.Value[n], &want))
			require.NoError(t, json.Unmarshal(some.Value[n], &got))
			assert.Len(t, got, 4)
			for name, value := range got {
				assert.Equal(t, string(want[name]), string(value), name)
			}
			assert.True(t, strings.HasPrefix(string(some.Value[n]), `{"id":"`), string(some.Value[n]))
		}
		shown := lastRequest(s)
		for _, row := range shown.Rows {
			assert.Equal(t, -1, row.State, "it was not shown whole")
		}
		for _, row := range shown.AlertRows {
			assert.Equal(t, -1, row.State)
		}
		next := listGraphAt(t, s, withOptions(path, "$select", "id,status", "$top", "1", "$count", "true", "$orderby", "createdDateTime desc")).NextLink
		assert.Equal(t, "http://api.example"+path+"?$orderby=createdDateTime%20desc&$select=id%2Cstatus&$count=true&$top=1&$skip=1", next)
	}
	var row map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(listGraph(t, s, "$select", "id", "$expand", "alerts").Value[0], &row))
	assert.Len(t, row, 3, "what is expanded stays")
	require.NoError(t, json.Unmarshal(listAlerts(t, s, "$select", "incidentId,evidence").Value[0], &row))
	assert.Contains(t, row, "incidentId")
}

func TestMembersAreToldApartWhateverIsInThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &writer{}
		var want []string
		for n := range rapid.IntRange(0, 5).Draw(t, "members") {
			start := len(w.buf)
			text := rapid.StringOf(rapid.SampledFrom([]rune(`ab"\,:{}[]é`+"\n"))).Draw(t, "text")
			name := fmt.Sprint("m", n)
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				w.text(name, text)
			case 1:
				w.texts(name, []string{text, text})
			case 2:
				w.null(name)
			default:
				w.name(name)
				w.open('{')
				w.text(text, text)
				w.integer("x", 1)
				w.close('}')
			}
			want = append(want, strings.TrimPrefix(string(w.buf[start:]), ","))
		}
		var got []string
		for name, member := range membersOf(w.buf) {
			if !strings.HasPrefix(string(member), `"`+name+`":`) {
				t.Fatalf("%s is not the name of %s", name, member)
			}
			got = append(got, string(member))
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%q instead of %q", got, want)
		}
	})
}

func TestTheServiceMayRefuseOrIgnoreOptions(t *testing.T) {
	const created, changed = "createdDateTime ge 2020-01-01T00:00:00Z", "lastUpdateDateTime lt 2100-01-01T00:00:00Z"
	for _, path := range listsOfGraph() {
		s := newSim(t, nil)
		list := func(options ...string) (int, string) {
			resp, body := callGraph(t, s, http.MethodGet, withOptions(path, options...))
			return resp.StatusCode, string(body)
		}
		status, body := list("$count", "true", "$filter", created+" and "+changed, "$orderby", "createdDateTime")
		assert.Equal(t, http.StatusOK, status, body)
		assert.Contains(t, body, `"@odata.count":`)
		_, body = list("$count", "false")
		assert.NotContains(t, body, "@odata.count")

		s = newSim(t, func(c *Config) { c.GraphNoCount = true })
		status, body = list("$count", "true")
		assert.Equal(t, http.StatusOK, status)
		assert.NotContains(t, body, "@odata.count")

		s = newSim(t, func(c *Config) { c.GraphOrderByAlone = true })
		status, _ = list("$filter", created, "$orderby", "createdDateTime")
		assert.Equal(t, http.StatusBadRequest, status)
		status, _ = list("$filter", created)
		assert.Equal(t, http.StatusOK, status)
		status, _ = list("$orderby", "createdDateTime")
		assert.Equal(t, http.StatusOK, status)

		s = newSim(t, func(c *Config) { c.GraphNoUpperBounds = true })
		for _, filter := range []string{changed, created + " and " + changed, "createdDateTime le 2100-01-01T00:00:00Z"} {
			status, _ = list("$filter", filter)
			assert.Equal(t, http.StatusBadRequest, status, filter)
		}
		status, _ = list("$filter", created)
		assert.Equal(t, http.StatusOK, status)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.NoAlertList, c.GraphPerMinute = true, 2 })
		for _, want := range []int{404, 404, 429} {
			resp, body := callGraph(t, s, http.MethodGet, alertsPath)
			graphError(t, body)
			assert.Equal(t, want, resp.StatusCode)
		}
	})
}

func TestOnlyTokensLeadBeyondTheLargestSkip(t *testing.T) {
	for path, top := range map[string]string{incidentsPath: "50", alertsPath: "200"} {
		s := newSim(t, func(c *Config) { c.Incidents, c.AlertsPerIncident, c.AlertBytes, c.GraphPerMinute = 700, 2, 1, 0 })
		page := listGraphAt(t, s, withOptions(path, "$top", top, "$skip", "500"))
		resp, _ := callGraph(t, s, http.MethodGet, page.path(t))
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "the link leads on all the same")

		s = newSim(t, func(c *Config) {
			c.Incidents, c.AlertsPerIncident, c.AlertBytes, c.GraphPerMinute, c.GraphSkipToken = 700, 2, 1, 0, true
		})
		seen := map[string]bool{}
		for next := withOptions(path, "$top", top, "$count", "true"); next != ""; {
			page := listGraphAt(t, s, next)
			for _, row := range page.alerts(t) {
				assert.False(t, seen[row.ID])
				seen[row.ID] = true
			}
			if next = ""; page.NextLink != "" {
				next = page.path(t)
			} else {
				assert.Len(t, seen, page.Count)
			}
		}
	}
	s := newSim(t, func(c *Config) { c.GraphSkipToken = true })
	_, token, _ := strings.Cut(listGraph(t, s, "$top", "1").NextLink, "$skiptoken=")
	for path, want := range map[string]int{incidentsPath: 200, alertsPath: 400, of1001 + "/alerts": 400} {
		resp, _ := callGraph(t, s, http.MethodGet, path+"?$skiptoken="+token)
		assert.Equal(t, want, resp.StatusCode, "a token is for one call")
	}
}

// Whether rows are looked for among all or among those of a span
// makes no difference.
func TestASearchInASpanFindsWhatASearchAmongAllFinds(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.AlertBytes, c.GraphPerMinute = 300, 1, 0 })
	start := s.population.start
	rapid.Check(t, func(rt *rapid.T) {
		l := []*listing{&s.graphList, &s.alertList}[rapid.IntRange(0, 1).Draw(rt, "list")]
		var conditions []string
		for range rapid.IntRange(0, 3).Draw(rt, "conditions") {
			field := rapid.SampledFrom([]string{"lastUpdateDateTime", "createdDateTime"}).Draw(rt, "field")
			operator := rapid.SampledFrom([]string{"ge", "gt", "lt", "le"}).Draw(rt, "operator")
			rows := l.sorted(byCreation)
			limit := start.Add(-time.Duration(rapid.Int64Range(0, int64(oldest)).Draw(rt, "ago")))
			if rapid.Bool().Draw(rt, "exact") {
				limit = rows[rapid.IntRange(0, len(rows)-1).Draw(rt, "row")].updated()
			}
			conditions = append(conditions, fmt.Sprintf("%s %s %s", field, operator, tick(limit).Format(timeForm)))
		}
		var f filter
		if len(conditions) > 0 {
			var wrong string
			f, wrong = parseFilter(strings.Join(conditions, " and "), s.dialects.graph.fields)
			require.Empty(rt, wrong)
		}
		q := query{
			filter: f, top: rapid.IntRange(1, 40).Draw(rt, "top"), skip: rapid.IntRange(0, 40).Draw(rt, "skip"), count: true,
			order: order(rapid.IntRange(0, orders-1).Draw(rt, "order")), backward: rapid.Bool().Draw(rt, "backward"),
		}
		var want []*shown
		for _, row := range l.byKey {
			if f.passes(row) {
				want = append(want, row)
			}
		}
		slices.SortFunc(want, q.order.compare)
		if q.backward {
			slices.Reverse(want)
		}
		rows, more, total := l.page(q)
		require.Equal(rt, len(want), total)
		want = want[min(q.skip, len(want)):]
		require.Equal(rt, len(want) > q.top, more)
		require.True(rt, slices.Equal(want[:min(q.top, len(want))], rows))
		q.count = false
		again, moreAgain, _ := l.page(q)
		require.True(rt, slices.Equal(rows, again))
		require.Equal(rt, more, moreAgain)
	})
}

func TestEachStateBecomesVisibleOnItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.AlertsPerIncident, c.MergedShare, c.LooseAlerts = 1, 0, 0
			c.ListLag, c.ListDelay, c.GraphPerMinute = 2*time.Second, 18*time.Second, 0
		})
		time.Sleep(time.Hour)
		since := time.Now().UTC().Format(timeForm)
		waits := map[time.Duration]bool{}
		apart, overtaken := 0, 0
		for range 15 {
			began := time.Now()
			alert := alertIDs(t, s, 1001)[0]
			require.NoError(t, s.Update(1001, func(i *Incident) { i.AssignedTo += "x"; i.Alerts[0].Title += "x" }))
			states, first := s.History(1001)
			newest := first + len(states) - 1
			_, body := getGraph(t, s, 1001, expanded)
			assert.Contains(t, string(body), mustGet(t, s, 1001).Alerts[0].Title, "Get shows it at once")
			var incident, inList time.Duration
			for range 22 {
				for _, path := range listsOfGraph() {
					listGraphAt(t, s, withOptions(path, "$filter", "lastUpdateDateTime ge "+since))
					for _, row := range lastRequest(s).Rows {
						if row.State == newest && incident == 0 {
							incident = time.Since(began) + 1
						}
					}
					for _, row := range lastRequest(s).AlertRows {
						require.Equal(t, alert, row.ID)
						if row.State == newest && inList == 0 {
							inList = time.Since(began) + 1
						}
					}
				}
				time.Sleep(time.Second)
			}
			for _, wait := range []time.Duration{incident, inList} {
				require.Greater(t, wait, 2*time.Second-1)
				require.LessOrEqual(t, wait, 21*time.Second)
				waits[wait] = true
			}
			if incident != inList {
				apart++
			}
		}
		assert.Greater(t, len(waits), 7)
		assert.Greater(t, apart, 8)

		for range 40 { // a state may be overtaken, and is not shown then
			touch(t, s, 1001)
			time.Sleep(time.Second)
		}
		shown := map[int]bool{}
		last := -1
		for range 30 {
			listGraph(t, s, "$filter", "lastUpdateDateTime ge "+since)
			state := lastRequest(s).Rows[0].State
			require.GreaterOrEqual(t, state, last, "never back to an older one")
			shown[state], last = true, state
			time.Sleep(time.Second)
			touch(t, s, 1001)
		}
		for state := range last {
			if state > 60 && !shown[state] {
				overtaken++
			}
		}
		assert.Positive(t, overtaken)
	})
}

func TestAMovedAlertIsInTheListOfAlertsWithItsNewIncident(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) {
				c.AlertsPerIncident, c.MergedShare, c.SilentAlertMoves, c.ListDelay = 3, 0, silent, 20*time.Second
			})
			time.Sleep(time.Hour)
			from, into := mustGet(t, s, 1001), mustGet(t, s, 1002)
			moved := from.Alerts[1]
			count := len(listAlerts(t, s).Value)
			require.NoError(t, s.MoveAlert(1001, moved.ID, 1002))
			after := mustGet(t, s, 1002)
			assert.Equal(t, !silent, after.LastUpdate.After(into.LastUpdate))
			assert.Equal(t, !silent, mustGet(t, s, 1001).LastUpdate.After(from.LastUpdate))
			is := after.Alerts[after.alert(moved.ID)]
			assert.Equal(t, !silent, is.LastUpdated.After(moved.LastUpdated))
			assert.EqualValues(t, 1002, is.IncidentID)
			for range 21 {
				require.Len(t, listAlerts(t, s).Value, count, "it is never away")
				time.Sleep(time.Second)
			}
			listAlerts(t, s)
			rows := lastRequest(s).AlertRows
			n := slices.IndexFunc(rows, func(r AlertRow) bool { return r.ID == moved.ID })
			assert.Equal(t, AlertRow{moved.ID, is.LastUpdated, 1002, 1}, rows[n])

			require.NoError(t, s.RemoveAlert(1002, moved.ID))
			time.Sleep(20 * time.Second)
			assert.Len(t, listAlerts(t, s).Value, count-1)
		})
	}
	s := newSim(t, nil)
	alert := alertIDs(t, s, 1001)[0]
	require.NoError(t, s.Merge(1003, 1004))
	assert.ErrorContains(t, s.MoveAlert(1001, "x", 1002), "no alert x")
	assert.ErrorContains(t, s.MoveAlert(1001, alert, 7), "no incident 7")
	assert.ErrorContains(t, s.MoveAlert(1001, alert, 1001), "cannot take")
	assert.ErrorContains(t, s.MoveAlert(1001, alert, 1003), "cannot take")
}

func TestFaultsOfTheListOfAlerts(t *testing.T) {
	s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.MergedShare, c.LooseAlerts = 2, 0, 0 })
	setFault(t, s, AlertListRequests, "partial")
	resp, body := callGraph(t, s, http.MethodGet, alertsPath+"?$top=8")
	assert.Equal(t, http.StatusPartialContent, resp.StatusCode)
	var page listed
	require.NoError(t, json.Unmarshal(body, &page))
	assert.Len(t, page.Value, 4)
	require.Len(t, lastRequest(s).AlertRows, 4)
	for _, row := range lastRequest(s).AlertRows {
		assert.Zero(t, row.State, "those that are there are whole")
	}
	s.ClearFaults()
	assert.Equal(t, page.Value, listAlerts(t, s, "$top", "4").Value)

	for _, path := range listsOfGraph() {
		s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.MergedShare, c.LooseAlerts = 1, 0, 0 })
		for _, where := range []int64{ListRequests, AlertListRequests} {
			setFault(t, s, where, "count-high=7")
		}
		assert.Equal(t, 17, listGraphAt(t, s, path+"?$count=true&$top=2").Count)
		for _, where := range []int64{ListRequests, AlertListRequests} {
			setFault(t, s, where, "page-empty")
		}
		first := listGraphAt(t, s, path+"?$count=true&$top=6")
		assert.Empty(t, first.Value)
		assert.Equal(t, 10, first.Count)
		second := listGraphAt(t, s, first.path(t))
		third := listGraphAt(t, s, second.path(t))
		last := listGraphAt(t, s, third.path(t))
		assert.Len(t, second.Value, 6)
		assert.Empty(t, third.Value)
		assert.Len(t, last.Value, 4)
		for _, where := range []int64{ListRequests, AlertListRequests} {
			setFault(t, s, where, "row-without-id")
		}
		row := listGraphAt(t, s, path).Value[0]
		assert.NotContains(t, string(row), `{"id":`)
	}

	s = newSim(t, nil)
	require.NoError(t, s.SetFault(AlertListRequests, Rule{Fault: Fault{Name: "503"}, OnSkip: true, Times: 1}))
	next := listAlerts(t, s, "$top", "2").path(t)
	resp, _ = callGraph(t, s, http.MethodGet, next)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	resp, _ = callGraph(t, s, http.MethodGet, next)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestRowsOfAlertsAreWrittenOnce(t *testing.T) {
	s := newSim(t, nil)
	id := listAlerts(t, s).alertIDs(t)[0]
	key := textKey{rowKey: rowKey{alert: id}}
	kept := s.texts.byKey[key].members
	require.NotEmpty(t, kept)
	listAlerts(t, s)
	assert.Same(t, &kept[0], &s.texts.byKey[key].members[0])
}

func TestLooseAlertsAreAShareOfThoseInIncidents(t *testing.T) {
	for _, share := range []float64{-0.1, 1.1} {
		c := DefaultConfig()
		c.LooseAlerts = share
		_, err := New(c)
		assert.ErrorContains(t, err, "loose alerts")
	}
}
