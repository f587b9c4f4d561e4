# shellcheck shell=bash
# The rows of edits, deletions and jobs. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench, and those that `load` prints.

# beside COMMAND...: runs it while 16 clients post pictures that are always others.
beside() {
  local posting code=0
  BENCH_BODY=$(start small) load 16 $((seconds + 4)) new "http://$address" >"$scratch/beside" &
  posting=$!
  sleep 2
  "$@" || code=$?
  wait "$posting" || code=1
  return "$code"
}

# some_ids COUNT: images of the database, in no order.
some_ids() {
  ask "SELECT HEX(id) FROM etiqueta_image" | shuf -n "$1" |
    sed -E 's/(.{8})(.{4})(.{4})(.{4})(.{12})/\L\1-\2-\3-\4-\5/'
}

# The yardstick of a change: a post of bytes that are known, in the same company.
post_known_beside() {
  local p99 failed broken
  post photo >/dev/null
  BENCH_BODY=$(body photo) take beside load 1 "$seconds" body "http://$address/image" || return
  [ "$((failed + broken))" = 0 ] && known=$p99
}

# row_change KIND WORK: single changes, one after the other, each of another image.
row_change() {
  local known='' p50 p99 requests failed broken
  post_known_beside || return
  some_ids 50000 >"$scratch/ids"
  BENCH_IDS=$scratch/ids take beside load 1 "$seconds" "$1" "http://$address" || return
  report "$2, while 16 clients post" 'p99 ≤ that of a post of known bytes' \
    "p99 $p99 ms (median $p50, $requests requests)" "p99 $known ms, a post of known bytes" \
    "$(calculate "$p99 / $known")" "$p99 <= $known && $failed + $broken == 0"
  settle
}

row_edit() { row_change edit "\`PATCH /image/{id}/tags\` that adds a tag"; }
row_delete() { row_change delete "\`DELETE /image/{id}\`"; }

# job JSON: makes a job, waits until it has ended, and prints done, failed and took, in seconds.
job() {
  local path began state
  began=$(now)
  path=$(curl -fsS -o /dev/null -D - -H 'content-type: application/json' -d "$1" "http://$address/jobs" |
    tr -d '\r' | awk 'tolower($1) == "location:" {print $2}')
  [ -n "$path" ] || return 1
  until state=$(curl -fsS "http://$address$path") && jq -e .finished <<<"$state" >/dev/null; do
    kill -0 "$server" || return 1
    sleep 0.2
  done
  [ "$(jq -r .state <<<"$state")" = done ] || { echo "$state" >&2; return 1; }
  jq -r '"done=\(.done)\nfailed_items=\(.failed)\nchanged=\(.result.changed)"' <<<"$state"
  echo "took=$(calculate "($(now) - $began) / 1000")"
}

# Images whose answers are stored, and which lose a tag: each is written.
row_retag_job() {
  local since failed_items changed took per_second done
  since=$(date -u +%FT%T)
  take new_pictures 16 small || return
  settle
  take job "{\"kind\": \"retag\", \"filter\": {\"min_date\": \"$since\"}, \"min_confidence\": 70}" || return
  per_second=$(calculate "$done / $took" %d)
  report "a job tags $(grouped "$done") images again, answers stored" '≥ 2 000 images/s' \
    "$(grouped "$per_second") images/s, $(grouped "$changed") changed" '' '' \
    "$per_second >= 2000 && $failed_items == 0 && $done > 0"
}

# One label becomes another on all images, while others read and post.
row_vocabulary_job() {
  local failed_items changed took done p99 failed broken list known working
  take load 1 "$seconds" list "http://$address" || return
  list=$p99
  post photo >/dev/null
  BENCH_BODY=$(body photo) take load 1 "$seconds" body "http://$address/image" || return
  known=$p99
  curl -fsS -o /dev/null -X PUT -H 'content-type: application/json' -d '{"aliases": ["label-0003"], "parents": ["label-0900"]}' \
    "http://$address/vocabulary/label-0004" || return
  job '{"kind": "vocabulary", "filter": {"all": true}}' >"$scratch/job" &
  working=$!
  sleep 3
  take load 1 "$seconds" list "http://$address" || return
  list=$(calculate "$p99 / $list")
  BENCH_BODY=$(body photo) take load 1 "$seconds" body "http://$address/image" || return
  known=$(calculate "$p99 / $known")
  wait "$working" || return
  take cat "$scratch/job"
  report "a job applies the vocabulary to $(grouped "$done") images" \
    '≤ 10 minutes a million; lists and posts meanwhile: p99 ≤ 1.5 × that at rest' \
    "$took s, $(grouped "$changed") changed; lists $list ×, posts of known bytes $known ×" '' '' \
    "$took / $done <= 0.0006 && $failed_items == 0 && $list <= 1.5 && $known <= 1.5"
}
