#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of whole populations with other seeds than the one that they have
# by default, mostly with random faults, and compares each record with what the
# simulator served. After a failure it prints the command that repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
tests='^TestPopulation'
mkdir -p build
"$go" test -c -o build/poll.test ./internal/poll
for seed in $(seq 2 $(($1 + 1))); do
  if ! build/poll.test -test.run "$tests" -seed "$seed" > build/populations.log 2>&1; then
    cat build/populations.log
    echo "population $seed: records differ from what was served; to repeat: $go test -run '$tests' ./internal/poll -seed $seed" >&2
    exit 1
  fi
  [ $((seed % 10)) -ne 1 ] || echo "populations: $((seed - 1)) of $1"
done
