// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endless is a server that sends a beginning and then the same text until the
// other side hangs up. It returns its address.
func endless(t *testing.T, beginning, again string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = connection.Close() }()
		_, err = http.ReadRequest(bufio.NewReader(connection))
		for say := beginning; err == nil; say = again {
			_, err = io.WriteString(connection, say)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-over })
	return "http://" + listener.Addr().String()
}

// The collector has no setting for the size of a header; Go's own bound is 10
// MiB for all heads of a response together.
func TestEndlessHeaderIsRefusedAtTheLimitOfGo(t *testing.T) {
	hush := strings.Repeat("hush", 4<<10)
	for name, c := range map[string]struct{ beginning, again, want string }{
		"many fields": {
			"HTTP/1.1 200 OK\r\n", "X-Hush: " + hush + "\r\n", "server response headers exceeded 10485760 bytes",
		},
		"one field": {
			"HTTP/1.1 200 OK\r\nX-Hush: ", hush, "server response headers exceeded 10485760 bytes",
		},
		"no end of the status": {
			"HTTP/1.1 200 ", hush, "server response headers exceeded 10485760 bytes",
		},
		"one informational response after the other": {
			"", "HTTP/1.1 103 Early Hints\r\nX-Hush: " + hush + "\r\n\r\n", "server response headers exceeded 10485760 bytes",
		},
		"small informational responses": {
			"", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000), "server response headers exceeded 10485760 bytes",
		},
		"a trailer": {
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X-Hush: " + hush + "\r\n", "suspiciously long trailer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			result := clientAt(t, endless(t, c.beginning, c.again), transport).Get(t.Context(), 1)
			failure := failed(t, result)
			assert.Equal(t, Network, failure.Kind)
			assert.ErrorContains(t, failure, c.want)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, 1, result.Reached)
		})
	}
}

// Here with a tenth of Go's bound, for encoding headers takes its time.
func TestEndlessHeaderIsRefusedOverHTTP2(t *testing.T) {
	hush := strings.Repeat("hush", 32<<10)
	for name, handler := range map[string]http.HandlerFunc{
		"many fields": func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				w.Header().Add("X-Hush", hush)
			}
		},
		"one informational response after the other": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Hush", hush)
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(handler)
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			transport := server.Client().Transport.(*http.Transport)
			transport.MaxResponseHeaderBytes = 1 << 20
			result := clientAt(t, server.URL, transport).Get(t.Context(), 1)
			failure := failed(t, result)
			assert.Equal(t, Network, failure.Kind)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, 1, result.Reached)
		})
	}
}

// peerResponse is the response of a peer that sends the text.
func peerResponse(t *testing.T, says string) Result {
	t.Helper()
	return clientAt(t, "http://api.example", peer(t, says)).Get(t.Context(), 1)
}

func TestFalseContentLengthIsNotTrusted(t *testing.T) {
	const head, body = "HTTP/1.1 200 OK\r\nContent-Length: ", "\r\n\r\n" + `{"incidentId":1}`
	for length, c := range map[string]struct {
		kind  Kind
		cause error
	}{
		"17":                       {Network, io.ErrUnexpectedEOF},
		"1000000000000":            {Network, io.ErrUnexpectedEOF},
		"9223372036854775807":      {Network, io.ErrUnexpectedEOF},
		"15":                       {Malformed, io.ErrUnexpectedEOF},
		"0":                        {Malformed, nil},
		"-16":                      {Network, nil},
		"9223372036854775808":      {Network, nil},
		"16\r\nContent-Length: 15": {Network, nil},
	} {
		failure := failed(t, peerResponse(t, head+length+body))
		assert.Equal(t, c.kind, failure.Kind, "%s: %v", length, failure)
		if c.cause != nil {
			assert.ErrorIs(t, failure, c.cause, length)
		}
	}
	assert.NoError(t, peerResponse(t, head+"16"+body).Err)
}

// allocated is how many bytes f takes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDecompressionBombTakesNoMoreMemoryThanTheLimit(t *testing.T) {
	const size, limit = 4 << 20, 64 << 10
	for _, coding := range codings[2:] {
		transport := bringing(200, coding.header, &watched{Reader: strings.NewReader(encoded(coding.form, strings.Repeat(" ", size)))})
		client := limited(t, transport, limit)
		var result Result
		taken := allocated(func() { result = client.Get(t.Context(), 1) })
		assert.Equal(t, Oversize, failed(t, result).Kind, coding)
		assert.Less(t, taken, uint64(16*limit), "%v: the buffer doubles as it grows", coding)
	}
}

func TestManySmallValuesTakeLittleMemory(t *testing.T) {
	const n, limit = 1 << 16, 400 // bytes an element, with what all buffers leave behind as they grow
	for _, value := range []string{`{}`, `[]`, `0`, `"x"`, `{"a":0}`, `[0]`} {
		body := []byte(`{"incidentId":1,"it":[` + strings.Repeat(value+",", n) + `0]}`)
		taken := allocated(func() {
			_, err := decodeAs(xdr(), 1, body)
			assert.NoError(t, err)
		})
		assert.Less(t, taken, uint64(n*limit), value)
	}
}

func TestEndlessBodyIsReadOnlyToTheLimit(t *testing.T) {
	for name, beginning := range map[string]string{
		"until it hangs up": "HTTP/1.1 200 OK\r\n\r\n",
		"in chunks":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		transport := &http.Transport{}
		result := clientAt(t, endless(t, beginning, "400\r\n"+strings.Repeat("hush", 256)+"\r\n"), transport).Get(t.Context(), 1)
		failure := failed(t, result)
		assert.Equal(t, Oversize, failure.Kind, name)
		assert.ErrorContains(t, failure, "max_response_body_size")
		transport.CloseIdleConnections()
	}
}
