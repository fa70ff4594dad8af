// SPDX-License-Identifier: Apache-2.0

// Command release writes what goes out with a binary of the collector: the
// licenses of the modules in it, archives, SBOMs and checksums. `make third-party`
// and `make release` run it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

const usage = `usage:
  release licenses -sources DIR -o FILE
      Writes the licenses of all modules that are linked into the collector on any
      target. DIR has the collector's main package, as ocb generates it; -sources
      can be repeated, for further distributions. Fails if a license is not on the
      list of allowed ones.

  release package -sources DIR -version VERSION -time SECONDS -o DIR -add FILE BINARY...
      Writes an archive and an SPDX SBOM of each binary, and SHA256SUMS. -add puts a
      further file into each archive; it can be repeated. All times in what it
      writes are SECONDS after 1970.
`

// errUsage says that the arguments are not as the usage has them.
var errUsage = errors.New("wrong arguments")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	var sources, further []string
	flags.Func("sources", "directory of a collector's main package", func(path string) error {
		sources = append(sources, path)
		return nil
	})
	output := flags.String("o", "", "file or directory to write")
	version := flags.String("version", "", "version of the collector")
	seconds := flags.Int64("time", -1, "seconds after 1970")
	flags.Func("add", "a further file for each archive", func(path string) error {
		further = append(further, path)
		return nil
	})
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if len(sources) == 0 || *output == "" {
		return errUsage
	}
	switch args[0] {
	case "licenses":
		return writeLicenses(ctx, sources, *output)
	case "package":
		if *version == "" || *seconds < 0 || flags.NArg() == 0 {
			return errUsage
		}
		modules, err := linkedModules(ctx, sources)
		if err != nil {
			return err
		}
		r := release{version: *version, time: time.Unix(*seconds, 0).UTC(), dir: *output, further: further, modules: modules}
		return r.write(flags.Args())
	default:
		return errUsage
	}
}
