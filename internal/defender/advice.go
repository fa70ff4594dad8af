// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// access is what an API requires of a token.
type access struct {
	// scope is requested for tokens of the commercial cloud.
	scope string
	// scopesAt are the documented scopes by host, including the
	// API's regional hosts.
	scopesAt map[string]string
	// audiences are the values of aud in tokens for the API.
	audiences []string
	// roles are application permissions, scopes delegated ones. A token needs one
	// of them; the first grants the least.
	roles, scopes []string
	// userRole is what the user behind a delegated token also needs.
	userRole string
}

// advise says, in a sentence or two, what is wrong with the rejected token as
// far as its claims show, what is needed, and which setting to change. host is
// the configured host of the API; header is that of the response.
func (a access) advise(kind Kind, token *Token, host string, header http.Header) string {
	challenge := challengeOf(header)
	switch {
	case token == nil:
		return "The request had no readable token. The extension set in http::auth must send one with " + a.needToken(host) + "."
	case token.expired(header.Get("Date")):
		return fmt.Sprintf("The token expired at %s, but the extension set in http::auth still sends it, "+
			"for example from a bearertokenauth file that is no longer renewed.", token.Expires.Format(time.RFC3339))
	case kind == Unauthorized && challenge == "insufficient_claims":
		return token.revoked()
	case a.isForAnother(token, host):
		return a.needScope(token, host)
	case a.lacksPermission(token):
		return a.needPermission(token)
	case kind == Unauthorized && challenge == "invalid_token":
		return "Nothing in the token shows what is wrong, but the API calls it invalid. Check that the extension set in http::auth signs in " +
			"to the tenant of the incidents. If the token was revoked, the extension keeps sending it until " + token.end() +
			": restart the collector, or wait until then."
	case kind == Unauthorized:
		return "Nothing in the token shows what is wrong. Check that the tenant has the licence and an active account, " +
			"and that the extension set in http::auth signs in to the tenant of the incidents."
	case token.delegated():
		return "Nothing in the token shows what is wrong. The token's user also needs " + a.userRole +
			". The token shows only the incidents that this user may see."
	}
	return "Nothing in the token shows what is wrong. See the code and the message of the response."
}

// delegated reports whether the token stands for a user.
func (t *Token) delegated() bool { return t != nil && len(t.Scopes) > 0 }

// expired compares with the response's own Date: nothing here reads a clock.
func (t *Token) expired(date string) bool {
	now, err := http.ParseTime(date)
	return err == nil && !t.Expires.IsZero() && !now.Before(t.Expires)
}

// isForAnother reports whether the token is for another API. The audience that
// the Defender XDR API requires on the government clouds is not documented, so
// there it reports false. On an unknown host, such as a proxy, it reports true
// only for audiences that are known to belong to another API.
func (a access) isForAnother(token *Token, host string) bool {
	switch {
	case len(token.Audience) == 0 || slices.ContainsFunc(token.Audience, a.takes):
		return false
	case a.scopeAt(host) != "":
		return true
	case strings.HasSuffix(strings.ToLower(host), ".microsoft.us"):
		return false
	}
	return slices.ContainsFunc(token.Audience, isOfAnother)
}

// scopeAt is the scope to request for a host; empty: not documented.
func (a access) scopeAt(host string) string {
	for own, scope := range a.scopesAt {
		if within(host, own) {
			return scope
		}
	}
	return ""
}

func (a access) takes(audience string) bool {
	return slices.Contains(a.audiences, canonical(audience))
}

// isOfAnother knows the audiences of the APIs for which people often request a
// token by mistake. Check the API's own audiences first.
func isOfAnother(audience string) bool {
	switch canonical(audience) {
	case "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000",
		"https://api.security.microsoft.com", "8ee8fdad-f234-4243-8f3b-15c294843740",
		"https://management.azure.com", "https://management.core.windows.net",
		"https://api.securitycenter.microsoft.com":
		return true
	}
	return false
}

// canonical is an audience without the parts that do not matter.
func canonical(audience string) string {
	return strings.ToLower(strings.TrimSuffix(audience, "/"))
}

// lacksPermission is false for lists that may have been cut off.
func (a access) lacksPermission(token *Token) bool {
	return len(token.Roles) < maxClaimed && len(token.Scopes) < maxClaimed &&
		!anyOf(a.roles, token.Roles) && !anyOf(a.scopes, token.Scopes)
}

func anyOf(needed, given []string) bool {
	return slices.ContainsFunc(given, func(name string) bool {
		return slices.ContainsFunc(needed, func(n string) bool { return strings.EqualFold(n, name) })
	})
}

// least is the smallest permission that such a token needs. Nil: one
// of an application.
func (a access) least(token *Token) string {
	if token.delegated() {
		return a.scopes[0]
	}
	return a.roles[0]
}

// challengeError matches the error. It also matches quoted texts, in which an
// error is only mentioned.
var challengeError = regexp.MustCompile(`(?s)(?:^|[\s,])error\s*=\s*"?(insufficient_claims|invalid_token)\b|"(?:\\.|[^"\\])*(?:"|\\?$)`)

// maxQuotes bounds the quoted texts that are read before the error.
const maxQuotes = 100

// challengeOf is the error in WWW-Authenticate (RFC 6750, section 3):
// insufficient_claims if continuous access evaluation has revoked a token
// (documented), or invalid_token. Empty: another error, or none.
func challengeOf(header http.Header) string {
	for _, challenge := range header.Values("WWW-Authenticate") {
		for _, match := range challengeError.FindAllStringSubmatch(strings.ToLower(challenge), maxQuotes) {
			if match[1] != "" {
				return match[1]
			}
		}
	}
	return ""
}

// revoked is the advice about a token that the API no longer accepts. An auth
// extension checks only its expiry.
func (t *Token) revoked() string {
	return "The API no longer accepts this token, though it has not expired: it was revoked, for example because the application, " +
		"its permissions or a policy changed. The extension set in http::auth keeps sending it until " + t.end() +
		". Restart the collector to sign in again, or wait until then."
}

// end says when a token is no longer sent.
func (t *Token) end() string {
	if t.Expires.IsZero() {
		return "it expires"
	}
	return "it expires at " + t.Expires.Format(time.RFC3339)
}

// unsigned is the advice for a request without a token.
func (a access) unsigned(host string) string {
	return "The request had no token: the extension set in http::auth sent none. With bearertokenauth, the token file was empty or did " +
		"not exist yet; set wait_for_token_file: true. The token needs " + a.needToken(host) + "."
}

// needToken says what a token needs.
func (a access) needToken(host string) string {
	needed := fmt.Sprintf("the application permission %s or the delegated permission %s", a.roles[0], a.scopes[0])
	if scope := a.scopeAt(host); scope != "" {
		needed += ", requested with the scope " + scope
	}
	return needed
}

// needScope quotes the audience, which may contain anything.
func (a access) needScope(token *Token, host string) string {
	scope := a.scopeAt(host)
	if scope == "" {
		scope = "that of this API, on the commercial cloud " + a.scope
	}
	return fmt.Sprintf("The token is for %q, which is another API. Set the scope of the extension set in http::auth to %s.",
		plain(strings.Join(token.Audience, " ")), scope)
}

func (a access) needPermission(token *Token) string {
	kind := "application"
	if token.delegated() {
		kind = "delegated"
	}
	return "The token has none of the permissions that the API accepts. Grant the " + kind + " permission " + a.least(token) +
		" to the application and give admin consent; tokens issued before that last up to an hour."
}
