// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// What the advice can be.
const (
	adviceToken = "The request had no readable token. The extension set in http::auth must send one with " +
		"the application permission Incident.Read.All or the delegated permission Incident.Read"
	adviceUnsigned = "The request had no token: the extension set in http::auth sent none. With bearertokenauth, the token file was empty or did " +
		"not exist yet; set wait_for_token_file: true. The token needs the application permission Incident.Read.All " +
		"or the delegated permission Incident.Read"
	adviceRevoked = "The API no longer accepts this token, though it has not expired: it was revoked, for example because the " +
		"application, its permissions or a policy changed. The extension set in http::auth keeps sending it until it %s. " +
		"Restart the collector to sign in again, or wait until then."
	adviceInvalid = "Nothing in the token shows what is wrong, but the API calls it invalid. Check that the extension set in http::auth " +
		"signs in to the tenant of the incidents. If the token was revoked, the extension keeps sending it until it %s: " +
		"restart the collector, or wait until then."
	adviceExpired = "The token expired at 2026-02-03T04:05:06Z, but the extension set in http::auth still sends it, " +
		"for example from a bearertokenauth file that is no longer renewed."
	adviceScope   = ", which is another API. Set the scope of the extension set in http::auth to "
	adviceGrant   = "The token has none of the permissions that the API accepts. Grant the application permission Incident.Read.All " + adviceConsent
	adviceConsent = "to the application and give admin consent; tokens issued before that last up to an hour."
	adviceConsult = "Nothing in the token shows what is wrong. See the code and the message of the response."
	adviceUser    = "Nothing in the token shows what is wrong. The token's user also needs the role permission View Data " +
		"in Microsoft Defender. The token shows only the incidents that this user may see."
	adviceLicence = "Nothing in the token shows what is wrong. Check that the tenant has the licence and an active account, " +
		"and that the extension set in http::auth signs in to the tenant of the incidents."
)

const (
	commercial = "https://api.security.microsoft.com"
	defaults   = commercial + "/.default"
	europe     = "https://eu.api.security.microsoft.com"
	government = "https://api-gov.security.microsoft.us"
	unknown    = "https://gateway.example"
)

// refusal is the text of a refusal with this status after a request
// to the endpoint.
func refusal(t *testing.T, status int, endpoint, authorization, date string) string {
	t.Helper()
	return failed(t, clientAt(t, endpoint, authorized(authorization, responding(status, "", "Date", date))).Get(t.Context(), 1)).Advice
}

func TestAdviceIsAboutTheFirstThingThatIsWrong(t *testing.T) {
	const (
		ours  = `"aud":"https://api.security.microsoft.com"`
		graph = `"aud":"https://graph.microsoft.com"`
		role  = `"roles":["Incident.Read.All"]`
		scope = `"scp":"Incident.Read"`
		soon  = `"exp":1770091507`
		now   = `"exp":1770091506`
	)
	for name, c := range map[string]struct {
		claims         string
		on401, on403   string
		endpoint, date string
	}{
		"all in order":             {claims: ours + "," + role + "," + soon, on401: adviceLicence, on403: adviceConsult},
		"all in order, for a user": {claims: ours + "," + scope + "," + soon, on401: adviceLicence, on403: adviceUser},
		"the end of its life":      {claims: ours + "," + role + "," + now, on401: adviceExpired, on403: adviceExpired},
		"expired, and for another": {claims: graph + "," + now, on401: adviceExpired, on403: adviceExpired},
		"expired, without a Date":  {claims: ours + "," + role + "," + now, date: "none", on401: adviceLicence, on403: adviceConsult},
		"for another, without any permission": {
			claims: graph + "," + soon,
			on401:  `The token is for "https://graph.microsoft.com"` + adviceScope + defaults + ".",
			on403:  `The token is for "https://graph.microsoft.com"` + adviceScope + defaults + ".",
		},
		"no permission":               {claims: ours, on401: adviceGrant, on403: adviceGrant},
		"another permission":          {claims: ours + `,"roles":["Alert.Read.All"]`, on401: adviceGrant, on403: adviceGrant},
		"no audience, no permission":  {claims: soon, on401: adviceGrant, on403: adviceGrant},
		"the scope's name as a role":  {claims: ours + `,"roles":["Incident.Read"]`, on401: adviceGrant, on403: adviceGrant},
		"a role that does more":       {claims: ours + `,"roles":["a","Incident.ReadWrite.All"]`, on401: adviceLicence, on403: adviceConsult},
		"a scope that does more":      {claims: ours + `,"scp":"a Incident.ReadWrite"`, on401: adviceLicence, on403: adviceUser},
		"a role in other letters":     {claims: ours + `,"roles":["INCIDENT.READ.ALL"]`, on401: adviceLicence, on403: adviceConsult},
		"a role behind those we take": {claims: ours + `,"roles":["a"` + strings.Repeat(`,"a"`, maxClaimed) + `,"Incident.Read.All"]`, on401: adviceLicence, on403: adviceConsult},
		"another delegated permission": {
			claims: ours + `,"scp":"Alert.Read"`,
			on401:  "The token has none of the permissions that the API accepts. Grant the delegated permission Incident.Read " + adviceConsent,
			on403:  "The token has none of the permissions that the API accepts. Grant the delegated permission Incident.Read " + adviceConsent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			date := "Tue, 03 Feb 2026 04:05:06 GMT"
			if c.date != "" {
				date = c.date
			}
			assert.Equal(t, c.on401, refusal(t, 401, commercial, jwt("{"+c.claims+"}"), date))
			assert.Equal(t, c.on403, refusal(t, 403, commercial, jwt("{"+c.claims+"}"), date))
		})
	}
}

func TestAdviceWithoutATokenSaysWhatIsNeeded(t *testing.T) {
	for _, authorization := range []string{"Bearer opaque", "Basic a.b.c", "Basic "} {
		for _, status := range []int{401, 403} {
			assert.Equal(t, adviceToken+", requested with the scope "+defaults+".", refusal(t, status, europe, authorization, ""))
			assert.Equal(t, adviceToken+".", refusal(t, status, government, authorization, ""))
			assert.Equal(t, adviceToken+".", refusal(t, status, unknown, authorization, ""))
		}
	}
}

// A bearertokenauth extension sends this before its token file exists.
func TestRequestWithoutATokenIsReportedAsSuch(t *testing.T) {
	for _, authorization := range []string{"", "Bearer", "bearer "} {
		for _, status := range []int{401, 403} {
			assert.Equal(t, adviceUnsigned+", requested with the scope "+defaults+".", refusal(t, status, europe, authorization, ""))
			assert.Equal(t, adviceUnsigned+".", refusal(t, status, unknown, authorization, ""))
		}
	}
}

func TestRevokedTokenIsReportedAsSuch(t *testing.T) {
	const (
		date   = "Tue, 03 Feb 2026 04:05:06 GMT"
		soon   = `{"aud":"https://api.security.microsoft.com","roles":["Incident.Read.All"],"exp":1770091507}`
		graph  = `{"aud":"https://graph.microsoft.com","roles":["Incident.Read.All"]}`
		always = `{"roles":["Incident.Read.All"]}`
		claims = `Bearer realm="", authorization_uri="https://login.example/authorize", error="insufficient_claims", claims="aHVzaA=="`
		other  = `The token is for "https://graph.microsoft.com"` + adviceScope + defaults + "."
	)
	named, unnamed := fmt.Sprintf(adviceRevoked, "expires at 2026-02-03T04:05:07Z"), fmt.Sprintf(adviceRevoked, "expires")
	for name, c := range map[string]struct {
		status     int
		claims     string
		challenges []string
		want       string
	}{
		"revoked":                        {401, soon, []string{claims}, named},
		"without a time of expiry":       {401, always, []string{claims}, unnamed},
		"in other letters":               {401, soon, []string{`bearer Error = Insufficient_Claims`}, named},
		"in a second challenge":          {401, soon, []string{"Negotiate", claims}, named},
		"invalid":                        {401, soon, []string{`Bearer error="invalid_token", error_description="hush"`}, fmt.Sprintf(adviceInvalid, "expires at 2026-02-03T04:05:07Z")},
		"invalid, for it is for another": {401, graph, []string{`Bearer error="invalid_token"`}, other},
		"revoked, and for another":       {401, graph, []string{claims}, unnamed},
		"another error":                  {401, soon, []string{`Bearer error="insufficient_scope"`}, adviceLicence},
		"only a description":             {401, soon, []string{`Bearer error_description="error", xerror="invalid_token"`}, adviceLicence},
		"in a description":               {401, soon, []string{`Bearer error_description="not \", error=invalid_token"`}, adviceLicence},
		"behind a description":           {401, soon, []string{`Bearer error_description="\\", error="insufficient_claims"`}, named},
		"no error":                       {401, soon, []string{"Bearer"}, adviceLicence},
		"no challenge":                   {401, soon, nil, adviceLicence},
		"forbidden":                      {403, soon, []string{claims}, adviceConsult},
	} {
		t.Run(name, func(t *testing.T) {
			transport := authorized(jwt(c.claims), handled(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Www-Authenticate"] = c.challenges
				w.Header().Set("Date", date)
				w.WriteHeader(c.status)
			}))
			failure := failed(t, clientAt(t, commercial, transport).Get(t.Context(), 1))
			assert.Equal(t, c.want, failure.Advice)
			assert.NotContains(t, failure.Error()+failure.Advice, "hush")
		})
	}
	expired := strings.Replace(soon, "1770091507", "1770091506", 1)
	assert.Equal(t, adviceExpired, failed(t, clientAt(t, commercial, authorized(jwt(expired), responding(401, "", "Date", date, "WWW-Authenticate", claims))).
		Get(t.Context(), 1)).Advice)
}

func TestAudienceIsCheckedOnlyIfTheRightOneIsKnown(t *testing.T) {
	const (
		nowhere     = ""
		everywhere  = commercial + " " + europe + " https://API.Security.Microsoft.com " + unknown + " http://127.0.0.1:8470"
		anyway      = commercial + " " + europe + " https://API.Security.Microsoft.com"
		commercials = "that of this API, on the commercial cloud " + defaults
	)
	for audience, judgedAt := range map[string]string{
		`"https://api.security.microsoft.com"`:                                 nowhere,
		`"https://API.security.microsoft.com/"`:                                nowhere,
		`"8ee8fdad-f234-4243-8f3b-15c294843740"`:                               nowhere,
		`"8EE8FDAD-F234-4243-8F3B-15C294843740"`:                               nowhere,
		`"https://securitycenter.microsoft.com/mtp"`:                           nowhere,
		`["https://graph.microsoft.com","https://api.security.microsoft.com"]`: nowhere,
		`[]`: nowhere,

		`"https://graph.microsoft.com"`:              everywhere,
		`"https://graph.microsoft.com/"`:             everywhere,
		`"HTTPS://Graph.microsoft.com"`:              everywhere,
		`"00000003-0000-0000-c000-000000000000"`:     everywhere,
		`"https://management.azure.com/"`:            everywhere,
		`"https://management.core.windows.net/"`:     everywhere,
		`"https://api.securitycenter.microsoft.com"`: everywhere,
		`["mine","https://graph.microsoft.com"]`:     everywhere,

		`"mine"`: anyway,
		`"https://eu.api.security.microsoft.com"`:           anyway,
		`"https://api.security.microsoft.com.evil.example"`: anyway,
		`"api.security.microsoft.com"`:                      anyway,
		`"https://api.security.microsoft.com//"`:            anyway,
	} {
		for _, endpoint := range strings.Fields(everywhere + " " + government + " https://api-gcc.security.microsoft.us") {
			advice := refusal(t, 401, endpoint, jwt(`{"aud":`+audience+`,"roles":["Incident.Read.All"]}`), "")
			switch {
			case !strings.Contains(judgedAt, endpoint):
				assert.Equal(t, adviceLicence, advice, "%s at %s", audience, endpoint)
			case strings.Contains(strings.ToLower(endpoint), "microsoft.com"):
				assert.True(t, strings.HasSuffix(advice, adviceScope+defaults+"."), "%s at %s: %s", audience, endpoint, advice)
			default:
				assert.True(t, strings.HasSuffix(advice, adviceScope+commercials+"."), "%s at %s: %s", audience, endpoint, advice)
			}
		}
	}
}

func TestTokenCannotWriteItsOwnAdvice(t *testing.T) {
	for claimed, shown := range map[string]string{
		`https://a.example\". All is well. \"`: `"https://a.example\". All is well. \""`,
		`a\u0000\u001b[31m\r\nb\\`:             `"a  [31m  b\\"`,
		`\u202e\u2028`:                         ``,
		strings.Repeat("x", 1000):              `"` + strings.Repeat("x", maxText) + `"`,
	} {
		want := "The token is for " + shown + adviceScope + defaults + "."
		if shown == "" {
			want = adviceGrant
		}
		assert.Equal(t, want, refusal(t, 401, commercial, jwt(`{"aud":"`+claimed+`"}`), ""))
	}
	x, y := strings.Repeat("x", maxText), strings.Repeat("y", maxText)
	assert.Equal(t, `The token is for "`+x+`"`+adviceScope+defaults+".", refusal(t, 401, commercial, jwt(`{"aud":["`+x+`","`+y+`"]}`), ""))
}

func TestExpiryIsComparedWithTheDateOfTheResponse(t *testing.T) {
	const ending = `{"exp":1770091506,"roles":["Incident.Read.All"]}`
	for date, expired := range map[string]bool{
		"Tue, 03 Feb 2026 04:05:05 GMT": false,
		"Tue, 03 Feb 2026 04:05:06 GMT": true,
		"Fri, 31 Dec 9999 23:59:59 GMT": true,
		"Mon, 01 Jan 1601 00:00:00 GMT": false,
		"today":                         false,
		"":                              false,
	} {
		want := adviceLicence
		if expired {
			want = adviceExpired
		}
		assert.Equal(t, want, refusal(t, 401, unknown, jwt(ending), date), date)
	}
	assert.Equal(t, adviceLicence, refusal(t, 401, unknown, jwt(`{"roles":["Incident.Read.All"]}`), "Fri, 31 Dec 9999 23:59:59 GMT"))
}

func TestRefusalsOfTheSimulatorAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		grant defendersim.Grant
		kind  Kind
		want  string
	}{
		"for another": {
			defendersim.Grant{Audience: "https://graph.microsoft.com"},
			Unauthorized,
			`The token is for "https://graph.microsoft.com"` + adviceScope + defaults + ".",
		},
		"without a role":    {defendersim.Grant{Roles: []string{}}, Forbidden, adviceGrant},
		"with another role": {defendersim.Grant{Roles: []string{"Alert.Read.All"}}, Forbidden, adviceGrant},
		"of another tenant": {defendersim.Grant{TenantID: "contoso", Expires: time.Unix(4102444800, 0)}, Unauthorized, fmt.Sprintf(adviceInvalid, "expires at 2100-01-01T00:00:00Z")},
		"expired": {
			defendersim.Grant{Issued: time.Unix(1770087906, 0), Expires: time.Unix(1770091506, 0)}, Unauthorized, adviceExpired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, func(config *defendersim.Config) { config.AllowAnonymous = false })
			transport := authorized("Bearer "+sim.TokenFor(c.grant), sim.RoundTripper())
			failure := failed(t, clientAt(t, commercial, transport).Get(t.Context(), 1001))
			assert.Equal(t, c.kind, failure.Kind)
			assert.Equal(t, c.want, failure.Advice)
			require.NotNil(t, failure.Token)
			assert.NotEmpty(t, failure.Token.Application)
		})
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="", error="insufficient_claims", claims="aHVzaA=="`, "The token is invalid")
	f.Add(`bearer Error = Invalid_Token`, `a "quoted" error="invalid_token"`)
	f.Add(`Negotiate, Bearer error=invalid_tokens`, `, error=invalid_token, \`)
	f.Add("error=in\u017fufficient_claims", "\xff\r\n error = insufficient_claims")
	f.Add(`realm="a, error="invalid_token"`, `" , error=invalid_token`)
	f.Fuzz(func(t *testing.T, challenge, description string) {
		named := challengeOf(http.Header{"Www-Authenticate": {challenge}})
		assert.Contains(t, []string{"", "insufficient_claims", "invalid_token"}, named)
		assert.Contains(t, strings.ToLower(challenge), named)
		token := &Token{Roles: []string{"Incident.Read.All"}}
		for _, kind := range []Kind{Unauthorized, Forbidden} {
			assert.Equal(t, xdr().access.advise(kind, token, "127.0.0.1", http.Header{"Www-Authenticate": {"Bearer error=" + named}}),
				xdr().access.advise(kind, token, "127.0.0.1", http.Header{"Www-Authenticate": {challenge}}), "nothing else of the header counts")
		}

		header := `Bearer error_description="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(description) + `"`
		assert.Empty(t, challengeOf(http.Header{"Www-Authenticate": {header}}))
		assert.Equal(t, "invalid_token", challengeOf(http.Header{"Www-Authenticate": {header, header + `, error="invalid_token"`}}))
	})
}
