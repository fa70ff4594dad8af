// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// trace follows one call to find out what was really sent to the API: an auth
// extension may request a token within the same call, and the transport repeats
// a request by itself if an idle connection turns out to be closed.
//
// A request of ours is recognized by its Accept-Encoding, which no auth
// extension sends, and not by its host, because both may go to the same one.
type trace struct {
	hostPort string // the API's, as connections spell it

	mu      sync.Mutex // hooks run on the transport's goroutines
	signed  bool       // the request has its token, and is in the transport to the API
	last    string     // host and port of the last connection attempt: a proxy's, if there is one
	got     bool       // that attempt succeeded
	written bool       // a request was written to it
	sent    int        // requests of ours that were written
	giveUp  func()     // ends the call
}

// maxSent is how many requests a call may cost. The transport repeats a request
// once for each idle connection that turns out to be closed, but without end if
// a server answers each one with GOAWAY and has processed none.
const maxSent = 5

func newTrace(endpoint *url.URL) *trace {
	port := endpoint.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[endpoint.Scheme]
	}
	return &trace{hostPort: net.JoinHostPort(endpoint.Hostname(), port)}
}

// traceKey is the key of a call's trace in its context.
type traceKey struct{}

// attach traces what is done in the context, until the call ends.
func (t *trace) attach(ctx context.Context) (followed context.Context, end func()) {
	ctx, t.giveUp = context.WithCancel(context.WithValue(ctx, traceKey{}, t))
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.last, t.got, t.written = hostPort, false, false
			if t.sent >= maxSent {
				t.giveUp()
			}
		},
		GotConn: func(httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.got = true
		},
		WroteHeaderField: func(key string, value []string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.written = true
			if strings.EqualFold(key, "Accept-Encoding") && len(value) == 1 && value[0] == acceptEncoding {
				t.sent++
			}
		},
	}), t.giveUp
}

// sign notes that the auth extension has passed the request on, with its token:
// from here on, it is on the way to the API.
func (t *trace) sign() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signed = true
	t.last, t.got, t.written = "", false, false
}

// reached is how many requests reached the API, or may have: a canceled call
// returns while the transport may still be writing its request.
func (t *trace) reached() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == 0 && (t.signed || t.last == t.hostPort) && t.got && !t.written {
		return 1
	}
	return t.sent
}

// soughtAPI reports whether the call had its token and was on the way to the
// API: it was signed, a request of ours was written, or the connection for it
// failed. Unless Watch knows better, a failed connection to the API's own host
// and port counts as one for the API, though the token may come from there too.
func (t *trace) soughtAPI() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signed || t.sent > 0 || t.last == t.hostPort && !t.written
}

// unconnected is the host and port of the last connection attempt if that
// failed; empty if it succeeded, or if there was none.
func (t *trace) unconnected() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got {
		return ""
	}
	return t.last
}

// lastSought is the host and port of the last connection attempt; empty if
// there was none.
func (t *trace) lastSought() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
