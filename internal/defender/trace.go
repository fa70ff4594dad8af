package defender

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync"
)

// trace follows one call to see what really reached the API's host: an auth
// extension may ask its sign-in host within the same call, and the transport
// repeats a request by itself when an idle connection turns out to be gone.
type trace struct {
	host     string // the API's, as requests name it
	hostPort string // the API's, as connections do

	mu   sync.Mutex // hooks run on the transport's goroutines
	last string     // host and port a connection was last sought to
	sent int        // requests whose head was written to the API's host
}

func newTrace(endpoint *url.URL) *trace {
	port := endpoint.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[endpoint.Scheme]
	}
	return &trace{host: endpoint.Host, hostPort: net.JoinHostPort(endpoint.Hostname(), port)}
}

func (t *trace) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.last = hostPort
		},
		// HTTP/1 writes the host as Host, HTTP/2 as :authority.
		WroteHeaderField: func(key string, value []string) {
			if key != "Host" && key != ":authority" || len(value) != 1 || value[0] != t.host {
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.sent++
		},
	})
}

// reached is how many requests reached the API's host, or may have.
func (t *trace) reached() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent
}

// soughtAPI says that the call got as far as the API's host: it had a token.
func (t *trace) soughtAPI() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent > 0 || t.last == t.hostPort
}

// lastSought is the host and port a connection was last sought to; empty when
// there was none.
func (t *trace) lastSought() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
