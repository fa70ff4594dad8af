#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes what mdatagen makes of metadata.yaml. mdatagen takes the package's
# name from its folder's, which may be another: so it works through a link.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
bin=$PWD/build/tools
mkdir -p "$bin"
"$go" build -modfile=tools/go.mod -o "$bin/" go.opentelemetry.io/collector/cmd/mdatagen golang.org/x/tools/cmd/goimports
link=$(mktemp -d)
trap 'rm -rf "$link"' EXIT
ln -s "$PWD" "$link/defenderincidentsreceiver"
(cd "$link/defenderincidentsreceiver" && "$bin/mdatagen" metadata.yaml)
mapfile -t generated < <(git ls-files -co --exclude-standard '*generated_*.go')
"$bin/goimports" -w "${generated[@]}"
chmod 644 "${generated[@]}" documentation.md
