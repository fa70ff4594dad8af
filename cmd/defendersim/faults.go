package main

import (
	"flag"
	"fmt"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// faultOptions is a fault that the command line sets.
type faultOptions struct {
	name        string // empty: none
	probability float64
	onSkip      bool // of List alone
}

// define makes the flags for a fault that strikes the given requests.
func (f *faultOptions) define(fs *flag.FlagSet, name, strikes string) {
	fs.StringVar(&f.name, name, "", "`fault` that strikes "+strikes+", see below")
	fs.Float64Var(&f.probability, name+"-probability", 0, "probability of that fault, 0 to 1; 0: always")
}

// rule reads the fault of the flag with the given name; the zero rule is none.
func (f *faultOptions) rule(flagName string) (defendersim.Rule, error) {
	if f.name == "" {
		switch {
		case f.probability != 0:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-probability needs --%[1]s", flagName)
		case f.onSkip:
			return defendersim.Rule{}, fmt.Errorf("--%[1]s-on-skip needs --%[1]s", flagName)
		}
		return defendersim.Rule{}, nil
	}
	fault, err := defendersim.ParseFault(f.name)
	if err != nil {
		return defendersim.Rule{}, fmt.Errorf("--%s: %w", flagName, err)
	}
	if fault.ListOnly() && flagName != "list-fault" {
		return defendersim.Rule{}, fmt.Errorf("--%s: %s is a fault of List: use --list-fault", flagName, f.name)
	}
	if !(f.probability >= 0 && f.probability <= 1) {
		return defendersim.Rule{}, fmt.Errorf("--%s-probability: %v is not between 0 and 1", flagName, f.probability)
	}
	return defendersim.Rule{Fault: fault, Probability: f.probability, OnSkip: f.onSkip}, nil
}

// setFaults sets what the command line asks for.
func (o options) setFaults(sim *defendersim.Sim) error {
	for _, f := range []struct {
		options faultOptions
		flag    string
		where   int64
	}{
		{o.fault, "fault", defendersim.AllIncidents},
		{o.listFault, "list-fault", defendersim.ListRequests},
		{o.alertsFault, "alerts-fault", defendersim.AlertRequests},
	} {
		rule, err := f.options.rule(f.flag)
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
