// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// unreachable is a transport that gets no connection.
func unreachable(cause error) *http.Transport {
	return &http.Transport{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: named(address), Err: cause}
	}}
}

// named is an address that is a name.
type named string

func (named) Network() string  { return "tcp" }
func (n named) String() string { return string(n) }

func TestRequestReachesTheAPIOnce(t *testing.T) {
	result := clientAt(t, endpoint, newSim(t, nil).RoundTripper()).Get(t.Context(), 1001)
	require.NoError(t, result.Err)
	assert.Equal(t, 1, result.Reached)
}

func TestNothingReachesTheAPIWithoutAConnection(t *testing.T) {
	for _, endpoint := range []string{
		"http://api.example", "https://api.example", "https://api.example:8443/base", "http://[2001:db8::1]", "http://[2001:db8::1]:8080",
	} {
		result := clientAt(t, endpoint, unreachable(errors.New("connection refused"))).Get(t.Context(), 1)
		failure := failed(t, result)
		assert.Equal(t, Network, failure.Kind, endpoint)
		assert.Zero(t, failure.Status)
		assert.ErrorContains(t, failure, "connection refused")
		assert.Zero(t, result.Reached, endpoint)
	}
}

func TestUnreachableProxyIsANetworkError(t *testing.T) {
	for _, endpoint := range []string{"http://api.example", "https://api.example"} {
		transport := unreachable(errors.New("connection refused"))
		proxy, err := url.Parse("http://proxy.example:3128")
		require.NoError(t, err)
		transport.Proxy = http.ProxyURL(proxy)
		result := clientAt(t, endpoint, transport).Get(t.Context(), 1)
		assert.Equal(t, Network, failed(t, result).Kind, endpoint)
		assert.EqualError(t, result.Err, "network error: proxy proxy.example:3128: dial tcp proxy.example:3128: connection refused")
		assert.Zero(t, result.Reached)
	}
}

// The server responds to the first request of a connection, and closes it when
// a second one arrives, like a server that closed it as idle a moment before.
func TestRequestThatTheTransportRepeatsCountsTwice(t *testing.T) {
	var arrived atomic.Int32
	var used sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		if _, before := used.LoadOrStore(r.RemoteAddr, true); before {
			connection, _, err := w.(http.Hijacker).Hijack()
			assert.NoError(t, err)
			assert.NoError(t, connection.Close())
			return
		}
		_, _ = io.WriteString(w, `{"incidentId":1}`)
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := clientAt(t, server.URL, transport)

	result := client.Get(t.Context(), 1)
	require.NoError(t, result.Err)
	assert.Equal(t, 1, result.Reached)

	result = client.Get(t.Context(), 1)
	require.NoError(t, result.Err)
	assert.Equal(t, 2, result.Reached)
	assert.EqualValues(t, 3, arrived.Load())
}

func TestRequestOverHTTP2CountsAlthoughItsStreamIsReset(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		panic(http.ErrAbortHandler)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	result := clientAt(t, server.URL, server.Client().Transport).Get(t.Context(), 1)
	assert.Equal(t, Network, failed(t, result).Kind)
	assert.Equal(t, 1, result.Reached)
}

// signingIn gets a token first, within the same call, as the auth extensions
// do. signIn leads to the sign-in host, base to the API.
func signingIn(secret string, signIn, base http.RoundTripper) roundTrip {
	return signingInAt("https://login.example", secret, signIn, base)
}

// signingInAt does so at another host.
func signingInAt(host, secret string, signIn, base http.RoundTripper) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {defendersim.DefaultConfig().ClientID},
			"client_secret": {secret}, "scope": {"https://api.security.microsoft.com/.default"},
		}
		request, err := http.NewRequestWithContext(r.Context(), http.MethodPost,
			host+"/"+defendersim.DefaultConfig().TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := (&http.Client{Transport: signIn}).Do(request)
		if err != nil {
			return nil, fmt.Errorf("get a token: %w", err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("oauth2: cannot fetch token: %s\nResponse: %s", response.Status, body)
		}
		return withToken(base).RoundTrip(r)
	}
}

func TestTokenRequestDoesNotCount(t *testing.T) {
	granting := newSim(t, nil).RoundTripper()
	for fault, want := range map[string]Kind{"reset": Network, "500": ServerError} {
		transport := signingIn(defendersim.DefaultConfig().ClientSecret, granting, faulty(t, fault).RoundTripper())
		result := clientAt(t, endpoint, transport).Get(t.Context(), 1001)
		assert.Equal(t, want, failed(t, result).Kind)
		assert.Equal(t, 1, result.Reached)
	}
	result := clientAt(t, endpoint, signingIn(defendersim.DefaultConfig().ClientSecret, granting,
		unreachable(errors.New("connection refused")))).Get(t.Context(), 1001)
	assert.Equal(t, Network, failed(t, result).Kind)
	assert.Zero(t, result.Reached)
}

func TestRequestCanceledWhileItIsWrittenCounts(t *testing.T) {
	parsed, err := url.Parse(endpoint)
	require.NoError(t, err)
	followed := newTrace(parsed)
	ctx, end := followed.attach(t.Context())
	defer end()
	hooks := httptrace.ContextClientTrace(ctx)
	hooks.GetConn(followed.hostPort)
	assert.Zero(t, followed.reached(), "a connection that is only sought carries nothing")
	hooks.GotConn(httptrace.GotConnInfo{})
	assert.Equal(t, 1, followed.reached())
	hooks.WroteHeaderField("Accept-Encoding", []string{acceptEncoding})
	assert.Equal(t, 1, followed.reached())
	hooks.GetConn(followed.hostPort)
	hooks.GotConn(httptrace.GotConnInfo{})
	assert.Equal(t, 1, followed.reached(), "what was written is known to be one")
}

func TestSignInOnTheHostOfTheAPIIsDistinguishedFromTheAPI(t *testing.T) {
	server := httptest.NewServer(newSim(t, nil))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	refused := clientAt(t, server.URL, signingInAt(server.URL, "hush", base, base)).Get(t.Context(), 1001)
	assert.Equal(t, NoToken, failed(t, refused).Kind)
	assert.Zero(t, refused.Reached)

	granted := clientAt(t, server.URL, signingInAt(server.URL, defendersim.DefaultConfig().ClientSecret, base, base)).Get(t.Context(), 1001)
	require.NoError(t, granted.Err)
	assert.Equal(t, 1, granted.Reached, "the request for the token does not count")
}

func TestNothingReachesTheAPIWithoutAToken(t *testing.T) {
	never := roundTrip(func(*http.Request) (*http.Response, error) {
		assert.Fail(t, "the API was asked")
		return nil, errors.New("asked")
	})
	for name, c := range map[string]struct {
		transport http.RoundTripper
		want      string
	}{
		"refused": {
			signingIn("hush", newSim(t, nil).RoundTripper(), never),
			"no token: sign-in at login.example: AADSTS7000215",
		},
		"not reached": {
			signingIn("hush", unreachable(errors.New("connection refused")), never),
			"no token: sign-in at login.example: dial tcp login.example:443: connection refused",
		},
		"without a call": {
			roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("token file is empty") }),
			"no token: token file is empty",
		},
	} {
		t.Run(name, func(t *testing.T) {
			result := clientAt(t, endpoint, c.transport).Get(t.Context(), 1001)
			failure := failed(t, result)
			assert.Equal(t, NoToken, failure.Kind)
			assert.EqualError(t, failure, c.want)
			assert.Zero(t, failure.Status)
			assert.Zero(t, result.Reached)
		})
	}
}

// The word hush stands for the secret and for what only the body contains.
func TestErrorOfAFailedSignInHasNeitherSecretNorBody(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		err  error
		want string
	}{
		"a code in a body": {
			"login.example:443",
			errors.New("oauth2: cannot fetch token: 401 Unauthorized\nResponse: " +
				`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret hush","hush":1}`),
			"sign-in at login.example: AADSTS7000215",
		},
		"a code in one line": {
			"login.example:443",
			errors.New(`oauth2: "invalid_client" "AADSTS700016: Application hush was not found"`),
			"sign-in at login.example: AADSTS700016",
		},
		"several codes": {
			"login.example:443", errors.New("AADSTS1 hush AADSTS2 hush AADSTS3 hush AADSTS4"),
			"sign-in at login.example: AADSTS1, AADSTS2, AADSTS3",
		},
		"another sign-in host's body": {
			"[2001:db8::1]:8443", errors.New("oauth2: cannot fetch token: 400 Bad Request\nResponse: hush"),
			"sign-in at 2001:db8::1: oauth2: cannot fetch token: 400 Bad Request",
		},
		"a body that looks like an error": {
			"login.example:443",
			errors.New("oauth2: cannot fetch token: 400 Bad Request\nResponse: x\nPost \"https://hush.example/\": hush\nPOST https://hush.example/\n-\nRESPONSE 200: hush"),
			"sign-in at login.example: oauth2: cannot fetch token: 400 Bad Request",
		},
		"a description": {
			"login.example:443", errors.New(`oauth2: "invalid_client" "the secret hush is wrong" "https://login.example/hush"`),
			`sign-in at login.example: oauth2: "…" "…" "…"`,
		},
		"a description that quotes": {
			"login.example:443", fmt.Errorf("oauth2: %q %q", "invalid_client", `the secret "hush" is wrong, \hush\`),
			`sign-in at login.example: oauth2: "…" "…"`,
		},
		"a description cut off": {
			"login.example:443", errors.New(`oauth2: "invalid_client" "the secret hush`), `sign-in at login.example: oauth2: "…" "…"`,
		},
		"a description cut off in an escape": {
			"login.example:443", errors.New(`oauth2: "the secret hush\`), `sign-in at login.example: oauth2: "…"`,
		},
		"a body in the first line": {
			"login.example:443", errors.New(`status 400: {"error":"invalid_client","client_secret":"hush"}`),
			`sign-in at login.example: status 400: {"…":"…","…":"…"}`,
		},
		"the address of the request": {
			"login.example:443",
			&url.Error{Op: "Get", URL: "https://api.example/hush", Err: &url.Error{
				Op: "Post", URL: "https://login.example/token?client_secret=hush", Err: errors.New("no such host"),
			}},
			"sign-in at login.example: no such host",
		},
		"a host without a port": {"login.example", errors.New("no credential"), "sign-in at login.example: no credential"},
		"no host":               {"", errors.New("no credential\nhush"), "no credential"},
		"control characters": {
			"", errors.New("\x1b[31mno\tcredential" + strings.Repeat("x", 1000)), ("[31mno credential" + strings.Repeat("x", 1000))[:maxText-1],
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.EqualError(t, noToken(c.host, "", c.err).Err, c.want)
		})
	}
}
