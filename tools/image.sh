#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image of DISTRIBUTION (otelcol-defender) with docker, podman or buildah,
# whichever is found first, as IMAGE (ghcr.io/seed2514a141/DISTRIBUTION:VERSION).
# Further arguments go to its build command. ENGINE chooses another program.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -nE 's/^  version: *//p' builder-config.yaml)
distribution=${DISTRIBUTION:-otelcol-defender}
image=${IMAGE:-ghcr.io/seed2514a141/$distribution:$version}
created=$(TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
revision=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || revision+=-modified

# Docker's command is there without an engine to connect to, too.
engine=${ENGINE:-}
if [ -z "$engine" ]; then
  for candidate in docker podman buildah; do
    if "$candidate" info >/dev/null 2>&1; then
      engine=$candidate
      break
    fi
  done
fi
[ -n "$engine" ] || { echo "make image: found no docker, podman or buildah that works" >&2; exit 1; }

echo "Building $image with $engine ..."
"$engine" build -t "$image" --build-arg DISTRIBUTION="$distribution" --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg CREATED="$created" "$@" .
echo "Built $image"
