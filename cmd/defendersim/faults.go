// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// faultOptions is a fault that the command line sets.
type faultOptions struct {
	name        string // empty: none
	probability float64
	times       int
	every       time.Duration
	onSkip      bool // of lists alone
}

// define makes the flags for a fault of the given requests.
func (f *faultOptions) define(fs *flag.FlagSet, name, strikes string) {
	fs.StringVar(&f.name, name, "", "`fault` in "+strikes+"; all faults are listed below")
	fs.Float64Var(&f.probability, name+"-probability", 0, "probability of the fault, 0 to 1; 0: always")
	fs.DurationVar(&f.every, name+"-every", 0, "time without the fault at the start and after each time it occurred; 0: none")
	fs.IntVar(&f.times, name+"-times", 0, "number of requests with the fault before it ends; 0: it does not end")
}

// rule reads the fault of the flag with the given name, for requests as in
// SetFault; the zero rule is none.
func (f *faultOptions) rule(flagName string, where int64) (defendersim.Rule, error) {
	if f.name == "" {
		switch {
		case f.probability != 0:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-probability needs --%[1]s", flagName)
		case f.times != 0:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-times needs --%[1]s", flagName)
		case f.every != 0:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-every needs --%[1]s", flagName)
		case f.onSkip:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-on-skip needs --%[1]s", flagName)
		}
		return defendersim.Rule{}, nil
	}
	fault, err := defendersim.ParseFault(f.name)
	if err != nil {
		return defendersim.Rule{}, fmt.Errorf("--%s: %w", flagName, err)
	}
	if err := fault.Fits(where); err != nil {
		return defendersim.Rule{}, fmt.Errorf("--%s: %w", flagName, err)
	}
	if !(f.probability >= 0 && f.probability <= 1) {
		return defendersim.Rule{}, fmt.Errorf("--%s-probability: %v is not between 0 and 1", flagName, f.probability)
	}
	if f.times < 0 {
		return defendersim.Rule{}, fmt.Errorf("--%s-times: %d is negative", flagName, f.times)
	}
	if f.every < 0 {
		return defendersim.Rule{}, fmt.Errorf("--%s-every: %v is negative", flagName, f.every)
	}
	return defendersim.Rule{Fault: fault, Probability: f.probability, Times: f.times, Every: f.every, OnSkip: f.onSkip}, nil
}

// flagFault is a fault option with its flag and the requests that it is for.
type flagFault struct {
	options faultOptions
	flag    string
	where   int64
}

func (o options) faults() []flagFault {
	return []flagFault{
		{o.fault, "fault", defendersim.AllIncidents},
		{o.listFault, "list-fault", defendersim.ListRequests},
		{o.alertsFault, "alerts-fault", defendersim.AlertRequests},
		{o.alertListFault, "alert-list-fault", defendersim.AlertListRequests},
		{o.tokenFault, "token-fault", defendersim.TokenRequests},
	}
}

// setFaults sets what the command line asks for.
func (o options) setFaults(sim *defendersim.Sim) error {
	for _, f := range o.faults() {
		rule, err := f.options.rule(f.flag, f.where)
		if err != nil {
			return err
		}
		if f.options.name == "" {
			continue
		}
		if err := sim.SetFault(f.where, rule); err != nil {
			return err
		}
	}
	return nil
}
