// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// refused explains a response whose status is not 200.
func refused(response *http.Response) *Error {
	e := &Error{Status: response.StatusCode}
	// If the body cannot be read, the status says enough.
	body, readErr := readBody(response, maxErrorBody)
	ofTheAPI := readErr == nil && (len(body) == 0 || e.explain(body))
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		e.Kind = Unauthorized
	case code == http.StatusForbidden:
		e.Kind = Forbidden
	case code == http.StatusNotFound && ofTheAPI:
		e.Kind = NotFound
	case code == http.StatusNotFound:
		e.Kind = Malformed
		e.Err = errors.New("not in the API's error format; check http::endpoint and any proxy")
	case code == http.StatusProxyAuthRequired: // in the words of a proxy, which says it only where it sees the request
		e.Kind, e.Err, e.Advice = Network, fmt.Errorf("the proxy refused: %w", proxyStatusError(code)), adviceProxy
	case code == http.StatusTooManyRequests:
		e.Kind = Throttled
	case code >= 500:
		e.Kind = ServerError
	case code >= 400:
		e.Kind = Rejected
	case code >= 300:
		e.Kind = Redirect
		e.Err = errors.New("redirects are not followed, since the token would be sent along; check http::endpoint")
	default:
		e.Kind = Malformed
	}
	if (e.Kind == Unauthorized || e.Kind == Forbidden) && !ofTheAPI {
		e.Err, e.Advice = errForeign, adviceForeign
	}
	e.throttle(response.Header, string(body))
	return e
}

// errForeign is an error response that is not in the API's format.
var errForeign = errors.New("not in the API's error format; check for a proxy or gateway in between")

const adviceForeign = "The response is not in the API's error format, so a proxy or gateway may have refused the request. Check that before the token."

// maxErrorBody bounds the body of a response that is an error, in bytes.
const maxErrorBody = 64 << 10

// explain reads the API's message from a body of the form
// {"error":{"code":"…","message":"…"}} and reports whether the body
// has that form.
func (e *Error) explain(body []byte) bool {
	var result struct {
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &result, jsontext.AllowInvalidUTF8(true)); err != nil || result.Error == nil {
		return false
	}
	e.Code, e.Message = plain(result.Error.Code), plain(result.Error.Message)
	return true
}

// noResponse explains a request that got no response.
func noResponse(ctx context.Context, err error, trace *trace) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !trace.soughtAPI() && !isProxy(err) {
		return noToken(trace.lastSought(), trace.unconnected(), err)
	}
	if trace.reached() >= maxSent {
		return &Error{Kind: Network, Err: fmt.Errorf("the server closed %d connections without a response", maxSent)}
	}
	proxy := trace.unconnected()
	if proxy == "" || proxy == trace.hostPort {
		return brokenOff(0, err)
	}
	e := brokenOff(0, atProxy(proxy, err))
	e.Advice = adviceProxy
	return e
}

// unread explains a 200 that could not be read to the end of its body.
func unread(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errTooLarge):
		return oversize(errTooLarge)
	case isContent(err):
		return malformed(err)
	}
	return brokenOff(http.StatusOK, err)
}

// brokenOff explains a response that did not arrive, or not to its end. status
// is 0 if its head is incomplete.
func brokenOff(status int, err error) *Error {
	e := &Error{Kind: Network, Status: status, Err: unquoted{withoutAddress(err)}}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		e.Kind = Timeout
		e.Err = fmt.Errorf("%w (see http::timeout)", e.Err)
	}
	return e
}

// malformed explains a body that was read whole but is not what was requested.
func malformed(err error) *Error {
	return &Error{Kind: Malformed, Status: http.StatusOK, Err: withoutContent(err)}
}

// oversize explains a response that exceeds the limit.
func oversize(err error) *Error {
	return &Error{Kind: Oversize, Status: http.StatusOK, Err: err}
}

// isContent distinguishes invalid content from a broken connection.
func isContent(err error) bool {
	if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt {
		return true
	}
	for _, content := range []error{
		errCoding, errCodings, errUTF16, gzip.ErrHeader, gzip.ErrChecksum, zlib.ErrHeader, zlib.ErrChecksum, zlib.ErrDictionary,
	} {
		if errors.Is(err, content) {
			return true
		}
	}
	return false
}

// withoutAddress removes the address in which net/http wraps an error.
func withoutAddress(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// unquoted is an error that leaves out the quoted parts of its text: net/http
// quotes responses that are not HTTP, and redirects.
type unquoted struct{ error }

func (u unquoted) Error() string { return withoutQuotes(u.error.Error()) }
func (u unquoted) Unwrap() error { return u.error }

// withoutQuotes removes texts quoted by Go, which may contain escaped quotes.
func withoutQuotes(text string) string {
	return regexp.MustCompile(`(?s)"(\\.|[^"\\])*("|\\?$)`).ReplaceAllString(text, `"…"`)
}
