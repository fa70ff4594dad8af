//go:build unix

package e2e

import (
	"net"
	"net/http"
	"sync/atomic"
)

// connections are those of all collectors to the servers of a stage.
type connections struct {
	bell *bell
	open atomic.Int64
}

// changed is what a server calls when a connection's state does.
func (c *connections) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked: // who hijacks one closes it
		c.open.Add(-1)
	}
	c.bell.ring()
}
