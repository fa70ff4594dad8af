#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a simulator, a collector and VictoriaLogs on this machine, and prints where to
# look. Ctrl-C ends all of them. API=graph: Microsoft Graph instead of Defender XDR.
# SIMULATOR_PORT, LOGS_PORT and METRICS_PORT choose other ports.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=build/demo
simulator_port=${SIMULATOR_PORT:-8470} logs_port=${LOGS_PORT:-9428} metrics_port=${METRICS_PORT:-8888}
pids=() last=
# Each program in a process group of its own, so that Ctrl-C reaches only this
# script, which then ends them in order.
set -m

say() {
  local bold='' plain=''
  [ -t 1 ] && bold=$'\033[1m' plain=$'\033[0m'
  printf '%s\n' "$bold$*$plain"
}
fail() {
  echo "make demo: $*" >&2
  exit 1
}
stop() {
  trap '' INT TERM
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do # the collector first
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}
trap stop EXIT
trap 'exit 0' INT TERM

# start NAME COMMAND...
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  last=$!
  pids+=("$last")
}

# responds NAME URL: waits until the program that was started last responds.
responds() {
  for _ in $(seq 300); do
    curl --noproxy '*' -fsS -o "$work/answer" "$2" 2>/dev/null && return
    kill -0 "$last" 2>/dev/null || fail "$1 did not start:"$'\n'"$(tail -n 5 "$work/$1.log")"
    sleep 0.1
  done
  fail "$1 does not respond at $2; its log is $work/$1.log"
}

command -v curl >/dev/null || fail "curl is not installed"
api=${API:-defender_xdr}
case $api in
  defender_xdr) scope=https://api.security.microsoft.com/.default ;;
  graph) scope=https://graph.microsoft.com/.default ;;
  *) fail "API is $api; use defender_xdr, the default, or graph: make demo API=graph" ;;
esac

for port in "$simulator_port" "$logs_port" "$metrics_port"; do
  if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "port $port is in use, perhaps by another make demo or make run; choose others with SIMULATOR_PORT, LOGS_PORT and METRICS_PORT"
  fi
done
rm -rf "$work"
mkdir -p "$work"

start simulator build/defendersim --listen "127.0.0.1:$simulator_port" --demo --incidents 60 --changes-per-hour 900 --new-per-hour 60 --log
for _ in $(seq 100); do
  grep -q '^ *endpoint' "$work/simulator.log" && break
  kill -0 "$last" 2>/dev/null || fail "the simulator did not start: $(cat "$work/simulator.log")"
  sleep 0.1
done
value() { sed -nE "s/^ +$1 +//p" "$work/simulator.log"; }

start victoria-logs build/victoria-logs -httpListenAddr="127.0.0.1:$logs_port" -storageDataPath="$work/victoria-logs" -retentionPeriod=1y -loggerLevel=WARN
logs=http://127.0.0.1:$logs_port
responds victoria-logs "$logs/health"

DEMO_API=$(value endpoint) DEMO_TOKEN_URL=$(value 'token url') DEMO_CLIENT_ID=$(value 'client id') DEMO_CLIENT_SECRET=$(value 'client secret')
export DEMO_API DEMO_TOKEN_URL DEMO_CLIENT_ID DEMO_CLIENT_SECRET
export DEMO_DIALECT=$api DEMO_SCOPE=$scope DEMO_STORAGE=$work/storage DEMO_METRICS_PORT=$metrics_port
export VICTORIALOGS_OTLP_ENDPOINT=$logs/insert/opentelemetry
export AZURE_TENANT_ID=unused AZURE_CLIENT_ID=unused AZURE_CLIENT_SECRET=unused # of the example, which signs in elsewhere
start collector build/otelcol-defender/otelcol-defender --config examples/victorialogs.yaml --config tools/demo/collector.yaml
responds collector "http://127.0.0.1:$metrics_port/metrics"

# link QUERY RANGE: the address of the web interface with a query.
link() {
  local encoded='' i c
  for ((i = 0; i < ${#1}; i++)); do
    c=${1:i:1}
    case $c in
      [a-zA-Z0-9._~-]) encoded+=$c ;;
      *) encoded+=$(printf '%%%02X' "'$c") ;;
    esac
  done
  printf '%s/select/vmui/#/?query=%s&g0.range_input=%s&g0.relative_time=none' "$logs" "$encoded" "$2"
}
incident=$(build/defendersim --demo --incidents 60 --list-ids 1)
latest='{event_name="microsoft.defender.incident"} | last 1 by (_time) partition by (microsoft.defender.incident.id)'
open="$latest | filter severity_text:i(high) !microsoft.defender.incident.status:i(resolved) !microsoft.defender.incident.change:in(not_found, merged) | fields _time, _msg, microsoft.defender.incident.id"
changed='* | filter !microsoft.defender.incident.change:=first_seen !microsoft.defender.alert.change:=first_seen | sort by (_time) desc | fields _time, _msg'
story="microsoft.defender.incident.id:=$incident | sort by (_time) | fields _time, change_time, _msg"

say "Simulating $([ "$api" = graph ] && echo "Microsoft Graph" || echo "the Defender XDR API"): 60 incidents with 15 changes a minute, shown in VictoriaLogs."
cat <<EOM

Look at them in a browser:
  open and severe   $(link "$open" 1h)
  what changed      $(link "$changed" 5m)
  one incident      $(link "$story" 1h)

How late changes arrive, and how much of the rate limit is left:
  curl -s http://127.0.0.1:$metrics_port/metrics | grep -E 'change_delay_(sum|count)|quota_remaining'

Change something, and see it arrive within seconds:
  curl -X POST '$DEMO_API/sim/incidents/$incident/change?kind=status'
  curl -X PUT '$DEMO_API/sim/faults?fault=503&times=20'

Logs are in $work. Ctrl-C ends all.
EOM
all_run() {
  local pid
  for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || return 1; done
}
while all_run; do sleep 1; done
fail "a program has ended by itself; the logs are in $work"
