// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestGraphHasOneBudgetForAllItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.PerMinute, c.ListPerMinute, c.GraphPerMinute, c.GraphPerHour = 1, 1, 3, 5 })
		status := func(path string) int {
			resp, _ := callGraph(t, s, http.MethodGet, path)
			return resp.StatusCode
		}
		assert.Equal(t, 200, status(of1001))
		assert.Equal(t, 200, status(of1001+"/alerts"))
		assert.Equal(t, 200, status(incidentsPath))
		for _, path := range []string{of1001, of1001 + "/alerts", incidentsPath, alertsPath} {
			assert.Equal(t, 429, status(path))
		}
		assert.Equal(t, 7, s.MaxInWindowOfAPI(APIGraph, time.Minute))
		assert.Equal(t, 1, s.MaxInWindowOf(EndpointAlertList, time.Minute))
		resp, _ := get(t, s, 1001)
		assert.Equal(t, 200, resp.StatusCode, "Defender XDR has its own")
		list(t, s)

		time.Sleep(time.Minute)
		assert.Equal(t, 200, status(of1001))
		assert.Equal(t, 200, status(alertsPath))
		assert.Equal(t, 429, status(of1001), "the hour is full")
		time.Sleep(59 * time.Minute)
		assert.Equal(t, 200, status(of1001))
	})
}

func TestGraphSaysInAHeaderWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttled := func(form ThrottleForm) (*http.Response, string) {
			s := newSim(t, func(c *Config) { c.GraphPerMinute, c.ThrottleForm = 1, form })
			getGraph(t, s, 1001, "")
			time.Sleep(10*time.Second - time.Millisecond)
			resp, body := getGraph(t, s, 1001, "")
			code, message := graphError(t, body)
			assert.Equal(t, 429, resp.StatusCode)
			assert.Equal(t, "TooManyRequests", code)
			return resp, message
		}
		resp, message := throttled("")
		assert.Equal(t, "51", resp.Header.Get("Retry-After"))
		assert.Equal(t, "Too many requests.", message)
		resp, message = throttled(ThrottleMessage)
		assert.Empty(t, resp.Header.Get("Retry-After"))
		assert.Equal(t, "Too many requests. You can send requests again in 51 seconds.", message)
	})
}

func TestAnotherProgramMaySpendTheQuotaOfGraphToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.GraphPerMinute, c.GraphForeignPerMinute = 50, 20 })
		time.Sleep(time.Hour)
		for range 30 {
			resp, _ := getGraph(t, s, 1001, "")
			assert.Equal(t, 200, resp.StatusCode)
		}
		resp, _ := getGraph(t, s, 1001, "")
		assert.Equal(t, 429, resp.StatusCode)
	})
}

func TestGraphTakesNoTokensButItsOwn(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct {
		name, token, code, message string
		status                     int
	}{
		{"none", "", "InvalidAuthenticationToken", "holds no bearer token", 401},
		{"nonsense", "Bearer x", "InvalidAuthenticationToken", "not valid", 401},
		{"of Defender XDR", "Bearer " + s.Token(), "InvalidAuthenticationToken", "Invalid audience", 401},
		{"expired", "Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com", Issued: time.Now().Add(-2 * time.Hour)}), "InvalidAuthenticationToken", "expired", 401},
		{"other roles", "Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com", Roles: []string{"Incident.Read.All"}}), "Forbidden", "Missing application roles. API required roles: SecurityIncident.Read.All,SecurityIncident.ReadWrite.All, application roles: Incident.Read.All.", 403},
		{"no roles", "Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com", Roles: []string{}}), "Forbidden", "SecurityIncident.ReadWrite.All.", 403},
	} {
		for _, path := range []string{of1001, of1001 + "/alerts", incidentsPath} {
			resp, body := call(t, s, http.MethodGet, path, "Authorization", c.token)
			code, message := graphError(t, body)
			assert.Equal(t, c.status, resp.StatusCode, c.name)
			assert.Equal(t, c.code, code)
			assert.Contains(t, message, c.message)
		}
	}
	for _, audience := range []string{"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us", "00000003-0000-0000-c000-000000000000"} {
		for _, roles := range [][]string{nil, {"SecurityIncident.ReadWrite.All"}} {
			token := "Bearer " + s.TokenFor(Grant{Audience: audience, Roles: roles})
			resp, _ := call(t, s, http.MethodGet, of1001, "Authorization", token)
			assert.Equal(t, http.StatusOK, resp.StatusCode, audience)
			resp, _ = get(t, s, 1001, "Authorization", token)
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "Defender XDR does not take it")
		}
	}
}

func TestNobodyTakesATokenForSomethingElse(t *testing.T) {
	s := newSim(t, nil)
	token := "Bearer " + s.TokenFor(Grant{Audience: "https://vault.example"})
	for _, path := range []string{"/api/incidents/1001", of1001} {
		resp, _ := call(t, s, http.MethodGet, path, "Authorization", token)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	}
}

func TestTheTokenEndpointServesBothAPIs(t *testing.T) {
	s := newSim(t, nil)
	form := goodForm()
	form.Set("scope", "https://graph.microsoft.com/.default")
	_, response := postForm(t, s, s.cfg.TenantID, form, nil)
	granted := response["access_token"].(string)

	resp, _ := call(t, s, http.MethodGet, of1001, "Authorization", "Bearer "+granted)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	want, err := s.signer.verify(s.TokenOf(APIGraph))
	assert.NoError(t, err)
	got, err := s.signer.verify(granted)
	assert.NoError(t, err)
	want.Issued, want.NotBefore, want.Expires = got.Issued, got.NotBefore, got.Expires
	assert.Equal(t, want, got)
	assert.Equal(t, "https://graph.microsoft.com", got.Audience)
	assert.Equal(t, []string{"SecurityIncident.Read.All", "SecurityAlert.Read.All"}, got.Roles)
	xdr, err := s.signer.verify(s.TokenOf(APIDefenderXDR))
	assert.NoError(t, err)
	assert.Equal(t, "https://api.security.microsoft.com", xdr.Audience)
	assert.Equal(t, []string{"Incident.Read.All"}, xdr.Roles)
	assert.Empty(t, s.Journal()[0].API)
}

func TestLimitsOfGraphMustNotBeNegative(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.GraphPerMinute = -1 },
		func(c *Config) { c.GraphPerHour = -1 },
		func(c *Config) { c.GraphForeignPerMinute = -1 },
	} {
		c := DefaultConfig()
		change(&c)
		_, err := New(c)
		assert.ErrorContains(t, err, "must not be negative")
	}
}

func TestConfiguredRolesAreThoseOfAllTokens(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Roles = []string{"SecurityIncident.Read.All"} })
	resp, _ := getGraph(t, s, 1001, "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = get(t, s, 1001)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
}
