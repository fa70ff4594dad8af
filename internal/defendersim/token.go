// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Grant holds the claims of a token. Zero fields default to what the token
// endpoint would set now.
type Grant struct {
	Audience      string // empty: Defender XDR
	TenantID      string
	ApplicationID string
	Roles         []string // nil: those that the token endpoint gives; empty: none
	Issued        time.Time
	Expires       time.Time
}

// claims is the payload of a token.
type claims struct {
	Audience      string   `json:"aud"`
	Issuer        string   `json:"iss"`
	Issued        int64    `json:"iat"`
	NotBefore     int64    `json:"nbf"`
	Expires       int64    `json:"exp"`
	ApplicationID string   `json:"appid"`
	Roles         []string `json:"roles,omitempty"`
	TenantID      string   `json:"tid"`
	Version       string   `json:"ver"`
}

// signer makes and checks tokens with a key derived from the seed, so a token
// outlives a restart of the simulator.
type signer struct {
	key []byte

	mu       sync.Mutex
	verified string // the token that was verified last: clients use one for many requests
	claims   claims // of that token
}

func newSigner(seed uint64) *signer {
	return &signer{key: []byte(newDice(seed, streamTokens, 0).digest(64))}
}

func (s *signer) sign(c claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		return "" // strings and integers can always be encoded
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"typ":"JWT","alg":"HS256","kid":"simulated"}`)) + "." + encode(payload)
	return signed + "." + encode(s.mac(signed))
}

func (s *signer) mac(text string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// verify reads a token that this signer made, whether expired or not.
func (s *signer) verify(token string) (claims, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == s.verified && token != "" {
		return s.claims, nil
	}
	c, err := s.read(token)
	if err == nil {
		s.verified, s.claims = token, c
	}
	return c, err
}

func (s *signer) read(token string) (claims, error) {
	var c claims
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return c, errors.New("token: not a JWT")
	}
	mac, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || !hmac.Equal(mac, s.mac(token[:dot])) {
		return c, errors.New("token: bad signature")
	}
	_, payload, _ := strings.Cut(token[:dot], ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return c, fmt.Errorf("token: payload: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("token: payload: %w", err)
	}
	return c, nil
}

// Token is TokenOf for Defender XDR.
func (s *Sim) Token() string { return s.TokenOf(APIDefenderXDR) }

// TokenOf makes a token for an API as the token endpoint would now.
func (s *Sim) TokenOf(api string) string {
	return s.TokenFor(Grant{Audience: s.dialects.of(api).audiences[0]})
}

// TokenFor makes a token with the claims of the grant, for tests of how the
// API handles them.
func (s *Sim) TokenFor(g Grant) string {
	orDefault(&g.Audience, s.dialects.xdr.audiences[0])
	orDefault(&g.TenantID, s.cfg.TenantID)
	orDefault(&g.ApplicationID, s.cfg.ClientID)
	if g.Roles == nil {
		g.Roles = s.roles(g.Audience)
	}
	if g.Issued.IsZero() {
		g.Issued = time.Now()
	}
	if g.Expires.IsZero() {
		g.Expires = g.Issued.Add(s.cfg.TokenLifetime)
	}
	return s.signer.sign(claims{
		Audience:      g.Audience,
		Issuer:        "https://sts.windows.net/" + g.TenantID + "/",
		Issued:        g.Issued.Unix(),
		NotBefore:     g.Issued.Unix(),
		Expires:       g.Expires.Unix(),
		ApplicationID: g.ApplicationID,
		Roles:         g.Roles,
		TenantID:      g.TenantID,
		Version:       "1.0",
	})
}

// roles are the application's roles for a resource.
func (s *Sim) roles(audience string) []string {
	d := s.dialects.taking(audience)
	if s.cfg.Roles != nil || d == nil {
		return s.cfg.Roles
	}
	if d == s.dialects.graph && !s.cfg.NoAlertRole {
		return []string{d.read, s.dialects.graphAlerts.read}
	}
	return []string{d.read}
}

// bearer returns the token of a request, "" if there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// authorize reports whether a request may read incidents. If not, it has
// sent the response.
func (s *Sim) authorize(x *exchange) bool {
	if s.cfg.AllowAnonymous {
		return true
	}
	if bearer(x.r) == "" {
		x.unauthorized("The Authorization header holds no bearer token.")
		return false
	}
	c, err := s.signer.verify(bearer(x.r))
	d := x.dialect
	switch {
	case err != nil || c.TenantID != s.cfg.TenantID:
		x.unauthorized("Access token is not valid.")
	case x.arrived.Unix() >= c.Expires || x.arrived.Unix() < c.NotBefore:
		x.unauthorized("Access token has expired or is not yet valid.")
	case !slices.Contains(d.audiences, c.Audience):
		x.unauthorized("Access token validation failure. Invalid audience.")
	case !slices.Contains(c.Roles, d.read) && !slices.Contains(c.Roles, d.write):
		x.forbidden(c.Roles)
	default:
		return true
	}
	return false
}

func (x *exchange) unauthorized(message string) {
	x.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	x.fail(http.StatusUnauthorized, x.dialect.badToken, message)
}

// forbidden lists the roles that would be sufficient and, if there are any,
// those of the token.
func (x *exchange) forbidden(roles []string) {
	message := "Missing application roles. API required roles: " + x.dialect.read + "," + x.dialect.write
	if len(roles) > 0 {
		message += ", application roles: " + strings.Join(roles, ",")
	}
	x.fail(http.StatusForbidden, "Forbidden", message+".")
}
