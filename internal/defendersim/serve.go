// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// Serve serves a simulator, or a handler in front of one, on a listener
// until the context ends. It then gives requests under way a moment to
// finish. With a certificate it serves HTTP/2 and HTTP/1.1 over TLS; nil:
// HTTP/1.1 without TLS.
//
// Faults of connections need Serve: with other servers, silent only hangs and
// goaway ends only the stream.
func Serve(ctx context.Context, l net.Listener, h http.Handler, certificate *tls.Certificate) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		// Requests end with the context, so a hanging one does not delay the end.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withConnection,
		Protocols:   new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	plain := listener{Listener: l}
	if certificate != nil {
		// The listener removes TLS, so to the server HTTP/2 is unencrypted.
		server.Protocols.SetUnencryptedHTTP2(true)
		plain.tls = &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(plain) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
