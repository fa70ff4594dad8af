#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds kube-apiserver and etcd from their Go modules into the directory that is
# given, and shows every ten seconds how far the build is. What was compiled once is
# not compiled again.
set -euo pipefail
mkdir -p "$1"
target=$(realpath "$1")
cd "$(dirname "$0")"
go=${GO:-go}
build=
trap '[ -z "$build" ] || kill "$build" 2>/dev/null || true' EXIT

compile() { # compile NAME MODULE PACKAGE TIME LDFLAGS
  local name=$1 module=$2 package=$3 time=$4 ldflags=$5 log=$target/$1.log from=$SECONDS all='' last=-10
  echo "Building $name. The first time, this takes $time, depending on the cores ..."
  : >"$log"
  # -v names each package when it is compiled. Neither program needs C.
  CGO_ENABLED=0 "$go" build -C "$module" -v -trimpath -ldflags="-s -w $ldflags" -o "$target/$name.part" "$package" 2>>"$log" &
  build=$!
  while kill -0 "$build" 2>/dev/null; do
    sleep 1
    [ $((SECONDS - from - last)) -ge 10 ] || continue
    last=$((SECONDS - from))
    [ "$last" -ge 10 ] || continue
    [ -n "$all" ] || all=$("$go" -C "$module" list -deps "$package" 2>/dev/null | wc -l)
    printf '  %d:%02d  %d of at most %d packages compiled\n' $((last / 60)) $((last % 60)) "$(grep -cv '^go: ' "$log" || true)" "$all"
  done
  if ! wait "$build"; then
    tail -n 40 "$log" >&2
    echo "$name was not built; the complete output is in $log" >&2
    exit 1
  fi
  build=
  mv "$target/$name.part" "$target/$name"
  echo "Built $name: $(du -m "$target/$name" | cut -f1) MB, $(((SECONDS - from) / 60)) min $(((SECONDS - from) % 60)) s"
}

version=$("$go" -C apiserver list -m -f '{{.Version}}' k8s.io/kubernetes)
compile etcd etcd go.etcd.io/etcd/server/v3 '1 to 3 minutes' ''
compile kube-apiserver apiserver k8s.io/kubernetes/cmd/kube-apiserver '5 to 20 minutes' "-X k8s.io/component-base/version.gitVersion=$version"
