#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the collector and shows its records, a line each. With the settings of
# an app registration in the environment it polls Microsoft's API, without them a
# simulator on this machine. API=graph: Microsoft Graph instead of Defender XDR.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
work=build/run
collector=build/otelcol-defender/otelcol-defender

say() {
  local bold='' plain=''
  [ -t 1 ] && bold=$'\033[1m' plain=$'\033[0m'
  printf '%s\n' "$bold$*$plain"
}
fail() {
  echo "make run: $*" >&2
  exit 1
}

command -v "$go" >/dev/null || fail "Go is not installed; see https://go.dev/doc/install"

export DEFENDER_API=${API:-${DEFENDER_API:-defender_xdr}}
case $DEFENDER_API in
  defender_xdr)
    api="the Defender XDR API" host=https://api.security.microsoft.com
    limits="1,500 requests an hour allow polling 13 IDs every 33 seconds, so changes show in batches."
    ;;
  graph)
    api="Microsoft Graph" host=https://graph.microsoft.com
    limits="150 requests a minute, with no limit per hour, allow polling 13 IDs every 10 seconds."
    ;;
  *) fail "API is $DEFENDER_API; use defender_xdr, the default, or graph: make run API=graph" ;;
esac

live=
for name in DEFENDER_TENANT_ID DEFENDER_CLIENT_ID DEFENDER_CLIENT_SECRET DEFENDER_INCIDENT_IDS; do
  [ -n "${!name:-}" ] && live=yes
done
if [ -n "$live" ]; then
  for name in DEFENDER_TENANT_ID DEFENDER_CLIENT_ID DEFENDER_CLIENT_SECRET DEFENDER_INCIDENT_IDS; do
    [ -n "${!name:-}" ] || fail "$name is not set; for your tenant set DEFENDER_TENANT_ID, DEFENDER_CLIENT_ID, DEFENDER_CLIENT_SECRET and DEFENDER_INCIDENT_IDS (437,552), for the simulator none of them"
  done
fi

if make --no-print-directory -q build GO="$go" >/dev/null 2>/dev/null; then
  say "The collector is built: $collector"
else
  say "Building the collector $collector with ocb (the first time takes a minute or two) ..."
fi
make --no-print-directory -s build GO="$go" || fail "the build failed; its log is build/otelcol-defender.log"

mkdir -p "$work"
simulator=
stop() {
  [ -n "$simulator" ] && kill "$simulator" 2>/dev/null
  wait 2>/dev/null || true
}
trap stop EXIT

if [ -n "$live" ]; then
  tr ',; ' '\n' <<<"$DEFENDER_INCIDENT_IDS" | grep -v '^$' >"$work/incidents.txt" || fail "DEFENDER_INCIDENT_IDS has no ID; write e.g. 437,552"
  export DEFENDER_ENDPOINT=${DEFENDER_ENDPOINT:-$host}
  # Graph's scope is that of its host on every cloud; the other API has one for
  # all regions.
  [ "$DEFENDER_API" = graph ] && host=${DEFENDER_ENDPOINT%/}
  export DEFENDER_SCOPE=${DEFENDER_SCOPE:-$host/.default}
  export DEFENDER_TOKEN_URL=${DEFENDER_TOKEN_URL:-https://login.microsoftonline.com/$DEFENDER_TENANT_ID/oauth2/v2.0/token}
  export DEFENDER_STORAGE=$work/storage DEFENDER_INTERVAL=${DEFENDER_INTERVAL:-5m}
  say "Polling $(wc -l <"$work/incidents.txt") incidents from $api at $DEFENDER_ENDPOINT, every $DEFENDER_INTERVAL. Each record is"
  say "shown once, also across restarts. To start over, remove $DEFENDER_STORAGE."
else
  build/defendersim --demo --log >"$work/simulator.log" 2>&1 &
  simulator=$!
  for _ in $(seq 50); do
    grep -q '^ *endpoint' "$work/simulator.log" && break
    kill -0 "$simulator" 2>/dev/null || fail "the simulator did not start; is another make run or make demo running? $(cat "$work/simulator.log")"
    sleep 0.1
  done
  value() { sed -nE "s/^ +$1 +//p" "$work/simulator.log"; }
  DEFENDER_ENDPOINT=$(value endpoint) DEFENDER_TOKEN_URL=$(value 'token url')
  DEFENDER_CLIENT_ID=$(value 'client id') DEFENDER_CLIENT_SECRET=$(value 'client secret')
  DEFENDER_SCOPE=$host/.default
  export DEFENDER_ENDPOINT DEFENDER_TOKEN_URL DEFENDER_CLIENT_ID DEFENDER_CLIENT_SECRET DEFENDER_SCOPE
  build/defendersim --demo --list-ids 12 >"$work/incidents.txt"
  value 'unknown id' >>"$work/incidents.txt"
  # The simulator starts over each time, and so does the checkpoint.
  export DEFENDER_STORAGE=$work/storage-simulator DEFENDER_INTERVAL=${DEFENDER_INTERVAL:-10s}
  rm -rf "$DEFENDER_STORAGE"
  say "Simulating $api at $DEFENDER_ENDPOINT: 12 incidents with 8 changes a minute, and an ID that does not exist."
  say "$limits"
fi
export DEFENDER_IDS_FILE=$work/incidents.txt

# What there is to look at: in the first lines what works while it runs, at the
# end where to go from here.
meanwhile() {
  printf '\nTry next, while it runs:\n'
  if [ -z "$live" ]; then
    printf '  %-68s  %s\n' \
      "curl $DEFENDER_ENDPOINT/sim/incidents" "list its incidents" \
      "curl -X PUT '$DEFENDER_ENDPOINT/sim/faults?fault=503&times=20'" "make 20 requests fail, and see it recover" \
      "tail -f $work/simulator.log" "its log of requests"
  fi
  printf '  %-68s  %s\n' "less examples/quickstart.yaml" "the configuration; examples/ has more"
  cat <<EOM
Ctrl-C ends it and says where to go from here.

time (UTC)      severity       incident  what happened      name
EOM
}

afterwards() {
  printf '\n'
  say "Where to go from here:"
  if [ -z "$live" ]; then
    cat <<EOM
  docs/setup.md            the same with your tenant, from the app registration to the first record
EOM
  else
    cat <<EOM
  docs/setup.md            what to do if no record came, and how to make it last
  rm -r $DEFENDER_STORAGE  show everything again the next time
EOM
  fi
  cat <<EOM
  docs/records.md          what is in a record, with an example of each change
  examples/README.md       configurations for your backend: Splunk, Elastic, Loki, OTLP, files
  docs/sizing.md           how many incidents can be tracked, and how fast
  docs/troubleshooting.md  every message, its cause and what to do
EOM
  [ "$DEFENDER_API" = graph ] || echo "  make run API=graph       the same over Microsoft Graph"
}

# The receiver's own info lines say that the API recovered, or limits the rate. Those
# of all others are noise, and so is what every line repeats. Whoever sets
# DEFENDER_LOG_LEVEL gets everything.
if [ -z "${DEFENDER_LOG_LEVEL:-}" ]; then
  export DEFENDER_LOG_LEVEL=info
  log() {
    local line ours='"otelcol.component.id": "defender_incidents", "otelcol.component.kind": "receiver", "otelcol.signal": "logs"'
    while IFS= read -r line; do
      [[ $line != *$'\tinfo\t'* || $line == *"$ours"* ]] || continue
      [[ $line =~ ^(.*\{)\"resource\":\ \{[^}]*\}(,\ )?(.*)$ ]] && line=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
      line=${line/"$ours, "/}
      line=${line/"$ours"/}
      printf '%s\n' "${line%$'\t{}'}"
    done
  }
else
  log() { cat; }
fi

meanwhile
# The filter leaves out the exporter's headings. It outlives Ctrl-C, for the
# collector has more to say when it ends.
trap : INT # Ctrl-C ends the collector, not this
"$collector" --config examples/quickstart.yaml 2> >(trap '' INT; log >&2) \
  > >(trap '' INT; grep --line-buffered -vE $'^(ResourceLog|ScopeLog) #|^Logs	|^$') || fail "the collector ended with an error; docs/troubleshooting.md has every message"
afterwards
