#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for the given time or number of runs (10s, 20000x), as
# many of them at a time as there are processors. A time may fail by itself with
# "context deadline exceeded" (golang/go#75804), so what has to pass counts runs.
set -euo pipefail
cd "$(dirname "$0")/.."
export GO=${GO:-go} FUZZTIME=$1 BUILD=$PWD/build/fuzz
CACHE=$("$GO" env GOCACHE)/fuzz
export CACHE

# fuzz PACKAGE DIRECTORY TARGET: runs one target where go test would.
fuzz() {
  local name=${1//\//.} log
  log=$BUILD/$name.$3.log
  mkdir -p "$CACHE/$1"
  if (cd "$2" && "$BUILD/$name.test" -test.run '^$' -test.fuzz "^$3\$" -test.fuzztime "$FUZZTIME" -test.fuzzminimizetime 10x \
    -test.fuzzcachedir "$CACHE/$1" -test.parallel 1 -test.paniconexit0) > "$log" 2>&1; then
    echo "fuzz: $1 $3: $(grep '^fuzz: elapsed' "$log" | tail -n 1 | cut -d ' ' -f 2-)"
  else
    cat "$log"
    echo "fuzz: $1 $3 failed" >&2
    return 1
  fi
}
export -f fuzz

mkdir -p "$BUILD"
"$GO" list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r package dir; do
  grep -q '^func Fuzz' "$dir"/*_test.go 2>/dev/null || continue
  binary=$BUILD/${package//\//.}.test
  "$GO" test -c -fuzz . -o "$binary" "$package" >&2
  (cd "$dir" && "$binary" -test.list '^Fuzz') | sed "s|^|$package .${dir#"$PWD"} |"
done > "$BUILD/targets"
xargs -n 3 -P "$(getconf _NPROCESSORS_ONLN)" bash -c 'fuzz "$@"' fuzz < "$BUILD/targets"
