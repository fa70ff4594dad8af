// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFilterPassesWhatMeetsEveryCondition(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.ListUpperBounds = 0, true })
	for id, i := range map[int64]Incident{
		1: {LastUpdate: at(t, "2026-03-01T10:00:00.1Z"), AssignedTo: "o'brien@contoso.example"},
		2: {LastUpdate: at(t, "2026-03-01T10:00:00.1000001Z"), Status: StatusResolved, AssignedTo: "o'brien@contoso.example"},
		3: {LastUpdate: at(t, "2026-03-01T10:00:01Z"), AssignedTo: "a and b"},
	} {
		i.ID, i.Created = id, at(t, "2026-02-01T00:00:00Z").AddDate(0, 0, int(id))
		require.NoError(t, s.Add(i))
	}
	for filter, want := range map[string][]int64{
		"lastUpdateTime gt 2026-03-01T10:00:00.1Z":                                            {3, 2},
		"lastUpdateTime ge 2026-03-01T10:00:00.1Z":                                            {3, 2, 1},
		"lastUpdateTime ge 2026-03-01T10:00:00.1000001Z":                                      {3, 2},
		"lastUpdateTime lt 2026-03-01T10:00:00.1000001Z":                                      {1},
		"lastUpdateTime le 2026-03-01T10:00:00.1000001Z":                                      {2, 1},
		"lastUpdateTime gt 2026-03-01T10:00:01Z":                                              nil,
		"lastUpdateTime gt 2026-03-01T10:00:00Z and lastUpdateTime ge 2026-03-01T10:00:00.5Z": {3},
		"createdTime ge 2026-02-03T00:00:00.0000000Z":                                         {3, 2},
		"createdTime lt 2026-02-03T00:00:00Z":                                                 {1},
		"status eq 'Resolved'":                                                                {2},
		"assignedTo eq 'o''brien@contoso.example'":                                            {2, 1},
		"assignedTo eq 'o''brien@contoso.example' and status eq 'Active'":                     {1},
		"assignedTo eq 'a and b'":                                                             {3},
		"  status  eq  'Active'  and  createdTime  gt  2026-02-02T00:00:00Z ":                 {3},
		"status eq ''": nil,
	} {
		page := list(t, s, "$filter", filter)
		assert.Equal(t, want, page.ids(t), filter)
	}
}

func TestQueriesThatTheAPIRefuses(t *testing.T) {
	s := newSim(t, nil)
	for _, filter := range []string{
		"", " ", "status", "status eq", "status eq Active", "status eq 'Active", "status eq 'Active'x", "status eq'Active'", "'status' eq 'Active'",
		"status ne 'Active'", "status gt 'Active'", "not status eq 'Active'", "(status eq 'Active')", "status eq 'A' or status eq 'B'",
		"status eq 'A' and", "and status eq 'A'", "status eq 'A' status eq 'B'", "status eq 'A' 'and' status eq 'B'",
		"assignedTo eq null", "incidentId eq 1001", "incidentId eq '1001'", "severity eq 'High'", "Status eq 'Active'",
		"lastUpdateTime eq 2026-03-01T10:00:00Z", "lastUpdateTime ge '2026-03-01T10:00:00Z'", "lastUpdateTime ge 2026-03-01", "lastUpdateTime ge yesterday",
		"lastUpdateTime ge 2026-03-01T10:00:00", "lastUpdateTime ge 2026-03-01T10:00:00+01:00", "lastUpdateTime ge 2026-03-01T10:00:00.12345678Z",
		"lastUpdateTime ge 2026-03-01T10:00:00,5Z", "lastUpdateTime ge 2026-13-01T10:00:00Z", "createdTime ge Z",
		"lastUpdateTime lt 2026-03-01T10:00:00Z", "lastUpdateTime le 2026-03-01T10:00:00Z", "createdTime lt 2026-03-01T10:00:00Z",
		"lastUpdateTime ge 2026-03-01T10:00:00Z and createdTime le 2026-03-01T10:00:00Z",
	} {
		refused(t, s, listPath("$filter", filter))
	}
	for _, query := range []string{
		"$top=0", "$top=101", "$top=-1", "$top=x", "$top=", "$top=1&$top=2", "$skip=-1", "$skip=x", "$skip=99999999999999999999",
		"$orderby=createdTime", "$select=status", "$skiptoken=x", "$count=true", "$Top=1", "$filter=%zz",
	} {
		refused(t, s, "/api/incidents?"+query)
	}
	assert.Len(t, list(t, s, "api-version", "1", "top", "x").Value, 10, "what is none of OData's is passed over")
}

func TestAFilterOnStatusIsHonouredIgnoredOrRefused(t *testing.T) {
	const filter = "status eq 'Active' and createdTime ge 2026-03-01T10:00:00Z"
	for _, c := range []struct {
		mode StatusFilter
		want []int64
	}{
		{"", []int64{2}}, {StatusFilterHonoured, []int64{2}}, {StatusFilterIgnored, []int64{3, 2}},
	} {
		assert.Equal(t, c.want, list(t, ofEachStatus(t, c.mode), "$filter", filter).ids(t), c.mode)
	}
	s := ofEachStatus(t, StatusFilterRefused)
	refused(t, s, listPath("$filter", filter))
	refused(t, s, listPath("$filter", "status eq 'Resolved'"))
	assert.Equal(t, []int64{3, 2}, list(t, s, "$filter", "createdTime ge 2026-03-01T10:00:00Z").ids(t), "other filters are honoured")
}

// ofEachStatus is a population of three incidents, the first of which is older.
func ofEachStatus(t *testing.T, mode StatusFilter) *Sim {
	t.Helper()
	s := newSim(t, func(c *Config) { c.Incidents, c.ListStatusFilter = 0, mode })
	require.NoError(t, s.Add(Incident{ID: 1, Created: at(t, "2026-02-01T10:00:00Z"), LastUpdate: at(t, "2026-02-01T10:00:00Z")}))
	require.NoError(t, s.Add(Incident{ID: 2, Created: at(t, "2026-03-01T10:00:00Z"), LastUpdate: at(t, "2026-03-01T10:00:00Z")}))
	require.NoError(t, s.Add(Incident{ID: 3, Created: at(t, "2026-03-01T10:00:00Z"), LastUpdate: at(t, "2026-03-01T11:00:00Z"), Status: StatusResolved}))
	return s
}

func TestASkipBeyondTheLargestIsRefusedUnderDefenderXDRAlone(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.ListMaxSkip = 30, 10 })
	page := list(t, s, "$top", "6", "$skip", "10")
	assert.Len(t, page.Value, 6)
	refused(t, s, page.path(t))
	refused(t, s, "/api/incidents?$skip=11")
	assert.Len(t, listGraph(t, s, "$skip", "11").Value, 19)
}

func refused(t *testing.T, s *Sim, path string) {
	t.Helper()
	resp, body := call(t, s, http.MethodGet, path)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode, path)
	code, message := apiError(t, body)
	assert.Equal(t, "BadRequest", code)
	assert.NotEmpty(t, message)
}

func TestFiltersOfAnyKindAreReadOrRefused(t *testing.T) {
	word := rapid.SampledFrom([]string{"lastUpdateTime", "createdTime", "status", "assignedTo", "gt", "ge", "eq", "and", "'a'", "'", "''", "2026-03-01T10:00:00.5Z", " ", "  ", "Z", "x"})
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for _, w := range rapid.SliceOfN(word, 0, 12).Draw(t, "words") {
			text += w + " "
		}
		f, wrong := parseFilter(text, newXDR(Config{}).fields)
		if (wrong == "") != (len(f.conditions) > 0) {
			t.Fatalf("%q: %d conditions, and wrong is %q", text, len(f.conditions), wrong)
		}
		f.passes(&shown{incident: &Incident{LastUpdate: time.Now()}})
	})
}
