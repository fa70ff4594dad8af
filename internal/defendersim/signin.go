package defendersim

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxForm bounds the body of a request for a token.
const maxForm = 64 << 10

// signInError is what Entra ID says when it gives no token.
type signInError struct {
	status int
	short  string // OAuth's own word
	code   int    // the number after AADSTS
	text   string
}

// signIn answers POST /{tenant}/oauth2/v2.0/token with the client credentials
// grant.
func (s *Sim) signIn(x *exchange) {
	if fault, struck := s.strike(x, TokenRequests); struck && fault.answer(x) {
		return
	}
	if x.r.Method != http.MethodPost {
		x.methodNotAllowed(http.MethodPost)
		return
	}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxForm)
	if err := x.r.ParseForm(); err != nil {
		x.denySignIn(signInError{http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read."})
		return
	}
	resource, refused := s.checkSignIn(x.r)
	if refused != nil {
		x.denySignIn(*refused)
		return
	}
	lifetime := int64(s.cfg.TokenLifetime / time.Second)
	w := &writer{}
	w.open('{')
	w.text("token_type", "Bearer")
	w.integer("expires_in", lifetime)
	w.integer("ext_expires_in", lifetime)
	w.text("access_token", s.TokenFor(Grant{Audience: resource}))
	w.close('}')
	x.w.Header().Set("Cache-Control", "no-store")
	x.send(http.StatusOK, "application/json; charset=utf-8", w.buf)
}

// checkSignIn returns the resource that a token is asked for, or why there is
// none to be had.
func (s *Sim) checkSignIn(r *http.Request) (string, *signInError) {
	id, secret := credentials(r)
	grant, scope := r.PostForm.Get("grant_type"), r.PostForm.Get("scope")
	resource, whole := strings.CutSuffix(scope, "/.default")
	switch {
	case !strings.EqualFold(r.PathValue("tenant"), s.cfg.TenantID):
		return "", &signInError{http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", r.PathValue("tenant"))}
	case grant != "client_credentials":
		return "", &signInError{http.StatusBadRequest, "unsupported_grant_type", 70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", grant)}
	case id != s.cfg.ClientID:
		return "", &signInError{http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'.", id, s.cfg.TenantID)}
	case subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.ClientSecret)) == 0:
		return "", &signInError{http.StatusUnauthorized, "invalid_client", 7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", id)}
	case !whole || strings.Contains(scope, " "):
		return "", &signInError{http.StatusBadRequest, "invalid_scope", 70011, fmt.Sprintf("The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", scope)}
	}
	// Which of the two APIs takes a token is its own business.
	if s.dialects.taking(resource) == nil {
		return "", &signInError{http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named %s.", resource, s.cfg.TenantID)}
	}
	return resource, nil
}

// credentials reads the application's id and secret from the form or from
// basic authentication, where OAuth has them escaped.
func credentials(r *http.Request) (id, secret string) {
	user, password, basic := r.BasicAuth()
	if !basic {
		return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		id = user
	}
	secret, err = url.QueryUnescape(password)
	if err != nil {
		secret = password
	}
	return id, secret
}

func (x *exchange) denySignIn(e signInError) {
	d := newDice(x.s.cfg.Seed, streamErrors, uint64(x.number))
	trace, correlation := d.guid(), d.guid()
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		Timestamp   string `json:"timestamp"`
		TraceID     string `json:"trace_id"`
		Correlation string `json:"correlation_id"`
		URI         string `json:"error_uri"`
	}{
		Error:       e.short,
		Description: fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", e.code, e.text, trace, correlation, at),
		Codes:       []int{e.code},
		Timestamp:   at,
		TraceID:     trace,
		Correlation: correlation,
		URI:         fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.code),
	})
	if err != nil {
		body = nil // strings and integers can always be written
	}
	x.send(e.status, "application/json; charset=utf-8", body)
}
