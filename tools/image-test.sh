#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/image-test.sh COLLECTOR KUBERNETES builds the images of both distributions from
# the Dockerfile with buildah, without a registry: for the build stage, the base is this
# machine's Go, which buildah mounts. Then checks each image, and that its binary is the
# same, byte for byte, as COLLECTOR or KUBERNETES, which were compiled in another
# directory; and runs it against the simulator as a container runtime would (e2e/image).
# Needs Linux, root and buildah.
set -euo pipefail
collector=$(realpath "$1") kubernetes=$(realpath "$2")
cd "$(dirname "$0")/.."
go=${GO:-go}
work=$(mktemp -d)
container=
cleanup() {
  [ -z "$container" ] || buildah umount "$container" >/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

# A storage of its own, by copying: it leaves no image behind, and works where
# /var is an overlay itself.
mkdir "$work/tmp" "$work/storage" "$work/run"
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/storage" "$work/run" >"$work/storage.conf"
export CONTAINERS_STORAGE_CONF=$work/storage.conf
base=localhost/otelcol-defender-builder:test

environment=(--env PATH="$("$go" env GOROOT)/bin:$PATH")
for name in GOPROXY GOSUMDB GOFLAGS GOMODCACHE GOCACHE; do
  environment+=(--env "$name=$("$go" env "$name")")
done
builder=$(buildah from scratch)
buildah config "${environment[@]}" "$builder"
buildah commit --quiet --rm "$builder" "$base" >/dev/null

mounts=(--volume "$work/tmp:/tmp" --volume "$("$go" env GOMODCACHE):$("$go" env GOMODCACHE)" --volume "$("$go" env GOCACHE):$("$go" env GOCACHE)")
for path in /usr /bin /lib /lib64 /etc/ssl "$("$go" env GOROOT)"; do
  [ ! -e "$path" ] || mounts+=(--volume "$path:$path:ro")
done
check() { # check DISTRIBUTION BINARY
  local image=localhost/$1:test
  IMAGE=$image DISTRIBUTION=$1 ENGINE=buildah tools/image.sh --isolation chroot --build-arg BUILDER="$base" --build-arg TARGETARCH="$("$go" env GOARCH)" "${mounts[@]}"
  container=$(buildah from "$image")
  cp -a "$(buildah mount "$container")" "$work/$1"
  buildah umount "$container" >/dev/null
  container=
  buildah inspect --type image "$image" >"$work/$1.json"
  (cd e2e && unshare --mount --propagation private "$go" test -count=1 -v ./image \
    -e2e.distribution="$1" -e2e.root="$work/$1" -e2e.image="$work/$1.json" -e2e.collector="$2")
}
check otelcol-defender "$collector"
check otelcol-defender-kubernetes "$kubernetes"
