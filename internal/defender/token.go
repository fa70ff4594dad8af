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

// Token holds the claims of a rejected token that decide whether the API
// accepts it: no other claim, and not the token itself. Nothing is verified.
// Its texts are bounded and without control characters.
type Token struct {
	// Audience is the API that the token is for (aud).
	Audience []string
	// Tenant and Application are their IDs (tid; appid, in tokens of version 2
	// azp). Empty: missing.
	Tenant, Application string
	// Roles are the application permissions (roles), Scopes the
	// delegated ones (scp).
	Roles, Scopes []string
	// Expires is when the token expires (exp). Zero: missing.
	Expires time.Time
}

const (
	// maxToken bounds the token that is read, in bytes. Those of Entra ID have a
	// few thousand; servers rarely accept a longer header.
	maxToken = 16 << 10
	// maxClaimed bounds the values that are read from one claim.
	maxClaimed = 100
	// maxExpiry is the last second of the year 9999.
	maxExpiry = 253402300799
)

// sentToken reads the token of the request that led to the response.
// http.Transport sets response.Request to the request that the auth extension
// sent. Nil: there was no token, or none that can be read.
func sentToken(response *http.Response) *Token {
	if response.Request == nil {
		return nil
	}
	return readToken(response.Request.Header.Get("Authorization"))
}

// sentNone reports whether the request was not signed, or with an empty token.
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

// fit makes values fit for a log line: bounded in number, and each
// of them plain.
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
