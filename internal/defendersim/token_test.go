// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
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

// goodForm is a request for a token that is granted.
func goodForm() url.Values {
	c := DefaultConfig()
	return url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID},
		"client_secret": {c.ClientSecret},
		"scope":         {"https://api.security.microsoft.com/.default"},
	}
}

func postForm(t *testing.T, s *Sim, tenant string, form url.Values, change func(*http.Request)) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://login.example/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	resp, err := s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var response map[string]any
	require.NoError(t, json.Unmarshal(body, &response))
	return resp.StatusCode, response
}

func TestTokenEndpointGrantsATokenTheAPITakes(t *testing.T) {
	s := newSim(t, nil)
	status, response := postForm(t, s, s.cfg.TenantID, goodForm(), nil)

	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "Bearer", response["token_type"])
	assert.EqualValues(t, 3600, response["expires_in"])
	resp, _ := get(t, s, 1001, "Authorization", "bearer "+response["access_token"].(string))
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, EndpointToken, s.Journal()[0].Endpoint)
}

func TestTokenEndpointTakesBasicAuthentication(t *testing.T) {
	s := newSim(t, func(c *Config) { c.ClientSecret = "a+b c%" })
	form := goodForm()
	form.Del("client_id")
	form.Del("client_secret")
	status, _ := postForm(t, s, s.cfg.TenantID, form, func(r *http.Request) {
		r.SetBasicAuth(s.cfg.ClientID, url.QueryEscape(s.cfg.ClientSecret))
	})
	assert.Equal(t, http.StatusOK, status)
}

func TestTokenEndpointRefusesAsEntraDoes(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct {
		field, value, code, short string
		status                    int
	}{
		{"client_secret", "wrong", "AADSTS7000215", "invalid_client", 401},
		{"client_id", "wrong", "AADSTS700016", "unauthorized_client", 400},
		{"scope", "https://api.security.microsoft.com/", "AADSTS70011", "invalid_scope", 400},
		{"scope", "https://unknown.contoso.example/.default", "AADSTS500011", "invalid_resource", 400},
		{"grant_type", "password", "AADSTS70003", "unsupported_grant_type", 400},
		{"tenant", "wrong", "AADSTS90002", "invalid_request", 400},
	} {
		form, tenant := goodForm(), s.cfg.TenantID
		if c.field == "tenant" {
			tenant = c.value
		} else {
			form.Set(c.field, c.value)
		}
		status, response := postForm(t, s, tenant, form, nil)
		assert.Equal(t, c.status, status, c.code)
		assert.Equal(t, c.short, response["error"])
		assert.Contains(t, response["error_description"], c.code+": ")
		assert.Nil(t, response["access_token"])
	}
}

func TestTokenEndpointRefusesWhatItCannotRead(t *testing.T) {
	s := newSim(t, nil)
	form := goodForm()
	form.Set("padding", strings.Repeat("x", maxForm))
	status, _ := postForm(t, s, s.cfg.TenantID, form, nil)
	assert.Equal(t, http.StatusBadRequest, status)
	resp, _ := call(t, s, http.MethodGet, "/"+s.cfg.TenantID+"/oauth2/v2.0/token")
	assert.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
}

func TestFaultsCanStrikeTheTokenEndpointAlone(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.SetFault(TokenRequests, Rule{Fault: Fault{Name: "500"}}))
	status, _ := postForm(t, s, s.cfg.TenantID, goodForm(), nil)
	assert.Equal(t, http.StatusInternalServerError, status)
	resp, _ := get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestRefusalsOfTheTokenEndpointHaveItsForm(t *testing.T) {
	for fault, want := range map[string]struct {
		status int
		short  string
		text   string
	}{
		"AADSTS90033":              {500, "temporarily_unavailable", "A transient error has occurred."},
		"AADSTS7000215":            {401, "invalid_client", "Invalid client secret provided."},
		"AADSTS7000222":            {401, "invalid_client", "keys for app '66666666-7777-8888-9999-000000000000' are expired."},
		"AADSTS700027":             {401, "invalid_client", "The certificate"},
		"AADSTS700016":             {400, "unauthorized_client", "not found in the directory '11111111-2222-3333-4444-555555555555'"},
		"AADSTS7000112":            {400, "unauthorized_client", "is disabled."},
		"AADSTS53003":              {400, "invalid_grant", "blocked by Conditional Access"},
		"AADSTS90002":              {400, "invalid_request", "Tenant '11111111-2222-3333-4444-555555555555' not found."},
		"AADSTS500011":             {400, "invalid_resource", "named https://api.security.microsoft.com was"},
		"400":                      {400, "invalid_request", "AADSTS900144"},
		"401":                      {401, "invalid_client", "AADSTS7000215"},
		"403":                      {403, "invalid_grant", "AADSTS53003"},
		"429=17s":                  {429, "temporarily_unavailable", "AADSTS90055: There are too many incoming requests. You can send requests again in 17 seconds."},
		"500":                      {500, "temporarily_unavailable", "AADSTS90033"},
		"503-retry-after":          {503, "temporarily_unavailable", "AADSTS90033"},
		"429-retry-after":          {429, "temporarily_unavailable", "AADSTS90055"},
		"429-retry-after-fraction": {429, "temporarily_unavailable", "AADSTS90055"},
	} {
		s := newSim(t, nil)
		setFault(t, s, TokenRequests, fault)
		status, response := postForm(t, s, s.cfg.TenantID, goodForm(), nil)
		assert.Equal(t, want.status, status, fault)
		assert.Equal(t, want.short, response["error"], fault)
		description := response["error_description"].(string)
		assert.Regexp(t, `^AADSTS\d+: .* Trace ID: [\w-]+ Correlation ID: [\w-]+ Timestamp: [\d-]+ [\d:]+Z$`, description)
		assert.Contains(t, description, want.text, fault)
		assert.NotContains(t, description, "{")
		code := response["error_codes"].([]any)[0]
		assert.Contains(t, description, fmt.Sprintf("AADSTS%.0f: ", code))
		assert.Equal(t, fmt.Sprintf("https://login.microsoftonline.com/error?code=%.0f", code), response["error_uri"])
		assert.NotEmpty(t, response["trace_id"])
		assert.NotEmpty(t, response["correlation_id"])
		assert.NotEmpty(t, response["timestamp"])
		if fault == "AADSTS53003" {
			assert.Equal(t, "message_only", response["suberror"])
		}
	}
}

func TestEveryFaultOfTheTokenEndpointStrikes(t *testing.T) {
	for _, kind := range slices.Concat(FaultKinds(), EncodingFaultKinds(), TokenFaultKinds()) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, nil)
			setFault(t, s, TokenRequests, kind.Name)
			client := &http.Client{Transport: s.RoundTripper(), Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Do(tokenRequest(t, s))
			if err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
				require.NoError(t, resp.Body.Close())
			}
			synctest.Wait()
			assert.Contains(t, s.Journal()[0].Fault, kind.Name)
		})
	}
}

func tokenRequest(t *testing.T, s *Sim) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://login.example/"+s.cfg.TenantID+"/oauth2/v2.0/token", strings.NewReader(goodForm().Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestTheTokenEndpointMaySayWhenToComeBackOrMarkItsAnswer(t *testing.T) {
	for fault, want := range map[string]struct{ retryAfter, head string }{
		"429-retry-after=2m":       {"120", `{"error":"temporarily_unavailable"`},
		"429-retry-after-fraction": {"2.5", `{"error":"temporarily_unavailable"`},
		"503-retry-after":          {"8", `{"error":"temporarily_unavailable"`},
		"bom":                      {"", "\ufeff" + `{"token_type":"Bearer"`},
		"404-bom":                  {"", "\ufeff" + `{"error":`},
	} {
		s := newSim(t, nil)
		setFault(t, s, TokenRequests, fault)
		resp, err := s.RoundTripper().RoundTrip(tokenRequest(t, s))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want.retryAfter, resp.Header.Get("Retry-After"), fault)
		assert.True(t, strings.HasPrefix(string(body), want.head), fault)
	}
}

func TestTokenSaysWhoMayDoWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		parts := strings.Split(s.Token(), ".")
		require.Len(t, parts, 3)
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		var c map[string]any
		require.NoError(t, json.Unmarshal(payload, &c))
		assert.Equal(t, "https://api.security.microsoft.com", c["aud"])
		assert.Equal(t, s.cfg.TenantID, c["tid"])
		assert.Equal(t, s.cfg.ClientID, c["appid"])
		assert.Equal(t, []any{"Incident.Read.All"}, c["roles"])
		assert.EqualValues(t, time.Now().Unix(), c["iat"])
		assert.EqualValues(t, time.Now().Add(time.Hour).Unix(), c["exp"])
	})
}

func TestTokensThatWillNotDo(t *testing.T) {
	s := newSim(t, nil)
	payload := strings.Split(s.Token(), ".")[1]
	for _, c := range []struct {
		name, header, message string
		status                int
	}{
		{"none", "", "holds no bearer token", 401},
		{"basic", "Basic eDp5", "holds no bearer token", 401},
		{"nonsense", "Bearer x", "not valid", 401},
		{"forged", "Bearer e30." + payload + ".e30", "not valid", 401},
		{"other tenant", "Bearer " + s.TokenFor(Grant{TenantID: "other"}), "not valid", 401},
		{"expired", "Bearer " + s.TokenFor(Grant{Issued: time.Now().Add(-2 * time.Hour)}), "Access token has expired or is not yet valid.", 401},
		{"too early", "Bearer " + s.TokenFor(Grant{Issued: time.Now().Add(time.Hour)}), "not yet valid", 401},
		{"other audience", "Bearer " + s.TokenFor(Grant{Audience: "https://graph.microsoft.com"}), "Invalid audience", 401},
		{"other roles", "Bearer " + s.TokenFor(Grant{Roles: []string{"Alert.Read.All", "User.Read.All"}}), "Missing application roles. API required roles: Incident.Read.All,Incident.ReadWrite.All, application roles: Alert.Read.All,User.Read.All.", 403},
		{"no roles", "Bearer " + s.TokenFor(Grant{Roles: []string{}}), "Missing application roles. API required roles: Incident.Read.All,Incident.ReadWrite.All.", 403},
	} {
		resp, body := get(t, s, 1001, "Authorization", c.header)
		_, message := apiError(t, body)
		assert.Equal(t, c.status, resp.StatusCode, c.name)
		assert.Contains(t, message, c.message, c.name)
	}
	resp, _ := get(t, s, 1001, "Authorization", "Bearer "+s.TokenFor(Grant{Roles: []string{"Incident.ReadWrite.All"}}))
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestTokenLastsExactlyItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.TokenLifetime = 5 * time.Minute })
		header := "Bearer " + s.Token()
		time.Sleep(5*time.Minute - time.Second)
		resp, _ := get(t, s, 1001, "Authorization", header)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		time.Sleep(time.Second)
		resp, _ = get(t, s, 1001, "Authorization", header)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	})
}

func TestTokensOutliveARestartWithTheSameSeed(t *testing.T) {
	header := "Bearer " + newSim(t, nil).Token()
	resp, _ := get(t, newSim(t, nil), 1001, "Authorization", header)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = get(t, newSim(t, func(c *Config) { c.Seed = 2 }), 1001, "Authorization", header)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

func TestAnonymousRequestsAreAnsweredWhenAllowed(t *testing.T) {
	s := newSim(t, func(c *Config) { c.AllowAnonymous = true })
	resp, _ := get(t, s, 1001, "Authorization", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}
