// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// listener accepts connections that faults can end. With a TLS configuration
// they are encrypted.
type listener struct {
	net.Listener
	tls *tls.Config
}

func (l listener) Accept() (net.Conn, error) {
	socket, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: socket, socket: socket}
	if l.tls != nil {
		c.Conn, c.encrypted = tls.Server(socket, l.tls), true // the first read does the handshake
	}
	return c, nil
}

// connection is a client's connection. It sees what the server writes before
// it is encrypted.
type connection struct {
	net.Conn
	socket    net.Conn // below TLS
	encrypted bool

	lost atomic.Bool // nothing is read from it any more, and nothing written to it

	mu      sync.Mutex // guards all that follows, and writing
	frames  frames     // of HTTP/2, as written so far
	leaving bool       // a GOAWAY follows the current frame
}

type connectionKey struct{}

// withConnection is http.Server.ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// connectionOf returns the connection of a request. Nil: there is none, or
// another listener accepted it.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// Read discards what the client sends over a lost connection, until the
// client closes it.
func (c *connection) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.lost.Load() {
			return n, err
		}
	}
}

// Write discards what the server sends over a lost connection.
func (c *connection) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost.Load() {
		return len(p), nil
	}
	if !c.leaving {
		c.frames.add(p)
		return c.Conn.Write(p)
	}
	if n, err := c.Conn.Write(p[:c.frames.end(p)]); err != nil {
		return n, err
	}
	if c.frames.complete() {
		c.leave()
	}
	return len(p), nil
}

// silence loses the connection without notifying the client.
func (c *connection) silence() { c.lost.Store(true) }

// goAway ends an HTTP/2 connection with a GOAWAY instead of what the server
// would write next.
func (c *connection) goAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	if c.frames.complete() {
		c.leave()
	}
}

// leave sends the GOAWAY. It says that no stream was processed, without an
// error. The caller holds the mutex.
func (c *connection) leave() {
	if c.lost.Swap(true) {
		return
	}
	const length, kind = 8, 7 // RFC 9113, section 6.8
	_, _ = c.Conn.Write([]byte{0, 0, length, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	// Closing it for reading, too, could make the client lose the GOAWAY.
	for _, half := range []net.Conn{c.Conn, c.socket} {
		if half, ok := half.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
}

// reset closes the connection with an RST.
func (c *connection) reset() { abort(c.socket) }

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // otherwise the connection would be closed normally
	}
	_ = conn.Close()
}

// frames finds the ends of HTTP/2 frames in what is written (RFC
// 9113, section 4.1).
type frames struct {
	head    [9]byte
	written int // bytes of the current frame; 0: the last one is complete
}

func (f *frames) complete() bool { return f.written == 0 }

func (f *frames) add(p []byte) {
	for len(p) > 0 {
		p = p[f.end(p):]
	}
}

// end adds to the current frame, and returns how much of p belongs to it.
func (f *frames) end(p []byte) (n int) {
	if f.written < len(f.head) {
		n = copy(f.head[f.written:], p)
		f.written += n
	}
	if f.written < len(f.head) {
		return n
	}
	size := len(f.head) + int(f.head[0])<<16 + int(f.head[1])<<8 + int(f.head[2])
	payload := min(size-f.written, len(p)-n)
	if f.written += payload; f.written == size {
		f.written = 0
	}
	return n + payload
}
