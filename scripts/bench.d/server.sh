# shellcheck shell=bash
# The server that is measured, what it needs, and what it uses. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench.

server='' address='' fakes='' nginx='' idle_memory=0

start_fakes() {
  "$binaries/upstream-fakes" --latency 0ms --quota 100000000 >"$scratch/settings" 2>"$scratch/fakes.log" &
  fakes=$!
  wait_until grep -q PRIVATE_KEY "$scratch/settings" || die "the fakes do not start"
  # shellcheck disable=SC1091
  . "$scratch/settings"
}

# fake_latency MILLISECONDS: of every call of both services.
fake_latency() {
  local base
  for base in "$ETIQUETA__IMAGGA__BASE_URL" "$ETIQUETA__IMAGEKIT__API_URL"; do
    curl -fsS -X PUT -H 'content-type: application/json' --data "{\"latency_ms\": $1}" "$base/_control/settings"
  done
}

# fake_calls: how many calls both services got so far.
fake_calls() {
  local base
  for base in "$ETIQUETA__IMAGGA__BASE_URL" "$ETIQUETA__IMAGEKIT__API_URL"; do
    curl -fsS "$base/_control" | jq '[.routes[] | numbers, (objects | .[] | numbers)] | add // 0'
  done | added
}

added() { awk '{sum += $1} END {print sum + 0}'; }

# Starts the server and waits until it is ready, and until what it does by itself at the start is done.
start_server() {
  launch_server
  settle
  idle_memory=$(memory VmRSS)
}

# launch_server: sets `ready_after`, the milliseconds from the start to the first `ready`.
launch_server() {
  local began binary
  binary=$(readlink -f "$binaries/etiqueta")
  export ETIQUETA__SERVER__PORT=0 ETIQUETA__LOG__FORMAT=json ETIQUETA__DATABASE__URL=$database_url
  export ETIQUETA__LOG__FILTER=warn,etiqueta::application=info ETIQUETA__ORIGINALS__URL="file:$scratch/originals"
  : >"$scratch/server.log"
  began=$(now)
  (cd "$scratch" && exec "$binary") 2>>"$scratch/server.log" &
  server=$!
  wait_until server_address || die "the server does not start: $(tail -n 1 "$scratch/server.log")"
  wait_until curl -fs -o /dev/null "http://$address/readyz" || die "the server is not ready"
  ready_after=$(($(now) - began))
}

now() { date +%s%3N; }

server_address() {
  address=$(grep -o '"address":"[^"]*' "$scratch/server.log" | cut -d'"' -f4)
  [ -n "$address" ]
}

stop_server() { stop "$server"; server=''; }

stop_all() {
  stop "$nginx"
  stop "$server"
  stop "$fakes"
  nginx='' server='' fakes=''
}

stop() {
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || :
  wait "$1" 2>/dev/null || :
}

# wait_until COMMAND...: for a minute at most.
wait_until() {
  local hundredths=6000
  until "$@"; do
    [ $((hundredths -= 1)) -gt 0 ] || return 1
    sleep 0.01
  done
}

# settle: waits until neither the server nor its database has anything to do, ten minutes at most.
settle() {
  local before quiet=0 tries=600
  while [ "$quiet" -lt 3 ] && [ $((tries -= 1)) -gt 0 ]; do
    before=$(ticks)
    sleep 1
    if [ $(($(ticks) - before)) -le 1 ] && database_is_idle; then
      quiet=$((quiet + 1))
    else
      quiet=0
    fi
  done
  [ "$quiet" = 3 ] || say "the server does not come to rest"
}

# ticks: the server's processor time so far, in hundredths of a second.
ticks() { awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$server/stat"; }

# memory VmRSS|VmHWM: in megabytes. The peak begins anew with forget_peak.
memory() { awk -v what="$1:" '$1 == what {printf "%d\n", $2 / 1024}' "/proc/$server/status"; }
forget_peak() { echo 5 >"/proc/$server/clear_refs"; }

# above_idle: the peak beyond what the server took at rest after its start, in megabytes.
above_idle() { echo $(($(memory VmHWM) - idle_memory)); }

# load CONNECTIONS SECONDS KIND URL: prints NAME=VALUE lines, of which the callers evaluate those they
# want: requests, p50, p99 (milliseconds), rate (a second), bytes (a second), failed, busy, broken.
load() {
  local threads=1 log
  [ "$1" = 1 ] || threads=2
  # Two may be under way.
  log=$(mktemp -p "$scratch")
  BENCH_KIND=$3 wrk -t "$threads" -c "$1" -d "${2}s" --timeout 60s -s scripts/bench.d/load.lua "$4" >"$log" 2>&1
  grep -E '^[a-z0-9]+=[0-9.]+$' "$log" || { tail -n 3 "$log" >&2; return 1; }
}
