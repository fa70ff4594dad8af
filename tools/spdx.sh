#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that each source file, YAML included, has an SPDX line, and with --write adds
# it where it is missing: at the top, or after #!. Generated files are left as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
write=${1:-}
[ -z "$write" ] || [ "$write" = --write ] || { echo "usage: tools/spdx.sh [--write]" >&2; exit 2; }
license=$'SPDX-License-Identifier: Apache-2.0'
missing=()
while IFS= read -r -d '' file; do
  case $file in
    */testdata/* | testdata/*) continue ;;
    *.go) prefix=// ;;
    *.sh | *.yaml | *.yml | .ci/run | Makefile | Dockerfile) prefix='#' ;;
    *) continue ;;
  esac
  [ -f "$file" ] || continue # deleted, not committed yet
  mapfile -n 5 top <"$file"
  [[ "${top[*]}" != *"$license"* ]] || continue
  [[ "${top[*]}" != *"// Code generated "*" DO NOT EDIT."* ]] || continue
  missing+=("$file")
  [ -n "$write" ] || continue
  text=$(mktemp)
  if [[ "${top[0]:-}" == '#!'* ]]; then
    { head -n 1 "$file"; echo "$prefix $license"; tail -n +2 "$file"; } >"$text"
  elif [ "$prefix" = // ]; then
    # Apart from what follows, which would otherwise be one comment with it.
    { echo "$prefix $license"; echo; cat "$file"; } >"$text"
  else
    { echo "$prefix $license"; cat "$file"; } >"$text"
  fi
  cat "$text" >"$file" # keeps the mode
  rm "$text"
done < <(git ls-files -co --exclude-standard -z)
[ -n "$write" ] || [ ${#missing[@]} -eq 0 ] || { printf 'no SPDX line: %s\n' "${missing[@]}" >&2; echo "run tools/spdx.sh --write" >&2; exit 1; }
