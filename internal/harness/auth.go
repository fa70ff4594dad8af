// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensionauth"

	"github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// AuthID is the ID of the auth extension in each configuration.
func AuthID() component.ID { return component.MustNewID("auth") }

// Auth is an auth extension. It signs each request with a token of the simulated
// API and sends it there instead of into the network.
type Auth struct {
	component.StartFunc
	component.ShutdownFunc
	sim *defendersim.Sim

	mu         sync.Mutex
	api        defenderincidentsreceiver.API
	err        error
	grant      defendersim.Grant
	middleware Middleware
	signIn     *signIn // nil: tokens are made without the token endpoint
	token      string  // the one that was made last, if that was without the token endpoint
	made       time.Time
}

// renewAfter is how long a token is used that was made without the token
// endpoint, so that making tokens does not cost more than the responses.
const renewAfter = time.Minute

var _ extensionauth.HTTPClient = (*Auth)(nil)

// Middleware responds to a request, possibly with the help of next.
type Middleware func(next http.RoundTripper, r *http.Request) (*http.Response, error)

// Use puts middleware in front of the API from now on. It sees requests before
// they are signed. Nil removes it.
func (a *Auth) Use(m Middleware) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.middleware = m
}

// Fail makes the sign-in fail from now on. Nil: it works again.
func (a *Auth) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// Grant sets the claims of tokens from now on. An empty audience is the one
// that the API expects.
func (a *Auth) Grant(grant defendersim.Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grant, a.token = grant, ""
}

func (a *Auth) use(api defenderincidentsreceiver.API) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.api, a.token = api, ""
}

// RoundTripper returns a transport that ends in the simulated API.
func (a *Auth) RoundTripper(http.RoundTripper) (http.RoundTripper, error) {
	return RoundTripper(func(r *http.Request) (*http.Response, error) {
		a.mu.Lock()
		middleware := a.middleware
		a.mu.Unlock()
		if middleware != nil {
			return middleware(RoundTripper(a.send), r)
		}
		return a.send(r)
	}), nil
}

// send signs a request and sends it to the simulated API.
func (a *Auth) send(r *http.Request) (*http.Response, error) {
	token, err := a.tokenFor(r)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return a.sim.RoundTripper().RoundTrip(r)
}

// tokenFor returns the token for a request.
func (a *Auth) tokenFor(r *http.Request) (string, error) {
	a.mu.Lock()
	err, grant, signIn := a.err, a.grant, a.signIn
	if grant.Audience == "" {
		grant.Audience = endpoint(a.api)
	}
	if err == nil && signIn == nil && (a.token == "" || time.Since(a.made) >= renewAfter) {
		a.token, a.made = a.sim.TokenFor(grant), time.Now()
	}
	token := a.token
	a.mu.Unlock()
	switch {
	case err != nil:
		return "", err
	case signIn != nil:
		return signIn.get(r, grant.Audience)
	}
	return token, nil
}

// RoundTripper is an http.RoundTripper made of a function.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
