package defender

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// trace follows one call to see what really went to the API: an auth extension
// may ask its sign-in host within the same call, and the transport repeats a
// request by itself when an idle connection turns out to be gone.
//
// A request of ours is told from one for a token by its Accept-Encoding, which
// no auth extension asks for; by its host it cannot be, for both may go to one.
type trace struct {
	hostPort string // the API's, as connections name it

	mu      sync.Mutex // hooks run on the transport's goroutines
	last    string     // host and port a connection was last sought to
	got     bool       // there was such a connection
	written bool       // a request was written to it
	sent    int        // requests of ours that were written
}

func newTrace(endpoint *url.URL) *trace {
	port := endpoint.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[endpoint.Scheme]
	}
	return &trace{hostPort: net.JoinHostPort(endpoint.Hostname(), port)}
}

func (t *trace) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.last, t.got, t.written = hostPort, false, false
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
	})
}

// reached is how many requests reached the API, or may have: a call that is
// given up returns while the transport may just be writing its request.
func (t *trace) reached() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == 0 && t.last == t.hostPort && t.got && !t.written {
		return 1
	}
	return t.sent
}

// soughtAPI says that the call had its token and was on the way to the API: a
// request of ours was written, or the connection for it failed. Where a token
// comes from the API's own host and port, a connection that fails is taken for
// the API's.
func (t *trace) soughtAPI() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent > 0 || t.last == t.hostPort && !t.written
}

// lastSought is the host and port a connection was last sought to; empty when
// there was none.
func (t *trace) lastSought() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
