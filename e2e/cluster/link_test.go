// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cut is what is wrong with a link.
type cut int

const (
	// whole: nothing is.
	whole cut = iota
	// refusing: connections are closed, and new ones too.
	refusing
	// silent: connections stay open, but nothing arrives over them, in neither
	// direction, nor over new ones.
	silent
)

// link is the network between a collector and kube-apiserver: it passes on what
// arrives at its address, unless it is cut.
type link struct {
	address string // host and port
	target  string
	ctx     context.Context

	mu      sync.Mutex // guards all that follows
	cut     cut
	changed chan struct{}          // closed on the next change of cut
	open    map[io.Closer]struct{} // both ends of each connection
}

// newLink returns a link to the target that lives as long as its test.
func newLink(t *testing.T, target string) *link {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{address: listener.Addr().String(), target: target, ctx: ctx, changed: make(chan struct{}), open: map[io.Closer]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { l.serve(conn) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		l.set(refusing)
		running.Wait()
	})
	return l
}

// set cuts the link, or makes it whole again.
func (l *link) set(c cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = c
	close(l.changed)
	l.changed = make(chan struct{})
	if c == refusing {
		for conn := range l.open {
			conn.Close()
		}
	}
}

// serve passes on one connection.
func (l *link) serve(near io.ReadWriteCloser) {
	defer near.Close()
	if !l.pass() {
		return
	}
	conn, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		return
	}
	var far io.ReadWriteCloser = conn
	defer far.Close()
	if !l.keep(near, far) {
		return
	}
	defer l.forget(near, far)
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near) })
	both.Go(func() { l.copy(near, far) })
	both.Wait()
}

// copy passes on one direction until either end closes.
func (l *link) copy(to, from io.ReadWriteCloser) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.pass() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the link is silent. It reports false if the link refuses
// connections.
func (l *link) pass() bool {
	for {
		l.mu.Lock()
		c, changed := l.cut, l.changed
		l.mu.Unlock()
		if c != silent {
			return c == whole
		}
		select {
		case <-changed:
		case <-l.ctx.Done():
			return false
		}
	}
}

// keep takes in a connection. It reports false if the link refuses it by now.
func (l *link) keep(ends ...io.Closer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range ends {
		l.open[end] = struct{}{}
	}
	return l.cut != refusing
}

func (l *link) forget(ends ...io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range ends {
		delete(l.open, end)
	}
}
