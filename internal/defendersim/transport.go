// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// RoundTripper returns a transport that passes requests to the simulator
// without a socket, for any host. Each request is served in a goroutine of
// its own, which ends once its response's body is read to the end or
// closed, or the request's context ends. Like http.Transport it calls the
// hooks of net/http/httptrace; unlike it, it adds no Accept-Encoding and
// undoes no compression.
func (s *Sim) RoundTripper() http.RoundTripper { return transport{s} }

type transport struct {
	handler http.Handler
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		closeBody(r)
		return nil, err
	}
	trace(ctx, r)
	pipe := newPipe()
	stop := context.AfterFunc(ctx, func() { pipe.breakOff(context.Cause(ctx)) })
	go func() {
		defer stop()
		defer closeBody(r)
		pipe.finish(reason(ctx, serve(t.handler, pipe, incoming(r))))
	}()
	return pipe.response(r)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// trace calls the request's hooks as for a connection.
func trace(ctx context.Context, r *http.Request) {
	t := httptrace.ContextClientTrace(ctx)
	if t == nil {
		return
	}
	if t.GetConn != nil {
		t.GetConn(hostPort(r))
	}
	if t.GotConn != nil {
		t.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	if t.WroteHeaderField != nil {
		wroteHeaderFields(t, r)
	}
	if t.WroteHeaders != nil {
		t.WroteHeaders()
	}
	if t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

// wroteHeaderFields reports the request's fields, in the order in which
// HTTP/1 writes them.
func wroteHeaderFields(t *httptrace.ClientTrace, r *http.Request) {
	t.WroteHeaderField("Host", []string{cmp.Or(r.Host, r.URL.Host)})
	if agent := r.UserAgent(); agent != "" {
		t.WroteHeaderField("User-Agent", []string{agent})
	}
	if r.ContentLength > 0 {
		t.WroteHeaderField("Content-Length", []string{strconv.FormatInt(r.ContentLength, 10)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch name {
		case "Host", "User-Agent", "Content-Length": // not taken from the header
		default:
			t.WroteHeaderField(name, slices.Clone(r.Header[name]))
		}
	}
}

func hostPort(r *http.Request) string {
	port := r.URL.Port()
	switch {
	case port != "":
	case r.URL.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return net.JoinHostPort(r.URL.Hostname(), port)
}

// incoming is the request as a server sees it.
func incoming(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// serve runs the handler; aborting it resets the connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		default:
			panic(cause)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// reason is why a response was broken off. If a handler gave up after the
// context ended, the context is the reason.
func reason(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pipe carries a response from the handler to the client.
type pipe struct {
	body   *io.PipeReader
	feed   *io.PipeWriter
	header http.Header // the handler's, until it is sent
	left   int64       // bytes left of Content-Length; the handler's

	// promised: there was a Content-Length, complete: all its bytes were
	// written; the handler's.
	promised, complete bool

	once   sync.Once
	ready  chan struct{} // closed once the fields below may be read
	status int
	sent   http.Header
	length int64 // -1: unknown
	err    error // instead of a response
}

func newPipe() *pipe {
	body, feed := io.Pipe()
	return &pipe{body: body, feed: feed, header: make(http.Header), ready: make(chan struct{})}
}

func (p *pipe) Header() http.Header { return p.header }

func (p *pipe) WriteHeader(status int) {
	p.once.Do(func() {
		p.status, p.sent, p.length = status, p.header.Clone(), -1
		if length, err := strconv.ParseInt(p.sent.Get("Content-Length"), 10, 64); err == nil {
			p.length, p.left, p.promised = length, length, true
		}
		close(p.ready)
	})
}

func (p *pipe) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	n, err := p.feed.Write(b)
	p.left -= int64(n)
	p.complete = p.promised && p.left == 0
	return n, err
}

// finish ends the response once the handler is done. A body shorter than its
// Content-Length ends unexpectedly, as on a connection.
func (p *pipe) finish(err error) {
	switch {
	case err != nil && p.complete:
		err = nil // nobody reads on to learn that the connection has ended
	case err == nil:
		p.WriteHeader(http.StatusOK)
		if p.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	p.breakOff(err)
}

// breakOff makes the response, or the rest of its body, an error; nil is the
// body's regular end.
func (p *pipe) breakOff(cause error) {
	p.once.Do(func() {
		p.err = cause
		close(p.ready)
	})
	_ = p.feed.CloseWithError(cause)
}

// response waits for the headers.
func (p *pipe) response(r *http.Request) (*http.Response, error) {
	<-p.ready
	if p.err != nil {
		return nil, p.err
	}
	return &http.Response{
		Status:        strconv.Itoa(p.status) + " " + http.StatusText(p.status),
		StatusCode:    p.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        p.sent,
		Body:          p.body,
		ContentLength: p.length,
		Request:       r,
	}, nil
}
