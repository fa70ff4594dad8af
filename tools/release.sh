#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the collector for TARGETS (GOOS/GOARCH), all that are released by
# default, and for those on Linux also the collector for Kubernetes. Writes an archive
# and an SPDX SBOM of each into build/release, and SHA256SUMS. Nothing in them depends
# on the directory or the time: the only time is SOURCE_DATE_EPOCH, by default that of
# the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
out=build/release
version=$(sed -nE 's/^  version: *//p' builder-config.yaml)
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

tag=$(git tag --points-at HEAD 2>/dev/null | grep '^v' || true)
if [ -n "$tag" ] && [ "$tag" != "v$version" ]; then
  echo "make release: the commit has the tag $tag, but dist::version in builder-config.yaml is $version" >&2
  exit 1
fi

rm -rf "$out"
mkdir -p "$out" build/tools
"$go" build -C tools/release -o "$PWD/build/tools/release" .
binaries=()
build() { # build VARIABLE BINARY: VARIABLE is the Makefile's that has the binary's path
  local from=$SECONDS
  GOOS=${target%/*} GOARCH=${target#*/} make --no-print-directory -s GO="$go" "$1=$2" "$2"
  echo "$2: $(($(wc -c <"$2") / 1000000)) MB, $((SECONDS - from)) s"
  binaries+=("$2")
}
for target in ${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}; do
  binary=build/binaries/$target/otelcol-defender
  [ "${target%/*}" != windows ] || binary+=.exe
  build COLLECTOR "$binary"
  [ "${target%/*}" != linux ] || build KUBERNETES "build/binaries/$target/kubernetes/otelcol-defender"
done
build/tools/release package -sources build/otelcol-defender -sources build/otelcol-defender-kubernetes -version "$version" -time "$time" -o "$out" \
  -add LICENSE -add THIRD_PARTY_LICENSES.txt "${binaries[@]}"
cat "$out/SHA256SUMS"
