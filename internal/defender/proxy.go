// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

const adviceProxy = "The proxy comes from http::proxy_url or, if that is not set, from the environment variable HTTPS_PROXY. " +
	"Check its address and its credentials, or add the API's host to NO_PROXY."

// Watch makes failures on the way to the API recognizable. base is the
// transport that an auth extension uses once it has signed a request: anything
// that fails earlier is the sign-in.
func Watch(base http.RoundTripper) http.RoundTripper {
	if transport, ok := base.(*http.Transport); ok {
		transport.OnProxyConnectResponse = checkProxy
	}
	return toAPI{base}
}

type toAPI struct{ base http.RoundTripper }

func (a toAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace, ok := r.Context().Value(traceKey{}).(*trace); ok {
		trace.sign()
	}
	return a.base.RoundTrip(r)
}

// proxyStatusError is the status with which a proxy refuses a connection.
type proxyStatusError int

func (r proxyStatusError) Error() string {
	if name := http.StatusText(int(r)); name != "" {
		return strconv.Itoa(int(r)) + " " + name
	}
	return strconv.Itoa(int(r))
}

// checkProxy gives a refused CONNECT its type: the error of net/http has only
// the text of the proxy's status line.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, result *http.Response) error {
	if result.StatusCode != http.StatusOK {
		return proxyStatusError(result.StatusCode)
	}
	return nil
}

// atProxy says what failed at a proxy, or behind it, before there was a
// connection. The proxy is a host and port, so it contains no password.
func atProxy(proxy string, err error) error {
	err = withoutAddress(err)
	if refusal, ok := errors.AsType[proxyStatusError](err); ok {
		return fmt.Errorf("proxy %s refused: %w", proxy, refusal)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return fmt.Errorf("proxy %s: %w", proxy, op.Err)
	}
	return fmt.Errorf("through proxy %s: %w", proxy, err)
}

// isProxy reports whether the connection to the API failed at the proxy,
// and not the one to the sign-in host: errors from there carry an address
// of their own.
func isProxy(err error) bool {
	err = withoutAddress(err)
	if _, signIn := errors.AsType[*url.Error](err); signIn {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}
