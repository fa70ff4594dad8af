// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// maxTokenResponse bounds a response of the token endpoint, in bytes.
const maxTokenResponse = 1 << 20

// signIn gets tokens from the simulated token endpoint with the client
// credentials of the default population. Like the collector's oauth2client
// extension, it keeps a token until shortly before it expires.
type signIn struct {
	sim *defendersim.Sim
	// turn holds a value while a token request is sent: in a synctest bubble, time
	// stands still while any goroutine waits for a mutex.
	turn    chan struct{}
	token   string
	expires time.Time
}

// SignIn makes the extension get its tokens from the simulated token endpoint
// from now on, so that faults of defendersim.TokenRequests have an effect.
func (a *Auth) SignIn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signIn = &signIn{sim: a.sim, turn: make(chan struct{}, 1)}
}

// get returns the token for a request to an API.
func (s *signIn) get(r *http.Request, api string) (string, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-r.Context().Done():
		return "", context.Cause(r.Context())
	}
	if time.Now().Before(s.expires) {
		return s.token, nil
	}
	// With the request's context, the receiver would also see the connection to
	// the token endpoint.
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer context.AfterFunc(r.Context(), func() { cancel(context.Cause(r.Context())) })()
	response, err := s.request(ctx, api)
	if err != nil {
		return "", fmt.Errorf("failed to get security token from token endpoint: %w", err)
	}
	s.token, s.expires = response.AccessToken, time.Now().Add(time.Duration(response.ExpiresIn)*time.Second-10*time.Second)
	return s.token, nil
}

type tokenResponse struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (s *signIn) request(ctx context.Context, api string) (read tokenResponse, err error) {
	account := defendersim.DefaultConfig()
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {api + "/.default"},
		"client_id": {account.ClientID}, "client_secret": {account.ClientSecret},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.microsoftonline.com/"+account.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return read, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.sim.RoundTripper().RoundTrip(r)
	if err != nil {
		return read, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTokenResponse))
	_ = response.Body.Close()
	if err != nil {
		return read, err
	}
	err = json.Unmarshal(body, &read)
	switch {
	case response.StatusCode == http.StatusOK && err != nil:
		return read, fmt.Errorf("oauth2: cannot parse json: %w", err)
	case response.StatusCode == http.StatusOK && read.AccessToken == "":
		return read, errors.New("oauth2: server response missing access_token")
	case response.StatusCode == http.StatusOK:
		return read, nil
	case read.Error != "":
		return read, fmt.Errorf("oauth2: %q %q", read.Error, read.Description)
	}
	return read, fmt.Errorf("oauth2: cannot fetch token: %s\nResponse: %s", response.Status, body)
}
