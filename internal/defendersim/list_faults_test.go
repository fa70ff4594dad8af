// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultyList makes a simulator of ten incidents with the given fault
// for List calls.
func faultyList(t *testing.T, fault string) *Sim {
	t.Helper()
	s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.ListPerMinute = 1, 50 })
	setListFault(t, s, fault, Rule{})
	return s
}

func setListFault(t *testing.T, s *Sim, fault string, r Rule) {
	t.Helper()
	var err error
	r.Fault, err = ParseFault(fault)
	require.NoError(t, err)
	require.NoError(t, s.SetFault(ListRequests, r))
}

// states are those of the rows that the last request's page held.
func states(s *Sim) (states []int) {
	journal := s.Journal()
	for _, row := range journal[len(journal)-1].Rows {
		states = append(states, row.State)
	}
	return states
}

func TestFaultsOfIncidentsSpareListAndTheOtherWayRound(t *testing.T) {
	s := faulty(t, "500")
	require.NoError(t, s.SetFault(1001, Rule{Fault: Fault{Name: "503"}}))
	assert.Len(t, list(t, s).Value, 10)

	s = faultyList(t, "500")
	resp, _ := get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = call(t, s, http.MethodGet, "/api/incidents")
	assert.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	s.ClearFault(ListRequests)
	assert.Len(t, list(t, s).Value, 10)
}

func TestEveryFaultStrikesListToo(t *testing.T) {
	for _, kind := range slices.Concat(FaultKinds(), EncodingFaultKinds(), ContentFaultKinds(), ListFaultKinds()) {
		synctest.Test(t, func(t *testing.T) {
			s := faultyList(t, kind.Name)
			client := &http.Client{Transport: s.RoundTripper(), Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			r := request(t.Context(), t, s, "?$top=5")
			resp, err := client.Do(r)
			if err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
				require.NoError(t, resp.Body.Close())
			}
			synctest.Wait()
			assert.Contains(t, s.Journal()[0].Fault, kind.Name)
			assert.Equal(t, EndpointList, s.Journal()[0].Endpoint)
		})
	}
}

func TestThrottledListNamesItsOwnLimit(t *testing.T) {
	_, body := call(t, faultyList(t, "429=17s"), http.MethodGet, "/api/incidents")
	_, message := apiError(t, body)
	assert.Contains(t, message, "Maximum allowed 50 per 00:01:00")
}

func TestRedirectsOfListKeepTheQuery(t *testing.T) {
	resp, _ := call(t, faultyList(t, "redirect"), http.MethodGet, "/api/incidents?$top=5")
	assert.Equal(t, "/api/incidents?$top=5", resp.Header.Get("Location"))
}

func TestAFaultCanStrikeBetweenThePagesOnly(t *testing.T) {
	s := newSim(t, nil)
	setListFault(t, s, "503", Rule{OnSkip: true, Times: 1})
	first := list(t, s, "$top", "4")
	resp, _ := call(t, s, http.MethodGet, first.path(t))
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	assert.Len(t, listAt(t, s, first.path(t)).Value, 4)
}

func TestLinksWithoutProgress(t *testing.T) {
	s := faultyList(t, "link-stuck")
	page := list(t, s, "$top", "4", "$skip", "4")
	assert.Equal(t, "http://api.example/api/incidents/?$top=4&$skip=4", page.NextLink)
	assert.Equal(t, []int{0, 0, 0, 0}, states(s))

	s = faultyList(t, "link-loop")
	first := list(t, s, "$top", "4")
	assert.Equal(t, "http://api.example/api/incidents/?$top=4&$skip=4", first.NextLink)
	second := listAt(t, s, first.path(t))
	assert.Equal(t, "http://api.example/api/incidents/?$top=4&$skip=0", second.NextLink)
	assert.Equal(t, first, listAt(t, s, second.path(t)))
}

func TestAPageMayHoldMoreThanWasAskedFor(t *testing.T) {
	s := faultyList(t, "overfull=3")
	page := list(t, s, "$top", "4")
	assert.Equal(t, newestFirst(t, s)[:7], page.ids(t))
	assert.Equal(t, "http://api.example/api/incidents/?$top=4&$skip=7", page.NextLink)
	assert.Len(t, states(s), 7)
}

func TestValueMayBeAnythingButRows(t *testing.T) {
	for fault, want := range map[string]string{"value-missing": "", "value-null": "null", "value-object": "{}"} {
		s := faultyList(t, fault)
		_, body := call(t, s, http.MethodGet, "/api/incidents")
		var page map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &page))
		assert.Equal(t, want, string(page["value"]), fault)
		assert.Empty(t, states(s))
	}
}

func TestSpoiledFirstRows(t *testing.T) {
	for fault, check := range map[string]func(row string){
		"row-null":       func(row string) { assert.Equal(t, "null", row) },
		"row-without-id": func(row string) { assert.True(t, strings.HasPrefix(row, `{"incidentUri":`), row) },
		"big-number":     func(row string) { assert.Contains(t, row, `"incidentId":10`); assert.Contains(t, row, `,"bigNumber":`) },
	} {
		s := faultyList(t, fault)
		regular := list(t, newSim(t, func(c *Config) { c.AlertsPerIncident, c.Start = 1, s.cfg.Start }))
		page := list(t, s)
		check(string(page.Value[0]))
		assert.Equal(t, regular.Value[1:], page.Value[1:], fault)
		assert.Equal(t, []int{-1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, states(s), fault)
		assert.Len(t, s.AllServed(), 9)
	}
}

func TestAPageWithoutRowsIsSpoiledItself(t *testing.T) {
	_, body := call(t, faultyList(t, "big-number"), http.MethodGet, "/api/incidents?$skip=10")
	assert.True(t, strings.HasSuffix(string(body), `"value":[],"bigNumber":123456789012345678901234567890}`), string(body))
}

func TestARowMayComeTwice(t *testing.T) {
	s := faultyList(t, "row-twice")
	page := list(t, s, "$top", "4")
	require.Len(t, page.Value, 5)
	assert.Equal(t, page.Value[0], page.Value[4])
	assert.Len(t, s.Served(page.ids(t)[0]), 2)
}

func TestPaddingMakesAPageLargeAndChangesNothing(t *testing.T) {
	s := faultyList(t, "padded=100KiB")
	_, body := call(t, s, http.MethodGet, "/api/incidents")
	assert.Greater(t, len(body), 1000<<10)
	padded := list(t, s)
	s.ClearFaults()
	for n, row := range list(t, s).Value {
		assert.JSONEq(t, string(row), string(padded.Value[n]))
		assert.Greater(t, len(padded.Value[n]), 100<<10)
	}
}

func TestBrokenPagesDoNotCountAsServed(t *testing.T) {
	s := faultyList(t, "truncated")
	server := httptest.NewServer(s)
	defer server.Close()
	r := request(t.Context(), t, s, "")
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, resp.Body.Close())
	assert.Empty(t, s.AllServed())
}

func TestAHugePageHoldsOneIncident(t *testing.T) {
	s := faultyList(t, "huge=1MiB")
	page := list(t, s)
	require.Len(t, page.Value, 1)
	assert.InDelta(t, 1<<20, len(page.Value[0]), 100)
	assert.Empty(t, s.AllServed())
}

func TestWhatIsForListAloneCanBeSetNowhereElse(t *testing.T) {
	s := newSim(t, nil)
	for _, where := range []int64{1001, AllIncidents, TokenRequests, AlertRequests} {
		assert.ErrorContains(t, s.SetFault(where, Rule{Fault: Fault{Name: "row-twice"}}), "List requests only")
		assert.ErrorContains(t, s.SetFault(where, Rule{Fault: Fault{Name: "500"}, OnSkip: true}), "List requests only")
	}
	for _, where := range []int64{1001, AllIncidents, ListRequests, AlertRequests, AlertListRequests} {
		assert.ErrorContains(t, s.SetFault(where, Rule{Fault: Fault{Name: "AADSTS53003"}}), "token endpoint only")
	}
	assert.ErrorContains(t, s.SetFault(TokenRequests, Rule{Fault: Fault{Name: "alerts-null"}}), "which has no incidents")
}
