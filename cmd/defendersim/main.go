// SPDX-License-Identifier: Apache-2.0

// Command defendersim runs the simulator of the incident APIs of Microsoft
// Defender XDR and Microsoft Graph on a local port. See docs/simulator.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 2 for a command line that cannot be followed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(stdout)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "defendersim: %v\nTry defendersim --help.\n", err)
		return 2
	}
	if o.log {
		o.sim.Observe = accessLog(stdout)
	}
	sim, err := defendersim.New(o.sim)
	if err != nil {
		fmt.Fprintf(stderr, "defendersim: %v\n", err)
		return 2
	}
	if o.listIDs > 0 {
		listIDs(stdout, sim, o.listIDs)
		return 0
	}
	if err := serve(ctx, o, sim, stdout); err != nil {
		fmt.Fprintf(stderr, "defendersim: %v\n", err)
		return 1
	}
	return 0
}

// listIDs prints the first ids of the population, one a line.
func listIDs(w io.Writer, sim *defendersim.Sim, count int) {
	ids := sim.IDs()
	for _, id := range ids[:min(count, len(ids))] {
		fmt.Fprintln(w, id)
	}
}
