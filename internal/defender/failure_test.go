// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
)

// words is the API's error object.
func words(code, message string) string {
	quote := func(text string) string {
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			panic(err)
		}
		return string(quoted)
	}
	return `{"error":{"code":` + quote(code) + `,"message":` + quote(message) + `,"target":"|0000aa11-bb22cc33dd44ee55."}}`
}

const webPage = "<!DOCTYPE html><html><body>hush</body></html>"

func TestEveryStatusHasItsKindAndMessage(t *testing.T) {
	const (
		notTheAPI   = ": not in the API's error format; check http::endpoint and any proxy"
		notFollowed = ": redirects are not followed, since the token would be sent along; check http::endpoint"
	)
	for _, c := range []struct {
		status int
		body   string
		kind   Kind
		text   string
	}{
		{401, words("Unauthorized", "Bad token"), Unauthorized, "unauthorized (HTTP status 401): Unauthorized: Bad token"},
		{401, "", Unauthorized, "unauthorized (HTTP status 401)"},
		{401, webPage, Unauthorized, "unauthorized (HTTP status 401): not in the API's error format; check for a proxy or gateway in between"},
		{403, words("Forbidden", "Missing application roles."), Forbidden, "forbidden (HTTP status 403): Forbidden: Missing application roles."},
		{403, webPage, Forbidden, "forbidden (HTTP status 403): not in the API's error format; check for a proxy or gateway in between"},
		{404, words("NotFound", "No such incident"), NotFound, "not found (HTTP status 404): NotFound: No such incident"},
		{404, "", NotFound, "not found (HTTP status 404)"},
		{404, `{"error":{}}`, NotFound, "not found (HTTP status 404)"},
		{404, webPage, Malformed, "malformed response (HTTP status 404)" + notTheAPI},
		{404, `{"message":"hush"}`, Malformed, "malformed response (HTTP status 404)" + notTheAPI},
		{404, `{"error":"hush"}`, Malformed, "malformed response (HTTP status 404)" + notTheAPI},
		{404, `null`, Malformed, "malformed response (HTTP status 404)" + notTheAPI},
		{404, words("NotFound", strings.Repeat("hush", maxErrorBody/4)), Malformed, "malformed response (HTTP status 404)" + notTheAPI},
		{429, webPage, Throttled, "throttled (HTTP status 429)"},
		{500, words("InternalServerError", ""), ServerError, "server error (HTTP status 500): InternalServerError"},
		{500, words("", "Try later"), ServerError, "server error (HTTP status 500): Try later"},
		{500, "", ServerError, "server error (HTTP status 500)"},
		{503, webPage, ServerError, "server error (HTTP status 503)"},
		{504, webPage, ServerError, "server error (HTTP status 504)"},
		{599, "", ServerError, "server error (HTTP status 599)"},
		{400, words("BadRequest", "Not an id"), Rejected, "rejected (HTTP status 400): BadRequest: Not an id"},
		{405, "", Rejected, "rejected (HTTP status 405)"},
		{410, webPage, Rejected, "rejected (HTTP status 410)"},
		{499, "", Rejected, "rejected (HTTP status 499)"},
		{300, "", Redirect, "redirect (HTTP status 300)" + notFollowed},
		{304, "", Redirect, "redirect (HTTP status 304)" + notFollowed},
		{206, webPage, Malformed, "malformed response (HTTP status 206): invalid character '<' at start of value after offset 0"},
		{203, `{"incidentName":"hush"}`, Malformed, "malformed response (HTTP status 203): no incidentId"},
		{205, `{"incidentId":1}`, Malformed, "malformed response (HTTP status 205)"},
		{204, "", Malformed, "malformed response (HTTP status 204)"},
	} {
		result := get(t, responding(c.status, c.body))
		failure := failed(t, result)
		assert.Equal(t, c.kind, failure.Kind, c.text)
		assert.Equal(t, c.status, failure.Status, c.text)
		assert.EqualError(t, failure, c.text)
		assert.Equal(t, 1, result.Reached, c.text)
		assert.Equal(t, c.kind == Throttled, failure.RetryAfter > 0, c.text)
	}
}

func TestEveryKindHasAName(t *testing.T) {
	names := map[string]bool{}
	for kind := NoToken; kind <= Rejected; kind++ {
		assert.NotContains(t, kind.String(), "kind")
		names[kind.String()] = true
	}
	assert.Len(t, names, int(Rejected))
	assert.Equal(t, "kind 0", Kind(0).String())
}

func TestErrorTextOfTheAPIIsBoundedAndPrintable(t *testing.T) {
	for name, c := range map[string]struct{ given, want string }{
		"as it is": {
			"Missing application roles. API required roles: A,B, application roles: X,Y.",
			"Missing application roles. API required roles: A,B, application roles: X,Y.",
		},
		"other letters":      {"Zugriff verweigert: žádná role 無", "Zugriff verweigert: žádná role 無"},
		"lines":              {"one\r\ntwo\tthree", "one  two three"},
		"escape sequences":   {"\x1b[31mred\x1b[0m\x00\x7f\u0085", "[31mred [0m"},
		"line separators":    {"one\u2028two\u2029three", "one two three"},
		"zero width":         {"a\u200bb\ufeff", "a b"},
		"from right to left": {"a\u202eb", "a b"},
		"spaces":             {"  a  ", "a"},
		"other spaces":       {"a\u00a0b\u3000c", "a b c"},
		"too long":           {strings.Repeat("x", 1000), strings.Repeat("x", maxText)},
		"cut in a letter":    {"x" + strings.Repeat("é", 1000), "x" + strings.Repeat("é", (maxText-1)/2)},
	} {
		t.Run(name, func(t *testing.T) {
			failure := failed(t, get(t, responding(403, words(c.given, c.given))))
			assert.Equal(t, c.want, failure.Code)
			assert.Equal(t, c.want, failure.Message)
		})
	}
}

func TestEveryFaultOfTheSimulatorHasItsKind(t *testing.T) {
	for fault, want := range map[string]Kind{
		"400": Rejected, "401": Unauthorized, "403": Forbidden, "404-html": Malformed, "429": Throttled,
		"500": ServerError, "503": ServerError, "504": ServerError, "redirect": Redirect, "redirect-other": Redirect,
		"reset": Network, "truncated": Network, "hang": Timeout,
		"empty": Malformed, "html": Malformed, "huge": Oversize,
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := clientAt(t, endpoint, faulty(t, fault).RoundTripper())
				client.http.Timeout = 30 * time.Second
				result := client.Get(t.Context(), 1001)
				assert.Equal(t, want, failed(t, result).Kind)
				assert.Equal(t, 1, result.Reached)
			})
		})
	}
}

func TestUnknownIncidentOfTheSimulatorIsNotFound(t *testing.T) {
	failure := failed(t, clientAt(t, endpoint, newSim(t, nil).RoundTripper()).Get(t.Context(), 9999))
	assert.Equal(t, NotFound, failure.Kind)
	assert.NotEmpty(t, failure.Message)
}

// peer is a transport whose connections lead to a server that sends the text,
// whatever is requested, and hangs up.
func peer(t *testing.T, says string) *http.Transport {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = io.WriteString(far, says)
			}
		}()
		return near, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// The word hush stands wherever an error might quote something.
func TestErrorsContainNoAddressPasswordOrBody(t *testing.T) {
	const secretive = "http://hush:hush@api.example:8080/base?code=hush"
	for name, c := range map[string]struct {
		transport http.RoundTripper
		want      string
	}{
		"no connection": {
			unreachable(errors.New("connection refused")), "network error: dial tcp api.example:8080: connection refused",
		},
		"a reason that does not print": {
			unreachable(errors.New("\x1b[31mrefused\r\n" + strings.Repeat("x", 1000))), "dial tcp api.example:8080:  [31mrefused  xxx",
		},
		"a trailer that is none": {
			peer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nhush\r\n\r\n"),
			`network error (HTTP status 200): malformed MIME header: missing colon: "…"`,
		},
		"a bad redirect": {
			peer(t, "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/%zz?code=hush\r\nContent-Length: 0\r\n\r\n"),
			`network error: failed to parse Location header "…": `,
		},
		"not HTTP":          {peer(t, "220-\"hush\"-mail.example-hush\r\n"), `network error: net/http: HTTP/1.x transport connection broken: malformed HTTP response "…"`},
		"half a status":     {peer(t, "HTTP/1.1 2hush\r\n\r\n"), `network error: net/http: HTTP/1.x transport connection broken: malformed HTTP `},
		"no response":       {peer(t, ""), "network error: "},
		"a page":            {responding(503, webPage), "server error (HTTP status 503)"},
		"a page for a 404":  {responding(404, webPage), "malformed response (HTTP status 404): not in the API's error format"},
		"a page for a 200":  {responding(200, webPage), "malformed response (HTTP status 200): "},
		"a redirect":        {responding(302, webPage, "Location", "https://elsewhere.example/?code=hush"), "redirect (HTTP status 302): "},
		"a broken incident": {responding(200, `{"incidentId":1,"status":"hush","alerts":hush`), "malformed response (HTTP status 200): "},
		"a length that is none": {
			peer(t, "HTTP/1.1 200 OK\r\nContent-Length: hush\r\n\r\n"), `network error: net/http: HTTP/1.x transport connection broken: bad Content-Length "…"`,
		},
		"chunks that are none": {peer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhush\r\n"), "network error (HTTP status 200): "},
	} {
		t.Run(name, func(t *testing.T) {
			failure := failed(t, clientAt(t, secretive, c.transport).Get(t.Context(), 1))
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			assert.True(t, printable(failure.Error()), "%q", failure.Error())
			assert.Less(t, len(failure.Error()), maxText+100)
		})
	}
}

func TestErrorAboutAnUnusableEndpointOmitsItsPassword(t *testing.T) {
	client := NewClient(&http.Client{}, Settings{Endpoint: &url.URL{Scheme: "http", Host: "api example", User: url.UserPassword("me", "hush")}, MaxBody: maxBody})
	result := client.Get(t.Context(), 1)
	failure := failed(t, result)
	assert.Equal(t, Rejected, failure.Kind)
	assert.NotContains(t, failure.Error(), "hush")
	assert.Zero(t, result.Reached)
}

func FuzzErrorBody(f *testing.F) {
	f.Add(403, []byte(words("Forbidden", "Missing application roles.")))
	f.Add(429, []byte(words("429", "You can send requests again in 8 seconds.")))
	f.Add(404, []byte(webPage))
	f.Add(404, []byte(nil))
	f.Add(500, []byte(`{"error":{"code":"\u001b[31m","message":"\u2028`+strings.Repeat("é", 200)+`"}}`))
	f.Add(418, []byte(`{"error":{"code":7,"message":null}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 100 || status > 999 || status == http.StatusOK {
			return
		}
		failure := refused(&http.Response{
			StatusCode: status, ContentLength: -1, Body: io.NopCloser(strings.NewReader(string(body))),
		})
		assert.Equal(t, status, failure.Status)
		assert.NotContains(t, failure.Kind.String(), "kind")
		for _, text := range []string{failure.Code, failure.Message} {
			assert.LessOrEqual(t, len(text), maxText)
			assert.True(t, printable(text), "%q", text)
		}
		assert.LessOrEqual(t, len(failure.Error()), 3*maxText+100)
		assert.True(t, printable(failure.Error()), "%q", failure.Error())
	})
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
