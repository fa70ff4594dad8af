package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

const defaultLifetime = time.Hour

const usage = `defendersim plays the Microsoft Defender XDR incident API: a token endpoint and
GET /api/incidents/{id} over a population of invented incidents that changes as
time goes by, with the API's limits and with faults on demand.

Usage:
  defendersim [flags]

Examples:
  defendersim --demo --log
  defendersim --incidents 10000 --changes-per-hour 600 --seed 7
  defendersim --fault 500 --fault-probability 0.1
  defendersim --incidents 500 --list-ids 500 > incidents.txt
`

func printHelp(w io.Writer) {
	fmt.Fprint(w, usage)
	o := defaults()
	fs, groups := flagSet(&o)
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, name := range g.names {
			printFlag(w, fs.Lookup(name))
		}
	}
	fmt.Fprint(w, "\nFaults, as in --fault slow=3s:\n")
	for _, k := range defendersim.FaultKinds() {
		name := k.Name
		if k.Argument != "" {
			name += "=" + k.Argument
		}
		fmt.Fprintf(w, "  %-26s %s\n", name, k.Meaning)
	}
}

func printFlag(w io.Writer, f *flag.Flag) {
	kind, text := flag.UnquoteUsage(f)
	fmt.Fprintf(w, "  %-26s %s", "--"+f.Name+" "+kind, text)
	if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" {
		fmt.Fprintf(w, " (default %s)", f.DefValue)
	}
	fmt.Fprintln(w)
}
