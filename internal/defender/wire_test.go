// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// headOf makes bytes the head of a response: only its end is an empty line.
func headOf(given string) string {
	var head strings.Builder
	for line := range strings.Lines(given) {
		if line = strings.TrimSpace(line); line != "" {
			head.WriteString(line + "\r\n")
		}
	}
	return head.String() + "\r\n"
}

// once is a transport that needs a new connection for each request.
func once(transport *http.Transport) *http.Transport {
	transport.DisableKeepAlives = true
	return transport
}

// FuzzResponse fuzzes the response of a server at the API's address. The word hush
// is the token.
func FuzzResponse(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\nContent-Type: application/json\nDate: Tue, 03 Feb 2026 04:05:06 GMT",
		"HTTP/1.1 206 Partial\nWarning: 199 - \"a\x01\u202e\"\nDate: Sat, 01 Jan 0000 00:00:00 GMT",
		"HTTP/1.1 401 hush\nWWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"hush\"\nDate: Fri, 31 Dec 9999 23:59:59 GMT",
		"HTTP/1.1 302 Found\nLocation: https://hush@elsewhere.example/%zz?hush", "HTTP/1.1 307 hush\nLocation: \x7f hush\nContent-Length: 0",
		"HTTP/1.1 429 Too Many Requests\nRetry-After: 8\nX-Ms-Retry-After-Ms: 1e9", "HTTP/1.1 407 hush\nProxy-Authenticate: hush",
		"HTTP/1.1 200 OK\nTransfer-Encoding: hush", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: hush, hush", "HTTP/1.1 200 OK\nContent-Length: hush",
		"HTTP/1.1 200 OK\nhush", "HTTP/1.1 200 OK\nhush hush: hush", "HTTP/1.1 200 OK\nX\x00: hush", "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: hush2",
		"HTTP/1.1 103 Early Hints\nLink: hush", "HTTP/1.1 101 Switching Protocols\nUpgrade: hush", "HTTP/9.9 hush", "HTTP/1.1 2hush", "hush", "",
	} {
		f.Add(head, `{"incidentId":1}`)
		f.Add(head, `{"error":{"code":"a","message":"b"}}`)
		f.Add(head, "5\r\n{\"val\r\nb\r\nue\":[null]}\r\n0\r\nx: y\r\n\r\n")
	}
	f.Fuzz(func(t *testing.T, head, body string) {
		if strings.Contains(body, "hush") { // a message of the API's own
			return
		}
		client := clientAt(t, "http://api.example", authorized("Bearer hush", once(peer(t, headOf(head)+body))))
		result := client.Get(t.Context(), 1)
		requireBounded(t, result.Err, result.Reached, result.Warning)
		assert.Equal(t, result.Err == nil, result.Snapshot != nil || result.Rest != nil)

		page := client.List(t.Context(), ListRequest{Top: 100})
		requireBounded(t, page.Err, page.Reached, page.Warning)
		assert.True(t, page.Err == nil || page.Rows == nil)
		if !page.Date.IsZero() {
			assert.GreaterOrEqual(t, page.Date.Year(), firstYear)
			assert.LessOrEqual(t, page.Date.Year(), lastYear)
		}
	})
}

// requireBounded demands that what a response led to is bounded and repeats no secret.
func requireBounded(t *testing.T, err error, reached int, warned string) {
	t.Helper()
	assert.Equal(t, 1, reached)
	assert.LessOrEqual(t, len(warned), maxWarning)
	assert.True(t, printable(warned), "%q", warned)
	if err == nil {
		return
	}
	failure, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%v", err)
	assert.NotEqual(t, NoToken, failure.Kind)
	for _, text := range []string{failure.Error(), failure.Code, failure.Message, failure.Advice} {
		assert.LessOrEqual(t, len(text), 3*maxText+100)
		assert.True(t, printable(text), "%q", text)
		assert.NotContains(t, text, "hush")
	}
	assert.True(t, failure.RetryAfter == 0 || failure.RetryAfter >= time.Second && failure.RetryAfter <= MaxWait, failure.RetryAfter)
}

// FuzzProxyResponse fuzzes the response of a proxy to CONNECT. The word hush is
// its password, and the word CREDENTIALS stands for what it was sent.
func FuzzProxyResponse(f *testing.F) {
	for name, c := range proxyFailures() {
		require.NotEmpty(f, name)
		head, rest, _ := strings.Cut(c.says, "\r\n\r\n")
		f.Add(head, rest)
	}
	f.Add("HTTP/1.1 302 CREDENTIALS\nLocation: https://hush.example/%zz", "")
	f.Add("HTTP/1.1 200 OK\nTransfer-Encoding: CREDENTIALS", "hush")
	f.Add("HTTP/1.1 200 OK\nCREDENTIALS hush", "\x16\x03\x01\x00\x05hush")
	f.Add("HTTP/1.1 200 OK", "\x15\x03\x03\x00\x02\x02\x28")
	address, err := url.Parse("http://me:hush@proxy.example:3128")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, head, body string) {
		sent := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hush"))
		proxy := once(peer(t, strings.ReplaceAll(headOf(head)+body, "CREDENTIALS", sent)))
		proxy.Proxy = http.ProxyURL(address)
		result := clientAt(t, endpoint, authorized("Bearer hush", Watch(proxy))).Get(t.Context(), 1)
		failure := failed(t, result)
		assert.Equal(t, Network, failure.Kind)
		assert.Zero(t, result.Reached)
		assert.Equal(t, adviceProxy, failure.Advice)
		assert.Contains(t, failure.Error(), "proxy proxy.example:3128")
		assert.LessOrEqual(t, len(failure.Error()), maxText+100)
		assert.True(t, printable(failure.Error()), "%q", failure.Error())
		withoutSecrets(t, failure)
	})
}
