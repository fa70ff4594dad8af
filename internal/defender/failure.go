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

// refused explains an answer whose status is not 200.
func refused(response *http.Response) *Error {
	e := &Error{Status: response.StatusCode}
	// A body that cannot be read is one that says nothing: the status does.
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

// errForeign is a refusal in other words than the API's.
var errForeign = errors.New("not in the API's error format; check for a proxy or gateway in between")

const adviceForeign = "The response is not in the API's error format, so a proxy or gateway may have refused the request. Check that before the token."

// maxErrorBody bounds the body of an answer that is an error, in bytes.
const maxErrorBody = 64 << 10

// explain takes the API's own words out of a body of the form
// {"error":{"code":"…","message":"…"}}; it says whether it has that form.
func (e *Error) explain(body []byte) bool {
	var answer struct {
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &answer, jsontext.AllowInvalidUTF8(true)); err != nil || answer.Error == nil {
		return false
	}
	e.Code, e.Message = plain(answer.Error.Code), plain(answer.Error.Message)
	return true
}

// unanswered explains a call that brought no answer.
func unanswered(ctx context.Context, err error, trace *trace) error {
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

// unread explains a body of a 200 that could not be read to its end.
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

// brokenOff explains an answer that did not come, or not to its end. Without
// a whole head of it, status is 0.
func brokenOff(status int, err error) *Error {
	e := &Error{Kind: Network, Status: status, Err: unquoted{withoutAddress(err)}}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		e.Kind = Timeout
		e.Err = fmt.Errorf("%w (see http::timeout)", e.Err)
	}
	return e
}

// malformed explains a body that was read whole and is not what was asked for.
func malformed(err error) *Error {
	return &Error{Kind: Malformed, Status: http.StatusOK, Err: withoutContent(err)}
}

// oversize explains an answer that is larger than is taken.
func oversize(err error) *Error {
	return &Error{Kind: Oversize, Status: http.StatusOK, Err: err}
}

// isContent tells content that is wrong from a connection that broke off.
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

// withoutAddress leaves out the address that net/http wraps an error in.
func withoutAddress(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// unquoted is an error whose text leaves out what it quotes: net/http repeats
// what an answer says that is no HTTP, or where its redirect leads.
type unquoted struct{ error }

func (u unquoted) Error() string { return withoutQuotes(u.error.Error()) }
func (u unquoted) Unwrap() error { return u.error }

// withoutQuotes knows the quotes of Go, which may have escaped ones inside.
func withoutQuotes(text string) string {
	return regexp.MustCompile(`(?s)"(\\.|[^"\\])*("|\\?$)`).ReplaceAllString(text, `"…"`)
}
