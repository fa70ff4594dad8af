// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Serve serves a handler on this machine until the test ends and
// returns its URL.
func Serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// FreeAddress returns a host and port of this machine on which nobody listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// Connections counts the open connections to several servers.
type Connections struct {
	notifier *Notifier
	open     atomic.Int64
}

// NewConnections returns a counter that calls n on every change.
func NewConnections(n *Notifier) *Connections { return &Connections{notifier: n} }

// Serve does what the function Serve does, and counts the connections.
func (c *Connections) Serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = c.changed
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// Open returns how many connections are open.
func (c *Connections) Open() int64 { return c.open.Load() }

func (c *Connections) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked: // the handler closes a hijacked connection
		c.open.Add(-1)
	}
	c.notifier.Notify()
}
