// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Token is what a refused token says of itself, in the claims that decide
// whether the API takes it: no other claim, nor the token. Nothing of it is
// verified. Its texts are bounded and without control characters.
type Token struct {
	// Audience is the API that the token is for (aud).
	Audience []string
	// Tenant and Application are the ids of both (tid; appid, in tokens of
	// version 2 azp). Empty: the token names none.
	Tenant, Application string
	// Roles are the permissions of the application itself (roles), Scopes those
	// that a user delegated to it (scp).
	Roles, Scopes []string
	// Expires is the end of the token's life (exp). Zero: it names none.
	Expires time.Time
}

const (
	// maxToken bounds the token that is looked at, in bytes. Those of Entra ID
	// have a few thousand; servers rarely take a header of more than this.
	maxToken = 16 << 10
	// maxClaimed bounds the values that are taken from one claim.
	maxClaimed = 100
	// maxExpiry is the last second that has a year of four digits.
	maxExpiry = 253402300799
)

// sentToken reads the token of the request that an answer is to. That is the
// request as the auth extension sent it: http.Transport names it in the answer.
// Nil: there was none, or none that can be read.
func sentToken(response *http.Response) *Token {
	if response.Request == nil {
		return nil
	}
	return readToken(response.Request.Header.Get("Authorization"))
}

// sentNone says that the request was not signed at all, or with an empty token.
func sentNone(response *http.Response) bool {
	if response.Request == nil {
		return false
	}
	authorization := strings.TrimSpace(response.Request.Header.Get("Authorization"))
	return authorization == "" || strings.EqualFold(authorization, "Bearer")
}

// readToken reads the claims of a bearer token that is a JWT (RFC 7519): the
// second of three parts, JSON in base64url.
func readToken(authorization string) *Token {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken || strings.Contains(token, " ") {
		return nil
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil
	}
	var claims struct {
		Audience jsontext.Value `json:"aud"`
		Tenant   jsontext.Value `json:"tid"`
		AppID    jsontext.Value `json:"appid"`
		Party    jsontext.Value `json:"azp"`
		Roles    jsontext.Value `json:"roles"`
		Scopes   jsontext.Value `json:"scp"`
		Expires  jsontext.Value `json:"exp"`
	}
	if jsontext.Value(payload).Kind() != '{' || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	return &Token{
		Audience:    fit(listed(claims.Audience)),
		Tenant:      first(claims.Tenant),
		Application: cmp.Or(first(claims.AppID), first(claims.Party)),
		Roles:       fit(listed(claims.Roles)),
		Scopes:      fit(strings.Fields(strings.Join(listed(claims.Scopes), " "))),
		Expires:     instant(claims.Expires),
	}
}

// listed reads a claim that is a text or a list of texts.
func listed(claim jsontext.Value) []string {
	var texts []string
	switch claim.Kind() {
	case '[':
		if json.Unmarshal(claim, &texts) != nil {
			return nil
		}
	case '"':
		texts = make([]string, 1)
		if json.Unmarshal(claim, &texts[0]) != nil {
			return nil
		}
	}
	return texts
}

// first is the text of a claim that has one.
func first(claim jsontext.Value) string {
	if texts := fit(listed(claim)); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// fit makes values fit for a log line: not too many, and each of them plain.
func fit(texts []string) []string {
	var all []string
	for _, text := range texts[:min(len(texts), maxClaimed)] {
		if text = plain(text); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// instant reads a moment in seconds since 1970, perhaps with a fraction (RFC
// 7519, section 2).
func instant(claim jsontext.Value) time.Time {
	seconds, err := strconv.ParseFloat(string(claim), 64)
	if err != nil || seconds <= 0 || seconds > maxExpiry {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
