#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for the given time or number of runs (10s, 20000x),
# one after another. A time may fail by itself with "context deadline exceeded"
# (golang/go#75804), so what has to pass counts runs.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
for package in $("$go" list ./...); do
  for target in $("$go" test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz: $package $target"
    "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x "$package"
  done
done
