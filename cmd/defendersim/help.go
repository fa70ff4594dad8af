// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

const defaultLifetime = time.Hour

const usage = `defendersim simulates the incident APIs of Microsoft Defender XDR and Microsoft
Graph. Both have the same address and the same invented incidents, which change over
time. It enforces the APIs' rate limits and injects faults on demand. It serves:

  a token endpoint for both APIs
  Defender XDR: GET /api/incidents and /api/incidents/{id}
  Graph:        GET /v1.0/security/incidents, /v1.0/security/incidents/{id},
                /v1.0/security/incidents/{id}/alerts, /v1.0/security/alerts_v2

Usage:
  defendersim [flags]

Examples:
  defendersim --demo --log
  defendersim --incidents 10000 --changes-per-hour 600 --seed 7
  defendersim --incidents 1000 --changes-per-hour 200 --bursty --new-per-hour 5
  defendersim --fault 500 --fault-probability 0.1
  defendersim --list-fault 503 --list-fault-on-skip
  defendersim --list-fault 429-retry-after=90s --list-fault-every 1h
  defendersim --alerts-page 20 --alerts-fault link-stuck
  defendersim --list-delay 20s --alert-list-fault 503 --alert-list-fault-times 10
  defendersim --tls --tls-ca-file ca.pem --fault silent --fault-probability 0.05
  defendersim --token-fault AADSTS7000222 --token-fault-times 3
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
	for _, g := range defendersim.FaultGroups() {
		fmt.Fprintf(w, "\n%s:\n", g.Title)
		printFaults(w, g.Kinds)
	}
}

func printFaults(w io.Writer, kinds []defendersim.FaultKind) {
	for _, k := range kinds {
		name := k.Name
		if k.Argument != "" {
			name += "=" + k.Argument
		}
		fmt.Fprintf(w, "  %-33s %s\n", name, k.Meaning)
	}
}

func printFlag(w io.Writer, f *flag.Flag) {
	kind, text := flag.UnquoteUsage(f)
	fmt.Fprintf(w, "  %-36s %s", "--"+f.Name+" "+kind, text)
	if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" {
		fmt.Fprintf(w, " (default %s)", f.DefValue)
	}
	fmt.Fprintln(w)
}
