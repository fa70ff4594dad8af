// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
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

// listed is a page as a client reads it.
type listed struct {
	Context  string            `json:"@odata.context"`
	Value    []json.RawMessage `json:"value"`
	NextLink string            `json:"@odata.nextLink"`
	Count    int               `json:"@odata.count"`
}

// listPath is the path of a List call with the given options, name and
// value in turn.
func listPath(options ...string) string {
	values := url.Values{}
	for n := 0; n < len(options); n += 2 {
		values.Set(options[n], options[n+1])
	}
	return "/api/incidents?" + values.Encode()
}

func list(t *testing.T, s *Sim, options ...string) listed {
	t.Helper()
	return listAt(t, s, listPath(options...))
}

func listAt(t *testing.T, s *Sim, path string) listed {
	t.Helper()
	resp, body := call(t, s, http.MethodGet, path)
	return readPage(t, resp, body)
}

func readPage(t *testing.T, resp *http.Response, body []byte) (page listed) {
	t.Helper()
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	require.NoError(t, json.Unmarshal(body, &page))
	require.NotNil(t, page.Value)
	return page
}

// ids are those of the rows, in their order.
func (p listed) ids(t *testing.T) (ids []int64) {
	t.Helper()
	for _, row := range p.Value {
		var i struct {
			ID int64 `json:"incidentId"`
		}
		require.NoError(t, json.Unmarshal(row, &i))
		ids = append(ids, i.ID)
	}
	return ids
}

// path is where the link leads, whatever host it names.
func (p listed) path(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(p.NextLink)
	require.NoError(t, err)
	return u.RequestURI()
}

// newestFirst are the ids that List should show.
func newestFirst(t *testing.T, s *Sim) []int64 {
	t.Helper()
	var all []Incident
	for _, id := range s.IDs() {
		all = append(all, mustGet(t, s, id))
	}
	slices.SortFunc(all, func(a, b Incident) int {
		return cmp.Or(b.LastUpdate.Compare(a.LastUpdate), cmp.Compare(b.ID, a.ID))
	})
	ids := make([]int64, len(all))
	for n, i := range all {
		ids[n] = i.ID
	}
	return ids
}

func touch(t *testing.T, s *Sim, id int64) {
	t.Helper()
	require.NoError(t, s.Update(id, func(i *Incident) { i.Name += "!" }))
}

func TestListShowsWhatGetShowsNewestChangeFirst(t *testing.T) {
	s := newSim(t, func(c *Config) { c.MergedShare = 0.3 })
	page := list(t, s)

	assert.Equal(t, "https://api.security.microsoft.com/api/$metadata#Incidents", page.Context)
	assert.Empty(t, page.NextLink)
	ids := page.ids(t)
	assert.Equal(t, newestFirst(t, s), ids)
	merged := 0
	for n, id := range ids {
		_, one := get(t, s, id)
		_, own, _ := strings.Cut(string(one), `$entity",`)
		assert.Equal(t, "{"+own, string(page.Value[n]))
		if mustGet(t, s, id).redirected() {
			merged++
		}
	}
	assert.Equal(t, 3, merged, "merged incidents are listed")
}

func TestPagesFollowEachOtherThroughTheirLinks(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents = 250 })
	var got []int64
	var sizes []int
	for path := "/api/incidents"; path != ""; {
		page := listAt(t, s, path)
		got = append(got, page.ids(t)...)
		sizes = append(sizes, len(page.Value))
		path = ""
		if page.NextLink != "" {
			path = page.path(t)
		}
	}
	assert.Equal(t, []int{100, 100, 50}, sizes)
	assert.Equal(t, newestFirst(t, s), got)
}

func TestNoLinkFollowsAPageThatIsJustFull(t *testing.T) {
	s := newSim(t, nil)
	assert.Empty(t, list(t, s, "$top", "10").NextLink)
	assert.NotEmpty(t, list(t, s, "$top", "9").NextLink)
	assert.Empty(t, list(t, s, "$skip", "10").Value)
	assert.Empty(t, list(t, s, "$skip", "1000000").NextLink)
}

func TestLinksRepeatTheOptionsAndMayNameAnotherHost(t *testing.T) {
	filter := "createdTime gt 2020-01-01T00:00:00Z and status eq 'Active'"
	s := newSim(t, func(c *Config) { c.MergedShare = 0 })
	require.Equal(t, "http://api.example/api/incidents/?$skip=100", list(t, newSim(t, func(c *Config) { c.Incidents = 101 })).NextLink)
	link := list(t, s, "$filter", filter, "$top", "2", "other", "x").NextLink
	assert.Equal(t, "http://api.example/api/incidents/?$filter=createdTime%20gt%202020-01-01T00%3A00%3A00Z%20and%20status%20eq%20%27Active%27&$top=2&$skip=2", link)

	s = newSim(t, func(c *Config) { c.ListLinkHost = "https://wdatpprd-eus.securitycenter.windows.com" })
	page := list(t, s, "$top", "2")
	assert.Equal(t, "https://wdatpprd-eus.securitycenter.windows.com/api/incidents/?$top=2&$skip=2", page.NextLink)
	assert.Equal(t, newestFirst(t, s)[2:4], listAt(t, s, page.path(t)).ids(t))
}

func TestWhatChangesBetweenPagesMovesToTheTopAndRepeatsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		before := newestFirst(t, s)
		first := list(t, s, "$top", "4")
		time.Sleep(time.Second)
		touch(t, s, before[9])

		second := listAt(t, s, first.path(t))

		assert.Equal(t, before[3:7], second.ids(t), "the last row of the first page once more")
		assert.Equal(t, before[9], list(t, s).ids(t)[0])
	})
}

func TestWhatIsRemovedBetweenPagesMovesTheRestUp(t *testing.T) {
	s := newSim(t, nil)
	before := newestFirst(t, s)
	first := list(t, s, "$top", "4")
	require.NoError(t, s.Remove(before[1]))

	assert.Equal(t, before[5:9], listAt(t, s, first.path(t)).ids(t), "one row is on neither page")
	assert.NotContains(t, list(t, s).ids(t), before[1])
	require.NoError(t, s.Restore(before[1]))
	assert.Equal(t, before, list(t, s).ids(t))
}

func TestAlertsOnAPageStopAt150WithoutAMark(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.AlertsPerIncident, c.AlertBytes = 2, 100, 1 })
	require.NoError(t, s.Merge(1001, 1002))
	require.Len(t, mustGet(t, s, 1002).Alerts, 200)
	var whole, row struct{ Alerts []json.RawMessage }
	_, body := get(t, s, 1002)
	require.NoError(t, json.Unmarshal(body, &whole))
	require.NoError(t, json.Unmarshal(list(t, s).Value[0], &row))
	require.Len(t, whole.Alerts, 200)
	assert.Equal(t, whole.Alerts[:150], row.Alerts)
}

func TestListMayWriteFieldsDifferentlyFromGet(t *testing.T) {
	read := func(body []byte) (i map[string]any) { require.NoError(t, json.Unmarshal(body, &i)); return i }
	s := newSim(t, func(c *Config) { c.ListDiffers, c.AlertsPerIncident = true, 2 })
	page := list(t, s)
	for n, id := range page.ids(t) {
		_, body := get(t, s, id)
		whole, row := read(body), read(page.Value[n])
		delete(whole, "@odata.context")
		require.NotEqual(t, whole["determination"], row["determination"])
		require.True(t, strings.EqualFold(whole["determination"].(string), row["determination"].(string)))
		delete(whole, "determination")
		delete(row, "determination")
		for m := range 2 {
			a, b := whole["alerts"].([]any)[m].(map[string]any), row["alerts"].([]any)[m].(map[string]any)
			require.NotEqual(t, a["investigationState"], b["investigationState"])
			delete(a, "investigationState")
			delete(b, "investigationState")
		}
		require.Equal(t, whole, row, "nothing else differs")
	}
}

func TestTheJournalTellsWhichStatesWereOnAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		ids := newestFirst(t, s)
		time.Sleep(time.Minute)
		touch(t, s, ids[5])
		get(t, s, ids[5])
		list(t, s, "$top", "2")

		entry := s.Journal()[1]
		assert.Equal(t, EndpointList, entry.Endpoint)
		assert.Equal(t, "/api/incidents", entry.Path)
		assert.Equal(t, "%24top=2", entry.Query)
		assert.Equal(t, -1, entry.State)
		assert.Equal(t, []Row{{ids[5], 1}, {ids[0], 0}}, entry.Rows)
		want := []Served{{time.Now(), 1, EndpointIncident}, {time.Now(), 1, EndpointList}}
		assert.Equal(t, fmt.Sprint(want), fmt.Sprint(s.Served(ids[5])))
		all := s.AllServed()
		assert.Len(t, all, 2)
		for id, served := range all {
			assert.Equal(t, s.Served(id), served)
		}
	})
}

func TestListNeedsTheSameTokenAsGet(t *testing.T) {
	s := newSim(t, nil)
	for header, status := range map[string]int{
		"":         401,
		"Bearer x": 401,
		"Bearer " + s.TokenFor(Grant{Roles: []string{}}):                         403,
		"Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com"}):   401,
		"Bearer " + s.TokenFor(Grant{Roles: []string{"Incident.ReadWrite.All"}}): 200,
	} {
		resp, _ := call(t, s, http.MethodGet, "/api/incidents", "Authorization", header)
		assert.Equal(t, status, resp.StatusCode)
	}
	resp, body := call(t, s, http.MethodPost, "/api/incidents")
	apiError(t, body)
	assert.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	assert.Empty(t, s.Journal()[5].Rows)
}

func TestListHasLimitsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) {
			c.PerMinute, c.ForeignPerMinute, c.ListPerMinute, c.ListPerHour = 100, 60, 50, 1500
		})
		time.Sleep(time.Hour)
		for range 50 {
			list(t, s)
		}
		resp, body := call(t, s, http.MethodGet, "/api/incidents")
		_, message := apiError(t, body)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		assert.Contains(t, message, "Maximum allowed 50 per 00:01:00")
		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusOK, resp.StatusCode, "Get has its own")

		assert.Equal(t, 51, s.MaxInWindowOf(EndpointList, time.Minute))
		assert.Equal(t, 1, s.MaxInWindow(time.Minute))
		time.Sleep(time.Minute)
		list(t, s)
	})
}

func TestAnotherProgramMaySpendTheQuotaOfListToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ListPerMinute, c.ListForeignPerMinute = 50, 20 })
		time.Sleep(time.Hour)
		for range 30 {
			list(t, s)
		}
		resp, _ := call(t, s, http.MethodGet, "/api/incidents")
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	})
}
