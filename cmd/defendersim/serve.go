// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// serve listens until the context ends.
func serve(ctx context.Context, o options, sim *defendersim.Sim, stdout io.Writer) error {
	if err := o.setFaults(sim); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	scheme, certificate := "http", (*tls.Certificate)(nil)
	if o.tls {
		scheme = "https"
		if certificate, err = newCertificate(o.tlsCAFile); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	printStart(stdout, scheme+"://"+listener.Addr().String(), o, sim)
	return defendersim.Serve(ctx, listener, sim, certificate)
}

// newCertificate makes a certificate and writes it to a file, from which clients
// can trust it; empty: to none.
func newCertificate(file string) (*tls.Certificate, error) {
	certificate, inPEM, err := defendersim.NewCertificate()
	if err != nil || file == "" {
		return &certificate, err
	}
	out, err := os.Create(file) //nolint:gosec // the command line names it
	if err != nil {
		return nil, err
	}
	_, err = out.Write(inPEM)
	return &certificate, errors.Join(err, out.Close())
}

// printStart prints everything that is needed to try the simulator.
func printStart(w io.Writer, address string, o options, sim *defendersim.Sim) {
	c, curl := o.sim, "curl"
	if o.tls {
		curl += " --insecure"
	}
	if o.tlsCAFile != "" {
		curl = "curl --cacert " + o.tlsCAFile
	}
	var plain, merged []string
	for _, i := range sim.Summaries() {
		if strings.HasPrefix(i.Summary, "merged") {
			merged = append(merged, fmt.Sprint(i.ID))
		} else {
			plain = append(plain, fmt.Sprint(i.ID))
		}
	}
	fmt.Fprintf(w, `defendersim
  endpoint        %[1]s
  token url       %[1]s/%[2]s/oauth2/v2.0/token
  tenant id       %[2]s
  client id       %[3]s
  client secret   %[4]s
  scope           https://api.security.microsoft.com/.default
  graph scope     https://graph.microsoft.com/.default
  incidents       %[5]d: %[6]s
  merged          %[7]s
  unknown id      %[8]d
  changes         %[9]g per hour
  limits by ID    %[10]s per minute, %[11]s per hour
  list limits     %[12]s per minute, %[13]s per hour
  graph limits    %[14]s per minute, %[15]s per hour
  show incidents  %[16]s %[1]s/sim/incidents
  set a fault     %[16]s -X PUT '%[1]s/sim/faults?fault=503&times=3'
  end all faults  %[16]s -X DELETE %[1]s/sim/faults
`,
		address, c.TenantID, c.ClientID, c.ClientSecret,
		len(plain)+len(merged), some(plain), some(merged), sim.UnknownID(),
		c.ChangesPerHour, limit(c.PerMinute), limit(c.PerHour), limit(c.ListPerMinute), limit(c.ListPerHour), limit(c.GraphPerMinute), limit(c.GraphPerHour), curl)
}

// some shows the first few ids.
func some(ids []string) string {
	const few = 6
	switch {
	case len(ids) == 0:
		return "none"
	case len(ids) > few:
		return strings.Join(ids[:few], ", ") + ", ..."
	}
	return strings.Join(ids, ", ")
}

func limit(n int) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

// accessLog returns an observer that prints a line per request.
func accessLog(w io.Writer) func(defendersim.Request) {
	var mu sync.Mutex // guards w
	return func(r defendersim.Request) {
		mu.Lock()
		defer mu.Unlock()
		path := r.Path
		if r.Query != "" {
			path += "?" + r.Query
		}
		fmt.Fprintf(w, "%s %s %s %d %dB %s", r.Time.Format("15:04:05.000"), r.Method, path, r.Status, r.Bytes, r.Ended.Sub(r.Time).Round(time.Millisecond))
		if r.API == defendersim.APIGraph {
			fmt.Fprint(w, " api=graph")
		}
		switch r.Endpoint {
		case defendersim.EndpointList:
			fmt.Fprintf(w, " rows=%d", len(r.Rows))
		case defendersim.EndpointAlertList:
			fmt.Fprintf(w, " rows=%d", len(r.AlertRows))
		}
		if r.Fault != "" {
			fmt.Fprintf(w, " fault=%s", r.Fault)
		}
		fmt.Fprintln(w)
	}
}
