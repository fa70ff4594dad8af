#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Loki from its Go module into the file that is given, and says every ten
# seconds how far that is. What was compiled once is not compiled again.
set -euo pipefail
target=$(realpath -m "$1")
cd "$(dirname "$0")"
go=${GO:-go}
log=$target.log
mkdir -p "$(dirname "$target")"

echo "Building Loki into $1. The first time that takes 5 to 10 minutes ..."
: >"$log"
# -v names each package when it is compiled. Loki needs no C.
CGO_ENABLED=0 "$go" build -v -trimpath -ldflags='-s -w' -o "$target.part" github.com/grafana/loki/v3/cmd/loki 2>>"$log" &
build=$!
trap 'kill "$build" 2>/dev/null || true' EXIT
all=
while kill -0 "$build" 2>/dev/null; do
  for _ in $(seq 10); do
    sleep 1
    kill -0 "$build" 2>/dev/null || break
  done
  [ -n "$all" ] || all=$("$go" list -deps github.com/grafana/loki/v3/cmd/loki 2>/dev/null | wc -l)
  printf '  %d:%02d  %d of at most %d packages compiled\n' $((SECONDS / 60)) $((SECONDS % 60)) "$(grep -cv '^go: ' "$log" || true)" "$all"
done
if ! wait "$build"; then
  tail -n 40 "$log" >&2
  echo "building Loki failed; see $log" >&2
  exit 1
fi
mv "$target.part" "$target"
echo "Built Loki: $(du -m "$target" | cut -f1) MB, $((SECONDS / 60)) min $((SECONDS % 60)) s"
