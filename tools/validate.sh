#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/validate.sh COLLECTOR KUBERNETES validates every example with COLLECTOR. It sets
# the environment variables that an example uses to plausible values, and enables the
# feature gates that its comments name. For the Kubernetes manifests it runs
# e2e/kubernetes, which checks them against Kubernetes' types and validates the
# configuration in them: in standby.yaml with KUBERNETES, which has the leader elector.
set -euo pipefail
collector=$(realpath "$1") kubernetes=$(realpath "$2")
cd "$(dirname "$0")/.."
for example in examples/*.yaml examples/*/*.yaml; do
  environment=()
  while read -r name; do
    case $name in
      *ENDPOINT | *URL) value=https://backend.example:4318 ;;
      *ID) value=11111111-2222-3333-4444-555555555555 ;;
      *) value=example ;;
    esac
    environment+=("$name=$value")
  done < <(grep -oE '\$\{env:[A-Z_]+\}' "$example" | sed -E 's/.*:([A-Z_]+).*/\1/' | sort -u)
  mapfile -t gates < <(grep -oE '^# +--feature-gates=[^ ]+' "$example" | sed -E 's/^# +//')
  if env "${environment[@]}" "$collector" validate "${gates[@]}" --config "$example"; then
    echo "valid: $example"
  else
    echo "not valid: $example" >&2
    exit 1
  fi
done
written=$(mktemp --suffix .yaml)
trap 'rm -f "$written"' EXIT
id=11111111-2222-3333-4444-555555555555
printf '# name and tenant\ncontoso %s\n\nfabrikam %s # and more\n' "$id" "$id" | examples/tenants.sh > "$written"
if env AZURE_CLIENT_ID="$id" AZURE_CLIENT_SECRET=example OTLP_ENDPOINT=https://backend.example:4318 "$collector" validate --config "$written"; then
  echo "valid: what examples/tenants.sh writes"
else
  echo "not valid: what examples/tenants.sh writes" >&2
  exit 1
fi
go=${GO:-go}
if output=$(cd e2e && "$go" test -count=1 ./kubernetes -e2e.collector="$collector" -e2e.kubernetes="$kubernetes" 2>&1); then
  echo "valid: deploy/kubernetes"
else
  echo "$output" >&2
  echo "not valid: deploy/kubernetes" >&2
  exit 1
fi
