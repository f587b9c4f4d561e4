# shellcheck shell=bash
# The rows of pictures that are posted and read. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench, and those that `load` prints.

# body NAME: a body with that picture, as a file.
body() {
  local file=$scratch/$1.json
  [ -e "$file" ] || printf '{"data":"%s"}' "$(base64 -w0 "$work/pictures/$1.jpg")" >"$file"
  echo "$file"
}

# start NAME: the start of a body with that picture. Zeros fill it up to whole groups of base64.
start() {
  local file=$scratch/$1.start picture=$work/pictures/$1.jpg
  [ -e "$file" ] || {
    printf '{"data":"'
    { cat "$picture" && head -c $(((3 - $(stat -c %s "$picture") % 3) % 3)) /dev/zero; } | base64 -w0
  } >"$file"
  echo "$file"
}

# post NAME: where the picture is then.
post() {
  curl -fsS -o /dev/null -D - -H 'content-type: application/json' --data-binary "@$(body "$1")" \
    "http://$address/image" | tr -d '\r' | awk 'tolower($1) == "location:" {print $2}'
}

start_nginx() {
  [ -z "$nginx" ] || return 0
  mkdir -p "$scratch/static"
  for _ in 1 2 3 4 5 6 7 8; do
    nginx_address=127.0.0.1:$((20000 + RANDOM % 10000))
    cat >"$scratch/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid $scratch/nginx.pid;
error_log $scratch/nginx.log;
events {}
http {
  access_log off;
  sendfile on;
  default_type application/json;
  server { listen $nginx_address; root $scratch/static; }
}
CONF
    nginx -c "$scratch/nginx.conf" 2>/dev/null &
    nginx=$!
    sleep 0.3
    ! kill -0 "$nginx" 2>/dev/null || return 0
  done
  die "nginx does not start: $(tail -n 1 "$scratch/nginx.log")"
}

row_image() {
  local name path bytes served theirs failed broken
  start_nginx
  for name in small photo large; do
    path=$(post "$name")
    curl -fsS -o "$scratch/static/$name.json" "http://$address$path"
    chmod 644 "$scratch/static/$name.json"
    take load 4 "$seconds" get "http://$nginx_address/$name.json" || return
    theirs=$bytes
    take load 4 "$seconds" get "http://$address$path" || return
    served=$(calculate "$bytes / $theirs" %.3f)
    report "\`GET /image/{id}\`, $(size "$name")" '≥ 60 % of the bytes/s of nginx' "$(rate "$bytes")" \
      "$(rate "$theirs")" "$served" "$served >= 0.6 && $failed + $broken == 0"
  done
}

size() { stat -c %s "$work/pictures/$1.jpg" | awk '{printf ($1 < 1e6 ? "%.0f KB" : "%.1f MB"), $1 / ($1 < 1e6 ? 1e3 : 1e6)}'; }
rate() { calculate "$1 / 1e6" '%.0f MB/s'; }

# How memory grows with readers, from what it was before.
row_readers() {
  local path count bytes measured
  path=$(post large)
  settle
  measured="$(memory VmRSS) MB before"
  for count in 1 8 64; do
    forget_peak
    take load "$count" "$seconds" get "http://$address$path" || return
    measured+="; $count: $(rate "$bytes"), $(memory VmHWM) MB"
  done
  report "\`GET /image/{id}\`, $(size large), by 1, 8 and 64 clients" '' "$measured" '' ''
}

# part NAME [PICTURE]: the processor time of a part in milliseconds.
part() {
  local file=$scratch/$2.parts
  mkdir -p "$scratch/parts"
  [ -e "$file" ] || "$(program parts)" "$work/pictures/$2.jpg" "$scratch/parts" >"$file"
  awk -v name="$1" '$1 == name {print $2 / 1000}' "$file"
}

# The processor time of recording an image, in milliseconds.
transaction() {
  local file=$scratch/transaction
  [ -e "$file" ] || "$(program measure)" "$database_url" 2000 1 >"$file"
  awk '$1 == "records:" {print $(NF - 2) / 1000}' "$file"
}

# parts PICTURE: sets list, in words, and sum of all that a post cannot do without.
parts() {
  local name each
  list='' sum=0
  for name in decode encode digest base64-decode base64-encode write transaction; do
    if [ "$name" = transaction ]; then each=$(transaction); else each=$(part "$name" "$1"); fi
    list+="${list:+, }$name $(calculate "$each")"
    sum=$(calculate "$sum + $each" %.3f)
  done
}

# new_pictures CLIENTS NAME: posts that picture with ever other bytes; prints what load prints, and
# cpu: the server's milliseconds for each that it recorded, with what it does after its answers. Those
# under way at the end are recorded, too.
new_pictures() {
  local ticks_before images_before
  ticks_before=$(ticks) images_before=$(recorded)
  BENCH_BODY=$(start "$2") load "$1" "$seconds" new "http://$address" || return 1
  settle
  echo "cpu=$(calculate "($(ticks) - $ticks_before) * 10 / ($(recorded) - $images_before)" %.3f)"
}

recorded() { ask 'SELECT COUNT(*) FROM etiqueta_image'; }

row_post_small() {
  local list sum rate p99 cpu failed broken
  parts small
  BENCH_BODY=$(start small) load 16 2 new "http://$address" >/dev/null
  take new_pictures 16 small || return
  report "\`POST /image\`, $(size small), always another picture, 16 clients" \
    'processor time ≤ 1.5 × its parts, ≥ 250 posts/s' "$(calculate "$cpu") ms, $rate posts/s, p99 $p99 ms" \
    "$(calculate "$sum") ms: $list" "$(calculate "$cpu / $sum")" \
    "$cpu <= 1.5 * $sum && $rate >= 250 && $failed + $broken == 0"
}

row_post_photo() {
  local list sum rate p99 cpu failed broken
  parts photo
  take new_pictures 16 photo || return
  report "\`POST /image\`, $(size photo), 12 megapixels, always another picture, 16 clients" \
    'processor time ≤ 1.3 × its parts' "$(calculate "$cpu") ms, $rate posts/s, p99 $p99 ms" \
    "$(calculate "$sum") ms: $list" "$(calculate "$cpu / $sum")" \
    "$cpu <= 1.3 * $sum && $failed + $broken == 0"
}

row_post_known() {
  local calls p50 p99 requests failed broken limit
  post photo >/dev/null
  settle
  calls=$(fake_calls)
  BENCH_BODY=$(body photo) take load 1 "$seconds" body "http://$address/image" || return
  settle
  calls=$(($(fake_calls) - calls))
  limit=$(calculate "$(part base64-decode photo) + $(part base64-encode photo) + $(part digest photo)")
  report "\`POST /image\`, $(size photo), known bytes" 'p99 ≤ 10 ms, no call' \
    "p99 $p99 ms (median $p50, $requests posts), $calls calls" "$limit ms: base64 both ways, digest" \
    "$(calculate "$p50 / $limit") (median)" "$p99 <= 10 && $calls == 0 && $failed + $broken == 0"
}

# Memory under the largest load: new pictures, which are decoded, and then known bytes.
row_post_large() {
  local peak requests rate failed busy broken name
  for name in new body; do
    forget_peak
    BENCH_ANSWERS=1 BENCH_BODY=$(if [ "$name" = new ]; then start large; else body large; fi) \
      take load 64 $((3 * seconds)) "$name" "http://$address/image" || return
    peak=$(memory VmHWM)
    report "64 clients post $(size large), $([ "$name" = new ] && echo 'always another picture' || echo 'known bytes')" \
      '≤ 450 MB, all answered by 200 or 503 with Retry-After' \
      "$peak MB, $requests answers ($rate/s), $busy of them 503, $((failed + broken)) others" '' '' \
      "$peak <= 450 && $requests > 0 && $failed + $broken == 0"
    settle
  done
}

# The server waits for its upstreams: 64 clients cannot do more than 64 / 0.6 s.
row_post_slow() {
  local rate p50 p99 cpu failed broken most peak
  fake_latency 300
  forget_peak
  take new_pictures 64 small || return
  peak=$(memory VmHWM)
  fake_latency 0
  most=$(calculate '64 / 0.6' %.1f)
  report "\`POST /image\`, $(size small), always another picture, 64 clients, two upstream calls of 300 ms" '' \
    "$rate posts/s, median $p50 ms, p99 $p99 ms, processor time $(calculate "$cpu") ms, $peak MB" \
    "$most posts/s" "$(calculate "$rate / $most")"
}
