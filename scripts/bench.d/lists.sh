# shellcheck shell=bash
# The rows of what is read from the database. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench, and those that `load` prints.

# Two labels of which some 80 000 images of a million carry both.
HITS=(2 5)

# take COMMAND...: evaluates the NAME=VALUE lines that it prints, in the caller's variables.
take() {
  local line lines
  lines=$("$@") || return 1
  while read -r line; do printf -v "${line%%=*}" %s "${line#*=}"; done <<<"$lines"
}

row_idle() {
  local starts=() before
  for _ in 1 2 3; do
    stop_server
    launch_server
    starts+=("$ready_after")
  done
  settle
  idle_memory=$(memory VmRSS)
  before=$(ticks)
  sleep 5
  local busy=$((($(ticks) - before) * 10)) ready
  ready=$(printf '%s\n' "${starts[@]}" | percentile 50)
  report 'idle, no model loaded' '≤ 30 MB, no processor time, ready in ≤ 300 ms' \
    "$idle_memory MB, $busy ms in 5 s, ready in ${ready%.*} ms" '' '' \
    "$idle_memory <= 30 && $busy <= 10 && $ready <= 300"
}

# The same distribution as in load.lua.
some_list_queries() {
  local one other since
  for _ in $(seq "$1"); do
    one=$((RANDOM % 10 + 1))
    other=$(((one + RANDOM % 9) % 10 + 1))
    since=$(some_time)
    list_query "$one" "$other" "${since}000000" 50
  done
}

# A second of the last five years.
some_time() { echo $(($(date +%s) - (RANDOM * 32768 + RANDOM) % 157680000)); }

row_list() {
  local requests p50 p99 failed broken target=5 hand
  [ "$images" -le 1000000 ] || target=10
  load 1 2 list "http://$address" >/dev/null
  take load 1 "$seconds" list "http://$address" || return
  hand=$(some_list_queries 1000 | time_each | percentile 99)
  report "newest 50 images with two common tags since some time" "p99 ≤ $target ms" \
    "p99 $p99 ms (median $p50, $requests requests)" "p99 $hand ms in the client" \
    "$(calculate "$p99 / $hand")" "$p99 <= $target && $requests >= 1000 && $failed + $broken == 0"
}

# timed_list PATH: the list as curl gets it; three runs, of which the middle one counts. Sets first and
# total in milliseconds, and above, in megabytes.
timed_list() {
  local times
  curl -fsS -o /dev/null "http://$address$1"
  forget_peak
  times=$(for _ in 1 2 3; do
    curl -fsS -o /dev/null -w '%{time_starttransfer} %{time_total}\n' "http://$address$1"
  done)
  first=$(awk '{print $1 * 1000}' <<<"$times" | percentile 50)
  total=$(awk '{print $2 * 1000}' <<<"$times" | percentile 50)
  above=$(above_idle)
}

count_of() { curl -fsS "http://$address$1" | grep -o '"id":"' | wc -l; }

row_hits() {
  local path count first total above hand rate
  path=$(printf '/images?tags=label-%04d,label-%04d' "${HITS[@]}")
  count=$(count_of "$path")
  timed_list "$path"
  rate=$(calculate "$count / $total * 1000" %d)
  hand=$(fetch "$(list_query "${HITS[@]}" 0 '')")
  report "all $(grouped "$count") images with two tags" \
    'first byte ≤ 20 ms, ≥ 100 000 images/s, ≤ 64 MB above idle' \
    "first byte $first ms, $(grouped "$rate") images/s, $above MB" \
    "$(grouped "$(calculate "$count / $hand * 1000" %d)") images/s, rows dropped by the client" \
    "$(calculate "$total / $hand")" "$first <= 20 && $rate >= 100000 && $above <= 64"
}

row_whole() {
  local first total above hand count
  count=$(ask 'SELECT COUNT(*) FROM etiqueta_image')
  timed_list /images
  hand=$(fetch "$(all_query)")
  report "all $(grouped "$count") images" '≤ 10 s a million, ≤ 64 MB above idle' \
    "$(calculate "$total / 1000") s, $above MB" "$(calculate "$hand / 1000") s, rows dropped by the client" \
    "$(calculate "$total / $hand")" "$total / $count <= 0.01 && $above <= 64"
}

row_slow_reader() {
  local reader code=0 p99 requests failed broken above
  forget_peak
  curl -fsS -o /dev/null --limit-rate 1M --max-time 10 "http://$address/images" 2>/dev/null &
  reader=$!
  sleep 1
  take load 1 7 list "http://$address" || return
  above=$(above_idle)
  # 28: curl itself gave up, as it was told; anything else would be the server's doing.
  wait "$reader" || code=$?
  report 'others while somebody reads all images at 1 MB/s' 'not broken off, p99 ≤ 5 ms, ≤ 64 MB above idle' \
    "$([ "$code" = 28 ] && echo 'not broken off' || echo "curl ended with $code"), p99 $p99 ms, $above MB" '' '' \
    "($code == 28 || $code == 0) && $p99 <= 5 && $above <= 64 && $failed + $broken == 0"
}

# is_exact [FIRST LAST]: whether GET /tags says what the database says, of all time or of a window.
is_exact() {
  local path=/tags
  [ $# = 0 ] || path="/tags?min_date=$(date -u -d "@$1" +%FT%T)&max_date=$(date -u -d "@$2" +%FT%T)"
  cmp -s <(curl -fsS "http://$address$path" |
    jq -r '.[] | [.tag, .n_images, .min_confidence, .max_confidence, .mean_confidence] | @tsv' | rounded) \
    <(ask "$(tags_query "$@")" | rounded)
}

rounded() { awk -F'\t' '{printf "%s %d %.4f %.4f %.4f\n", $1, $2, $3, $4, $5}' | LC_ALL=C sort; }

row_tags() {
  local requests p50 p99 failed broken hand exact='not exact' tags
  tags=$(ask 'SELECT COUNT(*) FROM etiqueta_image_tag')
  ! is_exact || exact=exact
  load 1 1 get "http://$address/tags" >/dev/null
  take load 1 "$seconds" get "http://$address/tags" || return
  hand=$(for _ in 1 2 3; do tags_query; done | time_each | percentile 50)
  report "\`GET /tags\`, $(grouped "$tags") tags" '≤ 50 ms, exact' \
    "p99 $p99 ms (median $p50, $requests requests), $exact" "$hand ms, \`GROUP BY\` in the client" \
    "$(calculate "$p99 / $hand")" "$p99 <= 50 && \"$exact\" == \"exact\" && $failed + $broken == 0"
}

# Windows as load.lua makes them: first and last second.
some_windows() {
  awk -v n="$1" -v now="$(date +%s)" -v seed="$RANDOM" 'BEGIN {
    srand(seed); years = 5 * 365 * 86400
    for (; n > 0; n--) {
      length_ = 60 * exp(log(years / 60) * rand())
      first = int(now - length_ - rand() * (years - length_))
      print first, first + int(length_)
    }
  }'
}

row_window() {
  local requests p50 p99 failed broken hand exact=exact from to
  while read -r from to; do is_exact "$from" "$to" || exact='not exact'; done < <(some_windows 5)
  load 1 1 window "http://$address" >/dev/null
  take load 1 "$seconds" window "http://$address" || return
  hand=$(some_windows 20 | while read -r from to; do tags_query "$from" "$to"; done | time_each | percentile 99)
  report '`GET /tags` of any window' '≤ 100 ms, exact to the second' \
    "p99 $p99 ms (median $p50, $requests requests), $exact in 5 windows" \
    "$hand ms, the slowest of 20 in the client" "$(calculate "$p99 / $hand")" \
    "$p99 <= 100 && \"$exact\" == \"exact\" && $failed + $broken == 0"
}
