package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// serve listens until the context ends, then gives requests under way a moment
// to finish.
func serve(ctx context.Context, o options, sim *defendersim.Sim, stdout io.Writer) error {
	if err := o.setFaults(sim); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	printStart(stdout, "http://"+listener.Addr().String(), o.sim, sim)

	server := &http.Server{
		Handler:           sim,
		ReadHeaderTimeout: 10 * time.Second,
		// Requests end with the context, so a hanging one does not hold up the end.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// printStart says everything that is needed to try the simulator out.
func printStart(w io.Writer, address string, c defendersim.Config, sim *defendersim.Sim) {
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
  merged away     %[7]s
  unknown id      %[8]d
  changes         %[9]g per hour
  limits          %[10]s per minute, %[11]s per hour
  limits of List  %[12]s per minute, %[13]s per hour
  graph limits    %[14]s per minute, %[15]s per hour
  look            curl %[1]s/sim/incidents
  break           curl -X PUT '%[1]s/sim/faults?fault=503&times=3'
  mend            curl -X DELETE %[1]s/sim/faults
`,
		address, c.TenantID, c.ClientID, c.ClientSecret,
		len(plain)+len(merged), some(plain), some(merged), sim.UnknownID(),
		c.ChangesPerHour, limit(c.PerMinute), limit(c.PerHour), limit(c.ListPerMinute), limit(c.ListPerHour), limit(c.GraphPerMinute), limit(c.GraphPerHour))
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
		return "any number"
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
		if r.Endpoint == defendersim.EndpointList {
			fmt.Fprintf(w, " rows=%d", len(r.Rows))
		}
		if r.Fault != "" {
			fmt.Fprintf(w, " fault=%s", r.Fault)
		}
		fmt.Fprintln(w)
	}
}
