// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// viaProxy is a transport that connects through the proxy at the address, with
// a user and a password. The word hush stands for the password.
func viaProxy(t *testing.T, address string) *http.Transport {
	t.Helper()
	proxy, err := url.Parse(address)
	require.NoError(t, err)
	proxy.User = url.UserPassword("me", "hush")
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// saying is a proxy that always sends the same response, and its host and port.
func saying(t *testing.T, result string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, strings.ReplaceAll(result, "CREDENTIALS", request.Header.Get("Proxy-Authorization")))
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c) // what is unread at the end would reset the connection
			_ = c.Close()
		}
	}()
	return listener.Addr().String()
}

// What a proxy can do other than connect, and the resulting message. PROXY
// stands for its host and port.
func proxyFailures() map[string]struct{ says, api, signIn string } {
	return map[string]struct{ says, api, signIn string }{
		"credentials missing": {
			"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"hush\"\r\n\r\nhush",
			"proxy PROXY refused: 407 Proxy Authentication Required", "proxy PROXY refused: 407 Proxy Authentication Required",
		},
		"forbidden":   {"HTTP/1.1 403 Forbidden\r\n\r\nhush", "proxy PROXY refused: 403 Forbidden", "proxy PROXY refused: 403 Forbidden"},
		"unavailable": {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "proxy PROXY refused: 503 Service Unavailable", "proxy PROXY refused: 503 Service Unavailable"},
		"bad gateway": {"HTTP/1.0 502 Bad Gateway\r\n\r\n", "proxy PROXY refused: 502 Bad Gateway", "proxy PROXY refused: 502 Bad Gateway"},
		"words of its own": {
			"HTTP/1.1 407 hush CREDENTIALS\r\n\r\n", "proxy PROXY refused: 407 Proxy Authentication Required", "proxy PROXY refused",
		},
		"a status of its own": {"HTTP/1.1 599 hush\r\n\r\n", "proxy PROXY refused: 599", "proxy PROXY refused"},
		"no words":            {"HTTP/1.1 403\r\n\r\n", "proxy PROXY refused: 403 Forbidden", "proxy PROXY refused"},
		"no HTTP":             {"hush:CREDENTIALS\r\n", `through proxy PROXY: malformed HTTP status code "…"`, `through proxy PROXY: malformed HTTP status code "…"`},
		"nothing":             {"", "through proxy PROXY: unexpected EOF", "through proxy PROXY: unexpected EOF"},
		"a tunnel to nobody":  {"HTTP/1.1 200 OK\r\n\r\n", "through proxy PROXY: EOF", "through proxy PROXY: EOF"},
	}
}

// withoutSecrets asserts that the error contains no secret.
func withoutSecrets(t *testing.T, failure *Error) {
	t.Helper()
	for _, text := range []string{failure.Error(), failure.Advice} {
		assert.NotContains(t, text, "hush")
		assert.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte("me:hush")))
	}
}

func TestErrorNamesAProxyThatFailsOnTheWayToTheAPI(t *testing.T) {
	for name, c := range proxyFailures() {
		t.Run(name, func(t *testing.T) {
			proxy := saying(t, c.says)
			result := clientAt(t, endpoint, authorized("Bearer hush", Watch(viaProxy(t, "http://"+proxy)))).Get(t.Context(), 1)
			failure := failed(t, result)
			assert.Equal(t, Network, failure.Kind)
			assert.Zero(t, result.Reached)
			assert.EqualError(t, failure, "network error: "+strings.ReplaceAll(c.api, "PROXY", proxy))
			assert.Equal(t, adviceProxy, failure.Advice)
			withoutSecrets(t, failure)
		})
	}
}

func TestErrorNamesAProxyThatFailsOnTheWayToTheSignIn(t *testing.T) {
	for name, c := range proxyFailures() {
		t.Run(name, func(t *testing.T) {
			proxy := saying(t, c.says)
			through := viaProxy(t, "http://"+proxy)
			for _, transport := range []http.RoundTripper{
				signingIn("hush", through, Watch(viaProxy(t, "http://"+proxy))), // both through one proxy
				signingIn("hush", through, Watch(unreachable(errors.New("asked")))),
				azidentityLike(signingIn("hush", through, Watch(unreachable(errors.New("asked"))))),
			} {
				result := clientAt(t, endpoint, transport).Get(t.Context(), 1)
				failure := failed(t, result)
				assert.Equal(t, NoToken, failure.Kind)
				assert.Zero(t, result.Reached)
				assert.EqualError(t, failure, "no token: sign-in at login.example: "+strings.ReplaceAll(c.signIn, "PROXY", proxy))
				assert.Equal(t, adviceSignInProxy, failure.Advice)
				withoutSecrets(t, failure)
			}
		})
	}
}

// azidentityLike hands errors on as azidentity does: as text, behind a line
// of its own.
func azidentityLike(base http.RoundTripper) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		response, err := base.RoundTrip(r)
		if err != nil {
			return nil, fmt.Errorf("azureauth: failed to get token: ClientSecretCredential: server response error:\n %s", strings.TrimPrefix(err.Error(), "get a token: "))
		}
		return response, nil
	}
}

func TestErrorNamesAnUnreachableProxy(t *testing.T) {
	refused := unreachable(errors.New("connection refused"))
	proxy, err := url.Parse("http://me:hush@proxy.example:3128")
	require.NoError(t, err)
	refused.Proxy = http.ProxyURL(proxy)

	failure := failed(t, clientAt(t, endpoint, authorized("Bearer hush", Watch(refused))).Get(t.Context(), 1))
	assert.EqualError(t, failure, "network error: proxy proxy.example:3128: dial tcp proxy.example:3128: connection refused")
	assert.Equal(t, adviceProxy, failure.Advice)

	for _, transport := range []http.RoundTripper{
		signingIn("hush", refused, Watch(unreachable(errors.New("asked")))), azidentityLike(signingIn("hush", refused, Watch(unreachable(errors.New("asked"))))),
		signingIn("hush", refused, refused), // of an extension that sends its requests by itself
	} {
		failure = failed(t, clientAt(t, endpoint, transport).Get(t.Context(), 1))
		assert.EqualError(t, failure, "no token: sign-in at login.example: proxy proxy.example:3128: dial tcp proxy.example:3128: connection refused")
		assert.Equal(t, adviceSignInProxy, failure.Advice)
		withoutSecrets(t, failure)
	}
}

// net/http fails like this if the environment has such an address.
func TestErrorDoesNotQuoteAnInvalidProxyAddress(t *testing.T) {
	transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://me:hush@%zz": parse "http://me:hush@%zz": invalid URL escape "%zz"`)
	}}
	failure := failed(t, clientAt(t, endpoint, authorized("Bearer hush", Watch(transport))).Get(t.Context(), 1))
	assert.EqualError(t, failure, `network error: invalid proxy address "…": parse "…": invalid URL escape "…"`)
	failure = failed(t, clientAt(t, endpoint, signingIn("hush", transport, Watch(unreachable(errors.New("asked"))))).Get(t.Context(), 1))
	assert.EqualError(t, failure, `no token: sign-in at login.example: invalid proxy address "…": parse "…": invalid URL escape "…"`)
}

func TestErrorNamesAProxyWithABadCertificate(t *testing.T) {
	proxy := httptest.NewUnstartedServer(http.NotFoundHandler())
	proxy.Config.ErrorLog = quiet()
	proxy.StartTLS()
	defer proxy.Close()
	through := viaProxy(t, proxy.URL)
	address := proxy.Listener.Addr().String()
	const unverified = "tls: failed to verify certificate: x509: certificate signed by unknown authority"

	failure := failed(t, clientAt(t, endpoint, authorized("Bearer hush", Watch(through))).Get(t.Context(), 1))
	assert.Equal(t, Network, failure.Kind)
	assert.EqualError(t, failure, "network error: proxy "+address+": "+unverified)

	failure = failed(t, clientAt(t, endpoint, signingIn("hush", through, Watch(unreachable(errors.New("asked"))))).Get(t.Context(), 1))
	assert.EqualError(t, failure, "no token: sign-in at login.example: proxy "+address+": "+unverified)
}

// A proxy sees a request that is not encrypted, and responds to it itself.
func TestResponse407IsReportedAsTheProxys(t *testing.T) {
	proxy := saying(t, "HTTP/1.1 407 hush\r\nContent-Length: 4\r\n\r\nhush")
	result := clientAt(t, "http://api.example", authorized("Bearer hush", Watch(viaProxy(t, "http://"+proxy)))).Get(t.Context(), 1)
	failure := failed(t, result)
	assert.Equal(t, Network, failure.Kind)
	assert.EqualError(t, failure, "network error (HTTP status 407): the proxy refused: 407 Proxy Authentication Required")
	assert.Equal(t, adviceProxy, failure.Advice)
	assert.Equal(t, 1, result.Reached)
}

// tunnel is a proxy that connects everybody with the server, and counts.
func tunnel(t *testing.T, server *httptest.Server) (address string, tunnels *atomic.Int32) {
	t.Helper()
	tunnels = &atomic.Int32{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodConnect, r.Method)
		tunnels.Add(1)
		far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", server.Listener.Addr().String())
		if !assert.NoError(t, err) {
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, tunnels
}

func TestResponseThroughAProxyIsNotBlamedOnTheProxy(t *testing.T) {
	server := httptest.NewUnstartedServer(newSim(t, nil))
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy, tunnels := tunnel(t, server)

	unverified := failed(t, clientAt(t, server.URL, Watch(viaProxy(t, proxy))).Get(t.Context(), 1001))
	assert.EqualError(t, unverified, "network error: through proxy "+strings.TrimPrefix(proxy, "http://")+
		": tls: failed to verify certificate: x509: certificate signed by unknown authority")

	transport := viaProxy(t, proxy)
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	for range 2 {
		result := clientAt(t, server.URL, Watch(transport)).Get(t.Context(), 1001)
		require.NoError(t, result.Err)
		assert.Equal(t, 1, result.Reached)
	}
	assert.EqualValues(t, 2, tunnels.Load())
}

// With settings as users write them, through the collector's own client.
func TestErrorNamesAProxyOfTheClientOfTheCollector(t *testing.T) {
	proxy := saying(t, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
	name := component.MustNewID("fake")
	for _, pings := range []bool{false, true} {
		config := confighttp.NewDefaultClientConfig()
		config.ProxyURL = "http://me:hush@" + proxy
		if pings {
			config.HTTP2ReadIdleTimeout, config.HTTP2PingTimeout = 10, 5
		}
		config.Auth = configoptional.Some(configauth.Config{AuthenticatorID: name})
		extension := authExtension{ClientRoundTripperFunc: func(base http.RoundTripper) (http.RoundTripper, error) {
			return authorized("Bearer hush", Watch(base)), nil
		}}
		client, err := config.ToClient(t.Context(), map[component.ID]component.Component{name: extension}, componenttest.NewNopTelemetrySettings())
		require.NoError(t, err)
		parsed, err := url.Parse(commercial)
		require.NoError(t, err)
		failure := failed(t, NewClient(client, Settings{Endpoint: parsed, MaxBody: maxBody}).Get(context.WithoutCancel(t.Context()), 1))
		assert.EqualError(t, failure, "network error: proxy "+proxy+" refused: 407 Proxy Authentication Required")
	}
}

func TestFailureAfterTheTokenIsAddedIsTheAPIs(t *testing.T) {
	granting := newSim(t, nil).RoundTripper()
	secret := defendersim.DefaultConfig().ClientSecret
	server := httptest.NewServer(newSim(t, nil))
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	// The same host and port for both, where no connection can be had any more.
	closed := server.URL
	server.Close()
	failure := failed(t, clientAt(t, closed, signingInAt(closed, secret, granting, Watch(base))).Get(t.Context(), 1001))
	assert.Equal(t, Network, failure.Kind)
	failure = failed(t, clientAt(t, closed, signingInAt("https://login.example", secret, granting, Watch(roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("no way")
	})))).Get(t.Context(), 1001))
	assert.Equal(t, Network, failure.Kind)
	assert.EqualError(t, failure, "network error: no way")
}

// quiet is a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
