#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the collector of the manifest in README.md as it is printed there, with
# this checkout as the clone, and looks for the components in it.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
checkout=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk '/^```yaml$/ {block = ""; inside = 1; next}
     /^```$/ {if (inside && block ~ /\ndist:/) printf "%s", block; inside = 0}
     inside {block = block "\n" $0}' README.md >"$work/manifest.yaml"
grep -q 'defenderincidentsreceiver' "$work/manifest.yaml" || { echo "README.md has no manifest for ocb" >&2; exit 1; }
printed=$(grep -oE 'go\.opentelemetry\.io/collector/cmd/builder@v[0-9.]+' README.md)
pinned=$(cd tools && "$go" list -m -f '{{.Path}}@{{.Version}}' go.opentelemetry.io/collector/cmd/builder)
[ "$printed" = "$pinned" ] || { echo "README.md runs $printed, but tools/go.mod has $pinned" >&2; exit 1; }

mkdir -p build/tools
"$go" build -modfile=tools/go.mod -o build/tools/ go.opentelemetry.io/collector/cmd/builder
ln -s "$checkout" "$work/defenderincidentsreceiver"
cd "$work"
"$checkout/build/tools/builder" --config manifest.yaml >ocb.log 2>&1 || { cat ocb.log >&2; exit 1; }
components=$(otelcol/otelcol components)
for name in defender_incidents otlp_http debug oauth2client file_storage; do
  grep -q "name: $name$" <<<"$components" || { echo "the collector of README.md has no $name:"$'\n'"$components" >&2; exit 1; }
done
echo "built the collector of README.md: $(grep -c 'name: ' <<<"$components") components"
