// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// jwt is an Authorization header with a token of these claims. The word hush
// stands in what must not be quoted.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return "Bearer " + encode([]byte(`{"alg":"RS256","kid":"hush"}`)) + "." + encode([]byte(claims)) + ".hush"
}

// authorized puts an Authorization header on every request that passes,
// redirected ones too, as the auth extensions do.
func authorized(authorization string, base http.RoundTripper) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", authorization)
		return base.RoundTrip(r)
	}
}

// tokenOf is the Token that results from an error response.
func tokenOf(t *testing.T, authorization string) *Token {
	t.Helper()
	failure := failed(t, get(t, authorized(authorization, responding(401, ""))))
	assert.NotEmpty(t, failure.Advice)
	return failure.Token
}

func TestErrorAboutARefusedTokenDescribesTheToken(t *testing.T) {
	const (
		tenant      = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
		application = "11112222-3333-4444-5555-666677778888"
	)
	for claims, want := range map[string]Token{
		`{"aud":"https://api.security.microsoft.com","tid":"` + tenant + `","appid":"` + application + `",
		  "roles":["Incident.Read.All","Alert.Read.All"],"exp":1770091506}`: {
			Audience: []string{"https://api.security.microsoft.com"}, Tenant: tenant, Application: application,
			Roles: []string{"Incident.Read.All", "Alert.Read.All"}, Expires: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		},
		`{"aud":["a","b"],"azp":"` + application + `","scp":"Incident.Read  Alert.Read","exp":1.5e9}`: {
			Audience: []string{"a", "b"}, Application: application,
			Scopes: []string{"Incident.Read", "Alert.Read"}, Expires: time.Date(2017, 7, 14, 2, 40, 0, 0, time.UTC),
		},
		`{"appid":"one","azp":"two"}`: {Application: "one"},
		`{"appid":null,"azp":"two"}`:  {Application: "two"},
		`{"roles":"Incident.Read.All","scp":["Incident.Read","Alert.Read Machine.Read"]}`: {
			Roles: []string{"Incident.Read.All"}, Scopes: []string{"Incident.Read", "Alert.Read", "Machine.Read"},
		},
		`{"scp":"` + strings.Repeat("x", maxText) + ` Incident.Read"}`: {Scopes: []string{strings.Repeat("x", maxText), "Incident.Read"}},
		`{"exp":253402300799}`: {Expires: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		`{"exp":0.5}`:          {Expires: time.Unix(0, 0).UTC()},
		` {"aud":"a"} `:        {Audience: []string{"a"}},

		// What is of another type, or no moment, is not there.
		`{}`:                   {},
		`{"exp":253402300800}`: {},
		`{"exp":1e400}`:        {},
		`{"exp":-1}`:           {},
		`{"exp":0}`:            {},
		`{"exp":"1770091506"}`: {},
		`{"exp":[1770091506]}`: {},
		`{"exp":99999999999999999999999999999999999999999}`:                                      {},
		`{"aud":7,"tid":{},"appid":true,"roles":{"a":"b"},"scp":7,"exp":null}`:                   {},
		`{"aud":["a",7],"tid":[],"roles":[["a"]],"scp":[null,[]]}`:                               {},
		`{"aud":"","tid":"\u0000","roles":["","\u200b"," "],"scp":" "}`:                          {},
		`{"AUD":"a","Tid":"a","ROLES":["a"]}`:                                                    {},
		`{"it":` + nested(3000, "arrays") + `,"aud":` + nested(2000, "arrays") + `,"scp":"a"}`:   {Scopes: []string{"a"}},
		`{"tid":"\u001b[31mred\r\nline\u2028","roles":["\u202ea"],"aud":["a\u0000b"],"scp":"é"}`: {Tenant: "[31mred  line", Roles: []string{"a"}, Audience: []string{"a b"}, Scopes: []string{"é"}},
	} {
		require.LessOrEqual(t, len(jwt(claims)), maxToken)
		got := tokenOf(t, jwt(claims))
		require.NotNil(t, got, claims)
		assert.Equal(t, want, *got, claims)
	}
}

func TestTokenThatIsNotAJWTIsNotDescribed(t *testing.T) {
	header, payload, _ := strings.Cut(jwt(`{"aud":"a"}`), ".")
	payload, _, _ = strings.Cut(payload, ".")
	require.NotNil(t, tokenOf(t, header+"."+payload+"."))
	require.NotNil(t, tokenOf(t, header+"."+payload+"==."), "padded all the same")
	require.NotNil(t, tokenOf(t, strings.Replace(header, "Bearer", "bearer", 1)+"."+payload+"."))
	for name, authorization := range map[string]string{
		"nothing":                    "",
		"no token":                   "Bearer ",
		"an opaque one":              "Bearer hush",
		"two parts":                  header + "." + payload,
		"five parts, so encrypted":   header + "." + payload + ".a.b.c",
		"another scheme":             "Basic " + strings.TrimPrefix(header, "Bearer ") + "." + payload + ".hush",
		"the scheme twice":           "Bearer " + header + "." + payload + ".hush",
		"no scheme":                  strings.TrimPrefix(header, "Bearer ") + "." + payload + ".hush",
		"a space in it":              header + ". " + payload + ".hush",
		"no base64":                  header + ".{}.hush",
		"the other base64":           header + "." + base64.RawStdEncoding.EncodeToString([]byte(`{"aud":"???>>>"}`)) + ".hush",
		"an empty payload":           header + "..hush",
		"no JSON":                    jwt("hush"),
		"a list":                     jwt(`[{"aud":"hush"}]`),
		"null":                       jwt(`null`),
		"a text":                     jwt(`"hush"`),
		"half an object":             jwt(`{"aud":"hush"`),
		"two objects":                jwt(`{"aud":"hush"}{"aud":"hush"}`),
		"one claim twice":            jwt(`{"aud":"hush","aud":"hush"}`),
		"NaN":                        jwt(`{"aud":"hush","exp":NaN}`),
		"invalid UTF-8":              jwt("{\"aud\":\"hush\xff\"}"),
		"deeper than JSON is read":   "Bearer ." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(`{"a":`, 2400))) + ".",
		"larger than a token can be": jwt(`{"aud":"hush","it":"` + strings.Repeat("x", maxToken) + `"}`),
	} {
		assert.Nil(t, tokenOf(t, authorization), name)
	}
}

func TestLimitOfTheSizeOfATokenIsExact(t *testing.T) {
	token := strings.TrimSuffix(jwt(`{"aud":"a"}`), "hush")
	whole := token + strings.Repeat("x", len("Bearer ")+maxToken-len(token))
	assert.NotNil(t, tokenOf(t, whole))
	assert.Nil(t, tokenOf(t, whole+"x"))
}

func TestLongClaimIsCut(t *testing.T) {
	many := `["` + strings.Join(slices.Repeat([]string{"role"}, maxClaimed+1), `","`) + `"]`
	token := tokenOf(t, jwt(`{"roles":`+many+`,"tid":"`+strings.Repeat("é", maxText)+`"}`))
	assert.Equal(t, slices.Repeat([]string{"role"}, maxClaimed), token.Roles)
	assert.Equal(t, strings.Repeat("é", maxText/2), token.Tenant)
}

func TestNothingElseOfATokenIsQuoted(t *testing.T) {
	claims := `{"aud":"https://graph.microsoft.com","upn":"hush@contoso.example","name":"hush","oid":"hush","sub":"hush","ipaddr":"hush",` +
		`"roles":[],"scp":"","exp":1,"wids":["hush"],"hush":"hush"}`
	for _, status := range []int{401, 403} {
		failure := failed(t, get(t, authorized(jwt(claims), responding(status, webPage))))
		require.NotNil(t, failure.Token)
		for _, text := range []string{failure.Error(), failure.Advice, fmt.Sprintf("%+v", *failure.Token)} {
			assert.NotContains(t, text, "hush")
			assert.NotContains(t, text, strings.Split(jwt(claims), ".")[1])
		}
	}
}

func TestTokenIsReadOnlyAfterARefusal(t *testing.T) {
	for _, status := range []int{302, 400, 404, 429, 500, 503} {
		failure := failed(t, get(t, authorized(jwt(`{"aud":"a"}`), responding(status, ""))))
		assert.Nil(t, failure.Token, status)
		assert.Empty(t, failure.Advice, status)
	}
}

func TestResponseWithoutItsRequestDoesNotDescribeTheToken(t *testing.T) {
	failure := failed(t, get(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
	})))
	assert.Nil(t, failure.Token)
	assert.NotEmpty(t, failure.Advice)
}

func FuzzToken(f *testing.F) {
	f.Add("", `{"aud":"https://api.security.microsoft.com","tid":"t","appid":"a","roles":["Incident.Read.All"],"exp":1770091506}`)
	f.Add("Bearer a.e30.c", `{"aud":["https://graph.microsoft.com",""],"azp":"a","scp":"Incident.Read \u001b[31m","exp":1e400}`)
	f.Add("Bearer opaque", "null")
	f.Fuzz(func(t *testing.T, authorization, claims string) {
		for _, sent := range []string{authorization, jwt(claims)} {
			token := readToken(sent)
			for _, kind := range []Kind{Unauthorized, Forbidden} {
				for _, host := range []string{"api.security.microsoft.com", "127.0.0.1", "api-gov.security.microsoft.us"} {
					advice := xdr().access.advise(kind, token, host, http.Header{"Date": {"Tue, 03 Feb 2026 04:05:06 GMT"}})
					assert.NotEmpty(t, advice)
					assert.LessOrEqual(t, len(advice), 2*maxText+300)
					assert.True(t, printable(advice), "%q", advice)
				}
			}
			if token == nil {
				continue
			}
			for _, values := range [][]string{token.Audience, token.Roles, token.Scopes, {token.Tenant, token.Application}} {
				assert.LessOrEqual(t, len(values), maxClaimed)
				for _, value := range values {
					assert.LessOrEqual(t, len(value), maxText)
					assert.True(t, printable(value), "%q", value)
				}
			}
			if !token.Expires.IsZero() {
				assert.Less(t, token.Expires.Year(), 10000)
				assert.False(t, token.Expires.Before(time.Unix(0, 0)))
			}
		}
	})
}
