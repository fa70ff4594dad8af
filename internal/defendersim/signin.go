// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxForm bounds the body of a token request.
const maxForm = 64 << 10

// signInError is Entra ID's error when it issues no token.
type signInError struct {
	status int
	short  string // OAuth's error code
	code   int    // the number after AADSTS
	text   string // with placeholders such as {app} and {tenant}
}

// signInErrors are the simulated refusals, as they are documented or were seen.
func signInErrors() []signInError {
	return []signInError{
		{500, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again."},
		{429, "temporarily_unavailable", 90055, "There are too many incoming requests."},
		{401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."},
		{401, "invalid_client", 7000222, "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."},
		{401, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application."},
		{400, "unauthorized_client", 700016, "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
		{400, "unauthorized_client", 7000112, "Application '{app}' is disabled."},
		{400, "invalid_grant", 53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
		{400, "invalid_request", 90002, "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."},
		{400, "invalid_resource", 500011, "The resource principal named {scope} was not found in the tenant named {tenant}."},
		{400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."},
		{400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '{grant}'."},
		{400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."},
		{400, "invalid_request", 900561, "The endpoint only accepts POST requests. Received a GET request."},
	}
}

// signInRefusal returns the refusal with a code. Pairs replace {app} and so on.
func signInRefusal(code int, pairs ...string) *signInError {
	all := signInErrors()
	e := all[slices.IndexFunc(all, func(e signInError) bool { return e.code == code })]
	e.text = strings.NewReplacer(pairs...).Replace(e.text)
	return &e
}

// failSignIn responds with the refusal that is closest to a failure of the API.
// It keeps the retry time of the message.
func (x *exchange) failSignIn(status int, message string) {
	code := 90033
	switch status {
	case http.StatusBadRequest:
		code = 900144
	case http.StatusUnauthorized:
		code = 7000215
	case http.StatusForbidden:
		code = 53003
	case http.StatusMethodNotAllowed:
		code = 900561
	case http.StatusTooManyRequests:
		code = 90055
	}
	e := signInRefusal(code, "{app}", x.s.cfg.ClientID)
	e.status = status
	if _, hint, found := strings.Cut(message, " You can send"); found {
		e.text += " You can send" + hint
	}
	x.denySignIn(*e)
}

// signIn responds to POST /{tenant}/oauth2/v2.0/token with the
// client credentials grant.
func (s *Sim) signIn(x *exchange) {
	if fault, struck := s.strike(x, TokenRequests); struck && fault.apply(x) {
		return
	}
	if x.r.Method != http.MethodPost {
		x.methodNotAllowed(http.MethodPost)
		return
	}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxForm)
	if err := x.r.ParseForm(); err != nil {
		x.denySignIn(*signInRefusal(900144))
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

// checkSignIn returns the resource for which a token is requested, or why there
// is no token.
func (s *Sim) checkSignIn(r *http.Request) (string, *signInError) {
	id, secret := credentials(r)
	grant, scope := r.PostForm.Get("grant_type"), r.PostForm.Get("scope")
	resource, whole := strings.CutSuffix(scope, "/.default")
	tenant := r.PathValue("tenant")
	switch {
	case !strings.EqualFold(tenant, s.cfg.TenantID):
		return "", signInRefusal(90002, "{tenant}", tenant)
	case grant != "client_credentials":
		return "", signInRefusal(70003, "{grant}", grant)
	case id != s.cfg.ClientID:
		return "", signInRefusal(700016, "{app}", id, "{tenant}", tenant)
	case subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.ClientSecret)) == 0:
		return "", signInRefusal(7000215, "{app}", id)
	case !whole || strings.Contains(scope, " "):
		return "", signInRefusal(70011, "{scope}", scope)
	case s.dialects.taking(resource) == nil: // any of the APIs may accept the token
		return "", signInRefusal(500011, "{scope}", resource, "{tenant}", tenant)
	}
	return resource, nil
}

// credentials reads the application's ID and secret from the form or from basic
// authentication, where OAuth requires them to be escaped.
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

// suberror indicates that the text is for people: a retry does not help.
func (e signInError) suberror() string {
	if e.code == 53003 {
		return "message_only"
	}
	return ""
}

func (x *exchange) denySignIn(e signInError) {
	d := newDice(x.s.cfg.Seed, streamErrors, uint64(x.number))
	trace, correlation := d.guid(), d.guid()
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Suberror    string `json:"suberror,omitempty"`
		Codes       []int  `json:"error_codes"`
		Timestamp   string `json:"timestamp"`
		TraceID     string `json:"trace_id"`
		Correlation string `json:"correlation_id"`
		URI         string `json:"error_uri"`
	}{
		Error:       e.short,
		Description: fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", e.code, e.text, trace, correlation, at),
		Suberror:    e.suberror(),
		Codes:       []int{e.code},
		Timestamp:   at,
		TraceID:     trace,
		Correlation: correlation,
		URI:         fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.code),
	})
	if err != nil {
		body = nil // strings and integers can always be encoded
	}
	x.send(e.status, "application/json; charset=utf-8", body)
}
