#!/usr/bin/env bash
# Has the receiver tell so many other populations of the simulator than the one that
# the tests always take, most of them amid random faults, and holds each record
# against what was served. It shows how to see a failure again.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
tests='Lively|RandomFaults'
mkdir -p build
"$go" test -c -o build/receiver.test .
for seed in $(seq 2 $(($1 + 1))); do
  if ! build/receiver.test -test.run "$tests" -seed "$seed" > build/populations.log 2>&1; then
    cat build/populations.log
    echo "population $seed: not as it was served; again: $go test -run '$tests' . -seed $seed" >&2
    exit 1
  fi
  [ $((seed % 10)) -ne 1 ] || echo "populations: $((seed - 1)) of $1"
done
